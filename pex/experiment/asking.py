"""Asking a model a list of questions outside an experiment: for proposals, cases, translations.

The questions go the way of every other call: journal, limits, budget and ledger are the same, so
what was answered once is not paid for again.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.canonical_json import digest
from pex.core.prompt import Prompt
from pex.core.variant import ClientModel, Variant
from pex.experiment.experiment import Experiment
from pex.run.shared_budget import SharedBudget


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What a model returned for one question; `text` is empty if there was an error.

    `remarks` are words such as `cut_off`.
    """

    text: str
    error: str | None = None
    cost_usd: float | None = None
    remarks: tuple[str, ...] = ()


def ask_model(
    prompt: Prompt,
    rows: Sequence[Mapping[str, Any]],
    model: str | ClientModel,
    *,
    name: str,
    params: Mapping[str, Any] | None = None,
    times: int = 1,
    budget_usd: float | SharedBudget | None = None,
    show: bool | None = False,
) -> list[list[Reply]]:
    """Ask a model a question for each row, and return its replies, in the order of the rows.

    A question whose turn did not come because the budget ended has no replies.

    Args:
        prompt: the question, with variables.
        rows: the values of the variables.
        model: `provider/model`, or a `pex.Model`.
        name: under which the calls are in the ledger, such as `reviews.improve`.
        params: parameters, over those of the prompt.
        times: how many replies each question gets.
        budget_usd: the most that may be spent.
        show: show progress; None: if the session is interactive.

    Raises:
        PexError: something does not fit.
        ProviderError: no question was answered, and retrying would not help.
        BudgetError: an endpoint reported a higher cost than a call could have.
    """
    ids = [digest([number, dict(row)]) for number, row in enumerate(rows)]
    cases = [{**row, "case_id": case_id} for row, case_id in zip(rows, ids, strict=True)]
    variant = Variant(prompt, model, dict(params or {}))
    experiment = Experiment(name, [variant], cases)
    results = experiment.run(
        record=False, repeats=times, budget_usd=budget_usd, journal="reuse", show=show
    )
    found: dict[str, list[Reply]] = {case_id: [] for case_id in ids}
    for row in results.frame.sort_values("repeat").to_dict("records"):
        failed = isinstance(row["error"], str)
        cost = row["cost_usd"]
        known = cost is not None and not math.isnan(cost)
        found[row["case_id"]].append(
            Reply(
                "" if failed else str(row["output"] or ""),
                row["error"] if failed else None,
                float(cost) if known else None,
                tuple(row["remarks"] or ()),
            )
        )
    return [found[case_id] for case_id in ids]
