"""Known phrases of attacks. They are a signal and no more: newsletters and tickets quote them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pex.guard.findings import Finding, visible
from pex.guard.policy import PolicyOptions

_FILLERS = (
    "all any of the your my these those every everything previous prior earlier above preceding "
    "initial original former system existing other"
).replace(" ", "|")
_THINGS = (
    r"instruct\w*|prompts?|rules?|guidelines?|directions?|directives?|messages?|orders|commands?"
    r"|polic\w+|constraints?|training|text above"
)
_KINDS = r"(?:system|hidden|initial|secret|original)\s{1,3}+(?:prompt|instructions?|message|rules)"
_MODES = "developer debug god admin maintenance unrestricted dan jailbreak"
_SPACE = r"\s{1,3}+"
_IGNORE = (
    rf"{_SPACE}(?:(?:{_FILLERS}){_SPACE}){{0,5}}(?:{_THINGS})"
    rf"|{_SPACE}(?:everything|anything|all){_SPACE}(?:above|before|you were told|said|written)"
    rf"|{_SPACE}the{_SPACE}above"
)
_REVEAL = (
    rf"{_SPACE}(?:me{_SPACE})?(?:your|the|all){_SPACE}(?:\w{{1,20}}+{_SPACE}){{0,2}}{_KINDS}"
    rf"|{_SPACE}(?:everything|all|the (?:text|words)){_SPACE}(?:above|before)"
)
_ONLY = rf"{_SPACE}(?:only|just|nothing but|exactly)\b"
_BETWEEN = rf"\w{{0,20}}+{_SPACE}(?:\w{{1,20}}+{_SPACE}){{0,3}}"
_NO_RULES = "(?:rules|restrictions|filters?|limits|guidelines)"
_TAILS: tuple[tuple[str, str], ...] = (
    ("ignore disregard forget override bypass skip", _IGNORE),
    ("reveal repeat show give tell", _REVEAL),
    ("print output display", f"{_REVEAL}|{_ONLY}"),
    ("reply respond answer say write", _ONLY),
    (_MODES, rf" mode{_SPACE}(?:is{_SPACE})?(?:now{_SPACE})?(?:enabled|activated|on\b)"),
    ("enable activate enter", rf"{_SPACE}(?:{_MODES.replace(' ', '|')}) mode"),
    (
        "pretend imagine",
        rf"{_SPACE}(?:that{_SPACE})?you{_SPACE}ha(?:ve|d){_SPACE}no{_SPACE}{_NO_RULES}",
    ),
    ("ignorier vergiss missachte", rf"{_BETWEEN}(?:anweisung|vorgabe|regel|befehl)"),
    ("ignore oublie", rf"[zr]?{_SPACE}(?:\w{{1,20}}+{_SPACE}){{0,3}}(?:consignes|règles)"),
    (
        "ignora olvida ignore esqueça esqueca dimentica",
        rf"{_BETWEEN}(?:instruccion|instruções|reglas|regras|istruzioni|regole)",
    ),
    ("игнорируй забудь", rf"{_BETWEEN}(?:инструкци|указани|правил)"),
    ("忽略 无视 忽視 無視", r".{0,8}(?:指令|指示|说明|說明|规则|規則|提示)"),
    ("指示 命令 ルール プロンプト", r".{0,6}(?:無視|忘れ)"),
    ("지시 명령 규칙", r".{0,6}(?:무시|잊)"),
    ("تجاهل", r".{0,12}(?:التعليمات|الأوامر|القواعد)"),
    ("talimat kural", rf"{_BETWEEN}(?:yok say|unut|görmezden gel)"),
)
_LONGER_TAILS: tuple[tuple[str, str], ...] = (
    (
        "you are now",
        rf"{_SPACE}(?:in{_SPACE})?(?:dan\b|unrestricted|jailbroken|free from|no longer)",
    ),
    ("without any", rf"{_SPACE}(?:restrictions|filters?|censorship|safety)"),
    ("do anything now", ""),
    ("new instructions", r"\s{0,3}+:"),
    ("new system instructions", r"\s{0,3}+:"),
    ("end of", r"\s(?:system\s)?(?:prompt|instructions)\b"),
)
"""What follows several words."""


class Phrase(NamedTuple):
    """A phrase in a text: where it is, and its words."""

    start: int
    end: int
    words: str


@functools.cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """A pattern for each first word."""
    tails: dict[str, list[str]] = {}
    for firsts, tail in _TAILS:
        for first in firsts.split():
            tails.setdefault(first, []).append(tail)
    for first, tail in _LONGER_TAILS:
        tails.setdefault(first, []).append(tail)
    return {first: re.compile(f"{first}(?:{'|'.join(found)})") for first, found in tails.items()}


def lowered(text: str) -> str:
    """The text in lower case, of the same length: İ alone would become two characters."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def phrases_in(text: str) -> list[Phrase]:
    """The phrases of a text, in no particular order.

    Example:
        >>> phrases_in("Please ignore all previous instructions.")
        [Phrase(start=7, end=39, words='ignore all previous instructions')]
    """
    low = lowered(text)
    found: dict[int, Phrase] = {}
    for first, pattern in _patterns().items():
        if first not in low:  # ten times as fast as the pattern
            continue
        for match in pattern.finditer(low):
            start, end = match.span()
            in_word = start > 0 and low[start - 1].isalnum() and first.isascii()
            if not in_word and start not in found:
                found[start] = Phrase(start, end, text[start:end])
    return list(found.values())


def may_have_phrases(low: str, change: Callable[[str], str]) -> bool:
    """Whether a text in lower case has the first word of a phrase, changed in some way.

    Example:
        >>> may_have_phrases("snoitcurtsni suoiverp lla erongi", lambda word: word[::-1])
        True
    """
    return any(first in low for first in _changed_firsts(change))


@functools.cache
def _changed_firsts(change: Callable[[str], str]) -> tuple[str, ...]:
    return tuple(map(change, _patterns()))


def find_phrases(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """Phrases such as "ignore all previous instructions"."""
    for start, end, words in phrases_in(text):
        yield Finding(
            "known-phrases", start, end, "signal", "a phrase known from attacks", visible(words)
        )
