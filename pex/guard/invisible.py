"""Characters that nobody sees: text in tags, zero-width characters, and controls of direction.

Most of them have honest uses: flags and emoji are joined by them, Persian and the scripts of India
need them, Hebrew and Arabic need marks of direction. So each is judged by its neighbours.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator

from pex.guard.findings import Finding, Severity, visible
from pex.guard.policy import PolicyOptions

_TAGS = "\U000e0000-\U000e007f"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_ZERO = (
    "\u200b\u200c\u200d\u2060\ufeff\u180e\u034f\u2061-\u2064\u206a-\u206f"
    "\u115f\u1160\u17b4\u17b5\u3164\uffa0"
)
_JOINING = (
    "\u0600-\u07ff\u0840-\u085f\u08a0-\u0dff\u0f00-\u109f\u1780-\u17b3\u17b6-\u17ff"
    "\u1800-\u180d\u1810-\u18af\u1b00-\u1b7f\ua980-\ua9df\ufb50-\ufdff\ufe70-\ufefc"
)
"""Scripts whose letters join, or whose spelling needs joiners: Arabic to Javanese."""
_EMOJI = "\u00a9\u00ae\u2122\u2139\u2190-\u2bff\U0001f000-\U0001faff"
_IDEOGRAPH = (
    "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_USUAL = re.compile(
    # The flags of England, Scotland and Wales.
    r"(?<=\U0001f3f4)[\U000e0030-\U000e0039\U000e0061-\U000e007a]{4,6}\U000e007f"
    # Families and professions; a joiner after a letter that joins.
    f"|(?<=[{_EMOJI}])\ufe0f?\u200d(?=[{_EMOJI}])"
    f"|(?<=[{_JOINING}])[\u200c\u200d](?![{_TAGS}{_SELECTORS}{_ZERO}])"
    # A selector that chooses how a sign, a digit or an ideograph is drawn.
    f"|(?<=[^A-Za-z\\s{_TAGS}{_SELECTORS}{_ZERO}])[\ufe00-\ufe0f](?![{_TAGS}{_SELECTORS}{_ZERO}])"
    f"|(?<=[{_IDEOGRAPH}])[\U000e0100-\U000e01ef](?![{_TAGS}{_SELECTORS}{_ZERO}])"
)
_HIDDEN = re.compile(f"[{_TAGS}{_SELECTORS}{_ZERO}\u00ad]+")
_TAG = re.compile(f"[{_TAGS}]")
_NO_SELECTOR = re.compile(f"[^{_SELECTORS}]")
_MOST_SHOWN = 4_000
_LONG_RUN = 4
_RTL = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_DIRECTION = re.compile("([\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c])\\1*")
_OVERRIDES = "\u202d\u202e"
_REVERSING = "\u202b\u2067"
_ESCAPES = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x84\x86-\x9f]+")
_COLOURS = re.compile(r"\x1b\[(?:(?!0{0,2}8[;m])(?:\d{1,3};?){0,8}m|0?K)")
_STEERS = re.compile(r"\x1b[\]\[PX^_()#78cDEHM]|\x9b[0-9;?]{0,20}[A-Za-z]")
_BITS = {"\u200b": "0", "\u200c": "1"}


def find_invisible(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """Text in tag characters and variation selectors, and zero-width characters out of place."""
    for found in _HIDDEN.finditer(text):
        start, end = found.span()
        usual = _USUAL.match(text, start)
        if usual is None or usual.end() != end:
            yield from _judge(text, start, end)


def without_invisible(text: str) -> str:
    """The text without any invisible character, also where they are usual."""
    return _HIDDEN.sub("", text)


def _judge(text: str, start: int, end: int) -> Iterator[Finding]:
    run = text[start:end]
    before, after = text[start - 1 : start], text[end : end + 1]
    rule = "invisible-text"
    if _TAG.search(run):
        told = "".join(
            chr(ord(c) - 0xE0000) for c in run[:_MOST_SHOWN] if "\U000e0020" <= c <= "\U000e007e"
        )
        yield Finding(rule, start, end, "flag", "text in tag characters", visible(told), "", "")
        return
    if not _NO_SELECTOR.search(run):
        yield from _judge_selectors(run, start, end)
        return
    if (
        run == "\u200c"
        and before.isalpha()
        and after.isalpha()
        and text.count(run, max(0, start - 5_000), end + 5_000) <= 2
    ):
        yield Finding(rule, start, end, "signal", "a non-joiner", visible(run), "", "")
        return
    if run == "\ufeff" and before in ("", "\n", "\r"):  # a file, or one joined to another
        yield Finding(rule, start, end, "signal", "a byte order mark", "", "", "")
        return
    elif set(run) == {"\u00ad"}:
        yield Finding(rule, start, end, "signal", "a soft hyphen", "", "", "")
        return
    elif len(run) < _LONG_RUN and set(run) <= {"\u200b", "\u2060"} and not _in_word(before, after):
        yield Finding(rule, start, end, "signal", "a zero-width space", visible(run), "", "")
        return
    elif not (before.strip() and after.strip()) and (len(set(run)) == 1 or len(run) < _LONG_RUN):
        # As newsletters fill their preview with: it carries nothing.
        yield Finding(rule, start, end, "signal", "zero-width characters", visible(run), "", "")
        return
    elif len(run) == 1 and _parts_are_words(text, start, end):
        yield Finding(rule, start, end, "signal", "a place to break a word", visible(run), "", "")
        return
    told = _bits(run[:_MOST_SHOWN])
    message = "bits in zero-width characters" if told else "zero-width characters in a word or run"
    yield Finding(rule, start, end, "flag", message, visible(told or run), "", "")


def _judge_selectors(run: str, start: int, end: int) -> Iterator[Finding]:
    told = bytes(
        ord(c) - 0xE0100 + 16 if c >= "\U000e0100" else ord(c) - 0xFE00 for c in run[:_MOST_SHOWN]
    ).decode("utf-8", "replace")
    shown = told if told.isprintable() and "\ufffd" not in told else run
    yield Finding(
        "invisible-text", start, end, "flag", "text in variation selectors", visible(shown), "", ""
    )


def _in_word(before: str, after: str) -> bool:
    """Whether both neighbours are letters of a script that puts spaces between words."""
    return all(char.isalpha() and _spaces(char) for char in (before, after)) and bool(
        before and after
    )


@functools.lru_cache(maxsize=4096)
def _spaces(char: str) -> bool:
    without = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
    return not unicodedata.name(char, "").startswith(without)


def _parts_are_words(text: str, start: int, end: int) -> bool:
    """Whether a character divides one word into two parts of three letters or more, as a break."""
    before, after = text[max(0, start - 3) : start], text[end : end + 3]
    return len(before) == 3 and before.isalpha() and len(after) == 3 and after.isalpha()


def _bits(run: str) -> str:
    """The text in a run of two zero-width characters; empty if it is none."""
    if len(run) < 16 or not set(run) <= set("\u200b\u200c\u200d\u2060\ufeff"):
        return ""
    digits = "".join(_BITS[char] for char in run if char in _BITS)
    data = bytes(int(digits[at : at + 8], 2) for at in range(0, len(digits) - 7, 8))
    told = data.decode("utf-8", "replace")
    return told if told.isprintable() and "\ufffd" not in told else ""


def find_bidi(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """Controls that reorder what is shown: overrides always, others where nothing runs from right.

    Source: N. Boucher and R. Anderson, Trojan Source, USENIX Security 2023; Unicode UTR #36.
    """
    has_rtl: bool | None = None
    for found in _DIRECTION.finditer(text):
        char, (start, end) = found[1], found.span()
        name = unicodedata.name(char).lower()
        if char in _OVERRIDES:
            yield Finding("bidi-controls", start, end, "flag", name, visible(char), "", "")
            continue
        if has_rtl is None:
            has_rtl = _RTL.search(text) is not None
        if not has_rtl:
            severity: Severity = "flag" if char in _REVERSING else "signal"
            message = f"{name}, in a text without a script that runs from right to left"
            yield Finding("bidi-controls", start, end, severity, message, visible(char), "", "")


def without_directions(text: str) -> str:
    """The text without controls of direction."""
    return _DIRECTION.sub("", text)


def find_terminal_controls(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """Sequences that move a terminal's cursor, erase or conceal; stray controls are a signal.

    Colours and the erased rest of a line, as logs have them, are not reported.
    """
    harmless = {found.start() for found in _COLOURS.finditer(text)} if "\x1b[" in text else set()
    for found in _ESCAPES.finditer(text):
        start, end = found.span()
        if end - start == 1 and start in harmless:
            continue
        steers = _STEERS.match(text, max(start, end - 1)) or "\x08\x08" in found.group()
        yield Finding(
            "terminal-controls", start, end, "flag" if steers else "signal",
            "a sequence that steers the terminal" if steers else "control characters",
            visible(text[start : end + 8]), "", "",
        )  # fmt: skip


def without_controls(text: str) -> str:
    """The text without control characters; those of colours stay."""
    return re.sub(rf"({_COLOURS.pattern})|{_ESCAPES.pattern}", lambda found: found[1] or "", text)
