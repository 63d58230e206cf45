"""Which of the experiments' prompts differ from the base branch: read from git, nothing is run."""

from __future__ import annotations

import dataclasses
import io
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.project.listing import experiment_files
from pex.project.scan_files import git

if TYPE_CHECKING:
    from pex.experiment.experiment import Experiment

BASE = "base"
"""What the base branch's version is called after its prompt's name."""


@dataclasses.dataclass(frozen=True, slots=True)
class ChangedPrompt:
    """A prompt of an experiment that the branch changes.

    `file` is relative to the project; `old` is None if the base branch does not have the prompt,
    or `why` says why it cannot be read there.
    """

    file: str
    new: Prompt
    old: Prompt | None
    why: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Changes:
    """What a branch changes: by experiment, and the prompt files that no experiment uses."""

    base: str
    commit: str
    experiments: Sequence[tuple[Experiment, list[ChangedPrompt]]]
    unused: Sequence[str]


def changes_since(project: Path, base: str) -> Changes:
    """The prompts of a project that differ from where its branch left the base branch.

    A prompt counts as changed if a request changes: its own text, or a part that it includes.

    Args:
        project: the project's folder, in a git repository.
        base: the base branch or a commit, such as `origin/main`.

    Raises:
        PexError: it is no repository, or has no such branch; an experiment cannot be read.
    """
    from pex.experiment.experiment import Experiment

    commit = _left_at(project, base)
    listed = git(project, "diff", "--name-only", "--no-renames", "-z", "--relative", commit,
                 "--", "*.prompty")  # fmt: skip
    new = git(project, "ls-files", "-o", "--exclude-standard", "-z", "--", "*.prompty")
    texts = [*(listed or b"").split(b"\0"), *(new or b"").split(b"\0")]
    files = {raw.decode("utf-8", "replace") for raw in texts if raw}
    if not files:
        return Changes(base, commit, [], [])
    found, used = [], set()
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder).resolve()
        _unpack(project, commit, before)
        for path in experiment_files(project).values():
            experiment = Experiment.load(path)
            used |= {_file(variant.prompt, project) for variant in experiment.variants}
            if changed := _changed(experiment, project, before):
                found.append((experiment, changed))
    parts = {
        part for experiment, _ in found for v in experiment.variants for part in v.prompt.parts
    }
    unused = sorted(file for file in files - used if Path(file).stem not in parts)
    return Changes(base, commit, found, unused)


def _left_at(project: Path, base: str) -> str:
    if git(project, "rev-parse", "--git-dir") is None:
        raise PexError(f"{project}: not in a git repository, so there is no branch to compare with")
    if base.startswith("-") or git(project, "rev-parse", "--verify", f"{base}^{{commit}}") is None:
        raise PexError(
            f"--base {base}: there is no such branch or commit",
            hint="fetch it: git fetch origin main (in a workflow: fetch-depth: 0)",
        )
    commit = git(project, "merge-base", base, "HEAD")
    if commit is None:
        raise PexError(
            f"--base {base}: it has no commit in common with HEAD",
            hint="fetch the whole history: git fetch --unshallow (in a workflow: fetch-depth: 0)",
        )
    return commit.decode().strip()


def _unpack(project: Path, commit: str, folder: Path) -> None:
    """Write the prompts of a commit to a folder, and what marks it as a project."""
    listed = git(project, "ls-tree", "-r", "-z", "--name-only", commit, ".") or b""
    names = [raw.decode("utf-8", "surrogateescape") for raw in listed.split(b"\0") if raw]
    wanted = [name for name in names if name.endswith(".prompty")]
    (folder / "pex.toml").touch()
    if not wanted:
        return
    archive = git(project, "archive", "--format=tar", commit, "--", *wanted)
    if archive is None:
        raise PexError(f"{commit[:12]}: git cannot read its prompts")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def _file(prompt: Prompt, project: Path) -> str:
    path = prompt.path
    if path is None or not path.is_relative_to(project.resolve()):
        return ""
    return path.relative_to(project.resolve()).as_posix()


def _changed(experiment: Experiment, project: Path, before: Path) -> list[ChangedPrompt]:
    prompts = {variant.prompt.name: variant.prompt for variant in experiment.variants}
    found = []
    for prompt in prompts.values():
        file = _file(prompt, project)
        if not file:  # of the library
            continue
        path = before / file
        if not path.is_file():
            found.append(ChangedPrompt(file, prompt, None))
            continue
        try:
            old = Prompt.load(path).at(prompt.home)
        except PexError as error:
            found.append(ChangedPrompt(file, prompt, None, error.message))
            continue
        if (old.digest, old.model) != (prompt.digest, prompt.model):
            found.append(ChangedPrompt(file, prompt, old.called(f"{prompt.name}.{BASE}", None)))
    return found
