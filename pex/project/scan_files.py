"""Finds secrets in the files of a project, before they are committed, sent or shown.

Each file is read as what it is: notebooks as cells, tables of cases by rows, everything else as
text. The keys of `.env` files are looked for in all the others; such a file itself is a finding
only where git would take it along.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pex.core import private
from pex.core.case_files import rows_of
from pex.core.errors import PexError
from pex.guard.key_names import holds_a_key
from pex.guard.key_shapes import MASK as REDACTED
from pex.guard.known_keys import Known
from pex.guard.redact import known
from pex.guard.scan import FoundSecret, scan, scan_json
from pex.guard.scan_notebook import scan_notebook
from pex.project.env_file import read_env

LARGEST_MB = 20
IN_GIT = "a key in a file of keys that git takes along"
MARK = "pex: ignore[secret]"
"""In a line: it has no real secret."""
_SKIPPED = frozenset({
    ".git", ".venv", "venv", "node_modules", "__pycache__", ".pex", "mlruns", ".mypy_cache",
    ".ruff_cache", ".pytest_cache", ".tox", ".hypothesis",
})  # fmt: skip
_NO_TEXT = frozenset({
    ".png", ".jpg", ".jpeg", ".gif", ".webp", ".ico", ".pdf", ".zip", ".gz", ".whl", ".woff",
    ".woff2", ".ttf", ".mp3", ".mp4", ".wav", ".so", ".pyc", ".db", ".sqlite",
})  # fmt: skip
_TABLES = (".parquet", ".xlsx")
_ENV = re.compile(r"(?:.*\.)?env(?:\..+)?|.*\.env")
_ASSIGNED = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*")
_EXAMPLE_ENV = re.compile(r".*\.(?:example|sample|template|dist)", re.I)


@dataclasses.dataclass(frozen=True, slots=True)
class SecretInFile:
    """A secret and the file that it is in; `commit` is where it entered the history."""

    file: str
    secret: FoundSecret
    commit: str = ""

    def __str__(self) -> str:
        commit = f"{self.commit}, " if self.commit else ""
        return f"{commit}{self.file}, {self.secret}"


@dataclasses.dataclass(slots=True)
class Scanned:
    """What a scan found.

    Args:
        secrets: in the order of the files.
        files: how many were read.
        marked: lines with a mark that says that there is no secret in them.
        not_read: files that were not read, and why.
        no_text: pictures, archives and the like, which have no text to read.
        excluded: how many the caller excluded.
        key_files: `.env` files that git leaves alone: they hold keys, and are not for others.
    """

    secrets: list[SecretInFile] = dataclasses.field(default_factory=list)
    files: int = 0
    marked: int = 0
    not_read: dict[str, str] = dataclasses.field(default_factory=dict)
    no_text: int = 0
    excluded: int = 0
    key_files: list[str] = dataclasses.field(default_factory=list)


def scan_files(
    paths: Sequence[Path],
    *,
    everything: bool = False,
    exclude: Sequence[str] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Scanned:
    """Scan files and folders.

    Args:
        paths: what to read; of a folder in git, the files that git has or would take.
        everything: also files that git ignores.
        exclude: patterns of files that are not read, such as `tests/*`.
        say: told about the progress.

    Returns:
        What was found, and what was not read.

    Raises:
        PexError: a path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise PexError(f"there is no file or folder {path}")
    found = Scanned()
    files = list(dict.fromkeys(file for path in paths for file in _files(path, everything)))
    values = known_values(paths)
    clean: set[str] = set()
    for number, file in enumerate(files, 1):
        if number % 500 == 0:
            say(f"read {number:,} of {len(files):,} files")
        name = _shown(file)
        if any(fnmatch.fnmatch(name, pattern) for pattern in exclude):
            found.excluded += 1
            continue
        if is_no_text(file):
            found.no_text += 1
            continue
        try:
            if file.stat().st_size > LARGEST_MB * 1_000_000:
                found.not_read[name] = f"over {LARGEST_MB} MB"
                continue
            data = file.read_bytes()
        except OSError as error:
            found.not_read[name] = error.strerror or "cannot be read"
            continue
        if is_env(file) and not _git_takes(file):
            found.files += 1
            found.key_files.append(name)
        else:
            add(found, name, data, values, clean)
    return found


def known_values(paths: Sequence[Path]) -> Known:
    """The values of the environment's key variables, and of the `.env` files in some folders."""
    given = dict(os.environ)
    folders = {path if path.is_dir() else path.parent for path in paths}
    for folder in folders:
        for file in (*sorted(folder.glob("*.env")), *sorted(folder.glob(".env*")),
                     private.state(folder) / "keys.env"):  # fmt: skip
            if file.is_file() and not _EXAMPLE_ENV.fullmatch(file.name):
                try:
                    given |= {f"{n}": value for n, value in read_env(file).items() if value}
                except PexError:
                    continue  # another form of such a file: it is scanned as text
    return known(given)


def add(found: Scanned, name: str, data: bytes, values: Known, clean: set[str]) -> None:
    """Scan the bytes of a file, and add what is in it.

    Args:
        found: it grows.
        name: of the file.
        data: its bytes.
        values: known values.
        clean: strings without a secret; it grows.
    """
    path = Path(name)
    try:
        secrets = _secrets(path, data, values, clean)
    except (PexError, ValueError, RecursionError) as error:
        text = None if path.suffix in _TABLES else _decoded(data)
        if text is None:
            found.not_read[name] = str(error).partition("\n")[0] or "cannot be read"
            return
        secrets = scan(text, values)  # a notebook that is broken is still a text
    if secrets is None:
        found.no_text += 1
        return
    found.files += 1
    if secrets and MARK.encode() in data:
        lines = (_decoded(data) or "").split("\n")
        kept = [one for one in secrets if one.path or MARK not in lines[one.line - 1]]
        found.marked += len(secrets) - len(kept)
        secrets = kept
    found.secrets += [SecretInFile(name, one) for one in secrets]


def _secrets(path: Path, data: bytes, values: Known, clean: set[str]) -> list[FoundSecret] | None:
    """The secrets in a file; None if it has no text."""
    suffix = path.suffix.lower()
    if suffix in _TABLES:
        return [
            dataclasses.replace(one, path=f"{place}, column '{one.path.removeprefix('$.')}'")
            for place, row in rows_of(data, path)
            for one in scan_json(row, values, clean)
        ]
    text = _decoded(data)
    if text is None:
        return None
    if is_env(path):
        return _in_env(text)
    if suffix == ".ipynb":
        return scan_notebook(json.loads(text), values, clean)
    return scan(text, values)


def _decoded(data: bytes) -> str | None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return None if b"\0" in data[:8000] else data.decode("utf-8-sig", "replace")


def is_no_text(path: Path) -> bool:
    """Whether a file is a picture, an archive or the like, by its name."""
    return path.suffix.lower() in _NO_TEXT


def is_env(path: Path) -> bool:
    """Whether a file is one of keys by its name: `.env`, `.env.local`, `keys.env`.

    Example:
        >>> [is_env(Path(name)) for name in (".env", "lab.env", ".env.example", "environment.yml")]
        [True, True, False, False]
    """
    return bool(_ENV.fullmatch(path.name)) and not _EXAMPLE_ENV.fullmatch(path.name)


def _git_takes(file: Path) -> bool:
    """Whether git has a file, or would take it along."""
    return bool(git(file.parent, "ls-files", "-co", "--exclude-standard", "--", file.name))


def _in_env(text: str) -> list[FoundSecret]:
    """The keys in a file of keys that somebody else sees."""
    return [
        FoundSecret(IN_GIT, number, match.end() + 1, f"{match[1]}={REDACTED}")
        for number, line in enumerate(text.splitlines(), 1)
        if (match := _ASSIGNED.match(line))
        and holds_a_key(match[1], value := line[match.end() :].strip().strip("\"'"))
        and value
    ]


def _files(path: Path, everything: bool) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    listed = None if everything else git(path, "ls-files", "-co", "--exclude-standard", "-z")
    if listed is not None:
        for raw in sorted(filter(None, listed.split(b"\0"))):
            file = path / os.fsdecode(raw)
            if file.is_file() and not file.is_symlink():
                yield file
        return
    for folder, folders, names in os.walk(path):
        kept = {".pex", "mlruns"} if everything else set()
        folders[:] = sorted(set(folders) - (_SKIPPED - kept))
        for name in sorted(names):
            file = Path(folder, name)
            if file.is_file() and not file.is_symlink():
                yield file


def _shown(file: Path) -> str:
    try:
        return file.resolve().relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        return str(file)


def git(folder: Path, *arguments: str) -> bytes | None:
    """What a git command prints in a folder; None if it fails, or there is no git."""
    try:
        return subprocess.run(
            # A folder's own git settings may name a program that watches its files.
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments],
            capture_output=True, timeout=120, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
