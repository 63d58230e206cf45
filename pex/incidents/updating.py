"""What people add to an incident's record from the command line."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pex.core.errors import PexError
from pex.incidents.moments import minute_of, now, text_of
from pex.incidents.opening import ALIAS, masked
from pex.incidents.record import Incident, entry, locked, read, update
from pex.incidents.switch import Switch
from pex.incidents.template import template_of
from pex.project.listing import find_experiment
from pex.project.settings import load_settings


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be changed; empty or None: it stays.

    Args:
        note: a line of the timeline.
        severity: 1 is the worst.
        title: what it is about.
        affected: the versions that do harm.
        prompt: the prompt.
        experiment: the experiment whose cases test it.
        contained: what was done to contain it without the library.
        began: when it began.
    """

    note: str = ""
    severity: int | None = None
    title: str = ""
    affected: Sequence[int] | None = None
    prompt: str = ""
    experiment: str = ""
    contained: str = ""
    began: datetime.datetime | None = None


def update_incident(project: Path, incident: Incident, changes: Changes) -> Incident:
    """Change a record; each change is a line of its timeline.

    Raises:
        PexError: nothing is to be changed, or a value does not fit; nothing was written.
    """
    if changes == Changes():
        raise PexError("nothing is to be changed", hint='for example --note "the vendor is called"')
    (note, title, contained), _ = masked(
        [changes.note, changes.title, changes.contained], load_settings(project)
    )
    fields: dict[str, Any] = {}
    lines = []
    if changes.severity is not None:
        template_of(project).check_severity(changes.severity)
        fields["severity"] = changes.severity
        lines.append(entry(f"severity {incident.severity} → {changes.severity}"))
    if title:
        fields["title"] = " ".join(title.split())[:120]
        lines.append(entry(f"title: {fields['title']}"))
    if changes.prompt or changes.affected is not None:
        lines += _subject(project, incident, changes, fields)
    if changes.experiment:
        path = find_experiment(changes.experiment, project).resolve()
        fields["experiment"] = path.relative_to(project.resolve()).as_posix()
        lines.append(entry(f"its case is one of {fields['experiment']}"))
    if changes.began is not None:
        fields["began_at"] = text_of(changes.began)
        lines.append(entry(f"it began at {minute_of(changes.began)}"))
    if contained:
        if "contained_at" not in incident.times:
            fields["contained_at"] = text_of(now())
        lines.append(entry(f"contained: {contained}"))
    if note:
        lines.append(entry(note))
    with locked(project):
        return update(read(incident.path).path, fields, lines)


def _subject(
    project: Path, incident: Incident, changes: Changes, fields: dict[str, Any]
) -> list[str]:
    name = changes.prompt or incident.prompt
    if not name:
        raise PexError("which prompt? no version of the library is known", hint="--prompt NAME")
    switch = Switch.of(project, name)
    affected = list(incident.affected if changes.affected is None else changes.affected)
    unknown = [number for number in affected if number not in switch.versions]
    if unknown:
        raise PexError(
            f"'{name}' has no version {unknown[0]}",
            hint=f"there is: {', '.join(map(str, sorted(switch.versions)))}",
        )
    fields |= {"prompt": name, "affected": affected}
    aliases = list(incident.aliases) if name == incident.prompt else []
    aliases = list(dict.fromkeys([*aliases, *switch.serving(affected)]))
    fields["aliases"] = aliases or [ALIAS] * (ALIAS in switch.aliases)
    if switch.serving(affected):
        fields["contained_at"] = None
    versions = ", ".join(f"{name}/{number}" for number in affected)
    return [entry(f"affected: {versions or 'none'}")]
