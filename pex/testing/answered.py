"""Cases with their answers: run together when the first of them is looked at."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError, ProviderError, nearest
from pex.core.prompt import Prompt
from pex.testing.session import Session
from pex.testing.subject import Subject, prompt_of, variants_with

if TYPE_CHECKING:
    from pex.core.case import Case
    from pex.experiment.experiment import Experiment

_LONGEST = 2_000
"""Characters of an answer or an input in the report of a failed test."""

Place = tuple[str, str, int]
"""A row of the results: variant, case, repeat."""


class Scores(Mapping[str, float]):
    """The scores of one answer, by name; a wrong name is an error with the nearest right one."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> float:
        if name not in self._values:
            raise PexError(f"there is no score '{name}'", hint=nearest(name, self._values))
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


@dataclasses.dataclass(slots=True)
class Group:
    """The cases of one experiment that tests have selected.

    Args:
        session: the run of pytest.
        experiment: the experiment, with the prompt that is tested.
        selected: the ids of the cases of all selected tests.
    """

    session: Session
    experiment: Experiment
    selected: set[str] = dataclasses.field(default_factory=set)
    _rows: dict[Place, dict[str, Any]] | None = None
    _missing: Exception | None = None

    def row(self, place: Place) -> dict[str, Any]:
        """The row of the results for one answer.

        Raises:
            BudgetError: it was not sent, because the budget was spent.
        """
        if self._missing is not None and self._rows is None:
            raise self._missing
        if self._rows is None:
            self._ask()
        assert self._rows is not None
        if place not in self._rows:
            raise self._missing or PexError(f"case '{place[1]}' was not run")
        return self._rows[place]

    def _ask(self) -> None:
        wanted = [case.id for case in self.experiment.cases if case.id in self.selected]
        try:
            results = self.session.run(self.experiment, wanted or None)
        except PexError as error:
            self._missing = error  # each test says so, and none sends the requests again
            raise
        if results.status == "budget":
            self._missing = self.session.over_budget(results)
        self._rows = {
            (row["variant"], row["case_id"], int(row["repeat"])): {
                str(k): v for k, v in row.items()
            }
            for row in results.frame.to_dict("records")
        }


class AnsweredCase:
    """A case in a test, with the prompt's answer to it; what a test's argument `case` is.

    `inputs`, `expected`, `tags` and `group` are the case's own; `variant` the name of the variant.
    """

    def __init__(self, group: Group, case: Case, variant: str, repeat: int = 1) -> None:
        self._group = group
        self._place: Place = (variant, case.id, repeat)
        self.id = case.id
        self.variant = variant
        self.repeat = repeat
        self.inputs: dict[str, Any] = dict(case.inputs)
        self.expected = case.expected
        self.tags = tuple(case.tags)
        self.group = case.group

    def __repr__(self) -> str:
        return f"<case {self.id} of {self.variant}>"

    def select(self) -> None:
        """Its test will run: its answer is among those that are fetched."""
        self._group.selected.add(self.id)

    @property
    def row(self) -> dict[str, Any]:
        """Its whole row of `results.frame`.

        Raises:
            ProviderError: the request ended in an error.
            BudgetError: it was not sent, because the budget was spent.
        """
        row = self._group.row(self._place)
        if _given(row["error"]):
            raise ProviderError(f"case '{self.id}' of '{self.variant}': no answer: {row['error']}")
        return row

    @property
    def output(self) -> str:
        """The answer's text."""
        return str(self.row["output"])

    @property
    def scores(self) -> Scores:
        """The scores by name: 1.0 and 0.0 for yes and no; a scorer that failed gives none."""
        row = self.row
        return Scores(
            {
                name.removeprefix("score."): float(value)
                for name, value in row.items()
                if name.startswith("score.") and _given(value)
            }
        )

    @property
    def cost_usd(self) -> float | None:
        """What the answer cost when it was paid for; None without a price."""
        value = self.row["cost_usd"]
        return float(value) if _given(value) else None

    def told(self) -> str:
        """The case and its answer in lines, for the report of a failed test; empty if not run."""
        rows = self._group._rows or {}
        row = rows.get(self._place)
        if row is None:
            return ""
        lines = [f"{name}: {_short(value)}" for name, value in self.inputs.items()]
        lines += [] if self.expected is None else [f"expected: {_short(self.expected)}"]
        if _given(row["error"]):
            return "\n".join([*lines, f"error: {_short(row['error'])}"])
        scores = {name: round(value, 4) for name, value in self.scores.items()}
        return "\n".join([*lines, f"answer: {_short(row['output'])}", f"scores: {scores}"])


def _given(value: Any) -> bool:
    """Whether a cell of a frame has a value."""
    import pandas as pd

    return value is not None and not (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"


def answered_cases(
    session: Session,
    experiment: str | Path,
    prompt: Subject | None = None,
    limit: int | None = None,
    tags: Sequence[str] | str | None = None,
) -> dict[str, AnsweredCase]:
    """The cases of an experiment by the ids of their tests; no model is called.

    Args:
        session: the run of pytest.
        experiment: its file.
        prompt: the prompt to test; None: the experiment's own.
        limit: only the first cases.
        tags: only cases with one of these tags.

    Raises:
        PexError: a file, a prompt or a tag that does not exist.
    """
    from pex.core.cases import select

    group = _group(session, session.path(experiment), prompt)
    variants = group.experiment.variants
    found = {}
    for variant in variants:
        for case in select(group.experiment.cases, limit=limit, tags=tags):
            for repeat in range(1, group.experiment.repeats + 1):
                name = case.id if len(variants) == 1 else f"{variant.name}-{case.id}"
                name = f"{name}-{repeat}" if group.experiment.repeats > 1 else name
                found[name] = AnsweredCase(group, case, variant.name, repeat)
    return found


def _group(session: Session, path: Path, prompt: Subject | None) -> Group:
    """The group of an experiment and a prompt, the same for all tests that name them."""
    from pex.experiment.experiment import Experiment

    shown = prompt.digest if isinstance(prompt, Prompt) else str(prompt)
    key = f"{path.resolve()}\n{shown}"
    if key not in session.groups:
        loaded = Experiment.load(path)
        if prompt is not None:
            subject = prompt_of(prompt, loaded, session.root)
            loaded = loaded.drafted(variants_with(loaded, [subject]), loaded.cases)
        session.groups[key] = Group(session, loaded)
    group: Group = session.groups[key]
    return group
