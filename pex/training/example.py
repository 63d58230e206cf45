"""One row of training data before it has a format."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.splits import COLUMN
from pex.core.text import value_text

Message = Mapping[str, Any]


class UnfitError(PexError):
    """A row that its format has no place for; it is left out and counted."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pick:
    """A case chosen for training, with what is learnt from it.

    `rejected` is the worse of two answers, `label` whether the answer is good. `facts` is what the
    manifest says of it: model, variant, raters, judge, score, trace.
    """

    source: str
    case: Case
    answer: Message
    rejected: Message | None = None
    label: bool | None = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def group(self) -> str:
        """What stays together in the split."""
        return self.case.group or self.case.id


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """A pick with its prompt filled in."""

    messages: list[dict[str, Any]]
    answer: Message
    rejected: Message | None = None
    label: bool | None = None
    tools: list[dict[str, Any]] | None = None


def own_inputs(case: Case) -> dict[str, Any]:
    """The inputs of a case without the column that says its set."""
    return {name: value for name, value in case.inputs.items() if name != COLUMN}


def case_text(case: Case) -> str:
    r"""The inputs of a case as one text, whatever their columns are called.

    Example:
        >>> case_text(Case("1", {"review": "Nice.", "stars": 5, "split": "train"}))
        'Nice.\n5'
    """
    return "\n".join(value_text(value) for _, value in sorted(own_inputs(case).items()))
