"""When, on which model and how well each version of a prompt was last measured.

The answer comes from an index in `.pex/evidence.db`, which one search of the store brings up to
date: it reads the runs that started since the last look, and those that were still running then.
`pexlab library list` shows it; promotion and the card start from it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import math
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

from pex.core import private
from pex.core.errors import PexError
from pex.record.measurements import Measurement, read_measurements
from pex.report.tables import format_interval, format_score

FILE = "evidence.db"

_FORMAT = 1
_OVERLAP_MS = 3_600_000
"""The clocks of two machines may differ; runs of the last hour are read again."""
_GIVEN_UP_S = 30 * 86_400
"""A run that has not ended after this time will not."""
_COLUMNS = [field.name for field in dataclasses.fields(Measurement)]
_TABLES = """
CREATE TABLE measurement (
    store TEXT NOT NULL, digest TEXT NOT NULL, prompt TEXT, model TEXT, experiment TEXT,
    run_id TEXT NOT NULL, started_at REAL NOT NULL, metric TEXT NOT NULL, value REAL, lo REAL,
    hi REAL, n INTEGER, yes_no INTEGER, variant TEXT NOT NULL, cases_sha256 TEXT, "primary" INTEGER,
    PRIMARY KEY (store, run_id, variant, metric)
) WITHOUT ROWID;
CREATE INDEX by_digest ON measurement (store, digest, started_at);
CREATE TABLE open_run (
    store TEXT NOT NULL, run_id TEXT NOT NULL, started_at REAL NOT NULL,
    PRIMARY KEY (store, run_id)
);
CREATE TABLE looked (store TEXT PRIMARY KEY, newest INTEGER NOT NULL, at REAL NOT NULL);
"""


@dataclasses.dataclass(frozen=True, slots=True)
class LastMeasured:
    """The newest measurement of a prompt's version.

    Example:
        >>> at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=3, minutes=1)
        >>> row = Measurement("abc", "short", "local/m", "reviews", "r1", at.timestamp(), "label",
        ...                   0.83, 0.71, 0.91, 40, True, "short", "", True)
        >>> last = LastMeasured(row)
        >>> print(last)
        label 83 % [71, 91] on local/m, 3 days ago
        >>> last.age_days, last.model, last.n
        (3, 'local/m', 40)
    """

    row: Measurement

    @property
    def digest(self) -> str:
        """The digest of the prompt's version."""
        return self.row.digest

    @property
    def prompt(self) -> str:
        """The prompt's name in the run."""
        return self.row.prompt

    @property
    def model(self) -> str:
        """The model, as `provider/model`."""
        return self.row.model

    @property
    def experiment(self) -> str:
        """The experiment's name."""
        return self.row.experiment

    @property
    def run_id(self) -> str:
        """The recorded run."""
        return self.row.run_id

    @property
    def metric(self) -> str:
        """The score: the run's first scorer."""
        return self.row.metric

    @property
    def value(self) -> float:
        """The mean over the cases."""
        return self.row.value

    @property
    def lo(self) -> float:
        """The lower end of the 95 % interval, NaN if there is none."""
        return self.row.lo

    @property
    def hi(self) -> float:
        """The upper end."""
        return self.row.hi

    @property
    def n(self) -> int:
        """The number of cases."""
        return self.row.n

    @property
    def at(self) -> datetime.datetime:
        """When the run started."""
        return datetime.datetime.fromtimestamp(self.row.started_at, datetime.UTC)

    @property
    def age_days(self) -> int:
        """Whole days since then; 0 if a clock puts it in the future."""
        return max(0, (datetime.datetime.now(datetime.UTC) - self.at).days)

    @property
    def age(self) -> str:
        """The age in words: "today", "3 days ago"."""
        days = self.age_days
        return "today" if days == 0 else "1 day ago" if days == 1 else f"{days:,} days ago"

    @property
    def score(self) -> str:
        """The score with its interval, as text."""
        shown = format_score(self.value, self.row.yes_no)
        interval = format_interval(self.lo, self.hi, self.row.yes_no)
        return f"{self.metric} {shown} {interval}".strip()

    def __str__(self) -> str:
        return f"{self.score} on {self.model}, {self.age}"


def last_measured(
    project: Path,
    uri: str,
    digests: Collection[str] | None = None,
    *,
    refresh: bool = False,
) -> dict[str, LastMeasured]:
    """The newest measurement of each version, by the version's digest (tag `pex.digest`).

    What was only tried in a Playground or a cell does not count, nor does a run that was stopped.
    The score is the one of the run's first scorer. To show it in a list of prompts::

        found = last_measured(project, uri)
        last = found.get(version.digest)
        cell = "never" if last is None else str(last)   # or .score, .model, .age, .age_days

    Args:
        project: the project, whose `.pex/evidence.db` has the index.
        uri: the store with the runs.
        digests: only these versions; None for all.
        refresh: read every run again, for example after runs were deleted in MLflow.

    Raises:
        PexError: the store does not answer, or the index cannot be written.
    """
    with _index(project, uri, refresh) as (index, store):
        query = (
            "SELECT m.* FROM measurement m JOIN (SELECT digest, max(started_at) AS newest FROM "
            'measurement WHERE store = ? AND "primary" GROUP BY digest) l ON m.digest = l.digest '
            'AND m.started_at = l.newest WHERE m.store = ? AND m."primary" ORDER BY m.variant'
        )
        rows = map(_measurement, index.execute(query, (store, store)))
        found: dict[str, LastMeasured] = {}
        for row in rows:
            if digests is None or row.digest in digests:
                found.setdefault(row.digest, LastMeasured(row))
        return found


def measured(project: Path, uri: str, digest: str, *, refresh: bool = False) -> list[Measurement]:
    """Every measurement of one version, the newest first: all its runs, models and scores.

    Args:
        project: the project, whose `.pex/evidence.db` has the index.
        uri: the store with the runs.
        digest: the version's digest.
        refresh: read every run again.

    Raises:
        PexError: the store does not answer, or the index cannot be written.
    """
    with _index(project, uri, refresh) as (index, store):
        query = (
            "SELECT * FROM measurement WHERE store = ? AND digest = ? "
            'ORDER BY started_at DESC, "primary" DESC, metric, variant'
        )
        return list(map(_measurement, index.execute(query, (store, digest))))


def all_measured(project: Path, uri: str) -> list[Measurement]:
    """Every measurement of every version, the newest first.

    Args:
        project: the project, whose `.pex/evidence.db` has the index.
        uri: the store with the runs.

    Raises:
        PexError: the store does not answer, or the index cannot be written.
    """
    with _index(project, uri, refresh=False) as (index, store):
        query = (
            "SELECT * FROM measurement WHERE store = ? "
            'ORDER BY started_at DESC, "primary" DESC, metric, variant'
        )
        return list(map(_measurement, index.execute(query, (store,))))


@contextlib.contextmanager
def _index(project: Path, uri: str, refresh: bool) -> Iterator[tuple[sqlite3.Connection, str]]:
    """The index, up to date, and the store's key in it."""
    store = hashlib.sha256(uri.encode()).hexdigest()[:16]  # an address can contain a password
    try:
        with contextlib.closing(_opened(project)) as index:
            _bring_up_to_date(index, store, uri, refresh)
            yield index, store
    except sqlite3.Error as error:
        raise PexError(
            f"{private.STATE}/{FILE}: {error}", hint="it can be deleted: it is made again"
        ) from None


def _opened(project: Path) -> sqlite3.Connection:
    path = private.folder(private.state(project)) / FILE
    private.touch(path)
    index = sqlite3.connect(path, timeout=60, isolation_level=None)
    index.row_factory = sqlite3.Row
    if index.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:
        # Of another version, or new. Two processes may be here at once.
        index.execute("BEGIN IMMEDIATE")
        if index.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:
            for table in ("measurement", "open_run", "looked"):
                index.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in _TABLES.split(";"):
                index.execute(statement)
            index.execute(f"PRAGMA user_version = {_FORMAT}")
        index.execute("COMMIT")
    return index


def _bring_up_to_date(index: sqlite3.Connection, store: str, uri: str, refresh: bool) -> None:
    now = datetime.datetime.now(datetime.UTC)
    looked = index.execute("SELECT newest, at FROM looked WHERE store = ?", (store,)).fetchone()
    if looked is None or refresh:
        found = read_measurements(uri)
    else:
        query = "SELECT run_id FROM open_run WHERE store = ?"
        again = {row[0] for row in index.execute(query, (store,))}
        day = datetime.datetime.fromtimestamp(looked["at"], datetime.UTC).date()
        found = read_measurements(uri, max(0, looked["newest"] - _OVERLAP_MS), again, day)
    index.execute("BEGIN IMMEDIATE")
    if looked is None or refresh:
        index.execute("DELETE FROM measurement WHERE store = ?", (store,))
    else:
        read = [(store, run_id) for run_id in found.runs]
        index.executemany("DELETE FROM measurement WHERE store = ? AND run_id = ?", read)
    names = ", ".join(f'"{name}"' for name in ("store", *_COLUMNS))
    places = ", ".join("?" * (len(_COLUMNS) + 1))
    index.executemany(
        f"INSERT OR REPLACE INTO measurement ({names}) VALUES ({places})",
        [(store, *dataclasses.astuple(row)) for row in found.measurements],
    )
    index.execute("DELETE FROM open_run WHERE store = ?", (store,))
    waiting = [
        (store, run_id, at)
        for run_id, at in found.open_runs.items()
        if now.timestamp() - at < _GIVEN_UP_S
    ]
    index.executemany("INSERT OR REPLACE INTO open_run VALUES (?, ?, ?)", waiting)
    index.execute(
        "INSERT OR REPLACE INTO looked VALUES (?, ?, ?)", (store, found.newest, now.timestamp())
    )
    index.execute("COMMIT")


def _measurement(row: sqlite3.Row) -> Measurement:
    values = {name: row[name] for name in _COLUMNS}
    for name in ("value", "lo", "hi"):  # sqlite has no NaN
        values[name] = math.nan if values[name] is None else values[name]
    return Measurement(
        **{**values, "yes_no": bool(values["yes_no"]), "primary": bool(values["primary"])}
    )
