"""The messages sent for a case, rendered again: keeping every request would cost memory."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.about import About
from pex.core.case import Case
from pex.core.documents import KIND, part_text
from pex.core.errors import PexError
from pex.core.hidden import SHOWN
from pex.core.prompt import Prompt


class SentMessages:
    """Renders the messages of a run's variants.

    Args:
        about: the run's description, with the texts of its prompts.
        prompts: the prompts themselves, where they are at hand: a text has no default values.
    """

    def __init__(self, about: About, prompts: Sequence[Prompt] = ()) -> None:
        self._texts = {item.name: item.text for item in about.prompts}
        self._prompt_of = {item.name: item.prompt for item in about.variants}
        self._given = {prompt.name: prompt for prompt in prompts}
        self._renamed = about.renamed
        self._parsed = functools.cache(self._parse)

    def __call__(self, variant: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The messages of a variant for a case's inputs; none if its prompt is not known.

        A prompt that cannot be rendered again, for example because it is from an older run, is one
        message with its text.
        """
        name = self._prompt_of.get(variant, "")
        values = Case("", dict(values), renamed=self._renamed).values
        try:
            prompt = self._given.get(name) or self._parsed(name)
            return [] if prompt is None else [*map(_shown, prompt.render(values, SHOWN))]
        except PexError:
            text = self._texts[name]
            return [{"role": "prompt, before its variables were filled in", "content": text}]

    def _parse(self, name: str) -> Prompt | None:
        text = self._texts.get(name)
        return None if text is None else Prompt.parse(f"---\n---\n{text}", "prompt", "prompt")


def _shown(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message in which a document is written as in its prompt: viewers know no such part."""
    content = message["content"]
    if not isinstance(content, list) or all(part.get("type") != KIND for part in content):
        return dict(message)
    parts = [
        {"type": "text", "text": part_text(part)} if part.get("type") == KIND else part
        for part in content
    ]
    return {**message, "content": parts}
