"""One execution of an experiment: runs, scores, judges and records on its own thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import datetime
import functools
import gc
import importlib.metadata
import math
import platform
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pex.core.about import About, CasesFile, Counts, PromptInfo, UserInfo, VariantInfo
from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import BudgetError, Interrupted, PexError, ProviderError
from pex.core.events import (
    Answered,
    Done,
    Event,
    Failed,
    Judging,
    Listener,
    Queued,
    RowKey,
    Scored,
    Stopping,
)
from pex.core.remarks import EXAMPLE
from pex.core.safe_text import clean
from pex.core.score import Score
from pex.experiment.job import Job, Progress
from pex.guard.redact import known, redact, redact_data
from pex.results.outcome import outcome_of
from pex.results.record import record
from pex.results.results import Results
from pex.run.budget import Budget
from pex.run.errors import FATAL
from pex.run.feed import Feed, Feeds
from pex.run.provider_batch import ProviderBatchRunner
from pex.run.runner import Runner
from pex.run.runner_context import RunnerContext
from pex.run.simulated_user import SimulatedUser
from pex.score.base import scored
from pex.score.field_outcomes import field_options
from pex.score.frame import build_frame
from pex.score.judge.asking import JudgeRun

if TYPE_CHECKING:
    import pandas as pd

    from pex.record.runs import Recorder
    from pex.widgets.grid import ResultGrid


DRAIN_S = 2.0
"""How long the end of a run waits for its listeners."""

WAKE_S = 0.5


class Execution:
    """The handle of a run in the background.

    Made by `Experiment.start()`. The kernel stays free; `wait()` returns the results, `cancel()`
    ends the run and keeps the answers so far. As the last expression in a cell it shows the live
    grid, in any number of cells; so does `show()`.
    """

    def __init__(self, job: Job, recorder: Recorder | None) -> None:
        self._job = job
        self._recorder = recorder
        self._feeds = Feeds()
        self._budget = Budget(job.budget_usd, job.run.spent_usd)
        self._begun_at = time.time()
        self._answers: dict[RowKey, Answer] = {}
        self._scores: dict[RowKey, dict[str, Score]] = {}
        self._cases: list[Case] = list(job.cases)
        self._case_of = {case.id: case for case in job.cases}
        self._prompts = {v.name: list(v.prompt.messages) for v in job.variants}
        self._examples = {v.name: frozenset(v.prompt.examples) for v in job.variants}
        self._scoring = Feed(self._score)
        run = job.run
        asked = [request for request in job.requests if request.key not in job.found]
        context = RunnerContext(
            job.channels,
            self._budget,
            self._on_event,
            job.journal.database,
            run,
            job.batch_budget_usd,
        )
        self._runner: Runner | ProviderBatchRunner
        if job.provider_batch:
            self._runner = ProviderBatchRunner(asked, context)
        else:
            find = functools.partial(job.journal.find_one, run=run)
            self._runner = Runner(asked, context, find, job.stream, job.warm_up, job.toolbox)
        self._judge_run: JudgeRun | None = None
        if job.panel is not None:
            self._judge_run = JudgeRun(
                job.panel, job.journal, run, self._budget, job.batch_budget_usd, self._on_judged
            )
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._viewer: Callable[[], ResultGrid] | None = None
        self._grid: ResultGrid | None = None
        self._failure: BaseException | None = None
        self._results: Results | None = None
        each = 1 + (job.panel.questions_each if job.panel is not None else 0)
        self.progress = Progress(total=len(job.requests) * each)
        self._thread = threading.Thread(target=self._main, name="pex-run", daemon=True)

    def listen(self, listener: Listener) -> None:
        """Tell `listener` about every event, on a thread of its own; past events come first.

        A slow listener slows nobody down; it then misses progress events, never an answer.
        """
        self._feeds.listen(listener, self._events_so_far())

    def _events_so_far(self) -> Iterator[Event]:
        for place, answer in self._answers.items():
            yield Answered(place, answer) if answer.error is None else Failed(place, answer)
        for place, scores in self._scores.items():
            yield Scored(place, scores)

    def viewed_by(self, viewer: Callable[[], ResultGrid]) -> Execution:
        """Use `viewer` to make the view for `show()`; returns the execution."""
        self._viewer = viewer
        return self

    def show(self) -> ResultGrid:
        """The live grid; as the last expression in a cell, in any number of cells.

        All of them show the same, whenever they are opened: the run so far, then its progress.
        Their Stop button does what `cancel()` does.
        """
        with self._feeds.lock:
            if self._grid is None:
                assert self._viewer is not None  # Experiment.start() sets one
                self._grid = self._viewer()
        return self._grid

    def __repr__(self) -> str:
        counts, results = self.progress, self._results
        state = "running" if not self.done else "failed" if results is None else results.status
        errors = f", {counts.errors:,} errors" if counts.errors else ""
        return clean(
            f"Run of '{self._job.name}': {counts.done:,} of {counts.total:,} done{errors}, {state}"
        )

    def _ipython_display_(self) -> None:
        from pex.widgets import in_notebook

        if not in_notebook() or self._viewer is None:
            raise NotImplementedError  # IPython then shows the repr
        self.show()._ipython_display_()

    def start(self) -> Execution:
        """Start; returns at once."""
        self._emit(
            Queued(
                variants=tuple(variant.name for variant in self._job.variants),
                case_ids=tuple(case.id for case in self._job.cases),
                repeats=self._job.repeats,
                total=len(self._job.requests),
            )
        )
        if self._judge_run is not None:  # judges' questions are part of the work
            self._emit(Judging(0, self.progress.total - len(self._job.requests)))
        self._ended.set_running_or_notify_cancel()  # no waiting caller can cancel it
        self._thread.start()
        return self

    @property
    def done(self) -> bool:
        """Whether the run has ended and been recorded."""
        return self._ended.done()

    @property
    def results(self) -> Results | None:
        """The results, None while the run is in progress."""
        return self._results

    def cancel(self) -> None:
        """Start no new calls; calls in flight get a few seconds to finish. Twice: stop now."""
        if not self.done:
            self._emit(Stopping())
        if self._judge_run is not None:
            self._judge_run.stop()
        self._runner.stop()

    def wait(self) -> Results:
        """Wait for the end.

        Raises:
            Interrupted: the keyboard or the kernel interrupted the run; it holds the results.
            ProviderError: there was no answer at all, and retrying would not help.
            BudgetError: an endpoint reported a higher cost than a call could have.
        """
        interrupted = False
        while not self.done:
            try:
                self._ended.result()
            except KeyboardInterrupt:
                interrupted = True
                self.cancel()
        results = self._outcome()
        if interrupted:
            raise Interrupted(self._interrupted(results), results)
        return results

    async def wait_async(self) -> Results:
        """Wait for the end without blocking the event loop.

        Raises:
            asyncio.CancelledError: the wait was cancelled, in a notebook by an interrupt; the run
                has been stopped and has ended.
        """
        ended = asyncio.wrap_future(self._ended)
        cancelled = False
        while not ended.done():
            try:
                # A kernel's interrupt does not wake its event loop, so this loop does so regularly.
                await asyncio.wait([ended], timeout=WAKE_S)
            except asyncio.CancelledError:
                cancelled = True
                self.cancel()
        results = self._outcome()
        if cancelled:
            said = self._interrupted(results)
            error = asyncio.CancelledError(said)
            # IPython calls this; asyncio's timeouts need exactly this class, so not one of our own.
            vars(error)["_render_traceback_"] = lambda: [f"Interrupted: {said}"]
            raise error
        return results

    def _interrupted(self, results: Results) -> str:
        counts, judge_run = results.about.counts, self._judge_run
        judged = (
            f" and {judge_run.done} of {judge_run.total} judgements"
            if judge_run is not None
            else ""
        )
        batch = "; the provider batch continues, and the same call fetches it"
        return (
            f"stopped after {counts.answered} of {counts.requests} answers{judged}; "
            "they are kept in the experiment's .results"
        ) + (batch if self._job.provider_batch else "")

    def _outcome(self) -> Results:
        if self._failure is not None:
            raise self._failure
        assert self._results is not None  # _main sets one of the two
        kinds = set(self._results.frame["error_kind"].dropna())
        if self._results.about.counts.answered == 0 and kinds & FATAL:
            raise ProviderError(
                f"{self._job.name}: no answer came: {self._results.frame['error'].dropna().iloc[0]}"
            )
        return self._results

    def _main(self) -> None:
        status = "failed"
        # Existing objects need not be searched for garbage again and again while answers arrive:
        # that would take 2 % of the time of a large run.
        gc.freeze()
        try:
            try:
                for request in self._job.requests:
                    if request.key in self._job.found:
                        self._on_event(Answered(request.place, self._job.found[request.key]))
                status = asyncio.run(self._runner.run()) if self._runner.has_work else "finished"
            except Exception as error:  # noqa: BLE001 - raised by wait(); the answers come first
                self._failure = error
                status = "budget" if isinstance(error, BudgetError) else "failed"
            self._scoring.put(Done(status, 0.0))
            self._scoring.drain(None)
            if self._judge_run is not None:
                status = self._judge(self._judge_run, status)
            self._results = self._finish(status)
            if self._scoring.failure is not None:  # a scorer never raises: an error in pex itself
                raise self._scoring.failure
            self._job.journal.end(self._job.run, status)
        except BaseException as error:  # noqa: BLE001 - raised by wait()
            self._failure = error
            if self._recorder is not None:
                self._recorder.fail()
        finally:
            self._emit(Done(status, time.time() - self._begun_at))
            gc.unfreeze()
            if self._job.toolbox is not None:
                self._job.toolbox.close()
            self._job.journal.close()
            self._feeds.drain(DRAIN_S)
            self._ended.set_result(None)

    def _judge(self, judge_run: JudgeRun, status: str) -> str:
        """Call the judges; a failure here is raised by wait(), after the answers are stored."""
        try:
            status = judge_run.judge(self._answers, self._job.cases, status)
        except Exception as error:  # noqa: BLE001 - raised by wait(); the answers come first
            self._failure = self._failure or error
            status = "budget" if isinstance(error, BudgetError) else "failed"
        self._update_judging(judge_run)
        return status

    def _on_judged(self, event: Event) -> None:
        if self._judge_run is not None:
            self._update_judging(self._judge_run)
        with self._feeds.lock:
            if isinstance(event, Scored):
                self._scores.setdefault(event.place, {}).update(event.scores)
            self._emit(event)

    def _update_judging(self, judge_run: JudgeRun) -> None:
        """Update the judges' progress and publish it."""
        self._emit(Judging(judge_run.done, judge_run.total))
        counts = self.progress
        counts.judged = judge_run.done
        counts.total = len(self._job.requests) + judge_run.total
        counts.elapsed_s = time.time() - self._begun_at
        counts.spent_usd = self._budget.spent_usd

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Answered | Failed) and self._is_example(event.place):
            # Not in the journal: another prompt may share the answer.
            remarks = [*event.answer.remarks, EXAMPLE]
            answer = dataclasses.replace(event.answer, remarks=remarks)
            event = dataclasses.replace(event, answer=answer)
        with self._feeds.lock:
            if isinstance(event, Answered | Failed):
                self._answers[event.place] = event.answer
            self._emit(event)
        if isinstance(event, Answered | Failed):
            if isinstance(event, Answered):
                self.progress.answered += 1
                self.progress.replayed += event.answer.from_journal
            else:
                self.progress.errors += 1
            self.progress.elapsed_s = time.time() - self._begun_at
            self.progress.spent_usd = self._budget.spent_usd
        if isinstance(event, Answered):
            self._scoring.put(event)

    def _score(self, event: Event) -> None:
        """Score on a separate thread: a slow scorer delays no call."""
        if not isinstance(event, Answered):
            return
        scores: dict[str, Score] = {}
        for scorer in self._job.scorers:
            case, prompt = self._case_of[event.place[1]], self._prompts[event.place[0]]
            scores |= scored(scorer, event.answer, case, prompt)
        with self._feeds.lock:
            self._scores[event.place] = scores
            self._emit(Scored(event.place, scores))

    def _is_example(self, place: RowKey) -> bool:
        """Whether the prompt itself shows the case."""
        return place[1] in self._examples[place[0]]

    def _emit(self, event: Event) -> None:
        self._feeds.tell(event)

    def _finish(self, status: str) -> Results:
        job = self._job
        rows = [
            (request, self._answers[request.place], self._scores.get(request.place, {}))
            for request in job.requests
            if request.place in self._answers
        ]
        # A key that somebody wrote into a case or a prompt was sent; it is stored nowhere.
        self._cases, values = without_keys(job.cases), known()
        frame = build_frame(rows, job.variants, self._cases, job.score_names)
        about = self._about(status)
        if values:
            # The store's address is needed as it is; whoever stores it takes its password out.
            about = dataclasses.replace(
                About.from_json(redact_data(about.to_json(), values)),
                tracking_uri=about.tracking_uri,
            )
        if self._recorder is None:
            results = Results(frame, about, job.edits)
        else:
            results = self._record(self._recorder, frame, about)
        prompts = [variant.prompt for variant in job.variants]
        results.response_models = {p.name: p.response_model for p in prompts if p.response_model}
        return results

    def _record(self, recorder: Recorder, frame: pd.DataFrame, about: About) -> Results:
        """Record the run; if that fails, its files are kept in the project."""
        from pex.record import unrecorded

        job = self._job
        prompts = list({variant.prompt.name: variant.prompt for variant in job.variants}.values())
        texts = redact_data(dict(job.files))
        try:
            outcome = outcome_of(frame, about)
            results = Results.of(outcome, job.edits)
            results.traces = record(recorder, outcome, texts, prompts, self._cases, job.traces)
            results.about = dataclasses.replace(about, run_name=recorder.name)
            unrecorded.drop(job.state, recorder.run_id)  # an earlier start may have left them
        except Exception as error:  # noqa: BLE001 - the answers matter more than their record
            folder = unrecorded.keep(job.state, recorder.run_id, frame, about, texts)
            # A PexError's hint is about the start of a run, not its end.
            why = redact(error.message if isinstance(error, PexError) else str(error))
            message = f"the run could not be recorded in MLflow: {why}"
            about = dataclasses.replace(about, record_error=message)
            results = Results(frame, about, job.edits)
            warnings.warn(
                clean(
                    f"{message}; the results are complete, and kept in {folder} until "
                    f"`pexlab record {recorder.run_id}` uploads them"
                ),
                stacklevel=2,
            )
        return results

    def _about(self, status: str) -> About:
        job, recorder, counts = self._job, self._recorder, self.progress
        prompts = {variant.prompt.name: variant.prompt for variant in job.variants}
        started = datetime.datetime.fromtimestamp(self._begun_at, datetime.UTC)
        return About(
            name=job.name,
            purpose=job.purpose,
            note=job.note,
            status=status,
            run_id=recorder.run_id if recorder else None,
            tracking_uri=recorder.uri if recorder else None,
            experiment_id=recorder.experiment_id if recorder else None,
            started_at=started.isoformat(timespec="seconds"),
            elapsed_s=round(time.time() - self._begun_at, 3),
            cases=len(job.cases),
            repeats=job.repeats,
            variants=[VariantInfo.of(variant) for variant in job.variants],
            prompts=[PromptInfo.of(prompt) for prompt in prompts.values()],
            models=list(dict.fromkeys(variant.model for variant in job.variants)),
            scorers=job.score_names,
            scorer_items=job.scorer_items,
            field_scorers=field_options(job.scorers),
            judges=self._judge_run.about() if self._judge_run is not None else [],
            gate=job.gate,
            max_error_share=job.max_error_share,
            budget_usd=job.budget_usd,
            spent_usd=round(self._budget.spent_usd, 6),
            journal={"run": job.run.id, "mode": job.run.mode, "continued": job.run.continued},
            counts=Counts(
                requests=len(job.requests),
                answered=counts.answered,
                replayed=counts.replayed,
                errors=counts.errors,
                not_asked=len(job.requests) - counts.answered - counts.errors,
            ),
            versions=_versions(),
            how_to=list(job.how_to),
            renamed=dict(job.cases[0].renamed),
            decimal=next((case.decimal for case in job.cases if case.decimal), ""),
            requirements=list(job.criteria.requirements),
            checks=list(job.criteria.checks),
            criteria_sha256=job.criteria.sha256,
            criteria=job.criteria.decided,
            tools=[] if job.toolbox is None else job.toolbox.described(),
            user=None if job.user is None else _user_info(job.user, self._answers.values()),
            cases_file=CasesFile(job.edits.name, dict(job.edits.columns), job.edits.reading.given())
            if job.edits
            else None,
        )


def _user_info(user: SimulatedUser, answers: Iterable[Answer]) -> UserInfo:
    """The record of a simulated user, with what it wrote and what that cost."""
    wrote = [
        (answer.from_journal or bool(step.get("from_journal")), step.get("cost_usd"))
        for answer in answers
        for step in answer.steps or ()
        if step.get("user")
    ]
    paid = [cost for reused, cost in wrote if not reused]
    return UserInfo(
        model=user.model,
        prompt=user.prompt.name,
        digest=user.prompt.digest,
        text=user.prompt.text,
        params=user.variant.all_params,
        max_turns=user.max_turns,
        stop=user.stop,
        messages=len(wrote),
        reused=len(wrote) - len(paid),
        cost_usd=None if None in paid else round(math.fsum(cost or 0.0 for cost in paid), 9),
    )


def without_keys(cases: Sequence[Case]) -> list[Case]:
    """The cases without the values of keys; one that has none stays the same object."""
    values = known()
    found = []
    for case in cases:
        inputs, expected = redact_data(case.inputs, values), redact_data(case.expected, values)
        same = inputs == case.inputs and expected == case.expected
        found.append(case if same else dataclasses.replace(case, inputs=inputs, expected=expected))
    return found


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("pexlab", "mlflow", "xllamacpp"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
