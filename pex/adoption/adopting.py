"""`pex.adopt`: may every prompt of the library move to a new model?"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from pex.adoption.adoption import Adoption
from pex.adoption.ends import ends_of
from pex.adoption.journalled import Missing, missing_answers
from pex.adoption.measure import Measured, Measuring, noise_of, project_state
from pex.adoption.outcome import outcomes_of
from pex.adoption.plan import Plan, Side, Task, make_plan
from pex.adoption.preview import AdoptionPreview, preview
from pex.adoption.progress import Progress
from pex.adoption.study import identity_of, open_study, write_study
from pex.compare.metric import check_confidence
from pex.core.canonical_json import digest
from pex.core.checks import check_positive
from pex.core.errors import BudgetError, Interrupted, PexError, ProviderError
from pex.core.variant import ClientModel
from pex.run.prices import check_priced, price_of
from pex.run.shared_budget import SharedBudget
from pex.tracking.store import tracking_uri as store_of


def adopt(
    new: str | ClientModel,
    baseline: str | ClientModel | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    baseline_params: Mapping[str, Any] | None = None,
    prompts: Sequence[str] | str | None = None,
    budget_usd: float | None = None,
    margin: float | None = None,
    confidence: float | None = None,
    dry_run: bool = False,
    record: bool = True,
    show: bool | None = None,
    tracking_uri: str | None = None,
) -> Adoption | AdoptionPreview:
    """Compare every prompt of the library on a new model with the old one, on its own cases.

    Answers that are in the journal are used again and cost nothing; the others are asked under one
    budget. Interrupted, or stopped by the budget, it keeps everything, and the same call continues.

    Args:
        new: the model to adopt, `provider/model`.
        baseline: the model to compare with: prompts that run on it are compared. None: each prompt
            with the model that it runs on.
        params: parameters that go with the new model, such as `{"reasoning_effort": "low"}`.
        baseline_params: the same for the old model.
        prompts: only these prompts of the library.
        budget_usd: the most that all comparisons may spend together; None: the project's budget.
        margin: by how much worse is still no worse, where the experiment has no gate.
        confidence: of all claims together; None: the strictest of the gates, else 0.95.
        dry_run: only say what would be asked, and what it would cost.
        record: write one run to MLflow.
        show: show progress; None: if the session is interactive.
        tracking_uri: a store other than the project's.

    Returns:
        The adoption; with `dry_run` a preview.

    Raises:
        PexError: something does not fit; no model was called.
        ProviderError: the new model cannot be asked at all; what there is was recorded.
        BudgetError: an endpoint reported a higher cost than a call could have.
        Interrupted: interrupted from the keyboard; its `.results` is the adoption so far.
    """
    project, settings, state = project_state()
    check_positive("budget_usd", budget_usd, zero=True)
    check_positive("margin", margin, zero=True)
    if confidence is not None:
        check_confidence(confidence)
    candidate = Side.of(new, params, "params")
    old = _old(baseline, baseline_params)
    wanted = [prompts] if isinstance(prompts, str) else list(prompts or ())
    plan = make_plan(project, settings, candidate, old, wanted, tracking_uri)
    missing, unreadable = missing_answers(plan.tasks, settings, state)
    tasks = [task for task in plan.tasks if task.key in missing]
    plan = Plan(plan.new, plan.old, tuple(tasks), (*plan.left_out, *unreadable), plan.remarks)
    plan = plan.named(digest(identity_of(plan), 8))
    tasks = list(plan.tasks)
    if not tasks:
        raise PexError("no prompt can be compared", hint=unreadable[0].why if unreadable else None)
    cap = settings.budget.usd_per_run if budget_usd is None else float(budget_usd)
    ends = ends_of(plan, settings, state, datetime.date.today())
    if dry_run:
        return preview(plan, missing, settings, cap, ends)
    prices = {model: price_of(model, settings) for model in _models(tasks, missing)}
    level = _confidence(tasks) if confidence is None else confidence
    measuring = Measuring(settings, state, missing, SharedBudget(cap, [], 0.0))
    measuring.check_models(tasks)
    check_priced({name: price for name, price in prices.items() if name not in measuring.gone})
    study = open_study(plan, store_of(project, settings, tracking_uri)) if record else None
    # Without a record nothing says when the first start began; the ledger's names are its own.
    since = study.started_at if study else 0.0
    measuring.budget = SharedBudget(cap, {task.ledger for task in tasks}, since)
    measured = _measure(measuring, tasks, missing, show)
    found = Adoption(
        plan,
        outcomes_of(measured, margin, level, noise_of(tasks, settings, state)),
        confidence=level,
        left_out=plan.left_out,
        stopped=measuring.stopped,
        gone=measuring.gone,
        ends=ends,
        spent_usd=measuring.spent_usd,
        budget_usd=cap,
    )
    if study is not None:
        found.run_id = study.run_id
        write_study(study, found)
    _raise(measuring.failure, found)
    return found


def _old(baseline: str | ClientModel | None, params: Mapping[str, Any] | None) -> Side | None:
    if baseline is None:
        if params:
            raise PexError("baseline_params: name the model that they go with: baseline=")
        return None
    return Side.of(baseline, params, "baseline_params")


def _models(tasks: Sequence[Task], missing: Mapping[str, Missing]) -> set[str]:
    """The models that have to be asked: those, and the judges."""
    found: set[str] = set()
    for task in tasks:
        lack = missing[task.key]
        found |= {task.new.model} if lack.new else set()
        found |= {task.old.model} if lack.old else set()
        if lack.calls:
            found |= {judge.model for judge in task.experiment.judges}
    return found


def _confidence(tasks: Sequence[Task]) -> float:
    """The strictest level of the experiments' gates."""
    levels = [float(gate["confidence"]) for task in tasks if (gate := task.experiment.gate)]
    return max(levels, default=0.95)


def _measure(
    measuring: Measuring, tasks: Sequence[Task], missing: Mapping[str, Missing], show: bool | None
) -> list[Measured]:
    total = sum(2 * len(task.cases) * task.experiment.repeats for task in tasks)
    progress = Progress(len(tasks), total, show)
    try:
        return list(measuring.run(tasks, progress))
    finally:
        progress.close()


def _raise(failure: BaseException | None, found: Adoption) -> None:
    if failure is None:
        return
    if isinstance(failure, Interrupted):
        raise Interrupted(found.stopped_text, found)
    if isinstance(failure, ProviderError | BudgetError):
        raise type(failure)(failure.message, hint=found.stopped_text) from None
    raise failure
