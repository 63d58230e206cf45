"""`pex.adopt`: may every prompt of the library move to a new model?"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.adoption.decide import KEEP, VERDICTS
from pex.adoption.journalled import Missing, missing_answers
from pex.adoption.measure import Measured, Measuring, noise_of, project_state
from pex.adoption.outcome import Outcome, of_prompt, outcomes_of
from pex.adoption.plan import LeftOut, Plan, Side, Task, make_plan
from pex.adoption.preview import AdoptionPreview, preview
from pex.adoption.progress import Progress
from pex.core.checks import check_positive
from pex.core.errors import BudgetError, Interrupted, PexError, ProviderError
from pex.core.safe_text import clean
from pex.core.variant import ClientModel
from pex.report.safe_html import escaped
from pex.report.tables import format_usd, fragment
from pex.run.prices import check_priced, price_of
from pex.run.shared_budget import SharedBudget
from pex.tracking.store import tracking_uri as store_of

if TYPE_CHECKING:
    import pandas as pd

    from pex.adoption.apply import Applied
    from pex.record.study_run import StudyRun


class Adoption:
    """What became of every prompt on a new model.

    Made by `pex.adopt`. In a notebook and a terminal it is shown as a table: per prompt *keep as it
    is*, *needs a rewrite*, *do not move yet* or *undecided, N more cases*. `frame` has all numbers,
    one row per prompt and experiment; `outcomes` the answers of both models as well.
    """

    def __init__(
        self,
        plan: Plan,
        outcomes: Sequence[Outcome],
        *,
        confidence: float,
        left_out: Sequence[LeftOut] = (),
        stopped: str = "",
        gone: str = "",
        spent_usd: float = 0.0,
        budget_usd: float = 0.0,
    ) -> None:
        self.plan = plan
        self.outcomes = list(outcomes)
        self.confidence = confidence
        self.left_out = list(left_out)
        self.stopped = stopped
        """Why it did not finish: "budget", "interrupted", "failed"; empty if it did."""
        self.gone = gone
        """Why the old model was not asked: only its answers in the journal count."""
        self.spent_usd = spent_usd
        self.budget_usd = budget_usd
        self.run_id: str | None = None
        """The MLflow run that it is recorded in; None if it is not."""
        self.applied: list[Applied] = []
        """What `apply` did."""
        self._frame: pd.DataFrame | None = None

    @property
    def new(self) -> Side:
        """The new model with its parameters."""
        return self.plan.new

    @property
    def old(self) -> str:
        """The old model in words."""
        return self.plan.old_name

    @property
    def frame(self) -> pd.DataFrame:
        """One row per prompt and experiment: verdict, scores, interval, p, costs, times."""
        import pandas as pd

        if self._frame is None:
            self._frame = pd.DataFrame([item.record() for item in self.outcomes])
        return self._frame

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict of each prompt; of several experiments the weakest."""
        return of_prompt(self.outcomes)

    @property
    def headline(self) -> str:
        """The result in a sentence."""
        from pex.adoption.shown import headline

        return headline(self.outcomes, str(self.new))

    @property
    def calls(self) -> int:
        """How many answers were paid for now; the others came from the journal."""
        return sum(
            item.results.about.counts.answered - item.results.about.counts.replayed
            for item in self.outcomes
            if item.results is not None
        )

    @property
    def facts(self) -> str:
        """What was asked and spent, in a sentence."""
        counts = [item.results.about.counts for item in self.outcomes if item.results is not None]
        answered, reused = sum(c.answered for c in counts), sum(c.replayed for c in counts)
        errors = sum(c.errors for c in counts)
        prompts = len({item.task.prompt for item in self.outcomes})
        said = [
            f"{prompts:,} {'prompt' if prompts == 1 else 'prompts'}",
            f"{answered:,} answers, {reused:,} of them from the journal",
        ]
        if errors:
            said.append(f"{errors:,} {'error' if errors == 1 else 'errors'}")
        cost = "nothing spent" if not self.spent_usd else f"{format_usd(self.spent_usd)} spent"
        said.append(f"{cost} of {format_usd(self.budget_usd)}" if self.spent_usd else cost)
        return "; ".join(said) + "."

    @property
    def stopped_text(self) -> str:
        """Why it did not finish, and how it continues; empty if it did."""
        done = sum(item.measured.finished for item in self.outcomes)
        where = f"{done:,} of {len(self.outcomes):,} comparisons are complete"
        if self.stopped == "budget":
            return (
                f"the budget of {format_usd(self.budget_usd)} is used up; {where}. All answers are "
                "kept: the same command with a larger --budget continues (it counts what was spent)"
            )
        if self.stopped == "interrupted":
            return f"interrupted; {where}. All answers are kept: the same command continues"
        if self.stopped == "failed":
            return f"an error ended it; {where}. All answers are kept: the same command continues"
        return ""

    @property
    def remarks(self) -> list[str]:
        """What else has to be known of the whole."""
        said = list(self.plan.remarks)
        if self.gone:
            said.append(
                f"{self.old} could not be asked ({self.gone}): only its answers in the journal "
                "count"
            )
        return said

    @property
    def left_out_lines(self) -> list[str]:
        """The prompts that were not compared, each with the reason."""
        return [
            ": ".join(part for part in (item.prompt, item.experiment and f"experiment "
                      f"'{item.experiment}'", item.why) if part)
            for item in self.left_out
        ]  # fmt: skip

    @property
    def failed(self) -> bool:
        """Whether calls failed beyond what an experiment allows, or something could not be run."""
        return self.stopped == "failed" or any(
            item.described is not None
            and item.results is not None
            and item.described.errors[0]
            > item.task.experiment.max_error_share * max(1, len(item.measured.frame) / 2)
            for item in self.outcomes
        )

    @property
    def exit_code(self) -> int:
        """Of the command: 130 interrupted, 4 budget, 5 errors, else 0."""
        if self.stopped in ("interrupted", "budget"):
            return {"interrupted": 130, "budget": 4}[self.stopped]
        return 5 if self.failed else 0

    def __repr__(self) -> str:
        from pex.adoption.shown import next_steps, overview_text

        lines = [self.headline, self.facts]
        if self.stopped:
            lines.append(f"! {self.stopped_text}")
        lines += [f"! {text}" for text in self.remarks]
        lines.append("")
        lines.append(overview_text(self.outcomes))
        if self.left_out:
            lines += ["", "Not compared:", *(f"  {text}" for text in self.left_out_lines)]
        steps = next_steps(self.outcomes, str(self.new), self.old)
        if steps:
            lines += ["", "To rewrite:", *(f"  {command}" for _, command in steps)]
        return clean("\n".join(lines))

    __str__ = __repr__

    def _repr_html_(self) -> str:
        from pex.adoption.shown import next_steps, overview_html

        parts = [f"<p><strong>{escaped(self.headline)}</strong> {escaped(self.facts)}</p>"]
        if self.stopped:
            parts.append(f'<p class="pex-bad">! {escaped(self.stopped_text)}</p>')
        parts += [f"<p>! {escaped(text)}</p>" for text in self.remarks]
        parts.append(overview_html(self.outcomes) if self.outcomes else "")
        reasons = [item for item in self.outcomes if item.decision.verdict != KEEP]
        notes = [f"{item.task.key}: {item.decision.why}" for item in reasons]
        notes += [f"not compared: {text}" for text in self.left_out_lines]
        notes += [command for _, command in next_steps(self.outcomes, str(self.new), self.old)]
        if notes:
            items = "".join(f"<li>{escaped(text)}</li>" for text in notes)
            parts.append(f'<ul class="pex-notes">{items}</ul>')
        return fragment("".join(parts))

    def page(self) -> str:
        """The page as HTML."""
        from pex.adoption.page import page

        return page(self)

    def report(self, path: str | Path) -> Path:
        """Write the page; it opens from the file, without a network.

        Args:
            path: the HTML file.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.page(), encoding="utf-8")
        return path

    def to_json(self) -> dict[str, Any]:
        """Plain data, as in `pexlab adopt --json`."""
        counts = Counter(item.decision.verdict for item in self.outcomes)
        return {
            "new": {"model": self.new.model, "params": dict(self.new.params)},
            "old": self.old,
            "headline": self.headline,
            "counts": {name: counts[name] for name in VERDICTS},
            "verdicts": self.verdicts,
            "comparisons": [item.record() for item in self.outcomes],
            "not_compared": self.left_out_lines,
            "remarks": self.remarks,
            "stopped": self.stopped,
            "calls": self.calls,
            "spent_usd": self.spent_usd,
            "budget_usd": self.budget_usd,
            "confidence": self.confidence,
            "run_id": self.run_id,
            "applied": [item.to_json() for item in self.applied],
        }

    def apply(
        self, prompts: Sequence[str] | None = None, *, dry_run: bool = False
    ) -> list[Applied]:
        """Write the model-specific versions of prompts that may move, and ask for their promotion.

        A prompt may move if all its comparisons say *keep as it is*. Its version for the new model
        gets the alias `champion--<model>` if `pex.promote` accepts the evidence: a recorded run of
        the experiment with its gate, made from the journal. What it refuses stays as it is.

        Args:
            prompts: only these; None: all that may move.
            dry_run: only say what would happen.

        Raises:
            PexError: a prompt that was not compared, or a store that does not answer.
        """
        from pex.adoption.apply import apply

        self.applied = apply(self, prompts, dry_run=dry_run)
        return self.applied


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
    candidate = Side.of(new, params, "params")
    old = _old(baseline, baseline_params)
    wanted = [prompts] if isinstance(prompts, str) else list(prompts or ())
    plan = make_plan(project, settings, candidate, old, wanted, tracking_uri)
    missing, unreadable = missing_answers(plan.tasks, settings, state)
    tasks = [task for task in plan.tasks if task.key in missing]
    plan = Plan(plan.new, plan.old, tuple(tasks), (*plan.left_out, *unreadable), plan.remarks)
    if not tasks:
        raise PexError("no prompt can be compared", hint=unreadable[0].why if unreadable else None)
    cap = settings.budget.usd_per_run if budget_usd is None else float(budget_usd)
    if dry_run:
        return preview(plan, missing, settings, cap)
    prices = {model: price_of(model, settings) for model in _models(tasks, missing)}
    level = _confidence(tasks) if confidence is None else confidence
    measuring = Measuring(settings, state, missing, SharedBudget(cap, [], 0.0))
    measuring.check_models(tasks)
    check_priced(
        {k: v for k, v in prices.items() if not (measuring.gone and k == _old_only(k, tasks))}
    )
    study = _study(plan, store_of(project, settings, tracking_uri)) if record else None
    since = study.started_at if study else time.time()
    measuring.budget = SharedBudget(cap, {task.ledger for task in tasks}, since)
    measured = _measure(measuring, tasks, missing, show)
    found = Adoption(
        plan,
        outcomes_of(measured, margin, level, noise_of(tasks, settings, state)),
        confidence=level,
        left_out=plan.left_out,
        stopped=measuring.stopped,
        gone=measuring.gone,
        spent_usd=measuring.spent_usd,
        budget_usd=cap,
    )
    if study is not None:
        from pex.adoption.study import write_study

        found.run_id = study.run_id
        write_study(study, found)
    _raise(measuring.failure, found)
    return found


def _study(plan: Plan, uri: str) -> StudyRun:
    from pex.adoption.study import open_study

    return open_study(plan, uri)


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


def _old_only(model: str, tasks: Sequence[Task]) -> str:
    """The model, if it is only an old one."""
    new = {task.new.model for task in tasks}
    return model if model not in new else ""


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
