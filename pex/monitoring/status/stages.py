"""The seven stages that a prompt goes through, again and again, and what holds it up.

Requirements, cases, version, gate, deployed, feedback, new cases: each is read from where it is
kept anyway, so nobody has to keep a status up to date.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Sequence
from typing import Literal

from pex.core.case import Case
from pex.evidence.card.data import CardData, ScoreLine
from pex.library.moves import Move
from pex.monitoring.status.deployed import Deployed
from pex.report.tables import format_interval, format_score

ALIAS = "champion"
"""The alias that applications ask for, where a prompt has it."""
STAGES = ("requirements", "cases", "version", "gate", "deployed", "feedback", "new cases")

State = Literal["good", "stuck", "waiting", "none"]


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """One stage of one prompt.

    Args:
        name: one of `STAGES`.
        figure: the count or version, in a few words.
        state: `good`; `stuck`: somebody has to do something; `waiting`: the turn is another
            stage's; `none`: there is nothing yet.
        at: when it last changed; None if that is not known.
        detail: a sentence, empty if the figure says everything.
        next_step: what to do, with the command, if it is stuck.
    """

    name: str
    figure: str
    state: State
    at: datetime.datetime | None = None
    detail: str = ""
    next_step: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class PromptStatus:
    """A prompt with its seven stages, in the order of `STAGES`."""

    name: str
    stages: tuple[Stage, ...]

    @property
    def stuck(self) -> tuple[Stage, ...]:
        """The stages where somebody has to do something."""
        return tuple(stage for stage in self.stages if stage.state == "stuck")


def status_of(
    card: CardData, cases: Sequence[Case], deployed: Deployed | None, experiment: str = ""
) -> PromptStatus:
    """The seven stages of one prompt.

    Args:
        card: what its card says.
        cases: the cases that its experiments have now.
        deployed: what its traces say; None if no `monitor.yaml` reads traces of it.
        experiment: the file of an experiment that uses it, relative to the project.
    """
    newest = f"v{card.versions[0].number}" if card.versions else "file"
    measured = [line for line in card.scores if line.version == newest]
    from_traces = [case for case in cases if _is_from_trace(case)]
    return PromptStatus(
        card.name,
        (
            _requirements(card),
            _cases(card, cases),
            _version(card),
            _gate(card, newest, measured, experiment),
            _deployed(card, newest, deployed),
            _feedback(deployed),
            _new_cases(from_traces, measured, experiment),
        ),
    )


def _requirements(card: CardData) -> Stage:
    name = STAGES[0]
    if not card.requirements:
        return Stage(
            name,
            "none",
            "none",
            next_step="write down what is asked: `requirements:` in the "
            "prompt's file or its experiment",
        )
    states = [item.state for item in card.requirements]
    figure = f"{states.count('met')} of {len(states)} met"
    failed = [item.requirement.id for item in card.requirements if item.state == "not met"]
    if failed:
        return Stage(
            name,
            figure,
            "stuck",
            detail=f"not met: {', '.join(failed)}",
            next_step=f"`pexlab library check {card.name}` says on which cases",
        )
    open_ones = [item.requirement.id for item in card.requirements if item.state != "met"]
    if open_ones:
        return Stage(name, figure, "waiting", detail=f"not known: {', '.join(open_ones)}")
    return Stage(name, figure, "good")


def _cases(card: CardData, cases: Sequence[Case]) -> Stage:
    name = STAGES[1]
    if not card.experiments:
        return Stage(
            name,
            "none",
            "stuck",
            detail="no experiment uses it",
            next_step="`pexlab init --from FILE`, or add the prompt to an experiment",
        )
    waiting = sum(not case.accepted for case in cases)
    if waiting:
        return Stage(
            name,
            f"{len(cases):,}",
            "stuck",
            detail=f"{counted(waiting, 'generated case')} nobody has accepted",
            next_step="`pexlab cases review`",
        )
    return Stage(name, f"{len(cases):,}", "good" if cases else "none")


def _version(card: CardData) -> Stage:
    name = STAGES[2]
    if card.problem:
        return Stage(name, card.shown, "stuck", detail=card.problem)
    if not card.versions:
        return Stage(
            name,
            "a file",
            "waiting",
            detail="not in the registry yet",
            next_step="`pexlab library push`",
        )
    newest = card.versions[0]
    return Stage(name, f"v{newest.number}", "good", newest.at, newest.note)


def _run(experiment: str) -> str:
    return f"`pexlab run {experiment}`" if experiment else ""


def _gate(card: CardData, newest: str, measured: Sequence[ScoreLine], experiment: str) -> Stage:
    name = STAGES[3]
    if not measured:
        what = newest if card.versions else "its file"
        return Stage(
            name,
            "not measured",
            "stuck",
            detail=f"{what} has not been measured",
            next_step=_run(experiment),
        )
    line = measured[0]
    score = format_score(line.value, line.yes_no)
    interval = format_interval(line.lo, line.hi, line.yes_no)
    evidence = next((move for move in card.moves if f"v{move.to}" == newest and move.verdict), None)
    figure = f"{line.metric} {score}"
    detail = f"{interval} on {counted(line.n, 'case')}".strip() + (
        f"; {evidence.verdict} when it was promoted" if evidence else ""
    )
    in_use = _in_use(card, line)
    if in_use is None or in_use.version == newest:
        return Stage(name, figure, "good", line.at, detail)
    figure += f" ({in_use.version} {format_score(in_use.value, in_use.yes_no)})"
    if not line.yes_no or line.hi >= in_use.lo:
        return Stage(name, figure, "good", line.at, detail)
    below = f"{newest} scores below {in_use.version}, which is in use"
    return Stage(name, figure, "waiting", line.at, f"{below}; {detail}")


def _in_use(card: CardData, line: ScoreLine) -> ScoreLine | None:
    """The score, in the same experiment, of the version that the alias points to."""
    if not card.aliases:
        return None
    used = f"v{card.aliases[_alias(card)]}"
    same = (line.metric, line.experiment, line.model)
    return next(
        (one for one in card.scores
         if one.version == used and (one.metric, one.experiment, one.model) == same),
        None,
    )  # fmt: skip


def _alias(card: CardData) -> str:
    """The alias that says what is deployed."""
    return ALIAS if ALIAS in card.aliases else min(card.aliases)


def _deployed(card: CardData, newest: str, deployed: Deployed | None) -> Stage:
    name = STAGES[4]
    if not card.aliases:
        return Stage(
            name,
            "not released",
            "waiting",
            detail="no alias points to a version",
            next_step=f"`pexlab library promote {card.name}`" if card.versions else "",
        )
    alias = _alias(card)
    version = card.aliases[alias]
    moved = next((move for move in card.moves if move.alias == alias), None)
    figure, at = f"{alias} v{version}", moved.at if moved else None
    late = deployed.others_since(version, at) if deployed is not None and at is not None else {}
    if late:
        shown = ", ".join(f"v{number} ({count:,})" for number, count in sorted(late.items()))
        return Stage(
            name,
            figure,
            "stuck",
            at,
            f"another version still answers: {shown} traces",
            "load the prompt for each request: `pex.library.load`",
        )
    words = [_evidence(moved)] if moved and _evidence(moved) else []
    if deployed is not None:
        words.append(counted(deployed.traces, "trace") + f" in {deployed.days} days")
    if f"v{version}" != newest:
        return Stage(
            name,
            figure,
            "waiting",
            at,
            "; ".join([f"{newest} is not released", *words]),
            f"`pexlab library promote {card.name}`",
        )
    return Stage(name, figure, "good", at, "; ".join(words))


def _evidence(move: Move) -> str:
    return "" if move.verdict or move.kind == "rollback" else "moved without evidence"


def _feedback(deployed: Deployed | None) -> Stage:
    name = STAGES[5]
    if deployed is None:
        return Stage(
            name,
            "not watched",
            "none",
            next_step="a `monitor.yaml` beside its experiment, and `pexlab monitor`",
        )
    if not deployed.opinions:
        return Stage(
            name,
            "none",
            "none",
            detail=f"no opinion in {deployed.days} days",
            next_step="`pex.feedback(trace_id, …)` in the application",
        )
    figure = f"{counted(deployed.opinions, 'opinion')}, {deployed.negative:,} negative"
    if deployed.untriaged:
        return Stage(
            name,
            figure,
            "stuck",
            deployed.last_opinion,
            f"{counted(deployed.untriaged, 'negative opinion')} not triaged",
            f'`pex.triage("{deployed.monitor}")` in a notebook',
        )
    return Stage(name, figure, "good", deployed.last_opinion)


def _new_cases(cases: Sequence[Case], measured: Sequence[ScoreLine], experiment: str) -> Stage:
    name = STAGES[6]
    if not cases:
        return Stage(name, "none", "none", detail="no case was made from a trace")
    days = [day for case in cases if (day := _day_of(case)) is not None]
    newest = max(days, default=None)
    figure = counted(len(cases), "case") + " from traces"
    last = max((line.at for line in measured), default=None)
    if newest is not None and (last is None or last.date() < newest.date()):
        return Stage(
            name,
            figure,
            "stuck",
            newest,
            "not measured since the newest came",
            _run(experiment),
        )
    return Stage(name, figure, "good", newest)


def _is_from_trace(case: Case) -> bool:
    return case.provenance is not None and bool(case.provenance.trace)


def _day_of(case: Case) -> datetime.datetime | None:
    """When a case was accepted; None if that cannot be read."""
    text = case.provenance.accepted_on if case.provenance is not None else ""
    try:
        day = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return day if day.tzinfo is not None else day.replace(tzinfo=datetime.UTC)


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it has to be.

    Example:
        >>> counted(1, "case"), counted(1200, "trace")
        ('1 case', '1,200 traces')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def order(statuses: Sequence[PromptStatus]) -> Iterator[PromptStatus]:
    """Those that are stuck first, otherwise by name."""
    yield from sorted(statuses, key=lambda item: (not item.stuck, item.name.casefold()))
