"""Closing an incident: what is still missing, exactly, and the proof that nothing is."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.batch.plan import Plan, load_plan
from pex.core.attempt import attempt
from pex.core.cases import Case, read_cases
from pex.core.errors import PexError
from pex.incidents.moments import now, text_of
from pex.incidents.record import Incident, entry, locked, read, update
from pex.incidents.regression import (
    Proof,
    experiment_file,
    find_case,
    run_versions,
    scored_trace,
    trace_of,
)
from pex.incidents.switch import Switch
from pex.project.files import kind_of
from pex.project.spec import load_spec

REPEATS = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Demand:
    """One thing that closing demands.

    Args:
        name: a word for it.
        met: whether it holds; None: it was not looked at, as something before it is missing.
        text: what was found.
        command: what helps, if it does not hold.
    """

    name: str
    met: bool | None
    text: str
    command: str = ""

    def __str__(self) -> str:
        sign = {True: "✓", False: "✗", None: "–"}[self.met]
        lines = [f"{sign} {self.name}: {self.text}"]
        return "\n".join([*lines, f"    {self.command}"] if self.command else lines)


@dataclasses.dataclass(frozen=True, slots=True)
class Closing:
    """What closing demands, in the order in which things are done.

    Args:
        incident: the record as it is now.
        demands: what it demands.
        already: whether it was closed before.
    """

    incident: Incident
    demands: tuple[Demand, ...]
    already: bool = False

    @property
    def missing(self) -> tuple[Demand, ...]:
        """What does not hold yet."""
        return tuple(demand for demand in self.demands if demand.met is not True)


def close_incident(
    project: Path,
    incident: Incident,
    *,
    repeats: int | None = None,
    without: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> Closing:
    """Close an incident if everything that this demands holds; else say what is missing.

    The affected version has failed the case (by what the trace has, else it is run); what
    applications get now passes it, in every repeat of a new run; and a plan runs it every night.

    Args:
        project: the project.
        incident: the incident.
        repeats: how often the case is run; None for the experiment's, at least 3.
        without: the reason to close it without what is missing; it stays in the timeline.
        say: told what runs.

    Raises:
        PexError: a file or the store cannot be read.
    """
    incident = read(incident.path)
    if incident.state == "closed":
        return Closing(incident, (), already=True)
    demands, found = _demands(project, incident, repeats, say)
    missing = [demand for demand in demands if demand.met is not True]
    fields: dict[str, Any] = {}
    runs = [proof.run_id for proof in found.values() if proof.run_id]
    if runs:
        known = incident.fields.get("runs")
        fields["runs"] = list(dict.fromkeys([*(known if isinstance(known, list) else []), *runs]))
    lines = [entry(line) for line in _lines(found, whole=not missing)]
    at = now()
    if missing and without:
        lacking = "; ".join(f"{demand.name}: {demand.text}" for demand in missing)
        lines.append(entry(f"closed without what is missing ({lacking}), because: {without}", at))
        fields["closed_at"] = text_of(at)
    elif not missing:
        lines.append(entry("closed: all demands are met", at))
        fields["closed_at"] = text_of(at)
        if "fixed_at" not in incident.times:
            fields["fixed_at"] = text_of(_fixed_at(project, incident) or at)
    if fields or lines:
        with locked(project):
            incident = update(incident.path, fields, lines)
    return Closing(incident, tuple(demands))


def _lines(found: Mapping[str, Proof], whole: bool) -> list[str]:
    """What was found, for the timeline; what is always there only if it is `whole`."""
    return [
        f"case: {proof.sentence}" + (f", run {proof.run_id}" if proof.run_id else "")
        for proof in found.values()
        if whole or proof.run_id
    ]


def _fixed_at(project: Path, incident: Incident) -> Any:
    """When the aliases were last moved to what applications get now, after containment."""
    switch = Switch.of(project, incident.prompt)
    contained = incident.times.get("contained_at")
    moves = [
        move.at
        for alias in incident.aliases
        for move in switch.moves(alias)[-1:]
        if move.to == switch.serves(alias) and (contained is None or move.at > contained)
    ]
    return max(moves, default=None)


def _demands(
    project: Path, incident: Incident, repeats: int | None, say: Callable[[str], None]
) -> tuple[list[Demand], dict[str, Proof]]:
    name = incident.id
    demands = [_contained(project, incident)]
    try:
        case = find_case(project, incident)
    except PexError as error:
        demands.append(Demand("case", False, error.message, error.hint or ""))
        return demands, {}
    if case is None:
        text = f"no case has the tag {incident.tag}"
        hint = f'pexlab incident case {name} --expected "the right answer"'
        demands.append(Demand("case", False, text, hint))
        return demands, {}
    path = experiment_file(project, incident)
    demands.append(Demand("case", True, f"{case.id} in {path.parent.name}"))
    found: dict[str, Proof] = {}
    count = repeats or max(REPEATS, load_spec(path).repeats)
    before = _before(project, incident, case, count, say)
    if before is not None:
        found["before"] = before
    demands.append(_failed(incident, before, path))
    failed = demands[-1].met is True
    now_served = _served(project, incident)
    if not (failed and demands[0].met):
        demands.append(Demand("passes now", None, "looked at once the lines above hold"))
    else:
        assert before is not None
        proofs = run_versions(project, incident, case, now_served, count, before.failing, say)
        found |= {f"now {number}": proof for number, proof in proofs.items()}
        demands.append(_passes(proofs, path))
    demands.append(_nightly(project, incident, path, case))
    return demands, found


def _contained(project: Path, incident: Incident) -> Demand:
    label = "users are safe"
    if not incident.prompt or not incident.affected:
        met = "contained_at" in incident.times
        text = "contained outside of the library" if met else "nobody has said what was done"
        hint = f'pexlab incident update {incident.id} --contained "what was done"'
        return Demand(label, met, text, "" if met else hint)
    switch = Switch.of(project, incident.prompt)
    still = switch.serving(incident.affected)
    if still:
        gives = ", ".join(f"{alias} gives version {switch.serves(alias)}" for alias in still)
        text = f"{gives}, which is affected"
        return Demand(label, False, text, f"pexlab incident contain {incident.id}")
    gives = ", ".join(f"{alias} gives version {switch.serves(alias)}" for alias in incident.aliases)
    return Demand(label, True, gives or "no alias points to an affected version")


def _served(project: Path, incident: Incident) -> list[int]:
    """The versions that applications get now."""
    if not incident.prompt:
        return []
    switch = Switch.of(project, incident.prompt)
    served = [switch.serves(alias) for alias in incident.aliases]
    return list(dict.fromkeys(number for number in served if number is not None))


def _before(
    project: Path, incident: Incident, case: Case, repeats: int, say: Callable[[str], None]
) -> Proof | None:
    """What the scorers say of what users got; of new answers where nobody kept those."""
    trace = attempt(lambda: trace_of(project, incident))
    if isinstance(trace, PexError):  # deleted since
        trace = None
    if trace is not None:
        return scored_trace(project, incident, case, trace)
    if incident.prompt and incident.affected:
        first = incident.affected[0]
        return run_versions(project, incident, case, [first], repeats, (), say)[first]
    return None


def _failed(incident: Incident, before: Proof | None, path: Path) -> Demand:
    label = "failed before"
    if before is None:
        text = "there is no trace and no version to show it"
        hint = f"pexlab incident update {incident.id} --prompt NAME --affected N"
        return Demand(label, False, text, hint)
    if before.of and before.failing:
        return Demand(label, True, before.sentence)
    if not before.of:
        return Demand(label, False, before.sentence)
    text = f"{before.sentence}: a case that never failed tests nothing"
    hint = (
        f"add a scorer to {path.parent.name}/{path.name} that sees what was wrong, or correct the "
        "expected answer"
    )
    return Demand(label, False, text, hint)


def _passes(proofs: dict[int, Proof], path: Path) -> Demand:
    label = "passes now"
    if not proofs:
        return Demand(label, False, "no alias gives a version that could be run")
    text = "; ".join(proof.sentence for proof in proofs.values())
    if all(proof.all_pass for proof in proofs.values()):
        return Demand(label, True, text)
    return Demand(
        label,
        False,
        text,
        f"fix the prompt, save it (pexlab library push), pexlab run {path.parent.name}, "
        "pexlab library promote",
    )


def _nightly(project: Path, incident: Incident, path: Path, case: Case) -> Demand:
    """Whether a plan runs the case: a `limit` can leave out the last rows of a file."""
    label = "runs every night"
    spec = load_spec(path)
    cases = read_cases(spec.cases.model_dump(), spec.columns, path.parent).cases
    place = next(at for at, one in enumerate(cases, 1) if one.id == case.id)
    reasons = []
    for file in sorted({*project.glob("experiments/*/*.yaml"), *project.glob("*.yaml")}):
        if kind_of(file) != "plan":
            continue
        plan = attempt(functools.partial(load_plan, file))
        shown = file.relative_to(project).as_posix()
        if isinstance(plan, PexError):
            reasons.append(f"{shown} cannot be read: {plan.message}")
            continue
        limits = _limits(plan, path)
        if not limits:
            continue
        if any(limit is None or limit >= place for limit in limits):
            return Demand(label, True, f"{shown} runs it")
        most = max(limit for limit in limits if limit is not None)
        reasons.append(f"{shown} runs the first {most} cases only, and this is number {place}")
    if reasons:
        return Demand(label, False, "; ".join(reasons), "raise the plan's limit, or take it out")
    return Demand(
        label, False, f"no plan runs {path.parent.name}", f"pexlab plan {path.parent.name}"
    )


def _limits(plan: Plan, path: Path) -> Sequence[int | None]:
    """The limits with which a plan's jobs run an experiment; None: all of its cases."""
    found: list[int | None] = []
    for job in plan.jobs:
        named = job.parameters.get("experiment")
        if isinstance(named, str) and (plan.folder / named).resolve() == path.resolve():
            limit = job.parameters.get("limit")
            found.append(limit if isinstance(limit, int) else None)
    return found
