"""Characters of an answer that nobody sees, or that move text about where it is shown."""

from __future__ import annotations

import bisect
import re
import unicodedata
from collections.abc import Iterator, Sequence

from pex.guard.findings import Finding, visible
from pex.guard.invisible import find_invisible
from pex.guard.output_context import OutputContext, OutputPolicy
from pex.guard.output_window import Window
from pex.guard.policy import PolicyOptions

LOOK_BACK = 200
"""Characters around a mark of direction in which something has to run from the right."""
_LOOK_AHEAD = 3
_HELD = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U0001f3f4\U000e0000-\U000e0fff]+"
)
_DIRECTION = re.compile("([\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c])\\1*")
_OVERRIDES = "\u202d\u202e"
_RTL = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_CONTROL = re.compile(
    r"(?:\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,500}(?:\x07|\x1b\\)"
    r"|[@-Z\\^_=>()#][0-9A-B]?|)|[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f\x80-\x84\x86-\x9f])+"
)
_CONTROL_TAIL = re.compile(r"\x1b(?:|\[[0-?]{0,64}[ -/]{0,8}|\][^\x07\x1b]{0,500}\x1b?|[()#])\Z")
_COLOUR = re.compile(r"(?:\x1b\[[0-9;]{0,20}m)+")
_INPUT = PolicyOptions()


def find_invisible_text(
    window: Window, context: OutputContext, policy: OutputPolicy
) -> Iterator[Finding]:
    """Text in tag characters and variation selectors, and zero-width characters out of place."""
    if _HELD.search(window.text, window.start):
        for finding in find_invisible(window.text, _INPUT):
            if finding.start >= window.start:
                yield finding


def hold_invisible_text(window: Window, context: OutputContext, policy: OutputPolicy) -> int:
    """From where on invisible characters need to see what comes behind them."""
    text, held = window.text, len(window.text)
    if not text.isascii():
        for match in _HELD.finditer(text, max(window.start, held - 2000)):
            if match.end() > len(text) - _LOOK_AHEAD:
                return min(held, match.start())
    return held


def find_bidi_controls(
    window: Window, context: OutputContext, policy: OutputPolicy
) -> Iterator[Finding]:
    """Controls that reorder what is shown: overrides, others where nothing runs from the right."""
    text = window.text
    if text.isascii():
        return
    from_right: list[int] | None = None
    for match in _DIRECTION.finditer(text, window.start):
        if from_right is None:
            from_right = _places_from_right(text)
        char, start, end = match[1], match.start(), match.end()
        name = unicodedata.name(char).lower()
        if char not in _OVERRIDES:
            if _is_near(from_right, start):
                continue
            name += ", where no script runs from right to left"
        yield Finding(
            "bidi-controls", start, end, "signal" if char in "\u200e\u200f" else "flag", name,
            visible(match[0]), "", "",
        )  # fmt: skip


def hold_bidi_controls(window: Window, context: OutputContext, policy: OutputPolicy) -> int:
    """From where on a mark of direction needs to see what comes behind it."""
    text, end = window.text, len(window.text)
    if text.isascii():
        return end
    from_right: list[int] | None = None
    for match in _DIRECTION.finditer(text, max(window.start, end - LOOK_BACK - 1)):
        if from_right is None:
            from_right = _places_from_right(text)
        if match.end() == end:
            return match.start()
        if match[1] not in _OVERRIDES and not _is_near(from_right, match.start()):
            return match.start()
    return end


def _places_from_right(text: str) -> list[int]:
    return [match.start() for match in _RTL.finditer(text)]


def _is_near(places: Sequence[int], at: int) -> bool:
    number = bisect.bisect_left(places, at - LOOK_BACK)
    return number < len(places) and places[number] <= at + LOOK_BACK


def find_terminal_controls(
    window: Window, context: OutputContext, policy: OutputPolicy
) -> Iterator[Finding]:
    """Escapes and control characters of terminals; colours are a signal. All are taken out."""
    for match in _CONTROL.finditer(window.text, window.start):
        colour = _COLOUR.fullmatch(match[0]) is not None
        yield Finding(
            "terminal-controls", *match.span(), "signal" if colour else "flag",
            "a colour of a terminal" if colour else "control characters of a terminal",
            visible(match[0]), "", "",
        )  # fmt: skip


def hold_terminal_controls(window: Window, context: OutputContext, policy: OutputPolicy) -> int:
    """From where on an escape may go on."""
    end = len(window.text)
    tail = _CONTROL_TAIL.search(window.text, max(window.start, end - 600))
    for match in _CONTROL.finditer(window.text, window.start):
        if match.end() == end or (tail and match.start() <= tail.start() < match.end()):
            return match.start()
    return end
