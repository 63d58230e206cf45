"""What is wrong in a library: with its files, its aliases, its metadata."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pex.compare.requirements import NOT_MET, UNTESTED
from pex.evidence.overview import Library, PromptOverview
from pex.evidence.requirements import NOT_MEASURED, Coverage
from pex.library.moves import Move, noticed, read_history


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """Something that somebody should look at; `prompt` is empty if it is about the whole project.

    `kind` is "sync", "metadata", "alias", "moves" or "requirement".
    """

    kind: str
    prompt: str
    text: str

    def __str__(self) -> str:
        return f"{self.prompt}: {self.text}" if self.prompt else self.text

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return dataclasses.asdict(self)


def check_library(
    project: Path,
    found: Library,
    chosen: Sequence[PromptOverview],
    policy: str,
    requirements: Coverage | None = None,
) -> list[Problem]:
    """The problems of some prompts, those of the project first.

    Args:
        project: the project's folder.
        found: its library.
        chosen: the prompts to check.
        policy: "files", "registry" or "strict".
        requirements: the state of their requirements; one that must hold and is not met is a
            problem, and with "strict" also one that nothing has tested. So is an experiment that
            cannot be read: what it asks for is not known.
    """
    history = read_history(project)
    problems = [Problem("moves", "", remark) for remark in history.remarks]
    for item in chosen:
        problems += _of_prompt(item, history.moves(item.name), policy)
    if requirements:
        problems += [Problem("requirement", "", text) for text in requirements.unread]
    for row in requirements.rows if requirements else ():
        untested = policy == "strict" and row.state in (UNTESTED, NOT_MEASURED)
        if row.priority == "must" and (row.state == NOT_MET or untested):
            problems.append(Problem("requirement", row.prompt, str(row)))
    return problems


def _of_prompt(item: PromptOverview, moves: Sequence[Move], policy: str) -> Iterator[Problem]:
    standing = item.standing
    if not standing.is_allowed(policy):
        yield Problem("sync", item.name, standing.sentence.removeprefix(f"{item.name}: "))
    for remark in standing.file.remarks if standing.file else ():
        yield Problem(
            "metadata", item.name, f"{standing.file.path if standing.file else ''}: {remark}"
        )
    prompt = standing.prompt
    if prompt is None:
        return
    if prompt.problem:
        yield Problem("metadata", item.name, f"the newest version cannot be read: {prompt.problem}")
    known = {version.version for version in prompt.versions}
    for alias, version in prompt.aliases.items():
        if version not in known:
            newest = prompt.newest.version
            yield Problem(
                "alias",
                item.name,
                f"the alias '{alias}' points to version {version}, which was deleted; the newest "
                f"is {newest} (pexlab library promote {item.name} --to {alias})",
            )
        elif version in prompt.disabled:
            yield Problem(
                "alias", item.name, f"the alias '{alias}' points to version {version}, which is "
                "disabled: applications get an earlier one"
            )  # fmt: skip
    for move in noticed(item.name, prompt.tags, prompt.aliases, moves):
        yield Problem("alias", item.name, str(move))
