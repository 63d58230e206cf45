"""The prompt files of a project, which may not be in the library yet."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

from pex.core.attempt import attempt
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.project.listing import prompt_paths


@dataclasses.dataclass(frozen=True, slots=True)
class PromptFile:
    """A file: its path relative to the project, and its prompt or the error in reading it."""

    path: str
    prompt: Prompt | None
    problem: PexError | None
    changed: datetime.datetime

    @property
    def name(self) -> str:
        """The prompt's name; if it cannot be read, the file's."""
        return self.prompt.name if self.prompt else Path(self.path).stem

    @property
    def experiment(self) -> str | None:
        """The experiment whose folder it is in."""
        parts = Path(self.path).parts
        return parts[1] if parts[0] == "experiments" else None


def prompt_files(project: Path) -> list[PromptFile]:
    """Return the prompt files of a project, in the order of their paths."""
    return [read_file(project, path) for path in prompt_paths(project)]


def read_file(project: Path, path: Path) -> PromptFile:
    """Read one prompt file; an error is part of the result."""
    seconds = attempt(lambda: path.lstat().st_mtime)
    known = 0.0 if isinstance(seconds, PexError) else seconds
    changed = datetime.datetime.fromtimestamp(known, datetime.UTC)
    where = path.relative_to(project).as_posix()
    found = attempt(lambda: Prompt.load(path))
    if isinstance(found, PexError):
        return PromptFile(where, None, found, changed)
    return PromptFile(where, found, None, changed)


def write_new(project: Path, prompt: Prompt) -> tuple[str, bool]:
    """Write a prompt to `prompts/NAME.prompty`, unless a file there has different content.

    Args:
        project: the project's folder.
        prompt: the prompt, under its name in the library.

    Returns:
        The path relative to the project, and whether the file was written by this call.

    Raises:
        PexError: a file with different content exists, or the prompt cannot be saved as a file.
    """
    path = project / "prompts" / f"{prompt.name}.prompty"
    text = _text(prompt).encode()
    shown = path.relative_to(project).as_posix()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("xb") as file:
            file.write(text)
    except FileExistsError:
        if path.is_file() and path.read_bytes() == text:
            return shown, False
        raise PexError(
            f"{shown}: a file with different content already exists",
            hint="move it away, or save that one to the library first",
        ) from None
    return shown, True


def _text(prompt: Prompt) -> str:
    """The text of the file; kept text with a different prompt name is rewritten."""
    text = prompt.as_file()
    if Prompt.parse(text, prompt.name, prompt.name).name == prompt.name:
        return text
    return prompt.changed(name=prompt.name).as_file()
