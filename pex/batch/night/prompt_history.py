"""Who changed a prompt's file, and the command that brings its former text back, from git."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pex.core.attempt import attempt
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.safe_text import clean
from pex.guard.redact import redact
from pex.project.listing import prompt_files
from pex.record.commit import git

if TYPE_CHECKING:
    from pex.batch.night.run_changes import Recorded

OLDEST = 50
"""How many commits of a file are searched for its former text."""


@dataclasses.dataclass(frozen=True, slots=True)
class PromptHistory:
    """A changed prompt's file in git.

    `changed` says who changed it and when, or that the change is not committed; `restore` is the
    command that brings the former text back. Either is empty if git does not know.
    """

    prompt: str
    path: str
    changed: str
    restore: str


def prompt_history(
    prompt: str, now: Recorded, then: Recorded, project: Path, folder: Path
) -> PromptHistory | None:
    """The history of a prompt that differs between two runs; None if its file is not known.

    Args:
        prompt: its name.
        now: the run with the text of tonight.
        then: the run with the former text.
        project: the project's folder.
        folder: the plan's folder; of several files with the prompt's name, one in it is meant.
    """
    paths = prompt_files(project).get(prompt, [])
    near = [path for path in paths if path.is_relative_to(folder)]
    if len(near or paths) != 1:
        return None
    path = (near or paths)[0].relative_to(project)
    new, old = (_version(recorded, prompt) for recorded in (now, then))
    if git(project, "rev-parse", "HEAD") is None:
        return PromptHistory(prompt, path.as_posix(), "", "")
    committed = _digest(project, "HEAD", path, prompt)
    changed = _last_commit(project, path) if committed == new else "not committed yet"
    return PromptHistory(prompt, path.as_posix(), changed, _restore(project, path, prompt, old))


def _restore(project: Path, path: Path, prompt: str, digest: str) -> str:
    """The git command for the newest commit whose file has this digest; empty if none has."""
    # A folder's own git settings may name a program that checks signatures.
    plain = ["log", "--no-show-signature", f"-{OLDEST}", "--format=%h"]
    log = git(project, *plain, "--", path.as_posix()) or ""
    for commit in log.split():
        if _digest(project, commit, path, prompt) == digest:
            return shlex.join(["git", "restore", f"--source={commit}", "--", path.as_posix()])
    return ""


def _version(recorded: Recorded, prompt: str) -> str:
    known = {item.prompt: item.prompt_version for item in recorded.about.variants}
    return known.get(prompt, "")


def _digest(project: Path, commit: str, path: Path, prompt: str) -> str | None:
    """The digest of a prompt's file as it was in a commit."""
    text = git(project, "show", f"{commit}:./{path.as_posix()}")
    if text is None:
        return None
    found = attempt(lambda: Prompt.parse(text, path.as_posix(), prompt).digest)
    return None if isinstance(found, PexError) else found


def _last_commit(project: Path, path: Path) -> str:
    """Who last changed a file: author, commit, day and subject."""
    form = "--format=%an%x00%h%x00%ad%x00%s"
    plain = ["log", "--no-show-signature", "-1", "--date=short", form]
    line = git(project, *plain, "--", path.as_posix())
    parts = (line or "").split("\0")
    if len(parts) != 4:
        return ""
    author, commit, day, subject = (clean(redact(part))[:120] for part in parts)
    return f"{author}, commit {commit}, {day}: {subject}"
