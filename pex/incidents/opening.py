"""Opening an incident: from a trace, or from a prompt, with what is known of it filled in."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.errors import PexError
from pex.core.project import find_project
from pex.core.safe_text import clean, in_markdown
from pex.core.text import value_text
from pex.evidence.using_experiments import using_experiments
from pex.guard.findings import visible
from pex.guard.input_check import check
from pex.guard.output_check import check_output
from pex.guard.output_context import OutputContext
from pex.guard.placeholders import Placeholders, hide_in
from pex.guard.redact import redact
from pex.incidents.moments import minute_of, now, text_of
from pex.incidents.record import FOLDER, Incident, entry, folder_of, incidents, locked, parse, plain
from pex.incidents.switch import Switch
from pex.incidents.template import Template, made, template_of
from pex.library.reference import parse_reference
from pex.monitoring.one_trace import OneTrace, marked_incidents, one_trace
from pex.project.listing import find_experiment
from pex.project.personal_rules import personal_rules
from pex.project.settings import Settings, load_settings
from pex.tracking.store import tracking_uri

ALIAS = "champion"
"""The alias that applications ask for, where nothing else is known."""
_LONGEST = 2000
_MOVES = 8
_FINDINGS = 8
_ANSWER, _ERROR = "answer", "error"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What somebody says of a new incident.

    Args:
        title: what it is about; by default the reason given in the triage, or the version's name.
        severity: None for the template's.
        experiment: the experiment whose cases test the prompt; None for the only one that uses it.
        affected: the versions that do harm; None for that of the trace, or of the alias.
        began: when it began to harm; None for the time of the trace.
        noticed: when it was noticed; None for the time of the triage, else now.
        drill: whether it is only practised.
    """

    title: str = ""
    severity: int | None = None
    experiment: str | None = None
    affected: Sequence[int] | None = None
    began: datetime.datetime | None = None
    noticed: datetime.datetime | None = None
    drill: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """A new record; `new` is False if the trace had one already. `remarks` are for the reader."""

    incident: Incident
    new: bool
    remarks: tuple[str, ...] = ()


def waiting_traces(project: Path) -> list[str]:
    """The traces that a triage marked as incidents and that have no record yet."""
    known = {item.word("trace") for item in incidents(project)[0]}
    uri = tracking_uri(project, load_settings(project))
    return [trace_id for trace_id in marked_incidents(uri) if trace_id not in known]


def open_incident(
    trace_id: str | None = None, prompt: str | None = None, said: Opening | None = None
) -> Opened:
    """Write the record of a new incident.

    Args:
        trace_id: a trace of MLflow, of an application or of a run.
        prompt: a version of a prompt in the library, NAME@ALIAS or NAME/VERSION; by default the one
            that the trace is linked to.
        said: what is known besides.

    Raises:
        PexError: there is no such trace, prompt or experiment; nothing was written.
    """
    said = said or Opening()
    project = find_project()
    settings = load_settings(project)
    template = template_of(project)
    severity = said.severity or template.severity
    template.check_severity(severity)
    with locked(project):
        known = [item for item in incidents(project)[0] if item.word("trace") == trace_id]
        if trace_id and known:
            return Opened(known[0], False)
        trace = one_trace(tracking_uri(project, settings), trace_id) if trace_id else None
        subject = _subject(project, trace, prompt, said)
        return _written(project, settings, template, severity, trace, subject, said)


@dataclasses.dataclass(frozen=True, slots=True)
class _Subject:
    """What is affected: a prompt's versions, and the aliases that applications use."""

    prompt: str = ""
    affected: tuple[int, ...] = ()
    aliases: tuple[str, ...] = ()
    switch: Switch | None = None
    experiment: str = ""
    remarks: tuple[str, ...] = ()


def _subject(project: Path, trace: OneTrace | None, prompt: str | None, said: Opening) -> _Subject:
    experiment = said.experiment and _place(project, find_experiment(said.experiment, project))
    linked = [] if trace is None else list(trace.prompts)
    if prompt is None and not linked:
        return _Subject(
            experiment=experiment or "",
            remarks=(
                "the trace is linked to no version of the library: `--prompt NAME@ALIAS` names one",
            ),
        )
    reference = parse_reference(prompt) if prompt else None
    name = reference.name if reference else linked[0][0]
    remarks = []
    if reference is None and len({one for one, _ in linked}) > 1:
        others = ", ".join(dict.fromkeys(one for one, _ in linked[1:] if one != name))
        remarks.append(f"the trace is also linked to {others}: `--prompt NAME` chooses another one")
    switch = Switch.of(project, name)
    affected, aliases = tuple(said.affected or ()), tuple[str, ...]()
    if reference is not None and reference.alias is not None:
        if reference.alias not in switch.aliases:
            raise PexError(
                f"'{name}' has no alias '{reference.alias}'",
                hint=f"there is: {', '.join(sorted(switch.aliases)) or 'none'}",
            )
        aliases = (reference.alias,)
    own = [number for one, number in linked if one == name]
    if not affected and reference is not None and reference.version is not None:
        affected = (reference.version,)
    affected = affected or tuple(dict.fromkeys(own))
    if not affected:
        serves = switch.serves(aliases[0] if aliases else ALIAS)
        if serves is None:
            raise PexError(
                f"which version of '{name}' does harm?", hint="--affected N, or --prompt NAME/N"
            )
        affected = (serves,)
    missing = [number for number in affected if number not in switch.versions]
    if missing and not own:
        raise PexError(
            f"'{name}' has no version {missing[0]}",
            hint=f"there is: {', '.join(map(str, sorted(switch.versions)))}",
        )
    aliases = aliases or tuple(switch.serving(affected)) or (ALIAS,) * (ALIAS in switch.aliases)
    using = using_experiments(project).get(name, [])
    if not experiment and len(using) == 1:
        experiment = _place(project, using[0])
    if not experiment:
        remarks.append(
            f"{'no experiment uses' if not using else 'several experiments use'} '{name}': "
            "`pexlab incident update --experiment NAME` says whose cases get the one of this "
            "incident"
        )
    return _Subject(name, affected, aliases, switch, experiment or "", tuple(remarks))


def _place(project: Path, path: Path) -> str:
    resolved = path.resolve()
    inside = resolved.is_relative_to(project.resolve())
    return resolved.relative_to(project.resolve()).as_posix() if inside else str(resolved)


def _written(
    project: Path,
    settings: Settings,
    template: Template,
    severity: int,
    trace: OneTrace | None,
    subject: _Subject,
    said: Opening,
) -> Opened:
    at = now()
    noticed = said.noticed or (trace.noticed.at if trace and trace.noticed else at)
    began = said.began or (trace.started_at if trace else None)
    why = trace.noticed.why if trace and trace.noticed else ""
    title = said.title or why or _usual_title(trace, subject)
    (title, given), found = masked([title, _said_in(trace)], settings)
    title = " ".join(clean(title).split())[:120]
    versions = ", ".join(f"{subject.prompt}/{number}" for number in subject.affected)
    fields: dict[str, Any] = {
        "title": title,
        "severity": severity,
        "drill": True if said.drill else None,
        "prompt": subject.prompt or None,
        "affected": list(subject.affected),
        "aliases": list(subject.aliases),
        "experiment": subject.experiment or None,
        "trace": trace.trace_id if trace else None,
        "traces_in": trace.experiment if trace else None,
        "run": (trace.run_id or None) if trace else None,
        "model": (trace.model or None) if trace else None,
        "began_at": text_of(began) if began else None,
        "noticed_at": text_of(noticed),
        "contained_at": None,
        "fixed_at": None,
        "closed_at": None,
        "containment": [],
        "case": None,
        "opened_by": entry("", at).split(" · ")[1],
    }
    for name in ("drill", "trace", "traces_in", "run", "model"):
        if not fields[name]:
            del fields[name]
    timeline = []
    if began is not None:
        what = f"trace {trace.trace_id}" if trace and began == trace.started_at else "began"
        timeline.append(entry(f"{what}: the first harm that is known", began, "pex"))
    if trace and trace.noticed:
        timeline.append(entry("marked as an incident in the triage", noticed, trace.noticed.by))
    elif noticed < at - datetime.timedelta(minutes=1):
        timeline.append(entry("noticed", noticed))
    timeline.append(entry(f"record opened, severity {severity}", at))
    values = {
        "title": plain(title),
        "severity": str(severity),
        "severity_text": template.severities[severity],
        "versions": _versions(subject),
        "sample": _sample(given),
        "noticed": minute_of(noticed),
        "began": minute_of(began) if began else "not known",
        "prompt": plain(versions) or "not known yet",
    }
    incident = _create(project, template, fields, values, timeline, subject.prompt, at)
    remarks = list(subject.remarks)
    if found:
        remarks.append(f"masked in the sample: {', '.join(found)}")
    return Opened(incident, True, tuple(remarks))


def _usual_title(trace: OneTrace | None, subject: _Subject) -> str:
    which = f"{subject.prompt} version {', '.join(map(str, subject.affected))}"
    if trace is None:
        return f"{which}: harm reported"
    return f"{which if subject.prompt else 'A trace'}: a harmful answer"


def _create(
    project: Path,
    template: Template,
    fields: Mapping[str, Any],
    values: Mapping[str, str],
    timeline: Sequence[str],
    prompt: str,
    at: datetime.datetime,
) -> Incident:
    """Write the file under the first free id of the day."""
    short = re.sub(r"[^A-Za-z0-9_-]+", "-", prompt).strip("-")[:48] or "incident"
    if fields.get("drill"):
        short = f"drill-{short}" if not short.startswith("incident-drill") else "drill"
    folder = folder_of(project)
    for number in range(1, 1000):
        name = f"{at:%Y-%m-%d}-{short}" + (f"-{number}" if number > 1 else "")
        path = folder / f"{name}.md"
        text = made(template, fields, {**values, "id": name}, timeline)
        incident = parse(path, text)
        try:
            with path.open("x", encoding="utf-8", newline="") as file:
                file.write(text)
        except FileExistsError:
            continue
        except OSError as error:
            raise PexError(f"{FOLDER}/{path.name}: {error.strerror or error}") from None
        return incident
    raise PexError(f"{FOLDER}/: a thousand incidents of '{short}' in a day")


def masked(values: list[Any], settings: Settings) -> tuple[list[Any], tuple[str, ...]]:
    """Values without keys and without what looks like a person's data, and what was masked."""
    kept = _without_keys(values)
    hidden = hide_in(kept, known=Placeholders(), **personal_rules(settings))
    found = tuple(dict.fromkeys(hidden.found))
    return hidden.value, (*found, "keys") if kept != values else found


def _without_keys(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _without_keys(item) for key, item in value.items()}
    return [_without_keys(item) for item in value] if isinstance(value, list | tuple) else value


def _said_in(trace: OneTrace | None) -> list[list[str]]:
    """What went in and came out, as pairs of a heading and a text."""
    if trace is None:
        return []
    texts = trace.texts
    found = [[name, value_text(value)] for name, value in (texts.variables or {}).items()]
    if not found and texts.request is not None:
        found.append(["what the user said", texts.request])
    errors = list(dict.fromkeys(span.message for span in texts.spans if span.message))
    found += [["tool call", value_text(call)] for call in texts.tool_calls]
    if texts.response is not None:
        found.append([_ANSWER, texts.response])
    return found + [[_ERROR, text] for text in errors[:1]]


def _sample(given: Sequence[Sequence[str]]) -> str:
    """The sample as blocks of code: nothing in it is Markdown."""
    if not given:
        return "There is none: the incident was opened without a trace."
    blocks = [f"{plain(name[:160])}:\n\n{_block(text)}" for name, text in given]
    if lines := _guarded(given):
        blocks.append("\n".join(["What the guard flags in it:", "", *lines]))
    return "\n\n".join(blocks)


def _guarded(given: Sequence[Sequence[str]]) -> list[str]:
    """What the guard flags in what went in, and in the answer, as lines of a list."""
    inputs = [text for name, text in given if name not in (_ANSWER, _ERROR)]
    found = [(name, item) for name, text in given if name not in (_ANSWER, _ERROR)
             for item in check(text).findings]  # fmt: skip
    context = OutputContext(inputs=inputs)
    found += [(name, item) for name, text in given if name == _ANSWER
              for item in check_output(text, context).findings]  # fmt: skip
    lines = [
        f"- {_cell(name)}: {_cell(item.message)}, `{_cell(visible(item.shown)).replace('`', ' ')}`"
        for name, item in found
        if item.severity != "signal"
    ]
    return list(dict.fromkeys(lines))[:_FINDINGS]


def _block(text: str) -> str:
    shown = clean(text)
    if (left := len(shown) - _LONGEST) > 0:
        shown = f"{shown[:_LONGEST]}\n… {left:,} more characters"
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{shown}\n{fence}"


def _versions(subject: _Subject) -> str:
    """The affected versions, and how they came to be served, by the history of the aliases."""
    switch = subject.switch
    if switch is None:
        command = "pexlab incident update --prompt NAME --affected N"
        return f"No version of the library is known: `{command}` names it."
    named = ", ".join(f"**{plain(subject.prompt)}/{number}**" for number in subject.affected)
    lines = [f"Affected: {named}."]
    for alias in subject.aliases:
        serves, back = switch.serves(alias), switch.before(alias, subject.affected)
        before = f"before the first affected one it was at version {back}" if back else (
            "no move says where it pointed before"
        )  # fmt: skip
        lines.append(f"`{alias}` gave version {serves} when this record was opened; {before}.")
    rows = [move for alias in subject.aliases for move in switch.moves(alias)]
    if rows:
        lines += ["", "| when | alias | from | to | by | why |", "|---|---|---|---|---|---|"]
        for move in sorted(rows, key=lambda item: item.at)[-_MOVES:]:
            why = move.because or move.verdict or move.kind
            cells = (minute_of(move.at), move.alias, str(move.before or "–"), str(move.to),
                     move.by, why)  # fmt: skip
            lines.append(f"| {' | '.join(_cell(text) for text in cells)} |")
    newest = max(switch.versions, default=0)
    if subject.affected and newest > max(subject.affected):
        lines += ["", f"Newer versions up to {newest} exist: are they affected too? "
                  "`pexlab incident update --affected 2,3`"]  # fmt: skip
    return "\n".join(lines)


def _cell(text: str) -> str:
    return in_markdown(" ".join(clean(text).split())[:160]).replace("|", "\\|")


__all__ = ["Opened", "Opening", "masked", "open_incident", "waiting_traces"]
