"""What an improvement would do: the sets, calls, cost, and what its confirmation could find."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pex.core.project import project_of
from pex.core.safe_text import clean
from pex.core.variant import Variant
from pex.improvement import memory
from pex.improvement.lab import Lab
from pex.improvement.question import Question
from pex.improvement.selection import Plan
from pex.improvement.sets import SPREAD, detectable, folded_sets_of, sets_of
from pex.project.settings import load_settings
from pex.report.tables import format_usd
from pex.run.database import database_of
from pex.run.shared_budget import SharedBudget
from pex.tracking.store import tracking_uri as store_of


@dataclasses.dataclass(frozen=True, slots=True)
class Forecast:
    """What an improvement would do.

    Costs are what earlier answers suggest, None if a model has no known price; the calls of the
    model that writes proposals come on top. `detectable` is the smallest true difference that the
    confirm set finds four times in five, if a quarter of the answers differ; None for scores that
    are not yes/no, whose spread is unknown.
    """

    sizes: Mapping[str, int]
    start_calls: int
    start_usd: float | None
    proposals: int
    proposal_calls: int
    proposal_usd: float | None
    confirm_calls: int
    confirm_usd: float | None
    needed_usd: float | None
    budget_usd: float
    detectable: float
    uses: int
    reference_calls: int = 0
    reference_usd: float | None = 0.0
    notes: tuple[str, ...] = ()
    folds: int = 0

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        sizes = ", ".join(f"{n} {name}" for name, n in self.sizes.items() if n)
        if self.folds:
            sizes += f" in the last search; before it one search for each of {self.folds} folds"
        name = "All folds together find" if self.folds else "The confirm set finds"
        lines = [
            f"Cases: {sizes}",
            f"The start: {_calls(self.start_calls, self.start_usd)}",
            *(
                [f"The old model's answers: {_calls(self.reference_calls, self.reference_usd)}"]
                if self.reference_calls
                else []
            ),
            f"Each proposal: at most {_calls(self.proposal_calls, self.proposal_usd)}; at most "
            f"{self.proposals} proposals, and the calls of the model that writes them",
            f"The confirmation: {_calls(self.confirm_calls, self.confirm_usd)}, set aside first",
            f"Budget: {format_usd(self.budget_usd) if self.budget_usd else '$0'}"
            + ("" if self.needed_usd is None else f"; at least {_usd(self.needed_usd)} is needed"),
            f"{name} a true difference of {self.detectable * 100:.0f} points four "
            "times in five, if a quarter of the yes/no scores differ",
        ]
        if self.uses:
            times = "once" if self.uses == 1 else f"{self.uses} times"
            lines.append(f"The confirm set was used {times} before: it is no longer fresh")
        return clean("\n".join([*lines, *(f"! {note}" for note in self.notes)]))


def forecast(
    question: Question,
    plan: Plan,
    budget_usd: float,
    tracking_uri: str | None = None,
    folds: int | None = None,
) -> Forecast:
    """Look ahead; no model is called and nothing is written.

    Args:
        question: what would be improved.
        plan: how to search.
        budget_usd: what may be spent.
        tracking_uri: a store other than the project's.
        folds: of a cross-fitting.

    Raises:
        PexError: too few cases for three sets, or for the folds.
    """
    exp = question.experiment
    project = project_of(exp.path.parent if exp.path else None)
    uri = store_of(project, load_settings(project), tracking_uri)
    earlier = memory.earlier_improvements(uri, exp.name)
    if folds is None:
        sets = sets_of(question, memory.known_sets(earlier))
    else:
        sets, _ = folded_sets_of(question, folds)
    split = sets.split
    unseen = split.confirm if folds is None else question.cases
    search = [*split.train, *split.select]
    start = _preview(question, question.cases, again=False)
    proposal = _preview(question, search, again=True)
    confirm = _preview(question, unseen, again=True)
    old: tuple[int, float | None] = (0, 0.0)
    if question.reference is not None:
        old = _preview(question, split.train, question.reference, again=False)
    settings = load_settings(project)
    lab = Lab(
        question,
        SharedBudget(budget_usd, [question.name], 0.0),
        database_of(project / settings.journal.path, settings),
        unseen,
    )
    needed = None
    if None not in (start[1], confirm[1], old[1]):
        needed = lab.needed_usd(split.train, split.select)
    ids = [case.id for case in unseen]
    return Forecast(
        sizes={str(name): n for name, n in sets.sizes().items()},
        start_calls=start[0],
        start_usd=start[1],
        proposals=plan.rounds * plan.proposals * len(plan.ways) * (1 + (folds or 0)),
        proposal_calls=proposal[0],
        proposal_usd=proposal[1],
        confirm_calls=confirm[0],
        confirm_usd=confirm[1],
        needed_usd=needed,
        budget_usd=budget_usd,
        detectable=detectable(len(ids), SPREAD),
        uses=memory.number_of_use(earlier, ids, "") - 1 if folds is None else 0,
        folds=folds or 0,
        reference_calls=old[0],
        reference_usd=old[1],
        notes=tuple(sets.notes()),
    )


def _preview(
    question: Question, cases: Any, variant: Variant | None = None, *, again: bool
) -> tuple[int, float | None]:
    """Calls and likely cost, of the start if no other; `again`: as if nothing was answered."""
    drafted = question.experiment.drafted([variant or question.start], cases)
    found = drafted.preview(journal="off" if again else "reuse")
    return found.calls, found.cost_usd


def _calls(calls: int, usd: float | None) -> str:
    cost = "unknown cost" if usd is None else f"about {_usd(usd)}" if usd else "free"
    return f"{calls:,} calls, {cost}" if calls else "no calls, all answers are there"


def _usd(usd: float) -> str:
    return format_usd(usd) if usd else "$0"
