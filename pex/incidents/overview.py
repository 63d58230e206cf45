"""All incidents of a project: how long it took to notice, to contain and to fix them."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import itertools
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, Template
from markupsafe import Markup

from pex.core.attempt import attempt
from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.incidents.moments import duration, minute_of, now, text_of
from pex.incidents.record import TIMES, Incident, incidents
from pex.incidents.switch import Switch
from pex.report.theme import page_style, style

SPANS = ("noticed", "contained", "fixed")
TITLES = {"noticed": "to notice", "contained": "to contain", "fixed": "to fix"}
SIGNS = {"open": "!", "contained": "…", "fixed": "✓", "closed": "✓"}
"""So that colour is not the only signal."""
_LINES = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Overview:
    """The incidents of a project, the newest first, and the drills apart.

    Args:
        known: the incidents.
        drills: those that were made to practise.
        problems: records that cannot be read, and times that cannot be right, in sentences.
        at: when it was looked.
        again: incidents that are over, but whose version applications get again, in sentences.
    """

    known: tuple[Incident, ...]
    drills: tuple[Incident, ...]
    problems: tuple[str, ...]
    at: datetime.datetime
    again: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[Incident, ...]:
        """Those that are not closed, the worst first."""
        found = (item for item in self.known if item.state != "closed")
        return tuple(sorted(found, key=lambda item: item.severity))

    @property
    def sentence(self) -> str:
        """The answer in a sentence or two."""
        if not self.known:
            rest = f" {_count(len(self.drills), 'drill')}." if self.drills else ""
            return f"No incident is recorded.{rest}"
        alarming = [item for item in self.open if item.state == "open"]
        said = f"{_count(len(self.known), 'incident')}: "
        said += f"{len(self.open)} not closed" if self.open else "all closed"
        if alarming:
            named = ", ".join(item.id for item in alarming[:3])
            more = f" and {len(alarming) - 3} more" if len(alarming) > 3 else ""
            said += f"; users may still be harmed by {named}{more}"
        if self.again:
            said += "; a version that did harm is served again"
        return f"{said}."

    def median(self, span: str, drills: bool = False) -> tuple[datetime.timedelta | None, int]:
        """The median time to notice, contain or fix, and of how many it is known.

        Args:
            span: one of `SPANS`.
            drills: of the drills in which people took part.
        """
        people = [item for item in self.drills if not item.unattended]
        found = [item.took(span) for item in (people if drills else self.known)]
        known = [span for span in found if span is not None]
        if not known:
            return None, 0
        seconds = statistics.median(span.total_seconds() for span in known)
        return datetime.timedelta(seconds=seconds), len(known)

    def to_json(self) -> dict[str, Any]:
        """Plain data, as in `pexlab incident list --json`."""
        return {
            "at": text_of(self.at),
            "sentence": self.sentence,
            "incidents": [as_json(item) for item in (*self.known, *self.drills)],
            "again": list(self.again),
            "problems": list(self.problems),
        }

    def html(self) -> str:
        """One HTML page without links to anything outside of it."""
        tables = [
            ("Incidents", [_row(item) for item in self.known], self._medians(False)),
            ("Drills", [_row(item) for item in self.drills], self._medians(True)),
        ]
        return _template().render(
            style=Markup(f"{style()}{page_style()}"),
            overview=self,
            at=minute_of(self.at),
            tables=[table for table in tables if table[1]],
            titles=TITLES,
            signs=SIGNS,
        )

    def _medians(self, drills: bool) -> list[tuple[str, str, int]]:
        medians = ((span, *self.median(span, drills)) for span in SPANS)
        return [(TITLES[span], duration(value), count) for span, value, count in medians]


def overview(project: Path) -> Overview:
    """The incidents of a project.

    Args:
        project: its folder.
    """
    known, problems = incidents(project)
    real = tuple(item for item in known if not item.drill)
    drills = tuple(item for item in known if item.drill)
    odd = [text for item in known for text in _wrong_order(item)]
    again = tuple(_back_again(project, real))
    return Overview(real, drills, (*problems, *odd), now(), again)


def _back_again(project: Path, known: Sequence[Incident]) -> Iterator[str]:
    """The incidents that are not open, and whose versions applications get all the same."""
    switches: dict[str, Switch | PexError] = {}
    for item in known:
        name = item.prompt
        if not name or item.state == "open":
            continue
        if name not in switches:
            switches[name] = attempt(functools.partial(Switch.of, project, name))
        switch = switches[name]
        if isinstance(switch, PexError):
            yield f"{item.id}: whether {name} is safe is not known: {switch.message}"
            continue
        for alias in switch.serving(item.affected):
            yield (
                f"{item.id} is {item.state}, but {alias} of {name} gives version "
                f"{switch.serves(alias)} again, which is affected"
            )


def open_lines(project: Path) -> list[str]:
    """The incidents that are not closed, in a line each, for other overviews."""
    found = overview(project)
    lines = [
        f"Incident {item.id} is {item.state}, severity {item.severity}: {item.title}"
        for item in found.open
    ]
    return [*lines, *(f"Incident {text}" for text in found.again)]


def _wrong_order(item: Incident) -> list[str]:
    """The times that are before an earlier one: somebody wrote them wrongly."""
    there = [(name, item.times[name]) for name in TIMES if name in item.times]
    return [
        f"{item.id}: {name} is before {earlier}"
        for (earlier, first), (name, second) in itertools.pairwise(there)
        if second < first
    ]


def as_json(item: Incident) -> dict[str, Any]:
    """An incident as plain data; times to notice, contain and fix are in seconds."""
    seconds = {}
    for span in SPANS:
        took = item.took(span)
        seconds[f"{span}_after_s"] = None if took is None else round(took.total_seconds())
    return {
        "id": item.id,
        "title": item.title,
        "state": item.state,
        "severity": item.severity,
        "drill": item.drill,
        "prompt": item.prompt,
        "affected": list(item.affected),
        "trace": item.word("trace"),
        "case": item.word("case"),
        "file": f"{item.path.parent.name}/{item.path.name}",
        **{name: text_of(item.times[name]) if name in item.times else None for name in TIMES},
        **seconds,
    }


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _row(item: Incident) -> dict[str, Any]:
    versions = ", ".join(f"{item.prompt}/{number}" for number in item.affected)
    noticed = item.times.get("noticed_at")
    return {
        "id": clean(item.id),
        "title": clean(item.title),
        "state": item.state,
        "severity": item.severity,
        "versions": clean(versions or item.prompt or "not known"),
        "noticed": minute_of(noticed) if noticed else "not known",
        "spans": [(TITLES[span], duration(item.took(span))) for span in SPANS],
        "case": clean(item.word("case")),
        "unattended": item.unattended,
        "timeline": [clean(line) for line in item.timeline()[-_LINES:]],
    }


@functools.cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["clean"] = clean
    return environment.get_template("incidents.html.jinja")
