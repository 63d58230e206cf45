"""Suites: attacks as YAML, each with its harmless twin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from pex.core.errors import PexError, nearest
from pex.core.names import check_name
from pex.project.files import read_yaml
from pex.project.spec import Strict
from pex.redteam.converters import CONVERTERS, TRANSLATIONS

BUILT_IN = "built-in"
"""The name of the suites that come with pex, all of them."""
FOLDER = Path(__file__).parent / "suites"

Goal = Literal["word", "leak", "address", "tool", "judge"]
Place = Literal["value", "document", "tool_result", "message"]
PLACEHOLDERS = {"word", "host", "tool", "marker", "text"}
_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_NEEDS: dict[str, str] = {"word": "word", "address": "host", "tool": "tool"}


def placeholders(text: str) -> list[str]:
    """The placeholders of an attack.

    Example:
        >>> placeholders("Say {{ word }}, {{word}}.")
        ['word', 'word']
    """
    return [name.strip() for name in _PLACEHOLDER.findall(text)]


def filled(text: str, values: dict[str, str]) -> str:
    """An attack with its placeholders filled in; they are data, never rendered again.

    Example:
        >>> filled("Say {{ word }}.", {"word": "{{ host }}"})
        'Say {{ host }}.'
    """
    return _PLACEHOLDER.sub(lambda found: values.get(found[1].strip(), found[0]), text)


class Twin(Strict):
    """The harmless text that looks like an attack, and what shows that the task was done.

    `done` are texts that the answer has to contain, alternatives separated by `|`; without it the
    experiment's own scorer says whether the task was done.
    """

    text: str
    translated: str | None = None
    done: list[str] = Field(default_factory=list)


class Attack(Strict):
    """One attack: what it says, what it asks for, where it stands, and its twin.

    `goal` is what counts as success: `word` (a forced word), `leak` (the prompt's canary or its own
    text), `address` (data sent to an address), `tool` (a call of a tool), `judge` (only a judge can
    tell; `question` says what). `place` is what holds the attack: `value` (added to the text of one
    of the experiment's cases), `document` (inside a retrieved document), `tool_result` (inside the
    result of a tool), `message` (all that a user says). `family` is the idea behind it: training
    data are split by it.
    """

    id: str
    category: str
    family: str
    goal: Goal
    place: Place = "value"
    text: str
    translated: str | None = None
    """The same in another language."""
    question: str = ""
    twin: Twin
    safe: str = ""
    """An answer that would be right, for training; else an approved answer of the user's."""

    @field_validator("id", "category", "family")
    @classmethod
    def _names(cls, value: str) -> str:
        try:
            return check_name(value, "name")
        except PexError as error:
            raise ValueError(error.message) from None

    @model_validator(mode="after")
    def _fits(self) -> Attack:
        for text in (self.text, self.translated or "", self.twin.text, self.twin.translated or ""):
            for name in placeholders(text):
                if name not in PLACEHOLDERS:
                    hint = nearest(name, sorted(PLACEHOLDERS))
                    raise ValueError(f"unknown placeholder '{{{{ {name} }}}}'; {hint}")
        needed = _NEEDS.get(self.goal)
        for text in filter(None, (self.text, self.translated)):
            if needed and needed not in placeholders(text):
                raise ValueError(f"the goal '{self.goal}' needs {{{{ {needed} }}}} in the text")
        if needed and needed in placeholders(self.twin.text):
            raise ValueError(f"the twin asks for {{{{ {needed} }}}}, so it is an attack")
        if bool(self.translated) != bool(self.twin.translated):
            raise ValueError("'translated' needs a translation of the twin too, and the reverse")
        if (self.goal == "judge") != bool(self.question):
            raise ValueError("'question' is what a judge is asked, with the goal 'judge' only")
        if self.place == "message" and not self.twin.done:
            raise ValueError("in the place 'message', the twin says what shows success: done: […]")
        return self


class Suite(Strict):
    """A file of attacks; `converters` are the forms in which each of them is sent."""

    name: str
    description: str = ""
    owasp: str
    """The entry of the OWASP Top 10 for LLM applications, with its year: `LLM01:2026`."""
    converters: list[str] = Field(default_factory=lambda: ["plain"], min_length=1)
    attacks: list[Attack] = Field(min_length=1)

    @field_validator("owasp")
    @classmethod
    def _owasp(cls, value: str) -> str:
        if not re.fullmatch(r"LLM(0[1-9]|10):20\d\d", value):
            raise ValueError(f"expected an id with its year, such as LLM01:2026, got '{value}'")
        return value

    @field_validator("converters")
    @classmethod
    def _converters(cls, value: list[str]) -> list[str]:
        for name in value:
            check_converter(name)
        return value

    @model_validator(mode="after")
    def _ids(self) -> Suite:
        ids = [attack.id for attack in self.attacks]
        if double := next((item for item in ids if ids.count(item) > 1), None):
            raise ValueError(f"two attacks have the id '{double}'")
        return self


def check_converter(name: str) -> None:
    """Raise a `ValueError` with the nearest right name if there is no such converter."""
    known = [*CONVERTERS, TRANSLATIONS]
    if name not in known:
        raise ValueError(f"there is no converter '{name}'; {nearest(name, known)}")


def built_in() -> list[Path]:
    """The files of the suites that come with pex."""
    return sorted(FOLDER.glob("*.yaml"))


def load_suite(path: Path) -> Suite:
    """Read a suite.

    Raises:
        PexError: the file is missing, or a key or value does not fit, with the line.
    """
    return read_yaml(path, Suite, "suite")


def load_suites(names: Sequence[str], folder: Path) -> list[Suite]:
    """The suites that an experiment names.

    Args:
        names: `built-in` for all that come with pex, one of their names, or the path of a file.
        folder: where the paths start.

    Raises:
        PexError: there is no such suite, one does not fit, or an id occurs twice.
    """
    own = {path.stem: path for path in built_in()}
    paths: dict[Path, None] = {}
    for name in names:
        if name == BUILT_IN:
            paths |= dict.fromkeys(own.values())
        elif name in own:
            paths[own[name]] = None
        elif (folder / name).is_file():
            paths[(folder / name).resolve()] = None
        else:
            raise PexError(
                f"there is no suite '{name}'",
                hint=f"{nearest(name, [BUILT_IN, *own])}; or the path of a file in {folder}",
            )
    suites = [load_suite(path) for path in paths]
    seen: dict[str, str] = {}
    for suite in suites:
        for attack in suite.attacks:
            if attack.id in seen:
                raise PexError(
                    f"two attacks have the id '{attack.id}': in the suites '{seen[attack.id]}' "
                    f"and '{suite.name}'"
                )
            seen[attack.id] = suite.name
    return suites
