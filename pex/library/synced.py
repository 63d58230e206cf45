"""Which version each prompt file was last in step with: `library/synced.json`, in git.

Without it nobody could tell whether the file or the registry has changed since. It has a line for
each prompt, so branches that push different prompts merge without a conflict.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from pex.core import jsontext, private
from pex.core.errors import PexError

FILE = "library/synced.json"
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_PATIENCE_S = 60


@dataclasses.dataclass(frozen=True, slots=True)
class Synced:
    """The version that a file was in step with, the hash of its content, and the file."""

    version: int
    sha256: str
    path: str


def read_synced(project: Path) -> dict[str, Synced]:
    """The last common version of each prompt.

    Raises:
        PexError: the file is damaged, or has conflict markers of git; the line is named.
    """
    path = project / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise PexError(f"{FILE}: cannot be read: {error}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(_CONFLICT):
            raise PexError(
                f"{FILE}, line {number}: a conflict marker of git ({line[:7]})",
                hint="keep for each prompt the line with the higher version, and delete the marks",
            )
    try:
        found = jsontext.loads(text)
        return {
            str(name): Synced(int(item["version"]), str(item["sha256"]), str(item["path"]))
            for name, item in found.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PexError(
            f"{FILE}: this is not a list of prompts with their versions",
            hint=f"restore it from git: git checkout -- {FILE}",
        ) from None


def mark_synced(project: Path, marks: Mapping[str, Synced]) -> None:
    """Note that some files are now in step with a version; the others keep theirs.

    Raises:
        PexError: the file is damaged or cannot be written.
    """
    path = project / FILE
    with _locked(project):
        known = read_synced(project)
        if all(known.get(name) == mark for name, mark in marks.items()):
            return
        known |= marks
        lines = [
            f"  {json.dumps(name)}: {json.dumps(dataclasses.asdict(known[name]))}"
            for name in sorted(known)
        ]
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", dir=path.parent, prefix=".synced-", delete=False, encoding="utf-8"
            ) as file:
                file.write(text)
            part = Path(file.name)
            part.chmod(0o644)
            part.replace(path)
        except OSError as error:
            raise PexError(f"{FILE}: cannot be written: {error.strerror or error}") from None


@contextlib.contextmanager
def _locked(project: Path) -> Iterator[None]:
    from filelock import FileLock

    with FileLock(private.folder(project / private.STATE) / "synced.lock", timeout=_PATIENCE_S):
        yield
