"""What a project's settings direct, and which of that the user has allowed on this machine.

Projects are cloned and mailed. What a `pex.toml` may not do by itself is to have a key of the
user's sent to an address, or a command run: that needs the user's word, given once with
`pexlab trust` and kept in the user's configuration, outside of every project. It holds for exactly
what was shown: a change needs it once more.
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

from pex.core.errors import PexError

VARIABLE = "PEX_TRUST"
"""`1` trusts every project (CI); the print of settings trusts these (the jobs of a batch)."""
FILE = "trust.json"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that needs trust.

    `section` and `key` are its place in `pex.toml`, `what` says what would be sent where, and
    `data` is what the trust is about: it is no longer given where that has changed.
    """

    section: str
    key: str
    what: str
    data: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Where it stands, and what would happen."""
        return f"[{self.section}] {self.key}: {self.what}"


class TrustError(PexError):
    """The project directs what the user has not allowed; nothing was sent, nothing was run."""

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
    """What these parts are about, in 64 letters; the same on every machine.

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
        parts: all that its settings direct.

    Raises:
        PexError: the file with what is trusted cannot be read.
    """
    if not parts or os.environ.get(VARIABLE) == "1":
        return True
    wanted = fingerprint(parts)
    return os.environ.get(VARIABLE) == wanted or _kept(project).get("fingerprint") == wanted


def trusts_place(subject: Path, root: str) -> bool:
    """Whether what is recorded may be read from and written to an address that the record names.

    Args:
        subject: what names it: MLflow's database, or the folder of runs that wait for a record.
        root: the beginning of the address, such as `s3://bucket`.

    Raises:
        PexError: the file with what is trusted cannot be read.
    """
    return os.environ.get(VARIABLE) == "1" or root in _kept(subject).get("places", ())


def trust(project: Path, parts: Sequence[Part]) -> None:
    """Remember that the user allows this, and nothing else, to a project.

    Args:
        project: its folder.
        parts: all that its settings direct.

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
    """Remember that what is recorded may be where the record says.

    Args:
        subject: what names the addresses.
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
    """The file with what is trusted, in the user's configuration."""
    import platformdirs

    return Path(platformdirs.user_config_path("pexlab")) / FILE


def shown(text: str, most: int = 300) -> str:
    r"""A text of a project as it can be shown: nothing in it steers a terminal or hides.

    Example:
        >>> shown("curl x\x1b[2K\rtrue")
        'curl x\\x1b[2K\\rtrue'
    """
    made = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return made if len(made) <= most else f"{made[:most]}… ({len(made):,} characters)"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _kept(subject: Path) -> dict[str, Any]:
    """What is kept of a project or a database."""
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
