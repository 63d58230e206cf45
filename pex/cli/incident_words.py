"""What the commands of `pexlab incident` print, ask and read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pex.cli import console
from pex.core.errors import PexError
from pex.core.project import find_project

if TYPE_CHECKING:
    import datetime

    from pex.incidents.record import Incident


def which_trace() -> PexError:
    """The error that names the traces that a triage marked."""
    from pex.incidents.opening import waiting_traces

    waiting = waiting_traces(find_project())
    if not waiting:
        return PexError(
            "which trace? None that was marked as an incident in a triage waits",
            hint="pexlab incident new TRACE, or --prompt NAME@ALIAS without one",
        )
    shown = ", ".join(waiting[:5]) + (f" and {len(waiting) - 5} more" if len(waiting) > 5 else "")
    are = "is" if len(waiting) == 1 else "are"
    return PexError(
        f"which trace? {len(waiting)} {are} marked as an incident and without a record: {shown}",
        hint=f"pexlab incident new {waiting[0]}",
    )


def confirm(lines: list[str], question: str, yes: bool) -> None:
    """Show what will be done and ask; nobody there, or a no, is an error.

    Raises:
        PexError: it was not confirmed.
    """
    for line in lines:
        console.err(line)
    if yes:
        return
    if not sys.stdin.isatty():
        raise PexError("nobody is here to confirm it: nothing was changed", hint="--yes")
    if not typer.confirm(question, default=False, err=True):
        raise PexError("nothing was changed")


def undoing(step: Any) -> str:
    """What undoing a step of containment does, in a line."""
    if "disabled" in step:
        return f"version {step['disabled']} is served again"
    return f"{step['alias']}: version {step['to']} → version {step['from']}"


def show_done(incident: Incident, said: list[str], as_json: bool) -> None:
    """What was done, the state, and what comes next."""
    if as_json:
        console.document({**document(incident), "done": said})
        return
    for line in said:
        console.out(line)
    console.out(f"{incident.state}  {incident.id}")
    if incident.state == "contained":
        if any("alias" in step or "disabled" in step for step in incident.containment):
            console.err("applications see it at once in this project, elsewhere within their ttl_s")
        console.err(f"back: pexlab incident contain {incident.id} --undo")
        console.err(f'then: pexlab incident case {incident.id} --expected "the right answer"')


def show(incident: Incident) -> None:
    """The first look: where the record is, what is affected, what to do now."""
    from pex.core.attempt import attempt
    from pex.incidents.containment import plan_containment

    project = find_project()
    versions = ", ".join(f"{incident.prompt}/{number}" for number in incident.affected)
    console.out(f"  {incident.title}")
    console.out(f"  record    {inside(project, incident.path)}")
    console.out(f"  state     {incident.state}, severity {incident.severity}")
    console.out(f"  affected  {versions or 'no version of the library is known'}")
    if incident.state != "open":
        return
    planned = attempt(lambda: plan_containment(project, incident))
    if isinstance(planned, PexError):
        console.out(f"  now       {planned.message}")
        if planned.hint:
            console.out(f"            {planned.hint}")
        return
    for line in (*planned.already, *planned.warnings):
        console.out(f"  now       {line}")
    for step in planned.steps:
        console.out(f"  now       pexlab incident contain {incident.id}    {step}")


def times_of(incident: Incident) -> str:
    """How long it took to notice, contain and fix it, in a line."""
    from pex.incidents.moments import duration
    from pex.incidents.overview import SPANS, TITLES

    return ", ".join(f"{TITLES[span]} {duration(incident.took(span))}" for span in SPANS)


def document(incident: Incident) -> dict[str, Any]:
    """An incident as data."""
    from pex.incidents.overview import as_json

    return as_json(incident)


def inside(project: Path, path: Path) -> str:
    """A path from the project's folder; the whole path outside of it."""
    path = path.resolve()
    root = project.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def numbers(text: str) -> list[int] | None:
    """The versions of `--affected`; None if it was not given.

    Raises:
        PexError: they are no versions.
    """
    if not text.strip():
        return None
    parts = [part.strip().removeprefix("v") for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise PexError(f"--affected {text}: expected versions, such as 2,3")
    return [int(part) for part in parts]


def time_given(option: str, text: str) -> datetime.datetime | None:
    """The time of an option; None if it was not given.

    Raises:
        PexError: it is not a time.
    """
    from pex.incidents.moments import moment_of

    if not text:
        return None
    try:
        return moment_of(text)
    except ValueError as error:
        raise PexError(f"{option} '{text}': {error}") from None


def pair(text: str) -> tuple[str, str]:
    """The name and value of an `--input`.

    Raises:
        PexError: it has no name or no '='.
    """
    name, mark, value = text.partition("=")
    if not mark or not name.strip():
        raise PexError(f"--input '{text}': expected NAME=VALUE")
    return name.strip(), value
