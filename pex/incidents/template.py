"""The template of records, `incidents/template.md`: the team's severities, roles, messages."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pex.core.errors import PexError, nearest
from pex.core.project import led_outside
from pex.incidents.fields import flow, front_of, read_fields
from pex.incidents.record import FOLDER, TEMPLATE, folder_of, text_of_file, with_entries

_PLACE = re.compile(r"\{\{[ \t]*(\w+)[ \t]*\}\}")
PLACES = (
    "id", "title", "severity", "severity_text", "timeline", "versions", "sample", "noticed",
    "began", "prompt",
)  # fmt: skip
"""What is filled in."""


@dataclasses.dataclass(frozen=True, slots=True)
class Template:
    """A template that was read.

    Args:
        severities: what each number means.
        severity: that of a new incident.
        body: the text of records below their front matter.
    """

    severities: Mapping[int, str]
    severity: int
    body: str

    def check_severity(self, number: int) -> None:
        """Raise a `PexError` if the template has no such severity."""
        if number not in self.severities:
            named = "; ".join(f"{key}: {text}" for key, text in self.severities.items())
            raise PexError(f"there is no severity {number}", hint=f"there is {named}")


def template_of(project: Path) -> Template:
    """The project's template, which is written at the first use.

    Raises:
        PexError: it cannot be read, or has a key or a place that does not fit.
    """
    path = folder_of(project) / TEMPLATE
    where = f"{FOLDER}/{TEMPLATE}"
    if (target := led_outside(path, project)) is not None:
        raise PexError(f"{where} leads out of the project, to {str(target)!r}")
    try:
        with contextlib.suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
            file.write(default_text())
    except OSError as error:
        raise PexError(f"{where}: {error.strerror or error}") from None
    return parse_template(text_of_file(path, where), where)


def default_text() -> str:
    """The template that a project begins with."""
    return (Path(__file__).parent / "default_template.md").read_text(encoding="utf-8")


def parse_template(text: str, where: str) -> Template:
    """A template from its text.

    Raises:
        PexError: a key or a place does not fit.

    Example:
        >>> found = parse_template(default_text(), "template.md")
        >>> found.severity, sorted(found.severities)
        (2, [1, 2, 3])
    """
    fields = read_fields(text, where)
    unknown = [key for key in fields if key not in ("severities", "severity")]
    if unknown:
        raise PexError(
            f"{where}: unknown key '{unknown[0]}'",
            hint=nearest(unknown[0], ["severities", "severity"]),
        )
    given = fields.get("severities")
    if not isinstance(given, Mapping) or not given:
        raise PexError(
            f"{where}: 'severities': expected numbers with what each means, got {given!r}"
        )
    severities = {}
    for key, meaning in given.items():
        if not re.fullmatch("[1-9][0-9]?", str(key)) or not isinstance(meaning, str):
            raise PexError(
                f"{where}: 'severities': expected a number from 1 and a sentence, got "
                f"{key!r}: {meaning!r}"
            )
        severities[int(str(key))] = meaning.strip()
    usual = fields.get("severity")
    if not isinstance(usual, int) or usual not in severities:
        raise PexError(
            f"{where}: 'severity': expected one of {', '.join(map(str, severities))}, got {usual!r}"
        )
    front, begin = front_of(text, where)
    rest = text[begin + len(front) :]
    body = rest.partition("\n")[2]
    for name in _PLACE.findall(body):
        if name not in PLACES:
            raise PexError(f"{where}: nothing fills in '{name}'", hint=nearest(name, PLACES))
    return Template(dict(sorted(severities.items())), usual, body)


def made(
    template: Template,
    fields: Mapping[str, object],
    values: Mapping[str, str],
    timeline: Sequence[str],
) -> str:
    """The text of a new record.

    What is filled in is not looked at again: a sample with braces stays as it is.

    Args:
        template: the template.
        fields: the front matter.
        values: what comes into the places, without "timeline".
        timeline: its lines, from `entry`.
    """
    lines = "\n".join(f"- {line}" for line in timeline)
    there = set(_PLACE.findall(template.body))
    filled = {**values, "timeline": lines}
    body = _PLACE.sub(lambda found: filled[found[1]], template.body)
    front = "".join(f"{key}: {flow(value)}".rstrip() + "\n" for key, value in fields.items())
    text = f"---\n{front}---\n{body.rstrip()}\n"
    return text if "timeline" in there else with_entries(text, timeline)
