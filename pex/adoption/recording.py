"""`pexlab adopt --record`: what a model says today, kept before it is gone."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from pex.adoption.journalled import known_keys, missing_of
from pex.adoption.measure import project_state
from pex.adoption.plan import LeftOut, Side, Task, check_provider, experiments_on
from pex.adoption.progress import Progress
from pex.adoption.study import PLACE, open_recording
from pex.core.checks import check_positive
from pex.core.errors import Interrupted, PexError
from pex.core.safe_text import clean
from pex.core.variant import ClientModel
from pex.report.tables import format_usd
from pex.report.terminal import text_table
from pex.run.database import database_of
from pex.run.shared_budget import SharedBudget
from pex.tracking.store import tracking_uri as store_of

if TYPE_CHECKING:
    from pex.results.results import Results


@dataclasses.dataclass(frozen=True)
class RecordedModel:
    """The answers of a model that are kept now, prompt by prompt.

    `rows` has a line per prompt and experiment: cases, answers, errors, the score, and how much the
    model differs from itself when asked twice. `stopped` is as in an `Adoption`.
    """

    model: str
    rows: tuple[dict[str, Any], ...]
    left_out: tuple[LeftOut, ...]
    stopped: str
    spent_usd: float
    budget_usd: float
    run_id: str | None = None

    @property
    def headline(self) -> str:
        """The result in a sentence."""
        complete = sum(not row["missing"] for row in self.rows)
        total = len(self.rows)
        asked = sum(row["asked"] for row in self.rows)
        return (
            f"{self.model}: {complete:,} of {total:,} comparisons can be made without it from now "
            f"on; {asked:,} answers asked now, "
            f"{format_usd(self.spent_usd) if self.spent_usd else 'nothing'} spent."
        )

    @property
    def exit_code(self) -> int:
        """Of the command: 130 interrupted, 4 budget, 5 answers missing after errors, else 0."""
        if self.stopped in ("interrupted", "budget"):
            return {"interrupted": 130, "budget": 4}[self.stopped]
        return 5 if self.stopped or any(row["missing"] for row in self.rows) else 0

    def __str__(self) -> str:
        head = (
            "prompt",
            "experiment",
            "cases",
            "answers",
            "missing",
            "score",
            "differs from itself",
        )
        lines = [self.headline]
        if self.stopped:
            lines.append(
                f"! not finished ({self.stopped}): all answers are kept, the same command continues"
                + (" with a larger --budget" if self.stopped == "budget" else "")
            )
        lines.append(text_table([_cells(row) for row in self.rows], head, right=(2, 3, 4, 5, 6)))
        lines += [
            f"not recorded: {item.prompt or item.experiment}: {item.why}" for item in self.left_out
        ]
        return clean("\n".join(lines))

    __repr__ = __str__

    def to_json(self) -> dict[str, Any]:
        """Plain data, as in `pexlab adopt --record --json`."""
        return dataclasses.asdict(self) | {"headline": self.headline}


def record_model(
    old: str | ClientModel,
    *,
    params: dict[str, Any] | None = None,
    prompts: Sequence[str] | str | None = None,
    budget_usd: float | None = None,
    record: bool = True,
    show: bool | None = None,
    tracking_uri: str | None = None,
) -> RecordedModel:
    """Ask a model all cases of all prompts that run on it, once more than its experiments do.

    What is in the journal is not asked again; what is missing is, and each case once more, so that
    it is known how much the model differs from itself. From then on a successor can be compared
    with it although it is gone.

    Args:
        old: the model, `provider/model`.
        params: parameters over those of its experiments.
        prompts: only these prompts.
        budget_usd: the most that may be spent; None: the project's budget.
        record: write one run to MLflow.
        show: show progress; None: if the session is interactive.
        tracking_uri: a store other than the project's.

    Raises:
        PexError: something does not fit; no model was called.
        ProviderError: the model cannot be asked at all.
        Interrupted: interrupted from the keyboard; its `.results` is what is kept so far.
    """
    project, settings, state = project_state()
    check_positive("budget_usd", budget_usd, zero=True)
    side = Side.of(old, params, "params")
    check_provider(side, settings)
    wanted = [prompts] if isinstance(prompts, str) else list(prompts or ())
    tasks, left_out = experiments_on(project, settings, side, wanted, tracking_uri)
    cap = settings.budget.usd_per_run if budget_usd is None else float(budget_usd)
    study = (
        open_recording(side, tasks, store_of(project, settings, tracking_uri)) if record else None
    )
    since = study.started_at if study else time.time()
    budget = SharedBudget(cap, {_ledger(task) for task in tasks}, since)
    total = sum(len(task.cases) * (task.experiment.repeats + 1) for task in tasks)
    progress = Progress(len(tasks), total, show)
    asking = _Asking(budget)
    try:
        rows = [asking.ask(task, progress) or _unasked(task) for task in tasks]
    finally:
        progress.close()
    with known_keys(settings, state) as known:
        for task, row in zip(tasks, rows, strict=True):
            times = task.experiment.repeats
            row["missing"] = len(missing_of(task, task.old, times, settings, known))
            if row["answers"] is None:
                lacking = missing_of(task, task.old, times + 1, settings, known)
                total = len(task.cases) * (times + 1)
                row["answers"] = total - sum(len(keys) for keys in lacking.values())
    run_id = study.run_id if study else None
    spent = budget.spent_usd(database_of(state, settings))
    kept = (tuple(rows), tuple(left_out))
    found = RecordedModel(str(side), *kept, asking.stopped, spent, cap, run_id)
    if study is not None:
        _write(study, found)
    if isinstance(asking.failure, Interrupted):
        raise Interrupted("stopped; all answers are kept, the same command continues", found)
    if asking.failure is not None:
        raise asking.failure
    return found


@dataclasses.dataclass
class _Asking:
    """The calls of a recording, one prompt after the other; after a stop nothing more is asked."""

    budget: SharedBudget
    stopped: str = ""
    failure: BaseException | None = None

    def ask(self, task: Task, progress: Progress) -> dict[str, Any] | None:
        """A row of what is kept of one prompt; None if it was not asked."""
        if self.stopped:
            return None
        progress.begin(task.key)
        times = task.experiment.repeats + 1
        drafted = task.experiment.drafted([task.old], task.cases, name=_ledger(task))
        try:
            execution, _ = drafted.prepare(
                record=False, journal="reuse", budget_usd=self.budget, repeats=times
            )
            if progress.shown:
                execution.listen(progress.on_event)
            results = execution.start().wait()
        except Interrupted as stop:
            self.stopped, self.failure = "interrupted", stop
            results = cast("Results", stop.results)
        except PexError as error:
            self.stopped, self.failure = "failed", error
            return None
        if results.status == "budget":
            self.stopped = "budget"
        return _row(task, results)


def _ledger(task: Task) -> str:
    return f"{task.experiment.name}.record"


def _unasked(task: Task) -> dict[str, Any]:
    """The row of a prompt whose turn did not come: what the journal has is counted later."""
    return {
        "prompt": task.prompt, "experiment": task.experiment.name, "cases": len(task.cases),
        "answers": None, "asked": 0, "errors": 0, "missing": 0, "metric": task.metric,
        "score": None, "differs": None,
    }  # fmt: skip


def _row(task: Task, results: Any) -> dict[str, Any]:
    from pex.adoption.described import own_noise

    frame, counts = results.frame, results.about.counts
    answered = frame[frame["error"].isna()]
    column = f"score.{task.metric}"
    scores: list[float] = []
    if column in answered.columns:
        scores = list(answered.groupby("case_id")[column].mean().dropna())
    return {
        "prompt": task.prompt,
        "experiment": task.experiment.name,
        "cases": len(task.cases),
        "answers": counts.answered,
        "asked": counts.answered - counts.replayed,
        "errors": counts.errors,
        "missing": 0,
        "metric": task.metric,
        "score": sum(scores) / len(scores) if scores else None,
        "differs": own_noise(answered),
    }


def _cells(row: dict[str, Any]) -> list[str]:
    differs = row["differs"]
    return [
        row["prompt"], row["experiment"], f"{row['cases']:,}", f"{row['answers']:,}",
        f"{row['missing']:,}", "–" if row["score"] is None else f"{row['score']:.3g}",
        "–" if differs is None else f"{100 * differs:.0f} %",
    ]  # fmt: skip


def _write(study: Any, found: RecordedModel) -> None:
    import pandas as pd

    model = found.model.partition(",")[0]
    study.write(
        params={"model": found.model},
        metrics={
            "cost_usd": found.spent_usd,
            "answers": float(sum(row["answers"] for row in found.rows)),
            "missing": float(sum(row["missing"] for row in found.rows)),
        },
        tables={f"{PLACE}.json": pd.DataFrame(list(found.rows))},
        note=f"{found.headline}\n\nFrom now on: `pexlab adopt NEW --baseline {model}`",
    )
    study.end({"": "finished", "failed": "failed"}.get(found.stopped, "interrupted"))
