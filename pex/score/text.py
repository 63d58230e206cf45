"""Scorers that read an answer as text, or look at its size and time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.score import Score
from pex.core.text import value_text
from pex.score.base import (
    CUT_OFF,
    NOT_EXPECTED,
    Rule,
    is_cut_off,
    needs_expected,
    needs_whole,
)
from pex.score.patterns import Pattern
from pex.score.reading import fold, quoted, shorten


def exact(ignore_case: bool, strip: bool) -> Rule:
    """The answer is the expected one."""

    def rule(answer: Answer, case: Case, expected: Any) -> Score:
        given, wanted = answer.output or "", value_text(expected)
        if strip:
            given, wanted = given.strip(), wanted.strip()
        if ignore_case:
            given, wanted = fold(given), fold(wanted)
        return Score(given == wanted)

    return needs_expected(rule)


def contains(ignore_case: bool, value: str | list[str] | None) -> Rule:
    """The answer contains a text, or all of several.

    Raises:
        PexError: `value` is empty: every answer contains that.
    """

    def rule(answer: Answer, case: Case, expected: Any) -> Score:
        parts = [
            value_text(part) for part in (expected if isinstance(expected, list) else [expected])
        ]
        if not any(parts):
            return Score(None, reason=NOT_EXPECTED)
        given = fold(answer.output or "") if ignore_case else answer.output or ""
        absent = [part for part in parts if (fold(part) if ignore_case else part) not in given]
        return Score(not absent, reason=shorten(f"lacks {quoted(absent)}") if absent else None)

    if value is None:
        return needs_expected(rule)
    if not value or not all(value):
        raise PexError("value: it is empty, and every answer contains the empty string")
    return lambda answer, case: rule(answer, case, value)


def regex(pattern: str | None, ignore_case: bool, full: bool, cases: Sequence[Case]) -> Rule:
    """The answer matches a pattern; without one, the expected answer is the pattern.

    An answer that was cut off does not match. A pattern that takes too long is stopped, and the
    score is an error.

    Raises:
        PexError: a pattern is not a valid regular expression.
    """

    def match(answer: Answer, compiled: Pattern) -> Score:
        find = compiled.fullmatch if full else compiled.search
        return Score(find(answer.output or ""))

    if pattern is not None:
        fixed = Pattern(pattern, ignore_case, "pattern")
        return needs_whole(lambda answer, case: match(answer, fixed))
    compiled = {
        text: Pattern(text, ignore_case, f"case '{case.id}': expected pattern")
        for case in cases
        if case.expected is not None
        for text in [value_text(case.expected)]
    }

    def expected_pattern(answer: Answer, case: Case, expected: Any) -> Score:
        text = value_text(expected)
        if is_cut_off(answer):
            return Score(False, reason=CUT_OFF)
        return match(answer, compiled.get(text) or Pattern(text, ignore_case, "expected pattern"))

    return needs_expected(expected_pattern)


def similarity(ignore_case: bool) -> Rule:
    """The similarity of answer and expected answer, from 0 to 1 (normalised edit distance)."""

    def rule(answer: Answer, case: Case, expected: Any) -> float:
        from rapidfuzz import fuzz

        given, wanted = answer.output or "", value_text(expected)
        if ignore_case:
            given, wanted = fold(given), fold(wanted)
        return float(fuzz.ratio(given, wanted)) / 100

    return needs_expected(rule)


def length(
    max_words: int | None, min_words: int | None, max_chars: int | None, min_chars: int | None
) -> Rule:
    """The answer keeps to the limits; without limits, its number of words.

    An answer that was cut off does not keep to them, and its number of words is not known.
    """
    measures = max_words is min_words is max_chars is min_chars is None

    def rule(answer: Answer, case: Case) -> Score:
        if is_cut_off(answer):
            return Score(None if measures else False, reason=CUT_OFF)
        text = (answer.output or "").strip()
        words, chars = len(text.split()), len(text)
        if measures:
            return Score(float(words))
        right = (
            (max_words is None or words <= max_words)
            and (min_words is None or words >= min_words)
            and (max_chars is None or chars <= max_chars)
            and (min_chars is None or chars >= min_chars)
        )
        return Score(right, reason=f"{_count(words, 'word')}, {_count(chars, 'character')}")

    return rule


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def latency(max_s: float | None) -> Rule:
    """Whether the answer arrived within `max_s` seconds; without it, the number of seconds."""

    def rule(answer: Answer, case: Case) -> Score:
        if answer.latency_s is None:
            return Score(None, reason="no time was taken")
        if max_s is None:
            return Score(answer.latency_s)
        return Score(answer.latency_s <= max_s, reason=f"{answer.latency_s:.2f} s")

    return rule
