"""Judging a run: its answers are put to judges, by the same runner that asked for them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    """The judges of a run and what they need, resolved.

    `rivals` has for each pairwise judge the baseline of each variant, `trust` for each judge how
    far it agrees with people, `channels` how to reach the models that have to be asked; `models`
    gave the answers; `longest` is `max_tokens` where a judge's prompt does not say, and `api_of`
    says which API answers for a model.
    """

    judges: Sequence[Judge]
    rivals: Mapping[str, Mapping[str, str]]
    trust: Mapping[str, Mapping[str, Any]]
    models: Sequence[str]
    longest: int
    folder: Path
    channels: Mapping[str, Channel] = dataclasses.field(default_factory=dict)
    api_of: Callable[[str], str] = Settings().api_of

    def verdicts(self, answers: Mapping[RowKey, Answer], cases: Sequence[Case]) -> Verdicts:
        """What there is to ask about these answers."""
        asked = (self.longest, self.folder, self.api_of)
        return Verdicts(self.judges, self.rivals, answers, cases, *asked)

    @property
    def questions_each(self) -> int:
        """How many questions an answer leads to, at most."""
        return sum(1 + judge.pairwise for judge in self.judges)

    def key_parts(self) -> list[str]:
        """What makes two runs of these judges the same one."""
        return [f"{judge.name}\0{judge.digest}\0{judge.baseline}" for judge in self.judges]


def judge_panel(
    judges: Sequence[Judge], variants: Sequence[VariantInfo], longest: int, folder: Path
) -> JudgePanel:
    """The judges of a run, each pairwise one with the baseline of every variant.

    Args:
        judges: whose scores are wanted.
        variants: what is judged.
        longest: `max_tokens` where a judge's prompt does not say.
        folder: where the paths of images start.

    Raises:
        PexError: a baseline that no variant, prompt or model is, nothing to compare it with, a
            calibration that cannot be read.
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
    }
    return {"calibrated": calibrated, "why": why, "calibration": figures}


class JudgeRun:
    """Puts answers to the judges: what the journal has is replayed, the rest asked.

    Args:
        panel: the judges, with their open endpoints.
        journal: where verdicts are found and kept.
        run: whose they are.
        budget: the cap; the answers of the run were paid from the same one.
        batch_cap_usd: the cap on the batch that the run belongs to.
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
        """Questions in all, and those that were answered or failed."""

    def stop(self) -> None:
        """From any thread: ask nothing new; twice: stop now."""
        self._stopped = True
        if self._runner is not None:
            self._runner.stop()

    def judge(
        self, answers: Mapping[RowKey, Answer], cases: Sequence[Case], status: str = "finished"
    ) -> str:
        """Judge answers; returns how it ended.

        Args:
            answers: what is judged, by place.
            cases: the cases of these answers.
            status: how the run has gone so far; where it is not "finished", verdicts that the
                journal has are used and nobody is asked.

        Raises:
            JournalError: the journal cannot be read or written; the scores so far are kept.
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
        """Each judge and what it did."""
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
        await asyncio.sleep(0)  # it listens to stop() from here on
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
    """The panel with open endpoints, before anything is asked.

    Args:
        panel: the judges.
        models: those of the judges that have to be asked.
        connect: opens the channels of models.

    Raises:
        PexError: a model that cannot be reached, or that has no known price.
    """
    channels = connect(sorted(set(models)))
    check_priced({ref: channel.price for ref, channel in channels.items()})
    return dataclasses.replace(panel, channels=channels)


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """What judges said of answers that were there already.

    `scores` are theirs by place and name, `about` says for each judge what it did and cost;
    `status` is finished, interrupted, budget or failed.
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
    """Put answers to judges, outside of a run: for new scores on old answers.

    Args:
        judges: whose scores are wanted.
        answers: what is judged, by (variant, case_id, repeat).
        cases: the cases of the answers.
        variants: what gave the answers.
        project: the project's folder.
        name: of the experiment, in the ledger.
        budget_usd: what the judges may spend at most; left out, what the project allows a run.
        journal: "reuse", "fresh" or "off", as in `Experiment.run`.
        on_event: called for `Scored`, `Spent` and `Pace`.
        folder: where the paths of images start.

    Returns:
        The scores; after Ctrl-C those so far, with the status "interrupted".

    Raises:
        PexError: something does not fit; no model was called.
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
            status = _apart(judge_run, answers, cases)
        finally:
            book.end(run, status)
    return Judged(judge_run.scores, judge_run.about(), budget.spent_usd, status)


def _apart(judge_run: JudgeRun, answers: Mapping[RowKey, Answer], cases: Sequence[Case]) -> str:
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
    # An event, and not Thread.join: an interrupted join takes the thread for ended.
    while not ended.is_set():
        try:
            ended.wait()
        except KeyboardInterrupt:
            judge_run.stop()
    if failures:
        raise failures[0]
    return statuses[0]
