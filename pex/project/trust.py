"""What a project's settings direct, and which parts the user has allowed on this machine.

Projects are cloned and mailed. By itself, a `pex.toml` may not send one of the user's keys to an
address or run a command: that needs the user's consent, given once with `pexlab trust` and stored
in the user's configuration, outside every project. It covers exactly what was shown: a change needs
new consent.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pex.core import home
from pex.core.errors import PexError

VARIABLE = "PEX_TRUST"
"""`1` trusts every project (CI); a fingerprint trusts these settings (the jobs of a batch)."""
FILE = "trust.json"


@dataclass(frozen=True, slots=True)
class Part:
    """One setting that needs trust.

    `section` and `key` are its place in `pex.toml`, `what` says what would be sent where, and
    `data` is the content that is trusted: if it changes, the trust no longer holds.
    """

    section: str
    key: str
    what: str
    data: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Its place in the file, and what would happen."""
        return f"[{self.section}] {self.key}: {self.what}"


class TrustError(PexError):
    """The project's settings need trust that the user has not given; nothing was sent or run."""

    def __init__(self, project: Path, found: Sequence[str], also: str = "") -> None:
        self.project = project
        self.found = tuple(found)
        """What would happen, each with its place."""
        super().__init__(
            f"{'; '.join(found)}: this project is not trusted on this machine",
            hint=f"if you know who made it, allow it with  {command(project)}  "
            f"(in CI: {VARIABLE}=1){also}",
        )


def command(project: Path) -> str:
    """The command that trusts a project.

    Example:
        >>> command(Path("/srv/my project"))
        "pexlab trust '/srv/my project'"
    """
    import shlex

    return f"pexlab trust {shlex.quote(str(project))}"


def fingerprint(parts: Sequence[Part]) -> str:
    """The content of these parts as 64 hex digits; the same on every machine.

    Example:
        >>> part = Part("record", "tracking_uri", "…", {"tracking_uri": "https://mlflow.example"})
        >>> fingerprint([part])[:12]
        '9667e6a304b9'
    """
    told = sorted(
        json.dumps([part.section, dict(part.data)], sort_keys=True, ensure_ascii=True)
        for part in parts
    )
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def is_trusted(project: Path, parts: Sequence[Part]) -> bool:
    """Whether the user has allowed exactly this.

    Args:
        project: its folder.
        parts: everything its settings direct.

    Raises:
        PexError: the file of trusted settings cannot be read.
    """
    if not parts or os.environ.get(VARIABLE) == "1":
        return True
    wanted = fingerprint(parts)
    return os.environ.get(VARIABLE) == wanted or _kept(project).get("fingerprint") == wanted


def trusts_place(subject: Path, root: str) -> bool:
    """Whether recorded data may be read from and written to an address named in the record.

    Args:
        subject: the source of the address: MLflow's database, or the folder of unrecorded runs.
        root: the beginning of the address, such as `s3://bucket`.

    Raises:
        PexError: the file of trusted settings cannot be read.
    """
    return os.environ.get(VARIABLE) == "1" or root in _kept(subject).get("places", ())


def trust(project: Path, parts: Sequence[Part]) -> None:
    """Remember that the user allows a project exactly this.

    Args:
        project: its folder.
        parts: everything its settings direct.

    Raises:
        PexError: the user's configuration cannot be written.
    """
    entry = {
        "fingerprint": fingerprint(parts),
        "what": [part.text for part in parts],
        "trusted_at": _now(),
    }
    _keep(project, entry)


def trust_places(subject: Path, roots: Collection[str]) -> None:
    """Remember that recorded data may be at the addresses named in the record.

    Args:
        subject: the source of the addresses.
        roots: the beginnings of the addresses.

    Raises:
        PexError: the user's configuration cannot be written.
    """
    _keep(subject, {"places": sorted(roots), "trusted_at": _now()})


def _keep(subject: Path, entry: Mapping[str, Any]) -> None:
    path = place()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            _write(path, {**_read(path), str(subject.resolve()): dict(entry)})
    except OSError as error:
        raise PexError(
            f"{error.filename or path}: the list of trusted projects cannot be saved: "
            f"{error.strerror or error}",
            hint=f"{VARIABLE}=1 trusts for one command",
        ) from None


def place() -> Path:
    """The file of trusted settings, in the user's configuration."""
    return home.folder("config") / FILE


def shown(text: str, most: int = 300) -> str:
    r"""A project's text made safe to show: without terminal controls and hidden characters.

    Example:
        >>> shown("curl x\x1b[2K\rtrue")
        'curl x\\x1b[2K\\rtrue'
    """
    made = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return made if len(made) <= most else f"{made[:most]}… ({len(made):,} characters)"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _kept(subject: Path) -> dict[str, Any]:
    """The stored entry of a project or a database."""
    return _read(place()).get(str(subject.resolve()), {})


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        found, why = None, str(error)
    else:
        why = "expected an object with a project in each key"
    sound = isinstance(found, dict) and all(isinstance(item, dict) for item in found.values())
    if not sound:
        raise PexError(
            f"{path}: the list of trusted projects cannot be read: {why}",
            hint="repair it, or remove it and trust your projects again: pexlab trust DIR",
        )
    return dict(found)


def _write(path: Path, entries: Mapping[str, Any]) -> None:
    """Replace the file in one step; only its owner can read it, from its first byte."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{FILE}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            json.dump(entries, file, indent=2, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    from filelock import FileLock

    with FileLock(f"{path}.lock", timeout=60):
        yield
