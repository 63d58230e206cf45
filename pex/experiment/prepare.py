"""Before a run: the preview, and everything the run needs, looked up and opened."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex import local
from pex.cases.edits import Edits
from pex.core import changed_documents, private
from pex.core.about import VariantInfo
from pex.core.batch_context import BatchContext
from pex.core.call import Answer, Request, UserTurns
from pex.core.cases import Case, select
from pex.core.document_parts import noting
from pex.core.errors import PexError, nearest
from pex.core.events import RowKey
from pex.core.messages import Message
from pex.core.project import project_of
from pex.core.prompt import warn
from pex.core.reading import Reading
from pex.core.variant import Variant
from pex.experiment import options
from pex.experiment.criteria import Criteria
from pex.experiment.execution import Execution
from pex.experiment.flagged_cases import flagged_cases
from pex.experiment.job import Job
from pex.experiment.options import RunOptions
from pex.project.settings import Settings, load_settings
from pex.project.spec import ExperimentSpec
from pex.run.channel import Channel, open_channels
from pex.run.database import database_of
from pex.run.estimate import Preview, estimate, size_of
from pex.run.journal import Journal, Mode, Run, check_mode
from pex.run.ledger import Past, past
from pex.run.model import by_ref
from pex.run.part_support import check_parts
from pex.run.prefix import prefixes
from pex.run.prices import check_priced, price_of
from pex.run.provider_batch import HALF, check_single
from pex.run.provider_batch_parts import check_none_away
from pex.run.provider_trust import check_models
from pex.run.refusals import differing
from pex.run.request import BYTES_PER_TOKEN, max_tokens, requests
from pex.run.shared_budget import SharedBudget
from pex.run.simulated_user import SimulatedUser
from pex.score.base import Scorer
from pex.score.build import imported, parted
from pex.score.frame import failed_rows
from pex.score.judge.asking import JudgePanel, judge_panel, ready_judges
from pex.score.judge.judge import Judge
from pex.tools.toolbox import Toolbox

if TYPE_CHECKING:
    import pandas as pd

    from pex.record.criteria import EarlierRun


@dataclasses.dataclass(frozen=True, slots=True)
class ExperimentState:
    """The part of an experiment that its runs need.

    `gate` is its rule with the baseline resolved; image paths are relative to `folder`;
    `files` returns the files to store with the record, for the cases of a run; `last` is the frame
    of this object's last run, `cases_path` the file of its cases, `reading` how it is read;
    `scorer_items` are for `Job`; `criteria` are what its runs are measured by; `toolbox` makes its
    tools, given the effects that are allowed. A `drafted` one no longer matches its file.
    """

    spec: ExperimentSpec
    variants: Sequence[Variant]
    cases: Sequence[Case]
    scorers: Sequence[Scorer | Judge]
    path: Path | None
    folder: Path
    criteria: Criteria
    files: Callable[[Sequence[Case]], Mapping[str, str]]
    toolbox: Callable[[bool | Sequence[str]], Toolbox]
    user: SimulatedUser | None = None
    gate: Mapping[str, Any] | None = None
    last: pd.DataFrame | None = None
    cases_path: Path | None = None
    reading: Reading = dataclasses.field(default_factory=Reading)
    scorer_items: Sequence[Any] | None = None
    drafted: bool = False

    @property
    def called(self) -> list[Variant]:
        """Every variant that can be called: also those of its judges and its simulated user."""
        judges = [judge.variant for judge in parted(self.scorers)[1]]
        return [*self.variants, *judges, *([self.user.variant] if self.user is not None else [])]


@dataclasses.dataclass(frozen=True, slots=True)
class _Plan:
    """The requests of a run, before anything is opened."""

    project: Path
    settings: Settings
    mode: Mode
    cases: Sequence[Case]
    repeats: int
    requests: Sequence[Request]
    scorers: Sequence[Scorer]
    panel: JudgePanel | None
    toolbox: Toolbox
    notes: Sequence[str] = ()
    """What is not known of models and the files that they get, and which files were changed."""
    documents: Mapping[Path, str] = dataclasses.field(default_factory=dict)
    """The digest of each document of the requests."""

    @property
    def state(self) -> Path:
        """The project's `.pex/` folder."""
        return self.project / self.settings.journal.path

    @property
    def models(self) -> set[str]:
        """Every model that can be called."""
        judges = self.panel.judges if self.panel is not None else ()
        return models_of(self.requests) | {judge.model for judge in judges}


def models_of(requests: Sequence[Request]) -> set[str]:
    """The models of requests, and of the users that they simulate."""
    return {
        model
        for request in requests
        for model in (request.model, request.user.model if request.user is not None else "")
        if model
    }


def preview(experiment: ExperimentState, chosen: RunOptions) -> Preview:
    """What a run would do; no model is called.

    Raises:
        PexError: something does not fit.
    """
    plan = _plan(experiment, chosen)
    database = database_of(plan.state, plan.settings)
    before = past(database, experiment.spec.name)
    price = {ref: price_of(ref, plan.settings) for ref in plan.models}
    tokenizers = {f"local/{local.MODEL}": functools.partial(local.count_tokens, plan.state)}

    def sized(
        todo: Sequence[Request],
        part: float,
        variants: Sequence[Variant] = (),
        cases: Sequence[Case] = (),
    ) -> Preview:
        prices = {model: price[model] for model in models_of(todo)}
        return estimate(todo, prices, before, found, tokenizers, part, variants, cases)

    with contextlib.ExitStack() as stack:
        found: dict[str, Answer] = {}
        book = None
        if plan.mode == "reuse" and database.exists():
            book = stack.enter_context(contextlib.closing(Journal(database, plan.settings.models)))
            found |= book.find([request.key for request in plan.requests], Run("", "reuse", ""))
        part = HALF if chosen["provider_batch"] else 1.0
        whole = dataclasses.replace(
            sized(plan.requests, part, experiment.variants, plan.cases),
            flagged=(
                *(f"Note: {note}" for note in plan.notes),
                *flagged_cases(plan.cases, plan.settings.guard.policy()),
            ),
            tools=tuple(plan.toolbox.described()),
        )
        if plan.panel is None:
            return whole
        likely = _questions(plan, plan.panel, found, before)
        longest = _questions(plan, plan.panel, found, Past())
        if not likely:
            return whole
        if book is not None:
            found |= book.find([request.key for request in likely], Run("", "reuse", ""))
        at_most = sized(longest, 1.0).at_most_usd
        return _together(whole, dataclasses.replace(sized(likely, 1.0), at_most_usd=at_most))


def request_keys(experiment: ExperimentState, chosen: RunOptions) -> list[str]:
    """The keys by which the journal knows the requests of a run; no model is called."""
    return [request.key for request in _plan(experiment, chosen).requests]


def prepare(experiment: ExperimentState, chosen: RunOptions) -> tuple[Execution, Job]:
    """Open what a run needs: the journal, the endpoints of models and judges, the record.

    Raises:
        PexError: something does not fit; no model was called.
    """
    from pex.record import runs
    from pex.record.commit import commit_tags
    from pex.record.criteria import decided, tags_of
    from pex.record.search import SOURCE

    options.check(chosen)
    spec, plan = experiment.spec, _plan(experiment, chosen)
    cap = options.budget_usd(chosen, spec, plan.settings)
    clients = by_ref((variant.model, variant.via) for variant in experiment.called)
    check_models(plan.models - clients.keys(), plan.settings)
    uri = _record_uri(plan, chosen)
    plan = dataclasses.replace(_told(experiment, plan), scorers=imported(plan.scorers))
    if chosen["only"] is not None:
        plan = dataclasses.replace(plan, requests=_part(plan, experiment, chosen["only"], uri))
    todo = plan.requests
    if chosen["provider_batch"]:
        check_single(todo)
    book = Journal(database_of(plan.state, plan.settings), plan.settings.models)
    run = book.begin(
        spec.name, _identity(experiment, plan), plan.mode, uri if chosen["record"] else None
    )
    try:
        found = book.find([request.key for request in todo], run)
        missing = [request for request in todo if request.key not in found]
        _open_tools(plan.toolbox, missing, experiment.variants)
        check_none_away(book.database, run, {r.key for r in missing}, chosen["provider_batch"])
        connect = functools.partial(
            open_channels,
            settings=plan.settings,
            state=plan.state,
            max_in_flight=chosen["max_in_flight"] or spec.max_in_flight,
            timeout_s=chosen["timeout_s"] or spec.timeout_s,
            clients=clients,
        )
        channels = connect(sorted(models_of(missing)), fixed=differing(experiment.variants))
        check_priced({ref: channel.price for ref, channel in channels.items()})
        warm_up = _warm_up(chosen, missing, channels, book, spec.name)
        ready = plan.panel
        if ready is not None:
            ready = ready_judges(ready, _to_ask(ready, plan, book, run, found), connect)
        recorder, criteria = None, experiment.criteria
        if chosen["record"]:
            note = {"pex.note": chosen["note"]} if chosen["note"] else {}
            tags = {**commit_tags(plan.project), **note, **(chosen["mlflow_tags"] or {})}
            own = run.mlflow_run_id
            earlier, criteria = _earlier(experiment, uri, own, SOURCE in tags)
            tags |= tags_of(criteria.parts, criteria.sha256) | _part_tag(plan, experiment)
            recorder = runs.Recorder(uri, spec.name, tags, own, spec.purpose)
            if earlier is not None:
                known = decided(earlier, criteria.parts, criteria.sha256, recorder.started_at)
                criteria = dataclasses.replace(criteria, decided=known)
            book.recorded_as(run, recorder.run_id)
    except BaseException:
        plan.toolbox.close()
        book.end(run, "failed")
        book.close()
        raise
    job = Job(
        name=spec.name,
        purpose=spec.purpose,
        variants=experiment.variants,
        cases=plan.cases,
        scorers=plan.scorers,
        panel=ready,
        repeats=plan.repeats,
        requests=todo,
        channels=channels,
        journal=book,
        run=run,
        found=found,
        budget_usd=_left(cap, chosen, book, run),
        batch_budget_usd=BatchContext.from_environ().budget_usd,
        stream=chosen["stream"],
        provider_batch=chosen["provider_batch"],
        note=chosen["note"],
        gate=experiment.gate,
        max_error_share=spec.max_error_share,
        traces=options.traces(chosen, plan.settings),
        state=plan.state,
        files=experiment.files(plan.cases),
        edits=Edits(experiment.cases_path, spec.columns, plan.state, experiment.reading)
        if experiment.cases_path
        else None,
        scorer_items=experiment.scorer_items,
        how_to=[] if experiment.drafted else _how_to(experiment.path, plan.project),
        criteria=criteria,
        warm_up=warm_up,
        toolbox=plan.toolbox,
        user=experiment.user,
    )
    return Execution(job, recorder), job


def _record_uri(plan: _Plan, chosen: RunOptions) -> str:
    """Where the run is recorded, or the last one is looked up; empty if neither."""
    from pex.tracking import store

    needed = chosen["record"] or chosen["only"] is not None
    return store.tracking_uri(plan.project, plan.settings) if needed else ""


def _open_tools(toolbox: Toolbox, missing: Sequence[Request], variants: Sequence[Variant]) -> None:
    """Import and start what the missing answers need; it is closed with the run."""
    if any(request.loop is not None for request in missing):
        toolbox.open(variants)


def _told(experiment: ExperimentState, plan: _Plan) -> _Plan:
    """Say what is to be known of the documents of a run, and remember them for the next."""
    where = f"experiment '{experiment.spec.name}'"
    warn(plan.notes, where, str(experiment.path or plan.project))
    changed_documents.remember(plan.state, plan.project, plan.documents)
    return plan


def _part_tag(plan: _Plan, experiment: ExperimentState) -> dict[str, str]:
    """The tag of a run on a part of the cases; none for a run on all."""
    from pex.record.search import PART

    used, whole = len(plan.cases), len(experiment.cases)
    return {PART: f"{used} of {whole}"} if used < whole else {}


def _warm_up(
    chosen: RunOptions,
    missing: Sequence[Request],
    channels: Mapping[str, Channel],
    book: Journal,
    experiment: str,
) -> frozenset[str]:
    """The variants of which one call goes first: all, none, or those whose prefix is cached."""
    if chosen["provider_batch"] or chosen["warm_up"] is False:
        return frozenset()
    if chosen["warm_up"]:
        return frozenset(request.variant for request in missing)
    prices = {ref: channel.price for ref, channel in channels.items()}
    cached = {ref for ref, price in prices.items() if price and price.has_cheaper_reads}
    todo = [request for request in missing if request.model in cached]
    if not todo:
        return frozenset()
    tokens_of = size_of(todo, past(book.database, experiment), {})
    return frozenset(item.variant for item in prefixes(todo, prices, tokens_of) if item.is_cached)


def _left(cap_usd: float, chosen: RunOptions, book: Journal, run: Run) -> float:
    """What this run may spend: of a budget that it shares, what the others have left."""
    shared = chosen["budget_usd"]
    if not isinstance(shared, SharedBudget):
        return cap_usd
    return shared.left_usd(book.database, run.id)


def _earlier(
    experiment: ExperimentState, uri: str, own: str | None, scratch: bool
) -> tuple[Sequence[EarlierRun] | None, Criteria]:
    """The runs before this one, and the criteria with what failed in them.

    None if nobody wrote down what must hold; and what is only tried in a Playground or a cell is no
    measurement, so it decides nothing.
    """
    from pex.record.criteria import earlier_runs, failed_scores

    criteria, name = experiment.criteria, experiment.spec.name
    if scratch or not criteria.written:
        return None, criteria
    earlier = earlier_runs(uri, name, own)
    definitions = {
        check.score: criteria.parts["scorers"][check.score]
        for check in criteria.checks
        if check.requirements
    }
    failed = failed_scores(uri, name, definitions, earlier)
    checks = [
        dataclasses.replace(check, failed_before=check.score in failed) for check in criteria.checks
    ]
    return earlier, dataclasses.replace(criteria, checks=checks)


def check_judges(
    judges: Sequence[Judge], variants: Sequence[Variant], longest: int, folder: Path
) -> JudgePanel:
    """The judges of an experiment, each pairwise one with the baseline of every variant.

    Raises:
        PexError: a baseline that is not a variant, prompt or model.
    """
    return judge_panel(judges, [VariantInfo.of(variant) for variant in variants], longest, folder)


def _own_journal(project: Path, settings: Settings) -> list[str]:
    """A note where colleagues' answers are paid for again, because the journal is not shared."""
    own = Path(settings.journal.path)
    if settings.journal.url_env or not own.is_absolute() or own != private.state(project):
        return []
    return [
        f"{project / private.STATE} is a colleague's: your journal is {own}, and answers that "
        "the colleague has paid for are not reused ([journal] url_env shares a journal)"
    ]


def _plan(experiment: ExperimentState, chosen: RunOptions) -> _Plan:
    project = project_of(experiment.path.parent if experiment.path else None)
    settings = load_settings(project)
    mode = check_mode(chosen["journal"])
    cases = select(
        experiment.cases, limit=chosen["limit"], ids=chosen["cases"], tags=chosen["tags"]
    )
    times = options.repeats(chosen, experiment.spec)
    longest = settings.budget.max_tokens
    toolbox = experiment.toolbox(chosen["allow_effects"])
    toolbox.check(experiment.variants, every=False)
    user_of = _user_of(experiment, longest, settings)
    where = (longest, experiment.folder, settings.api_of, toolbox.loop_of, user_of)
    notes = check_parts(experiment.variants, settings.api_of)
    with noting() as used:
        todo = list(requests(experiment.variants, cases, times, *where))
    notes += _own_journal(project, settings)
    notes += changed_documents.changed(project / settings.journal.path, project, used)
    scorers, judges = parted(experiment.scorers)
    ready = (
        check_judges(judges, experiment.variants, longest, experiment.folder) if judges else None
    )
    if ready is not None:
        ready = dataclasses.replace(ready, api_of=settings.api_of)
    return _Plan(project, settings, mode, cases, times, todo, scorers, ready, toolbox, notes, used)


def _user_of(
    experiment: ExperimentState, longest: int, settings: Settings
) -> Callable[[Case, Sequence[Message]], UserTurns | None]:
    """What makes the simulated user of a case, if the experiment has one."""
    user = experiment.user
    if user is None:
        return lambda case, messages: None
    user.check(experiment.variants, experiment.cases)
    api = settings.api_of(user.model)
    return functools.partial(user.turns, max_tokens=longest, folder=experiment.folder, api=api)


def _identity(experiment: ExperimentState, plan: _Plan) -> Iterator[str]:
    """What identifies a run that is started again: the table it fills."""
    yield experiment.spec.purpose
    yield from (scorer.name for scorer in experiment.scorers)
    if plan.panel is not None:
        yield from plan.panel.key_parts()
    for request in plan.requests:
        yield f"{request.variant}\0{request.case_id}\0{request.repeat}\0{request.key}"


def _part(plan: _Plan, experiment: ExperimentState, only: str, uri: str) -> list[Request]:
    """The requests that failed in the last run, or had an error."""
    wanted = _places(only, uri, experiment)
    todo = [request for request in plan.requests if request.place in wanted]
    if not todo:
        raise PexError(f"only='{only}': there is nothing of that kind in the last run")
    return todo


def _places(only: str, uri: str, experiment: ExperimentState) -> set[RowKey]:
    from pex.record import runs, search

    kinds = ("failed", "errors")
    if only not in kinds:
        raise PexError(f"only='{only}': expected 'failed' or 'errors'", hint=nearest(only, kinds))
    frame = experiment.last
    if frame is None:
        last = search.latest(uri, experiment=experiment.spec.name)
        if not last:
            raise PexError(f"only='{only}': '{experiment.spec.name}' has not been run before")
        frame, _ = runs.load(uri, last[0]["run_id"])
    bad = frame[frame["error"].notna() if only == "errors" else failed_rows(frame)]
    return set(zip(bad["variant"], bad["case_id"], bad["repeat"], strict=True))


def _to_ask(
    ready: JudgePanel, plan: _Plan, book: Journal, run: Run, found: Mapping[str, Answer]
) -> Collection[str]:
    """The judges' models to call, as far as they are known before the answers."""
    answers = {r.place: found[r.key] for r in plan.requests if r.key in found}
    if len(answers) < len(plan.requests):
        return {judge.model for judge in ready.judges}
    asked = ready.verdicts(answers, plan.cases).requests
    known = book.find([request.key for request in asked], run)
    return {request.model for request in asked if request.key not in known}


def _questions(
    plan: _Plan, ready: JudgePanel, found: Mapping[str, Answer], before: Past
) -> list[Request]:
    """The questions to judges, with placeholders for the answers that do not exist yet.

    A placeholder is as long as earlier answers, or, without any, as long as allowed.
    """
    answers: dict[RowKey, Answer] = {}
    for request in plan.requests:
        longest = max_tokens(request.body)
        mean = before.completion_tokens.get((request.variant, request.model), longest)
        size = round(BYTES_PER_TOKEN * min(mean, longest or mean))
        # It starts with the key: different requests have different answers, equal ones the same.
        text = request.key[:12].ljust(size, "x")
        answers[request.place] = found.get(request.key) or Answer(output=text)
    to_come = {request.place for request in plan.requests if request.key not in found}
    return ready.verdicts(answers, plan.cases, to_come).requests


def _together(answers: Preview, judges: Preview) -> Preview:
    """The first request and the totals of both waves."""
    calls = answers.most_calls + judges.calls

    def added(name: str) -> float | None:
        one, two = getattr(answers, name), getattr(judges, name)
        return None if one is None or two is None else one + two

    seconds = [p.seconds for p in (answers, judges) if p.seconds is not None]
    return dataclasses.replace(
        answers,
        calls=answers.calls + judges.calls,
        most_calls=calls,
        replayed=answers.replayed + judges.replayed,
        prompt_tokens=answers.prompt_tokens + judges.prompt_tokens,
        completion_tokens=answers.completion_tokens + judges.completion_tokens,
        longest_tokens=answers.longest_tokens + judges.longest_tokens,
        tokens_from=tuple(dict.fromkeys([*answers.tokens_from, *judges.tokens_from])),
        cost_usd=added("cost_usd"),
        at_most_usd=added("at_most_usd"),
        unpriced=tuple(sorted({*answers.unpriced, *judges.unpriced})),
        seconds=sum(seconds) if seconds else None,
    )


def _how_to(path: Path | None, project: Path) -> list[str]:
    if path is None:
        return []
    here = path.relative_to(project) if path.is_relative_to(project) else path
    return [f"pexlab run {here.as_posix()}", "pexlab ui"]
