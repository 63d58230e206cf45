"""What an adoption would ask, and what it would cost; no model is called."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pex.adoption.journalled import Missing
from pex.adoption.plan import Plan
from pex.core.safe_text import clean
from pex.project.settings import Settings
from pex.report.safe_html import escaped
from pex.report.tables import NO_MATH, format_usd
from pex.report.terminal import text_table


@dataclasses.dataclass(frozen=True)
class AdoptionPreview:
    """The calls of an adoption: `rows` has one line per prompt and experiment.

    Costs are None if a model has no known price; `at_most_usd` is for the longest answers.
    """

    plan: Plan
    rows: tuple[dict[str, Any], ...]
    calls: int
    reused: int
    cost_usd: float | None
    at_most_usd: float | None
    unpriced: tuple[str, ...]
    budget_usd: float
    ends: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.plan.new} in place of {self.plan.old_name}"]
        lines += [
            *(f"! {text}" for text in self.ends),
            *(f"! {text}" for text in self.plan.remarks),
        ]
        head = ("prompt", "experiment", "cases", "score", "calls", "reused", "cost")
        lines.append(
            text_table(
                [[row["prompt"], row["experiment"], f"{row['cases']:,}", row["metric"],
                  f"{row['calls']:,}", f"{row['reused']:,}", _usd(row["cost_usd"])]
                 for row in self.rows],
                head,
                right=(2, 4, 5, 6),
            )
        )  # fmt: skip
        for item in self.plan.left_out:
            where = f" (experiment '{item.experiment}')" if item.experiment else ""
            lines.append(f"not compared: {item.prompt or 'experiment'}{where}: {item.why}")
        lines.append(
            f"{self.calls:,} calls, {self.reused:,} answers reused; {self._cost()}; "
            f"budget {format_usd(self.budget_usd)}"
        )
        return clean("\n".join(lines))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        style = "white-space:pre-wrap;font-family:monospace"  # its columns are aligned
        return f'<pre class="{NO_MATH}" style="{style}">{escaped(str(self))}</pre>'

    def _cost(self) -> str:
        if not self.calls:
            return "no cost"
        if self.cost_usd is None or self.at_most_usd is None:
            return f"cost unknown: no price for {', '.join(self.unpriced)}"
        if not self.at_most_usd:
            return "free"
        return f"cost about {format_usd(self.cost_usd)}, at most {format_usd(self.at_most_usd)}"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "new": {"model": self.plan.new.model, "params": dict(self.plan.new.params)},
            "old": self.plan.old_name,
            "comparisons": [dict(row) for row in self.rows],
            "ends": list(self.ends),
            "not_compared": [dataclasses.asdict(item) for item in self.plan.left_out],
            "calls": self.calls,
            "reused": self.reused,
            "cost_usd": self.cost_usd,
            "at_most_usd": self.at_most_usd,
            "unpriced": list(self.unpriced),
            "budget_usd": self.budget_usd,
        }


def preview(
    plan: Plan,
    missing: Mapping[str, Missing],
    settings: Settings,
    budget_usd: float,
    ends: tuple[str, ...] = (),
) -> AdoptionPreview:
    """Size up an adoption.

    Args:
        plan: what is compared.
        missing: what the journal does not have.
        settings: the project's.
        budget_usd: the budget over all.
        ends: when models stop, in words.
    """
    rows: list[dict[str, Any]] = []
    unpriced: dict[str, None] = {}
    cost: float | None = 0.0
    at_most: float | None = 0.0
    for task in plan.tasks:
        lack = missing[task.key]
        total = 2 * len(task.cases) * task.experiment.repeats
        row = {
            "prompt": task.prompt, "experiment": task.experiment.name, "cases": len(task.cases),
            "metric": task.metric or "", "calls": lack.calls, "reused": total - lack.calls,
            "cost_usd": 0.0,
        }  # fmt: skip
        if lack.calls:
            drafted = task.experiment.drafted([task.new, task.old], task.cases, name=task.ledger)
            sized = drafted.preview(journal="reuse")
            row["cost_usd"] = sized.cost_usd
            unpriced |= dict.fromkeys(sized.unpriced)
            cost = _added(cost, sized.cost_usd)
            at_most = _added(at_most, sized.at_most_usd)
        rows.append(row)
    return AdoptionPreview(
        plan, tuple(rows), sum(row["calls"] for row in rows), sum(row["reused"] for row in rows),
        cost, at_most, tuple(unpriced), budget_usd, ends,
    )  # fmt: skip


def _added(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _usd(value: float | None) -> str:
    return "unknown" if value is None else format_usd(value)
