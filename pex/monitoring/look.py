"""One look of a monitor: its alarms are remembered until somebody accepts a new baseline."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from pex.batch.junit_xml import add_suite, clean_xml, written
from pex.batch.notices import Message, send_notices
from pex.core import jsontext, private
from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.guard.redact import redact
from pex.library.moves import Move
from pex.monitoring.alarm import Alarm, RuleState
from pex.monitoring.alarms import check_rules
from pex.monitoring.baseline import Baseline, find_baseline
from pex.monitoring.spec import MonitorSpec
from pex.monitoring.traces import Traces

_MOST = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What one look found.

    Args:
        monitor: the monitor's name.
        at: the time of the look.
        baseline: the period that was compared with.
        states: where each rule stands; an alarm of an earlier look is still one.
        unnotified: the alarms that nobody was notified of yet.
        memory: the file that remembers them.
    """

    monitor: str
    at: datetime.datetime
    baseline: Baseline
    states: tuple[RuleState, ...]
    unnotified: tuple[Alarm, ...]
    memory: Path

    @property
    def alarms(self) -> list[Alarm]:
        """All open alarms."""
        return [state.alarm for state in self.states if state.alarm is not None]

    @property
    def exit_code(self) -> int:
        """1 with an alarm, else 3 if a rule cannot tell, else 0."""
        statuses = {state.status for state in self.states}
        return 1 if "alarm" in statuses else 3 if "cannot tell" in statuses else 0

    def __str__(self) -> str:
        """The look in a sentence."""
        unclear = sum(state.status == "cannot tell" for state in self.states)
        rules = "1 rule" if len(self.states) == 1 else f"{len(self.states)} rules"
        said = "no alarm" if not self.alarms else f"{len(self.alarms)} of {rules} with an alarm"
        if unclear:
            said += f", {unclear} of {rules} cannot tell"
        return f"{self.monitor}: {said}"


def look(
    spec: MonitorSpec,
    folder: Path,
    state: Path,
    traces: Traces,
    now: datetime.datetime,
    moves: Sequence[Move] = (),
    vectors: Mapping[str, Sequence[float]] | None = None,
    no_vectors: str = "",
) -> Look:
    """Check all rules, and remember the alarms.

    An alarm stays until a new baseline is accepted, also if later traces are fine again. While one
    is open the baseline of an alias does not move on.

    Args:
        spec: the monitor.
        folder: the folder of `monitor.yaml`.
        state: the project's `.pex/`.
        traces: what was read.
        now: the time of the look, with a zone.
        moves: the moves of aliases in the project, oldest first.
        vectors: as for `check_rules`.
        no_vectors: as for `check_rules`.

    Raises:
        PexError: a damaged file of baselines or of alarms, an unknown alias, an unwritable file.
    """
    memory = _memory(spec, state)
    known = _read(memory)
    old = open_baseline(spec, state)
    baseline = find_baseline(spec, folder, moves, now, old)
    open_alarms: dict[str, Alarm] = known["alarms"] if baseline == old else {}
    notified = [rule for rule in known["notified"] if rule in open_alarms]
    states = []
    for found in check_rules(spec, traces, baseline, now, moves, vectors, no_vectors):
        before = open_alarms.get(found.rule)
        alarm = found.alarm or before
        if alarm is None:
            states.append(found)
            continue
        alarm = dataclasses.replace(alarm, seen_at=before.seen_at if before else now)
        reason = found.reason if found.alarm else f"{alarm}; it stays until it is accepted"
        states.append(dataclasses.replace(found, status="alarm", alarm=alarm, reason=reason))
    found_alarms = {item.rule: item.alarm for item in states if item.alarm is not None}
    _write(memory, baseline, found_alarms, notified)
    unnotified = tuple(alarm for rule, alarm in found_alarms.items() if rule not in notified)
    return Look(spec.name, now, baseline, tuple(states), unnotified, memory)


def open_baseline(spec: MonitorSpec, state: Path) -> Baseline | None:
    """The baseline that open alarms were raised against; None if there is no open alarm.

    Args:
        spec: the monitor.
        state: the project's `.pex/`.

    Raises:
        PexError: the file of alarms is damaged.
    """
    known = _read(_memory(spec, state))
    baseline: Baseline | None = known["baseline"] if known["alarms"] else None
    return baseline


def _memory(spec: MonitorSpec, state: Path) -> Path:
    return state / "monitor" / f"{spec.name}.alarms.json"


def notify_alarms(spec: MonitorSpec, found: Look, page: str, say: Callable[[str], None]) -> None:
    """Send the monitor's notices, once for each alarm.

    An alarm counts as notified when one of the notices went out; the next look tries again
    otherwise. A look without a new alarm sends nothing, whatever a notice's `when`.

    Args:
        spec: the monitor.
        found: the look.
        page: the page, which is attached to a mail.
        say: gets a line for each notice.
    """
    if not found.unnotified or not spec.notify:
        return
    lines: list[str] = []
    message = Message(summary(found), page, f"{spec.name}-{found.at:%Y-%m-%d}.html")
    send_notices(spec.notify, message, lines.append)
    for line in lines:
        say(line)
    if any(line.endswith(" sent") for line in lines):
        known = _read(found.memory)
        rules = [*known["notified"], *(alarm.rule for alarm in found.unnotified)]
        _write(found.memory, known["baseline"], known["alarms"], list(dict.fromkeys(rules)))


def summary(found: Look) -> str:
    """The look in a few lines of plain text; new alarms come first."""
    new = {alarm.rule for alarm in found.unnotified}
    alarms = sorted(found.alarms, key=lambda alarm: alarm.rule not in new)
    lines = [str(found)]
    for alarm in alarms[:_MOST]:
        lines.append(f"{'New: ' if alarm.rule in new else ''}{alarm} ({alarm.sure_text})")
        if alarm.trace_ids:
            lines.append(f"Traces to look at: {', '.join(alarm.trace_ids[:3])}")
    if len(alarms) > _MOST:
        lines.append(f"{len(alarms) - _MOST} more on the page.")
    lines.append(f"Compared with {found.baseline}.")
    return redact("\n".join(clean(" ".join(line.split())) for line in lines))


def alarms_junit(found: Look) -> str:
    """The look as JUnit XML: a test case for each rule; one that cannot tell is skipped."""
    name = clean_xml(found.monitor)
    root = Xml.Element("testsuites", name=name)
    suite = add_suite(root, f"{name}: alarms", found.at)
    for state in found.states:
        case = Xml.SubElement(
            suite, "testcase", name=clean_xml(state.rule), classname=f"{name}.alarms", time="0"
        )
        reason = clean_xml(clean(state.reason))
        if state.status == "alarm":
            Xml.SubElement(case, "failure", type="alarm", message=reason).text = reason
        elif state.status == "cannot tell":
            Xml.SubElement(case, "skipped", message=reason)
        else:
            Xml.SubElement(case, "system-out").text = reason
    return written(root)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {"baseline": None, "alarms": {}, "notified": []}
    try:
        data = jsontext.loads(path.read_text(encoding="utf-8"))
        first, end = (
            datetime.datetime.fromisoformat(data["baseline"][key])
            if data["baseline"][key]
            else None
            for key in ("first", "end")
        )
        baseline = Baseline(first, end, data["baseline"]["source"], data["baseline"]["problem"])
        alarms = {rule: Alarm.from_json(item) for rule, item in data["alarms"].items()}
        return {"baseline": baseline, "alarms": alarms, "notified": list(data["notified"])}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PexError(
            f"{path}: this is not a monitor's file of alarms",
            hint="remove it: the next look finds the alarms again, and notifies again",
        ) from None


def _write(
    path: Path, baseline: Baseline, alarms: Mapping[str, Alarm], notified: Sequence[str]
) -> None:
    private.folder(path.parent)
    document = {
        "baseline": {
            "first": baseline.first.isoformat() if baseline.first else None,
            "end": baseline.end.isoformat() if baseline.end else None,
            "source": baseline.source,
            "problem": baseline.problem,
        },
        "alarms": {rule: alarm.to_json() for rule, alarm in alarms.items()},
        "notified": list(notified),
    }
    part = path.with_suffix(".part")
    try:
        part.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise PexError(f"{path} cannot be written: {error.strerror or error}") from None
