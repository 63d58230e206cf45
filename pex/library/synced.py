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
from typing import Any

from pex.core import jsontext, private
from pex.core.errors import PexError

FILE = "library/synced.json"
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_PATIENCE_S = 60


_MOST_EARLIER = 20
_SHORT = 12


@dataclasses.dataclass(frozen=True, slots=True)
class Synced:
    """What a file was when it was last in step: the version, the hash of its content, the file.

    `saved` is the version's own hash where that is another: plain MLflow keeps none, and a prompt
    saved under another name has its first name in the text. `earlier` are the beginnings of the
    hashes before: a registry that is behind has one of them.

    Example:
        >>> mark = Synced(2, "ab" * 32, "prompts/a.prompty", earlier=("cdcdcdcdcdcd",))
        >>> mark.was("cd" * 32), mark.was("ef" * 32)
        (True, False)
    """

    version: int
    sha256: str
    path: str
    saved: str | None = None
    earlier: tuple[str, ...] = ()

    def was(self, sha256: str) -> bool:
        """Whether the file had this content when it was in step, now or earlier."""
        return sha256 == self.sha256 or sha256[:_SHORT] in self.earlier

    def after(self, before: Synced | None) -> Synced:
        """The same, with what the file was before."""
        if before is None or before.sha256 == self.sha256:
            return dataclasses.replace(self, earlier=before.earlier if before else self.earlier)
        known = [before.sha256[:_SHORT], *before.earlier]
        others = [item for item in known if not self.sha256.startswith(item)]
        return dataclasses.replace(self, earlier=tuple(dict.fromkeys(others))[:_MOST_EARLIER])

    def to_json(self) -> dict[str, Any]:
        """Plain data, without what is empty."""
        found: dict[str, Any] = {"version": self.version, "sha256": self.sha256, "path": self.path}
        if self.saved is not None:
            found["saved"] = self.saved
        return found | ({"earlier": list(self.earlier)} if self.earlier else {})


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
                hint="keep each prompt's line with the higher version, and delete the markers",
            )
    try:
        found = jsontext.loads(text)
        return {
            str(name): Synced(
                int(item["version"]),
                str(item["sha256"]),
                str(item["path"]),
                None if item.get("saved") is None else str(item["saved"]),
                tuple(map(str, item.get("earlier", ()))),
            )
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
        new = {name: mark.after(known.get(name)) for name, mark in marks.items()}
        if all(known.get(name) == mark for name, mark in new.items()):
            return
        known |= new
        lines = [
            f"  {json.dumps(name)}: {json.dumps(known[name].to_json())}" for name in sorted(known)
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

    with FileLock(private.folder(private.state(project)) / "synced.lock", timeout=_PATIENCE_S):
        yield
