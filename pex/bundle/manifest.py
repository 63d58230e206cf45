"""What a bundle says of itself, and the rules for the names in it."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pex.core.errors import PexError

NAME = "manifest.json"
FORMAT = 1
"""Grows when an older pex can no longer read what a newer one writes."""

FILES, JOURNAL, MLFLOW, ARTIFACTS, RATINGS = (
    "files/", "journal/", "mlflow/rows/", "mlflow/files/", "ratings/",
)  # fmt: skip
FOLDERS = (FILES, JOURNAL, MLFLOW, ARTIFACTS, RATINGS)
"""The folders of a bundle: a project's files, the rows of its databases, files of runs, ratings."""

LONGEST = 1_000
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\\ud800-\udfff]')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.I)
"""Names that Windows takes for devices."""
_OWN = frozenset({".git", ".hg", ".svn", ".pex", "mlruns"})
"""Folders that are made by programs: as files of a bundle they would be obeyed."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Member(_Strict):
    """One file of a bundle: its size in bytes and its SHA-256 in hex."""

    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class LeftOut(_Strict):
    """Something that was not packed, and why."""

    what: str
    why: str


class Manifest(_Strict):
    """The description of a bundle.

    `experiments` are the names of what was chosen; none means all. `counts` has `files`, `answers`,
    `runs`, `traces`, `prompts`, `ratings` and `run_files`.
    """

    kind: Literal["pex-bundle"] = "pex-bundle"
    format: int = Field(ge=1)
    project: str
    created_at: str
    versions: dict[str, str]
    experiments: list[str]
    counts: dict[str, int]
    left_out: list[LeftOut]
    files: dict[str, Member]

    @property
    def size(self) -> int:
        """Bytes of all its files together."""
        return sum(member.size for member in self.files.values())


def check_name(name: str, where: str) -> str:
    r"""Return the name of a file in a bundle if it is safe to write on any system.

    Raises:
        PexError: it leads elsewhere, is not one of a bundle's, or some system cannot have it.

    Example:
        >>> check_name("files/experiments/a/cases.csv", "b.zip")
        'files/experiments/a/cases.csv'
        >>> check_name("files/../../etc/passwd", "b.zip")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: b.zip: 'files/../../etc/passwd': the path leads out of its folder
    """
    shown = name if len(name) <= 120 else f"{name[:120]}…"
    parts = name.split("/")
    if ".." in parts or name.startswith("/"):
        raise PexError(f"{where}: {shown!r}: the path leads out of its folder")
    if len(name) > LONGEST or _UNSAFE.search(name) or any(_is_odd(part) for part in parts):
        raise PexError(f"{where}: {shown!r}: not a name that a file can have on every system")
    if not name.startswith(FOLDERS):
        raise PexError(f"{where}: {shown!r}: a bundle has no such folder")
    if name.startswith(FILES) and any(part.lower() in _OWN for part in parts[1:]):
        raise PexError(f"{where}: {shown!r}: a bundle may not bring such a folder")
    if name.startswith(ARTIFACTS):
        # Beside these folders is MLflow's database.
        fits = len(parts) > 3
    else:
        alone = len(parts) == (3 if name.startswith(MLFLOW) else 2)
        fits = name.startswith(FILES) or (alone and name.endswith(".jsonl"))
    if not fits:
        raise PexError(f"{where}: {shown!r}: a bundle has no such file")
    return name


def _is_odd(part: str) -> bool:
    return part in ("", ".") or part[-1] in ". " or bool(_RESERVED.fullmatch(part))
