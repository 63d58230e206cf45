"""Searches many texts for many secrets at once."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from pex.guard.encoded_keys import written
from pex.guard.key_shapes import MASK

_HEAD = 12
"""A truncated secret must show at least this many characters to be recognised."""
_DOTS = re.compile(r"…|\.\.\.")


class Known:
    r"""Values that must not be shown, prepared for removal.

    Args:
        values: the secrets as they are; values that are too short, or short words, are ignored.

    Example:
        >>> known = Known(["open+sesame"])
        >>> known.within("open%2Bsesame"), known.masked('{"said": "open\u002bsesame"}')
        (True, '{"said": "[redacted]"}')
    """

    __slots__ = ("_heads", "_marks", "_patterns", "_sure")

    def __init__(self, values: Iterable[str]) -> None:
        # The longest first: it can contain another.
        ordered = sorted(set(values), key=len, reverse=True)
        ready = [written(value) for value in ordered]
        found = [item for item in ready if item is not None]
        self._patterns = tuple(item.pattern for item in found)
        self._sure = all(item.marks for item in found)
        forms = {form for value in ordered for form in _shown(value)}
        self._heads = tuple((form[:_HEAD], form) for form in forms if len(form) > _HEAD)
        self._marks = tuple(dict.fromkeys(mark for item in found for mark in item.marks))

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def within(self, text: str) -> bool:
        """Whether the text may contain one of them: a quick check; only False is certain."""
        if not self._sure:
            return True
        # any() with a generator takes three times as long, and this is done for every answer.
        for mark in self._marks:  # noqa: SIM110
            if mark in text:
                return True
        return False

    def masked(self, text: str) -> str:
        """The text with each of them masked."""
        if self._patterns and self.within(text):
            for pattern in self._patterns:
                text = pattern.sub(MASK, text)
        return text

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Their positions; two can overlap."""
        if self.within(text):
            for pattern in self._patterns:
                for found in pattern.finditer(text):
                    yield found.span()
        for cut in _DOTS.finditer(text):
            yield from self._cut_off(text, cut.start())

    def _cut_off(self, text: str, end: int) -> Iterator[tuple[int, int]]:
        """Beginnings followed by dots: tables truncate long values."""
        for head, form in self._heads:
            at = text.rfind(head, max(0, end - len(form)), end)
            if at >= 0 and form.startswith(text[at:end]):
                yield at, end


def _shown(value: str) -> tuple[str, ...]:
    """A value as shown in tables and similar output."""
    return value, html.escape(value), html.escape(value, quote=False), repr(value)[1:-1]
