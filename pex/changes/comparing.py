"""Runs the changed prompts beside those of the base branch, on their experiments' cases."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pex.changes.changed import ChangedPrompt, Changes
from pex.compare.gate import FAIL, PASS, UNDECIDED
from pex.core.errors import BudgetError

if TYPE_CHECKING:
    from pex.experiment.experiment import Experiment
    from pex.results.results import Results

MOST = 5
"""How many cases are shown of a prompt."""


@dataclasses.dataclass(frozen=True, slots=True)
class ChangedCase:
    """A case, with the answers and scores of both versions."""

    id: str
    inputs: str
    expected: Any
    old: str
    new: str
    old_score: float | None
    new_score: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class PromptChange:
    """A changed prompt and what came of it.

    `outcome` is that of a gate, empty if there is nothing to compare; `row` is the comparison, as
    in `results.compare().frame`; `cases` are those that changed most; costs are of 1,000 answers.
    """

    changed: ChangedPrompt
    experiment: str
    outcome: str = ""
    finding: str = ""
    row: dict[str, Any] = dataclasses.field(default_factory=dict)
    cases: Sequence[ChangedCase] = ()
    same_answers: int = 0
    old_cost_usd: float | None = None
    new_cost_usd: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class ChangeReport:
    """All changed prompts of a branch, and what comparing them cost."""

    changes: Changes
    prompts: Sequence[PromptChange]
    spent_usd: float

    @property
    def outcome(self) -> str:
        """`fail` if one failed, else `undecided` if one is, else `pass`."""
        found = {item.outcome for item in self.prompts}
        return FAIL if FAIL in found else UNDECIDED if UNDECIDED in found else PASS


def compare_changes(
    changes: Changes,
    *,
    limit: int | None = None,
    budget_usd: float | None = None,
    margin: float | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> ChangeReport:
    """Run both versions of each changed prompt, and compare them by case.

    Args:
        changes: what the branch changes.
        limit: only the first cases of each experiment.
        budget_usd: the most that all runs together may spend.
        margin: how much worse is still no worse, for experiments whose gate does not say it.
        say: told about the progress.

    Raises:
        BudgetError: the budget was spent before the last answer.
        ProviderError: too many requests ended in an error.
    """
    found, spent = [], 0.0
    for experiment, prompts in changes.experiments:
        for changed in prompts:
            if changed.old is None:
                found.append(PromptChange(changed, experiment.name))
                continue
            say(f"{experiment.name}: {changed.file} and its version in {changes.base}")
            left = None if budget_usd is None else max(0.0, budget_usd - spent)
            results = _run(experiment, changed, limit, left)
            spent += results.about.spent_usd or 0.0
            found.append(_compared(experiment, changed, results, margin))
    return ChangeReport(changes, found, spent)


def _run(
    experiment: Experiment, changed: ChangedPrompt, limit: int | None, left: float | None
) -> Results:
    from pex.results.finished import check
    from pex.testing.subject import variants_with

    assert changed.old is not None
    variants = variants_with(experiment, [changed.new, changed.old])
    caps = [cap for cap in (left, experiment.budget_usd) if cap is not None]
    results = experiment.drafted(variants, experiment.cases).run(
        limit=limit, budget_usd=min(caps) if caps else None, record=False, show=False
    )
    if results.status == "budget":
        counts = results.about.counts
        raise BudgetError(
            f"the budget of ${results.about.budget_usd:g} ended the run of '{experiment.name}': "
            f"{counts.answered} of {counts.requests} requests were answered",
            hint="all answers are kept; raise it with --budget USD, or take --limit N cases",
        )
    check(results, experiment.max_error_share)
    return results


def _compared(
    experiment: Experiment, changed: ChangedPrompt, results: Results, margin: float | None
) -> PromptChange:
    from pex.core.values import to_json_value

    assert changed.old is not None
    rule = experiment.gate or {}
    metric = rule.get("metric") or next(iter(results.scores), "cost_usd")
    comparison = results.compare(
        changed.old.name,
        metric,
        margin=rule.get("margin") if margin is None else margin,
        confidence=rule.get("confidence", 0.95),
    )
    gate = comparison.gate()
    rows = [to_json_value(row) for row in comparison.frame.to_dict("records")]
    worst = next(row for row in rows if gate.outcomes[row["candidate"]] == gate.outcome)
    pairs = comparison.cases(worst["candidate"])
    same, cases = _cases(results, pairs.to_dict("records"), worst)
    costs = [_cost(results, worst[name]) for name in ("baseline", "candidate")]
    finding = " ".join(gate.reasons.values())
    return PromptChange(changed, experiment.name, gate.outcome, finding, worst, cases, same, *costs)


def _cases(
    results: Results, pairs: Sequence[Any], row: dict[str, Any]
) -> tuple[int, list[ChangedCase]]:
    """How many cases have the same answer, and the cases that changed most: losses first."""
    frame = results.frame[results.frame["repeat"] == 1]
    outputs = {
        (item["variant"], item["case_id"]): item["output"] if item["error"] is None
        or item["error"] != item["error"] else f"error: {item['error']}"
        for item in frame[["variant", "case_id", "output", "error"]].to_dict("records")
    }  # fmt: skip
    expected = dict(zip(frame["case_id"], frame["expected"], strict=True))
    same, found = 0, []
    for pair in pairs:
        case_id = str(pair["case_id"])
        old = str(outputs.get((row["baseline"], case_id), ""))
        new = str(outputs.get((row["candidate"], case_id), ""))
        same += old == new
        if old != new or pair["diff"]:
            wanted = expected.get(case_id)
            scores = [_number(pair[f"{who}_score"]) for who in ("baseline", "candidate")]
            found.append(ChangedCase(case_id, str(pair["text"]), wanted, old, new, *scores))

    def size(case: ChangedCase) -> float:
        return abs((case.new_score or 0.0) - (case.old_score or 0.0))

    return same, sorted(found, key=size, reverse=True)[:MOST]  # stable: losses stay first


def _number(value: Any) -> float | None:
    return None if value is None or math.isnan(float(value)) else float(value)


def _cost(results: Results, variant: str) -> float | None:
    """USD for 1,000 answers; None without a price."""
    costs = results.frame.loc[results.frame["variant"] == variant, "cost_usd"].dropna()
    return float(costs.mean()) * 1000 if len(costs) else None
