"""One execution of an experiment: asks, scores, shows and records, on a thread of its own."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import functools
import gc
import importlib.metadata
import platform
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.call import Answer, Request
from pex.core.cases import Case
from pex.core.errors import Interrupted, ProviderError
from pex.core.events import Answered, Done, Event, Failed, Listener, Queued, Scored
from pex.core.score import Score
from pex.core.variant import Variant
from pex.results import Results
from pex.run.budget import Budget
from pex.run.channel import Channel
from pex.run.client import FATAL
from pex.run.feed import Feed
from pex.run.journal import Journal, Run, Writer
from pex.run.lease import Leases
from pex.run.provider_batch import ProviderBatchRunner
from pex.run.runner import Runner
from pex.run.shared import Shared
from pex.score.base import Scorer
from pex.score.frame import build_frame

if TYPE_CHECKING:
    from pex.record.runs import Recorder


DRAIN_S = 2.0
"""How long the end of a run waits for those who watch it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """Everything that an execution needs, resolved: plain data, open endpoints, the journal.

    `found` are the answers, by key, that the journal has already.
    """

    name: str
    purpose: str
    variants: Sequence[Variant]
    cases: Sequence[Case]
    scorers: Sequence[Scorer]
    repeats: int
    requests: Sequence[Request]
    channels: Mapping[str, Channel]
    journal: Journal
    run: Run
    found: Mapping[str, Answer]
    budget_usd: float
    batch_budget_usd: float | None
    stream: bool
    provider_batch: bool
    note: str
    files: Mapping[str, str]
    how_to: Sequence[str]


@dataclasses.dataclass(slots=True)
class Progress:
    """How far a run is: requests in all, answers and errors so far, seconds, USD.

    `replayed` of the answers came from the journal.
    """

    total: int
    answered: int = 0
    replayed: int = 0
    errors: int = 0
    elapsed_s: float = 0.0
    spent_usd: float = 0.0

    @property
    def done(self) -> int:
        """Answers and errors together."""
        return self.answered + self.errors


class Execution:
    """The handle of a run that goes on in the background.

    Made by `Experiment.start()`. The kernel stays free; `wait()` gives the results, `cancel()`
    ends the run and keeps what was answered.
    """

    def __init__(self, job: Job, recorder: Recorder | None) -> None:
        self._job = job
        self._recorder = recorder
        self._feeds: list[Feed] = []
        self._budget = Budget(job.budget_usd, job.run.spent_usd)
        self._begun_at = time.time()
        self._answers: dict[tuple[str, str, int], Answer] = {}
        self._scores: dict[tuple[str, str, int], dict[str, Score]] = {}
        self._case_of = {case.id: case for case in job.cases}
        self._scoring = Feed(self._score)
        database, run = job.journal.database, job.run
        shared = Shared(Leases(database, run.id), run.batch_id, job.batch_budget_usd)
        asked = [request for request in job.requests if request.key not in job.found]
        common = (asked, job.channels, self._budget, self._on_event)
        writer = functools.partial(Writer, database, run)
        self._runner: Runner | ProviderBatchRunner
        if job.provider_batch:
            self._runner = ProviderBatchRunner(*common, writer, database, run, shared)
        else:
            find = functools.partial(job.journal.find_one, run=run)
            self._runner = Runner(*common, writer, shared, find, job.stream)
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._results: Results | None = None
        self.progress = Progress(total=len(job.requests))
        self._thread = threading.Thread(target=self._main, name="pex-run", daemon=True)

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of every event from now on, on a thread of its own.

        A slow one slows nobody; it misses passing news then, never an answer.
        """
        self._feeds.append(Feed(listener))

    def start(self) -> Execution:
        """Begin; returns at once."""
        self._tell(
            Queued(
                variants=tuple(variant.name for variant in self._job.variants),
                case_ids=tuple(case.id for case in self._job.cases),
                repeats=self._job.repeats,
                total=len(self._job.requests),
            )
        )
        self._thread.start()
        return self

    @property
    def done(self) -> bool:
        """Whether the run has ended, records and all."""
        return self._ended.is_set()

    @property
    def results(self) -> Results | None:
        """The results, None while the run goes on."""
        return self._results

    def cancel(self) -> None:
        """Ask nothing new; calls in flight may finish for a few seconds. Twice: stop now."""
        self._runner.stop()

    def wait(self) -> Results:
        """Wait for the end.

        Raises:
            Interrupted: the keyboard or the kernel interrupted the run; it holds the results.
            ProviderError: no answer came at all, and asking again would not help.
        """
        interrupted = False
        while not self._ended.is_set():
            try:
                self._ended.wait()
            except KeyboardInterrupt:
                interrupted = True
                self.cancel()
        results = self._outcome()
        if interrupted:
            counts = results.about["counts"]
            raise Interrupted(
                f"stopped after {counts['answered']} of {counts['requests']} answers; "
                "they are kept in the experiment's .results"
                + (
                    "; the provider batch goes on, and the same call again fetches it"
                    if self._job.provider_batch
                    else ""
                ),
                results,
            )
        return results

    async def wait_async(self) -> Results:
        """Wait for the end without blocking the event loop."""
        try:
            while not self._ended.is_set():
                await asyncio.to_thread(self._ended.wait, 0.5)
        except asyncio.CancelledError:
            self.cancel()
            raise
        return self._outcome()

    def _outcome(self) -> Results:
        if self._failure is not None:
            raise self._failure
        assert self._results is not None  # _main sets one of the two
        counts = self._results.about["counts"]
        kinds = set(self._results.frame["error_kind"].dropna())
        if counts["answered"] == 0 and kinds & FATAL:
            raise ProviderError(
                f"{self._job.name}: no answer came: {self._results.frame['error'].dropna().iloc[0]}"
            )
        return self._results

    def _main(self) -> None:
        status = "failed"
        # What is there already need not be searched for garbage again and again while answers
        # come: it would take 2 % of the time of a large run.
        gc.freeze()
        try:
            try:
                for request in self._job.requests:
                    if request.key in self._job.found:
                        self._on_event(Answered(request.place, self._job.found[request.key]))
                status = asyncio.run(self._runner.run()) if self._runner.has_work else "finished"
            except Exception as error:  # noqa: BLE001 - raised by wait(); the answers come first
                self._failure = error
            self._scoring.put(Done(status, 0.0))
            self._scoring.drain(None)
            self._results = self._finish(status)
            if self._scoring.failure is not None:  # a scorer never raises: a fault of our own
                raise self._scoring.failure
            self._job.journal.end(self._job.run, status)
        except BaseException as error:  # noqa: BLE001 - raised by wait()
            self._failure = error
            if self._recorder is not None:
                self._recorder.fail()
        finally:
            self._tell(Done(status, time.time() - self._begun_at))
            gc.unfreeze()
            self._job.journal.close()
            for feed in self._feeds:
                feed.drain(DRAIN_S)
            self._ended.set()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Answered | Failed):
            self._answers[event.place] = event.answer
            if isinstance(event, Answered):
                self.progress.answered += 1
                self.progress.replayed += event.answer.from_journal
            else:
                self.progress.errors += 1
            self.progress.elapsed_s = time.time() - self._begun_at
            self.progress.spent_usd = self._budget.spent_usd
        self._tell(event)
        if isinstance(event, Answered):
            self._scoring.put(event)

    def _score(self, event: Event) -> None:
        """On a thread of its own: a slow scorer holds up no call."""
        if not isinstance(event, Answered):
            return
        scores: dict[str, Score] = {}
        for scorer in self._job.scorers:
            scores |= scorer(event.answer, self._case_of[event.place[1]])
        self._scores[event.place] = scores
        self._tell(Scored(event.place, scores))

    def _tell(self, event: Event) -> None:
        for feed in self._feeds:
            feed.put(event)

    def _finish(self, status: str) -> Results:
        job = self._job
        rows = [
            (request, self._answers[request.place], self._scores.get(request.place, {}))
            for request in job.requests
            if request.place in self._answers
        ]
        frame = build_frame(rows, job.variants, job.cases, [scorer.name for scorer in job.scorers])
        results = Results(frame, self._about(status))
        if self._recorder is not None:
            self._record(self._recorder, results)
        return results

    def _record(self, recorder: Recorder, results: Results) -> None:
        files = {**self._job.files, "report.html": results.page()}
        try:
            recorder.finish(results.frame, results.summary(), results.about, files)
        except Exception as error:  # noqa: BLE001 - the answers matter more than their record
            message = f"the run could not be recorded in MLflow: {error}"
            results.about["record_error"] = message
            warnings.warn(f"{message}; the results are complete", stacklevel=2)

    def _about(self, status: str) -> dict[str, Any]:
        job, recorder = self._job, self._recorder
        prompts = {variant.prompt.name: variant.prompt for variant in job.variants}
        begun = datetime.datetime.fromtimestamp(self._begun_at, datetime.UTC)
        return {
            "name": job.name,
            "purpose": job.purpose,
            "note": job.note,
            "status": status,
            "run_id": recorder.run_id if recorder else None,
            "tracking_uri": recorder.uri if recorder else None,
            "started_at": begun.isoformat(timespec="seconds"),
            "elapsed_s": round(time.time() - self._begun_at, 3),
            "cases": len(job.cases),
            "repeats": job.repeats,
            "variants": [
                {
                    "name": variant.name,
                    "prompt": variant.prompt.name,
                    "prompt_version": variant.prompt.digest,
                    "model": variant.model,
                    "params": variant.all_params,
                }
                for variant in job.variants
            ],
            "prompts": [
                {"name": name, "text": prompt.text, "description": prompt.description}
                for name, prompt in prompts.items()
            ],
            "models": list(dict.fromkeys(variant.model for variant in job.variants)),
            "scorers": [scorer.name for scorer in job.scorers],
            "budget_usd": job.budget_usd,
            "spent_usd": round(self._budget.spent_usd, 6),
            "journal": {"run": job.run.id, "mode": job.run.mode, "continued": job.run.continued},
            "counts": {
                "requests": len(job.requests),
                "answered": self.progress.answered,
                "replayed": self.progress.replayed,
                "errors": self.progress.errors,
                "not_asked": len(job.requests) - self.progress.done,
            },
            "versions": _versions(),
            "how_to": list(job.how_to),
        }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("pexlab", "mlflow", "xllamacpp"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
