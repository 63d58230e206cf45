"""The places of runs' files according to an MLflow database.

A database can come with a project, and MLflow sends its login wherever it points: any place
outside this machine needs trust, as a tracking server does.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import quote, urlsplit

from pex.core.errors import PexError
from pex.core.project import project_of
from pex.guard.redact import redact
from pex.project.trust import TrustError, shown, trusts_place
from pex.run.provider_trust import is_remote

_PATIENCE_S = 60.0
"""Seconds to wait while another process writes."""
_OF_ONE = (
    "SELECT artifact_uri FROM runs WHERE run_uuid = ?",
    "SELECT artifact_location FROM experiments WHERE experiment_id = ?",
    "SELECT value FROM trace_tags WHERE key = 'mlflow.artifactLocation' AND request_id = ?",
)
_OF_ALL = (
    "SELECT DISTINCT artifact_uri FROM runs",
    "SELECT DISTINCT artifact_location FROM experiments",
    "SELECT DISTINCT value FROM trace_tags WHERE key = 'mlflow.artifactLocation'",
)


def check_places(database: Path, subject: str | None = None) -> None:
    """Refuse access to files outside this machine, unless they are trusted.

    Args:
        database: MLflow's.
        subject: the id of a run, an experiment or a trace; None: everything.

    Raises:
        TrustError: they are elsewhere, and the user has not allowed that.
    """
    for place in remote_places(database, subject):
        root = root_of(place)
        if not trusts_place(database, root):
            project = project_of(database.parent)
            where = f"{database}: the files of runs are at {shown(redact(place))}"
            raise TrustError(project, [f"{where}: MLflow's login would be sent to {shown(root)}"])


def remote_places(database: Path, subject: str | None = None) -> list[str]:
    """The addresses in a database that point outside this machine.

    Args:
        database: MLflow's.
        subject: the id of a run, an experiment or a trace; None: everything.

    Raises:
        PexError: the database cannot be read.
    """
    found: list[str] = []
    queries, values = (_OF_ALL, ()) if subject is None else (_OF_ONE, (subject,))
    uri = f"file:{quote(str(database))}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, timeout=_PATIENCE_S, uri=True)) as opened:
            there = {row[0] for row in opened.execute("SELECT name FROM sqlite_master")}
            for query in queries:
                if query.partition(" FROM ")[2].split()[0] in there:
                    found += [str(row[0]) for row in opened.execute(query, values) if row[0]]
    except sqlite3.Error as error:
        raise PexError(f"{database}: cannot be read as an MLflow database: {error}") from None
    return [place for place in dict.fromkeys(found) if is_remote(place)]


def root_of(address: str) -> str:
    """The server or the bucket of an address: the unit of trust.

    Example:
        >>> root_of("s3://bucket/a/b"), root_of("mlflow-artifacts:/0/x")
        ('s3://bucket', 'mlflow-artifacts:')
    """
    parts = urlsplit(address.strip())
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
