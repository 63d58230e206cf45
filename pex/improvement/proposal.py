"""What a way of improving a prompt gets and returns."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pex.core.case import Case
from pex.core.prompt import Prompt
from pex.experiment.asking import Reply

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, slots=True)
class Proposal:
    """A prompt that may be better than the one it was made from.

    `way` made it from the prompt with the digest `parent`; `why` says in a sentence what was
    changed and why. `examples` are the ids of the training cases that its text quotes on purpose.
    """

    prompt: Prompt
    way: str
    parent: str
    why: str
    examples: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """A prompt and its results on some cases: one row for each case and repeat.

    `scores` is the mean of the metric over the repeats of each case, by case id, turned so that
    more is better; cases whose calls failed are missing. `frame` is as in `results.frame`.
    """

    prompt: Prompt
    frame: pd.DataFrame = dataclasses.field(repr=False)
    scores: Mapping[str, float]

    @property
    def mean(self) -> float:
        """The mean of the scores, NaN if there are none."""
        return sum(self.scores.values()) / len(self.scores) if self.scores else float("nan")


class Workbench(Protocol):
    """What a way may use: the training cases, measurements on them, a model that writes."""

    train: Sequence[Case]
    """The only cases that a proposal may see."""
    metric: str
    """The score that is improved."""
    higher_is_better: bool
    seed: int

    def measure(self, prompts: Sequence[Prompt], cases: Sequence[Case]) -> list[Measured]:
        """Run prompts on training cases, with the scorers of the experiment.

        Raises:
            BudgetSpent: the budget ends before all are answered.
        """

    def ask(
        self, prompt: Prompt, rows: Sequence[Mapping[str, Any]], times: int = 1
    ) -> list[list[Reply]]:
        """Ask the model that writes proposals.

        Raises:
            BudgetSpent: the budget ends before all are answered.
        """

    def reference(self) -> Measured | None:
        """What the reference model answers to the start on the training cases; None without one.

        Raises:
            BudgetSpent: the budget ends before all are answered.
        """


class BudgetSpent(Exception):  # noqa: N818 - no error: the improvement ends with what it has
    """The budget of the improvement has ended."""


class Way(Protocol):
    """One way of making proposals, such as rewriting from failures.

    A way may also have `left_out`, a growing list of reasons why replies of the writing model were
    no proposals ("refused to write: …"), and `uses_reference`, True if it needs the answers of
    `Workbench.reference`.
    """

    name: str

    def propose(self, parent: Measured, bench: Workbench) -> Iterable[Proposal]:
        """Make proposals from a prompt and its results on the training cases.

        An answer of the writing model that is no proposal (a refusal, nothing, a broken template)
        is left out by the way or refused by `check_proposal`; neither ends the improvement.
        """


def way_identity(way: Way) -> list[Any]:
    """A way's name and the parameters that it was made with, as plain data.

    Parameters are read from attributes of the same name, with or without an underscore; of an
    object among them, its type.

    Example:
        >>> from pex.improvement.ways.ablation import Ablation
        >>> way_identity(Ablation(most=3))
        ['ablation', {'most': 3}]
    """
    try:
        names = list(inspect.signature(type(way)).parameters)
    except (TypeError, ValueError):  # a class in C
        names = []
    values = {name: getattr(way, f"_{name}", getattr(way, name, None)) for name in names}
    return [way.name, {name: _plain(value) for name, value in values.items()}]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return type(value).__qualname__
