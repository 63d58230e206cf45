"""Containing an incident: what is switched, and switching it back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.errors import PexError
from pex.incidents.moments import now, text_of
from pex.incidents.record import Incident, entry, locked, read, update
from pex.incidents.switch import MovedError, Switch
from pex.library.disabling import disable, enable

_BY_HAND = "contain it in your application, then: pexlab incident update --contained"


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One thing that containment does: an alias is moved, or a version is disabled.

    `before` and `after` are the versions that applications get by the alias; None: none.
    """

    alias: str
    before: int | None
    after: int | None
    disables: int | None = None

    def __str__(self) -> str:
        how = f" (version {self.disables} is disabled)" if self.disables is not None else ""
        return f"{self.alias}: {_version(self.before)} → {_version(self.after)}{how}"


def _version(number: int | None) -> str:
    return "no version" if number is None else f"version {number}"


@dataclasses.dataclass(frozen=True, slots=True)
class Containment:
    """What containment would do, or has done.

    Args:
        prompt: the prompt.
        steps: what is to be done; empty if nothing is left to do.
        already: what holds already, in sentences.
        warnings: what to know before confirming, in sentences.
    """

    prompt: str
    steps: tuple[Step, ...]
    already: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def plan_containment(
    project: Path, incident: Incident, *, disables: bool = False, to: int | None = None
) -> Containment:
    """What would contain an incident; nothing is changed.

    Args:
        project: the project.
        incident: the incident.
        disables: disable the affected versions, instead of moving aliases.
        to: the version to go back to; None for the one before the first affected one.

    Raises:
        PexError: no prompt is known, or no move says where an alias pointed before.
    """
    if not incident.prompt or not incident.affected:
        raise PexError(
            f"{incident.id} names no version of a prompt in the library: there is nothing to "
            "switch",
            hint=f'{_BY_HAND} "what was done"; or name it: pexlab incident update --prompt NAME '
            "--affected N",
        )
    switch = Switch.of(project, incident.prompt)
    affected = incident.affected
    if to is not None and to in affected:
        raise PexError(f"version {to} is affected itself")
    aliases = dict.fromkeys((*incident.aliases, *switch.serving(affected)))
    already, warnings, steps = [], [], []
    for alias in aliases:
        serves = switch.serves(alias)
        if serves not in affected:
            already.append(f"{alias} gives {_version(serves)}, which is not affected")
        elif disables:
            steps += _disabling(switch, alias, serves, affected)
        else:
            back = to if to is not None else switch.before(alias, affected)
            if back is None:
                raise PexError(
                    f"no move says where '{alias}' of '{incident.prompt}' pointed before version "
                    f"{serves}",
                    hint="name the version: --to N; or serve it to nobody: --disable",
                )
            if back in switch.disabled:
                raise PexError(f"version {back} of '{incident.prompt}' is disabled")
            steps.append(Step(alias, switch.aliases[alias], back))
            if (others := _left_behind(switch, alias, back)) and to is None:
                warnings.append(others)
    if disables and not steps:
        open_ones = [n for n in affected if n in switch.versions and n not in switch.disabled]
        steps = [Step("", number, None, number) for number in open_ones]
    return Containment(incident.prompt, tuple(steps), tuple(already), tuple(warnings))


def _disabling(
    switch: Switch, alias: str, serves: int | None, affected: Sequence[int]
) -> list[Step]:
    """Disabling every affected version; the first step says what the alias gives then."""
    numbers = [n for n in affected if n in switch.versions and n not in switch.disabled]
    after = dataclasses.replace(switch, disabled=switch.disabled | set(numbers)).serves(alias)
    return [Step(alias, serves, after, number) for number in numbers]


def _left_behind(switch: Switch, alias: str, back: int) -> str:
    """What is lost besides, if the alias has had other versions since."""
    newer = sorted(
        {move.to for move in switch.moves(alias) if move.to > back} - {switch.aliases[alias]}
    )
    if not newer:
        return ""
    named = ", ".join(map(str, newer))
    which = "which is" if len(newer) == 1 else "which are"
    return (
        f"since then '{alias}' was at version {named} too, {which} left behind as well "
        "(--to N chooses another version)"
    )


def contain(
    project: Path, incident: Incident, *, disables: bool = False, to: int | None = None
) -> tuple[Incident, Containment]:
    """Contain an incident: aliases go back to before it, or its versions are disabled.

    What was done is in the record's front matter and timeline, step by step. Doing it twice
    changes nothing.

    Args:
        project: the project.
        incident: the incident.
        disables: disable the affected versions, instead of moving aliases.
        to: the version to go back to; None for the one before the first affected one.

    Returns:
        The record as it is now, and what was done.

    Raises:
        PexError: as `plan_containment`; or somebody moved an alias meanwhile: steps that were done
            before are in the record.
    """
    with locked(project):
        incident = read(incident.path)
        done = plan_containment(project, incident, disables=disables, to=to)
        because = f"incident {incident.id}: {incident.title}"
        disabled: set[int] = set()
        for step in done.steps:
            if step.disables is not None:
                if step.disables in disabled:
                    continue
                disabled.add(step.disables)
                disable(incident.prompt, step.disables, because)
                made: dict[str, Any] = {"disabled": step.disables}
                said = f"version {step.disables} of {incident.prompt} disabled"
                if step.alias:
                    said += f"; {step.alias} gives {_version(step.after)}"
            else:
                switch = Switch.of(project, incident.prompt)
                assert step.before is not None  # an alias that is moved has a version
                assert step.after is not None
                switch.move(step.alias, step.before, step.after, "rollback", because)
                made = {"alias": step.alias, "from": step.before, "to": step.after}
                said = (
                    f"{step.alias} of {incident.prompt} moved from version {step.before} to "
                    f"{step.after}"
                )
            kept = [*map(dict, incident.containment), made]
            incident = update(incident.path, {"containment": kept}, [entry(f"contained: {said}")])
        return _stamped(project, incident), done


def _stamped(project: Path, incident: Incident) -> Incident:
    """The record with the time of containment, once nobody gets an affected version any more."""
    switch = Switch.of(project, incident.prompt)
    if "contained_at" in incident.times or switch.serving(incident.affected):
        return incident
    if incident.containment:
        return update(incident.path, {"contained_at": text_of(now())})
    # Somebody has moved the alias without this record.
    moves = [
        move
        for alias in incident.aliases
        for move in switch.moves(alias)
        if move.before in incident.affected and move.to not in incident.affected
    ]
    if not moves:
        return incident
    last = max(moves, key=lambda move: move.at)
    said = entry(
        f"contained: {last.alias} of {incident.prompt} moved from version {last.before} to "
        f"{last.to}, outside of this record",
        last.at,
        last.by,
    )
    return update(incident.path, {"contained_at": text_of(last.at)}, [said])


def undo(project: Path, incident: Incident) -> tuple[Incident, list[str]]:
    """Take containment back: aliases return to where they were, versions are served again.

    Returns:
        The record as it is now, and what was done, in sentences; none if nothing was left to undo.

    Raises:
        PexError: an alias has been moved since; what was taken back before that is in the record.
    """
    with locked(project):
        incident = read(incident.path)
        because = f"containment of incident {incident.id} taken back"
        said: list[str] = []
        while incident.containment:
            *rest, last = map(dict, incident.containment)
            what = _taken_back(project, incident, last, because)
            fields = {"containment": rest, "contained_at": None}
            incident = update(incident.path, fields, [entry(f"containment undone: {what}")])
            said.append(what)
        return incident, said


def _taken_back(project: Path, incident: Incident, step: Mapping[str, Any], because: str) -> str:
    if "disabled" in step:
        number = int(step["disabled"])
        if number not in Switch.of(project, incident.prompt).disabled:
            return f"version {number} of {incident.prompt} is served again already"
        enable(incident.prompt, number, because)
        return f"version {number} of {incident.prompt} is served again"
    alias, back, at = str(step["alias"]), int(step["from"]), int(step["to"])
    switch = Switch.of(project, incident.prompt)
    current = switch.aliases.get(alias)
    if current == back:
        return f"{alias} of {incident.prompt} is at version {back} already"
    if current != at:
        raise MovedError(
            f"'{alias}' of '{incident.prompt}' was moved since it was contained: it points to "
            f"{_version(current)}, not to version {at}; nothing was taken back",
            hint="`pexlab library rollback` moves it wherever you decide",
        )
    switch.move(alias, at, back, "set", because)
    return f"{alias} of {incident.prompt} moved from version {at} to {back}"
