"""A prompt as the rules see it: its messages with their lines, and the experiments that use it."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import template
from pex.core.case import Case
from pex.core.messages import content_templates
from pex.core.prompt import Prompt
from pex.core.template_shown import Shown
from pex.project.settings import Settings
from pex.run.kept_lists import KeptList
from pex.run.prices import Price


@dataclasses.dataclass(frozen=True, slots=True)
class Use:
    """An experiment that uses a prompt: its name, cases, scorers, and the models it runs it on."""

    experiment: str
    cases: Sequence[Case]
    scorers: Sequence[Mapping[str, Any]]
    models: Sequence[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of models: the project's settings, its state folder, lists, and the day."""

    settings: Settings
    state: Path
    lists: Mapping[str, KeptList]
    today: datetime.date
    price_of: Callable[[str], Price | None]
    """The price of a model, looked up once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """A template of a message, with the line of the file that it begins in."""

    role: str
    text: str
    line: int

    @property
    def shown(self) -> tuple[Shown, ...]:
        """The variables whose values it has, in order."""
        return template.shown_variables(self.text)


class Subject:
    """One prompt with everything that rules look at.

    Args:
        prompt: the prompt.
        source: the text of its file.
        uses: the experiments that use it.
        around: what is known of models.
    """

    def __init__(
        self, prompt: Prompt, source: str, uses: Sequence[Use], around: Surroundings
    ) -> None:
        self.prompt, self.source, self.uses, self.around = prompt, source, uses, around

    @functools.cached_property
    def texts(self) -> tuple[Text, ...]:
        """The templates of its messages, in order."""
        source = self.source.replace("\r\n", "\n")
        found, at = [], 0
        for message in self.prompt.written or self.prompt.messages:
            for text in content_templates(message["content"]):
                place = source.find(text, at)
                if place >= 0:
                    at = place + len(text)
                line = source.count("\n", 0, max(place, 0)) + 1
                found.append(Text(str(message["role"]), text, line))
        return tuple(found)

    @functools.cached_property
    def values(self) -> dict[str, list[Any]]:
        """The values that the cases of experiments have for each variable."""
        found: dict[str, list[Any]] = {}
        for use in self.uses:
            for case in use.cases:
                for name, value in case.values.items():
                    found.setdefault(name, []).append(value)
        return found

    @property
    def models(self) -> dict[str, None]:
        """The models that it runs on."""
        named = [model for use in self.uses for model in use.models]
        own = [] if named or not self.prompt.model else [self.prompt.model]
        return dict.fromkeys([*named, *own])

    def line_of(self, words: str) -> int:
        """The first line of the file that has these words, else 1."""
        return line_of(self.source, words)


def line_of(source: str, words: str) -> int:
    """The first line of a text that has these words, else 1."""
    place = source.find(words)
    return source.count("\n", 0, place) + 1 if place >= 0 else 1
