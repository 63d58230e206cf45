"""Judging a run: its answers go to judges, by the same runner that made its calls."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.about import JudgeInfo, VariantInfo
from pex.core.batch_context import BatchContext
from pex.core.call import Answer, Request
from pex.core.cases import Case
from pex.core.checks import check_positive
from pex.core.errors import PexError
from pex.core.events import Answered, Event, Failed, Listener, Pace, RowKey, Scored, Spent
from pex.core.pairs import pairs
from pex.core.score import Score
from pex.project.settings import Settings, load_settings
from pex.run.budget import Budget
from pex.run.channel import Channel, open_channels
from pex.run.database import database_of
from pex.run.journal import Journal, Run, check_mode
from pex.run.model import by_ref
from pex.run.prices import check_priced
from pex.run.provider_trust import check_models
from pex.run.runner import Runner
from pex.run.runner_context import RunnerContext
from pex.score.judge.judge import Judge
from pex.score.judge.questions import Verdicts, self_preference

Scores = dict[str, Score]

_NOT_ASKED = {
    "budget": "the budget ended the run",
    "interrupted": "the run was interrupted",
    "failed": "the run failed",
}


@dataclasses.dataclass(frozen=True, slots=True)
class JudgePanel:
    """The judges of a run with everything that they need, resolved.

    `rivals` has the baseline of each variant for each pairwise judge, `trust` each judge's
    agreement with people, `channels` the connections to the judges' models; `models` gave the
    answers; `longest` is `max_tokens` if a judge's prompt does not set it, and `api_of` gives the
    API of a model.
    """

    judges: Sequence[Judge]
    rivals: Mapping[str, Mapping[str, str]]
    trust: Mapping[str, Mapping[str, Any]]
    models: Sequence[str]
    longest: int
    folder: Path
    channels: Mapping[str, Channel] = dataclasses.field(default_factory=dict)
    api_of: Callable[[str], str] = Settings().api_of

    def verdicts(
        self,
        answers: Mapping[RowKey, Answer],
        cases: Sequence[Case],
        to_come: Collection[RowKey] = (),
    ) -> Verdicts:
        """The questions about these answers; those `to_come` only stand for ones."""
        asked = (self.longest, self.folder, self.api_of, to_come)
        return Verdicts(self.judges, self.rivals, answers, cases, *asked)

    @property
    def questions_each(self) -> int:
        """The largest number of questions about one answer."""
        return sum(1 + judge.pairwise for judge in self.judges)

    def key_parts(self) -> list[str]:
        """The parts that must be equal for two runs of these judges to be the same."""
        return [f"{judge.name}\0{judge.digest}\0{judge.baseline}" for judge in self.judges]


def judge_panel(
    judges: Sequence[Judge], variants: Sequence[VariantInfo], longest: int, folder: Path
) -> JudgePanel:
    """Resolve the judges of a run, pairwise ones with the baseline of every variant.

    Args:
        judges: the judges that score.
        variants: the variants to judge.
        longest: `max_tokens` if a judge's prompt does not set it.
        folder: the folder that paths of images start from.

    Raises:
        PexError: a baseline is not a variant, prompt or model, there is nothing to compare it with,
            or a calibration cannot be read.
    """
    rivals: dict[str, dict[str, str]] = {}
    for judge in judges:
        if judge.pairwise:
            try:
                rivals[judge.name] = dict(pairs(variants, judge.baseline))
            except PexError as error:
                message = f"judge '{judge.name}': {error.message}"
                raise PexError(message, hint=error.hint) from None
    models = list(dict.fromkeys(variant.model for variant in variants))
    trust = {judge.name: _trust(judge) for judge in judges}
    return JudgePanel(judges, rivals, trust, models, longest, folder)


def _trust(judge: Judge) -> dict[str, Any]:
    calibrated, why = judge.calibrated()
    found = judge.calibration
    figures = found and {
        "n": found.n,
        "kappa": found.kappa,
        "low": found.kappa_low,
        "high": found.kappa_high,
        "rated_at": found.rated_at,
        "raters": list(found.raters),
        "labels": list(found.labels),
        "table": [list(row) for row in found.table],
    }
    return {"calibrated": calibrated, "why": why, "calibration": figures}


class JudgeRun:
    """Sends answers to the judges: verdicts in the journal are reused, the others requested.

    Args:
        panel: the judges, with their open endpoints.
        journal: the journal that stores the verdicts.
        run: the run that they belong to.
        budget: the cap, shared with the answers of the run.
        batch_cap_usd: the cap on the run's batch.
        listen: called for `Scored`, `Spent` and `Pace`, on the thread that judges.
    """

    def __init__(
        self,
        panel: JudgePanel,
        journal: Journal,
        run: Run,
        budget: Budget,
        batch_cap_usd: float | None,
        listen: Listener,
    ) -> None:
        self._panel, self._journal, self._run = panel, journal, run
        self._budget, self._batch_cap_usd = budget, batch_cap_usd
        self._listen = listen
        self._verdicts = panel.verdicts({}, [])
        self._runner: Runner | None = None
        self._stopped = False
        self.scores: dict[RowKey, Scores] = {}
        """The judges' scores so far."""
        self.total = self.done = 0
        """The total number of questions, and the number answered or failed."""

    def stop(self) -> None:
        """From any thread: start no new calls; called twice: stop now."""
        self._stopped = True
        if self._runner is not None:
            self._runner.stop()

    def judge(
        self, answers: Mapping[RowKey, Answer], cases: Sequence[Case], status: str = "finished"
    ) -> str:
        """Judge answers; return the final status.

        Args:
            answers: the answers to judge, by place.
            cases: the cases of these answers.
            status: the status of the run so far; if it is not "finished", only verdicts in the
                journal are used and no judge is called.

        Raises:
            JournalError: the journal cannot be read or written; scores so far are kept.
        """
        self._verdicts = verdicts = self._panel.verdicts(answers, cases)
        asked = verdicts.requests
        self.total = len(asked)
        why = "failed"
        try:
            for place, scores in verdicts.settled.items():
                self._tell(place, scores)
            found = self._journal.find([request.key for request in asked], self._run)
            for request in asked:
                if request.key in found:
                    self._on_event(Answered(request.place, found[request.key]))
            left = [request for request in asked if request.key not in found]
            ended = "interrupted" if self._stopped and status == "finished" else status
            if left and ended == "finished":
                ended = asyncio.run(self._ask(left))
            why = ended
        finally:
            for place, scores in verdicts.unheard(_NOT_ASKED.get(why, why)):
                self._tell(place, scores)
        return "failed" if ended == "finished" and verdicts.broken else ended

    def about(self) -> list[JudgeInfo]:
        """Each judge with its counts and costs."""
        return [
            JudgeInfo(
                name=judge.name,
                kind=judge.kind,
                model=judge.model,
                prompt=judge.prompt.name,
                text=judge.prompt.text,
                baseline=judge.baseline,
                digest=judge.digest,
                identity=judge.identity,
                **self._panel.trust[judge.name],
                note=self_preference(judge, self._panel.models),
                **self._verdicts.about(judge),
            )
            for judge in self._panel.judges
        ]

    async def _ask(self, left: Sequence[Request]) -> str:
        context = RunnerContext(
            self._panel.channels,
            self._budget,
            self._on_event,
            self._journal.database,
            self._run,
            self._batch_cap_usd,
        )
        find = functools.partial(self._journal.find_one, run=self._run)
        runner = Runner(left, context, find)
        task = asyncio.create_task(runner.run())
        await asyncio.sleep(0)  # from here on it reacts to stop()
        self._runner = runner
        if self._stopped:
            runner.stop()
        return await task

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Spent | Pace):
            self._listen(event)
        if not isinstance(event, Answered | Failed):
            return
        self.done += 1
        complete = self._verdicts.take(event.place, event.answer)
        if complete is not None:
            self._tell(*complete)

    def _tell(self, place: RowKey, scores: Scores) -> None:
        self.scores.setdefault(place, {}).update(scores)
        self._listen(Scored(place, scores))


def ready_judges(
    panel: JudgePanel, models: Iterable[str], connect: Callable[[list[str]], dict[str, Channel]]
) -> JudgePanel:
    """The panel with open endpoints, before any call.

    Args:
        panel: the judges.
        models: the models of the judges that have to be called.
        connect: opens the channels of models.

    Raises:
        PexError: a model cannot be reached, or its price is not known.
    """
    refs = sorted(set(models))
    try:
        channels = connect(refs)
    except PexError as error:
        if type(error) is not PexError:
            raise
        # Without it, the message looks like one about the experiment's own models.
        called = [item for item in panel.judges if item.model in refs]
        who = ", ".join(f"'{item.name}' ({item.model})" for item in called)
        raise PexError(f"judge {who}: {error.message}", hint=error.hint) from None
    check_priced({ref: channel.price for ref, channel in channels.items()})
    return dataclasses.replace(panel, channels=channels)


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """The judges' verdicts on existing answers.

    `scores` has their scores by place and name, `about` each judge's counts and cost; `status` is
    finished, interrupted, budget or failed.
    """

    scores: Mapping[RowKey, Scores]
    about: list[JudgeInfo]
    spent_usd: float
    status: str


def judge(
    judges: Sequence[Judge],
    answers: Mapping[RowKey, Answer],
    cases: Sequence[Case],
    variants: Sequence[VariantInfo],
    project: Path,
    name: str,
    budget_usd: float | None = None,
    journal: str | None = None,
    on_event: Listener | None = None,
    folder: Path | None = None,
) -> Judged:
    """Send answers to judges outside a run, for new scores of old answers.

    Args:
        judges: the judges that score.
        answers: the answers to judge, by (variant, case_id, repeat).
        cases: the cases of the answers.
        variants: the variants that gave the answers.
        project: the project's folder.
        name: the experiment's name in the ledger.
        budget_usd: the most that the judges may spend; by default, the project's limit for a run.
        journal: "reuse", "fresh" or "off", as in `Experiment.run`.
        on_event: called for `Scored`, `Spent` and `Pace`.
        folder: the folder that paths of images start from.

    Returns:
        The scores; after Ctrl-C those so far, with the status "interrupted".

    Raises:
        PexError: an argument does not fit; no model was called.
        JournalError: the journal cannot be read or written.
    """
    check_positive("budget_usd", budget_usd, zero=True)
    mode, settings = check_mode(journal), load_settings(project)
    for one in judges:
        one.check(cases)
    cap = settings.budget.usd_per_run if budget_usd is None else budget_usd
    ready = judge_panel(judges, variants, settings.budget.max_tokens, folder or Path.cwd())
    ready = dataclasses.replace(ready, api_of=settings.api_of)
    clients = by_ref((one.model, one.variant.via) for one in judges)
    check_models({one.model for one in judges} - clients.keys(), settings)
    state = project / settings.journal.path
    database = database_of(state, settings)
    with contextlib.closing(Journal(database, settings.models)) as book:
        asked = ready.verdicts(answers, cases).requests
        keys = [*ready.key_parts(), *(f"{r.variant}\0{r.repeat}\0{r.key}" for r in asked)]
        run, status = book.begin(name, ["judging", *keys], mode), "failed"
        try:
            found = book.find([request.key for request in asked], run)
            open_ = functools.partial(
                open_channels, settings=settings, state=state, clients=clients
            )
            left = {request.model for request in asked if request.key not in found}
            ready = ready_judges(ready, left, open_)
            listen = on_event or (lambda event: None)
            budget = Budget(cap, run.spent_usd)
            judge_run = JudgeRun(
                ready, book, run, budget, BatchContext.from_environ().budget_usd, listen
            )
            status = _judge_in_thread(judge_run, answers, cases)
        finally:
            book.end(run, status)
    return Judged(judge_run.scores, judge_run.about(), budget.spent_usd, status)


def _judge_in_thread(
    judge_run: JudgeRun, answers: Mapping[RowKey, Answer], cases: Sequence[Case]
) -> str:
    """Judge on a separate thread, so it works inside Jupyter's running event loop."""
    statuses: list[str] = []
    failures: list[BaseException] = []
    ended = threading.Event()

    def body() -> None:
        try:
            statuses.append(judge_run.judge(answers, cases))
        except BaseException as error:  # noqa: BLE001 - raised again on the caller's thread
            failures.append(error)
        finally:
            ended.set()

    threading.Thread(target=body, name="pex-judging", daemon=True).start()
    # An event, not Thread.join: after an interrupted join, the thread counts as ended.
    while not ended.is_set():
        try:
            ended.wait()
        except KeyboardInterrupt:
            judge_run.stop()
    if failures:
        raise failures[0]
    return statuses[0]
