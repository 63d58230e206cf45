"""What a reader makes of another tool's project, before it is written as one of pex."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.variant import Variant
from pex.score.judge.judge import Judge

What = Literal["taken over", "changed", "left out"]
_LONGEST = 60
"""Characters of a name: the file's extension and a number come after it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """What became of a part of the project.

    Args:
        where: its place in the other tool's words, such as `tests[3].assert[0]`.
        what: "taken over", "changed" or "left out".
        how: what is different now, or why it is left out, and what to do about it.
        count: how many parts it is about, such as 40 cases.
    """

    where: str
    what: What
    how: str = ""
    count: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Imported:
    """A project of another tool, in the words of pex.

    Args:
        tool: the tool's name, for people.
        name: a name for the experiment; any text, `write_project` makes a valid name of it.
        prompts: the prompts; without any, one that shows every column of the cases stands in.
        models: `provider/model`; without any, the built-in model stands in.
        params: the parameters to compare.
        variants: in place of prompts x models x params, where they form no grid.
        cases: the cases.
        columns: the columns of the cases, as `columns` in `experiment.yaml`.
        scorers: as in `experiment.yaml`; a `Judge` gets a file for its prompt.
        purpose: a sentence about the experiment.
        repeats: how often each case is run.
        providers: entries that `pex.toml` needs, by the provider's name; never a key.
        notes: what became of each part.
    """

    tool: str
    name: str
    prompts: Sequence[Prompt] = ()
    models: Sequence[str] = ()
    params: Sequence[Mapping[str, Any]] = ()
    variants: Sequence[Variant] = ()
    cases: Sequence[Case] = ()
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    scorers: Sequence[str | Mapping[str, Any] | Judge] = ()
    purpose: str = ""
    repeats: int = 1
    providers: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    notes: Sequence[Note] = ()


def new_name(text: str, taken: Collection[str] = (), otherwise: str = "prompt") -> str:
    """A valid name for a prompt, a score or a folder, that nothing else has.

    Args:
        text: what it is called elsewhere; may be a path or a whole sentence.
        taken: the names that are in use; upper and lower case are the same.
        otherwise: the name if nothing is left of the text.

    Example:
        >>> new_name("../../etc/Ünsafe name!"), new_name("a", ["A"]), new_name("…")
        ('etc-nsafe-name', 'a-2', 'prompt')
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)
    name = re.sub(r"\.{2,}", ".", name)[: _LONGEST * 2].strip("-.")[:_LONGEST].rstrip("-.")
    name = name or otherwise
    used = {item.casefold() for item in taken}
    unique, number = name, 1
    while unique.casefold() in used:
        number += 1
        unique = f"{name}-{number}"
    return unique


def unreadable(path: Any, why: str, tool: str, hint: str | None = None) -> PexError:
    """The error for a file that is not a project of a tool, or a damaged one."""
    return PexError(f"{path}: not a project of {tool}: {why}", hint=hint)
