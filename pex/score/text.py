"""Scorers that read an answer as text, or look at its size and time."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.score import Score
from pex.score.base import Rule, needs_expected
from pex.score.structured import parse_json


def text_of(value: Any) -> str:
    """An expected value as the text that an answer is compared with."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def fold(text: str) -> str:
    """Text as it is compared where case is no matter; equal looking letters are equal."""
    return unicodedata.normalize("NFC", text).casefold()


def exact(ignore_case: bool, strip: bool) -> Rule:
    """The answer is the expected one."""

    def rule(answer: Answer, case: Case, expected: Any) -> Score:
        given, wanted = answer.output or "", text_of(expected)
        if strip:
            given, wanted = given.strip(), wanted.strip()
        if ignore_case:
            given, wanted = fold(given), fold(wanted)
        return Score(given == wanted)

    return needs_expected(rule)


def contains(ignore_case: bool, value: str | list[str] | None) -> Rule:
    """The answer contains a text, or all of several."""

    def rule(answer: Answer, case: Case, expected: Any) -> Score:
        parts = expected if isinstance(expected, list) else [expected]
        given = fold(answer.output or "") if ignore_case else answer.output or ""
        absent = [
            part
            for part in map(text_of, parts)
            if (fold(part) if ignore_case else part) not in given
        ]
        return Score(not absent, reason=f"lacks {_quoted(absent)}" if absent else None)

    if value is None:
        return needs_expected(rule)
    return lambda answer, case: rule(answer, case, value)


def regex(pattern: str | None, ignore_case: bool, full: bool) -> Rule:
    """The answer matches a pattern; without one, the expected answer is the pattern.

    Raises:
        PexError: the pattern is no valid regular expression.
    """
    flags = re.IGNORECASE if ignore_case else 0

    def match(answer: Answer, compiled: re.Pattern[str]) -> Score:
        find = compiled.fullmatch if full else compiled.search
        return Score(find(answer.output or "") is not None)

    if pattern is None:
        return needs_expected(lambda a, c, expected: match(a, re.compile(str(expected), flags)))
    try:
        fixed = re.compile(pattern, flags)
    except re.error as error:
        raise PexError(f"scorer 'regex': pattern {pattern!r}: {error}") from None
    return lambda answer, case: match(answer, fixed)


def label(labels: Sequence[str]) -> Rule:
    """The answer names exactly one of the labels, and it is the expected one.

    Whole words count, in any case; of two labels at one place the longer one counts. In a JSON
    answer the values are read, not the keys.
    """
    ordered = sorted({fold(item): item for item in labels}.items(), key=lambda i: -len(i[0]))
    names = dict(ordered)
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(folded)}(?!\w)" for folded, _ in ordered))

    def rule(answer: Answer, case: Case, expected: Any) -> Score:
        text = fold(_values_text(answer.output or ""))
        found = list(dict.fromkeys(pattern.findall(text)))
        if len(found) == 1:
            right = found[0] == fold(text_of(expected).strip())
            return Score(right, reason=f"names '{names[found[0]]}'")
        if not found:
            return Score(False, reason=f"names none of the {len(names)} labels")
        return Score(False, reason=f"names {_quoted([names[item] for item in found], ' and ')}")

    return needs_expected(rule)


def number(tolerance: float, relative: float) -> Rule:
    """The last number in the answer is the expected one, within a tolerance.

    Units, currencies and thousands separators are left out. Where only one kind of separator
    stands once, with three digits behind it, a comma separates thousands and a point decimals.
    """

    def rule(answer: Answer, case: Case, expected: Any) -> Score:
        wanted = find_number(text_of(expected))
        if wanted is None:
            raise ValueError(f"the expected answer {expected!r} has no number in it")
        given = find_number(answer.output or "")
        if given is None:
            return Score(False, reason="no number in the answer")
        right = abs(given - wanted) <= max(tolerance, relative * abs(wanted))
        return Score(right, reason=f"reads {given:g}, expected {wanted:g}")

    return needs_expected(rule)


_NUMBER = re.compile(r"(?<![\w.,])[-+−]?(?:\d[\d.,'\u00a0\u202f]*\d|\d)(?:[eE][-+]?\d+)?")


def find_number(text: str) -> float | None:
    """The last number in a text, None where there is none.

    Example:
        >>> find_number("It costs 1,234.50 €."), find_number("1.234,5 kg"), find_number("about 3%")
        (1234.5, 1234.5, 3.0)
        >>> find_number("1,234 people, then -7"), find_number("3,5"), find_number("none")
        (-7.0, 3.5, None)
    """
    # Digits may be glued to a sign or unit before them ("$5"), not to a word ("B2").
    found = _NUMBER.findall(re.sub(r"(?<=[$€£¥#~≈=:(])(?=\d)", " ", text))
    return _parse_number(found[-1]) if found else None


def _parse_number(text: str) -> float:
    text = re.sub(r"['\u00a0\u202f]", "", text).replace("−", "-")
    comma, point = text.rfind(","), text.rfind(".")
    if comma >= 0 and point >= 0:
        thousands = "," if comma < point else "."
        text = text.replace(thousands, "").replace(",", ".")
    elif text.count(",") > 1 or re.search(r",\d{3}$", text):
        text = text.replace(",", "")
    elif text.count(".") > 1:
        text = text.replace(".", "")
    return float(text.replace(",", "."))


def similarity(ignore_case: bool) -> Rule:
    """How alike answer and expected answer are, from 0 to 1 (normalised edit distance)."""

    def rule(answer: Answer, case: Case, expected: Any) -> float:
        from rapidfuzz import fuzz

        given, wanted = answer.output or "", text_of(expected)
        if ignore_case:
            given, wanted = fold(given), fold(wanted)
        return float(fuzz.ratio(given, wanted)) / 100

    return needs_expected(rule)


def length(
    max_words: int | None, min_words: int | None, max_chars: int | None, min_chars: int | None
) -> Rule:
    """The answer keeps to the limits; without limits, its number of words."""

    def rule(answer: Answer, case: Case) -> Score:
        text = (answer.output or "").strip()
        words, chars = len(text.split()), len(text)
        if max_words is min_words is max_chars is min_chars is None:
            return Score(float(words))
        right = (
            (max_words is None or words <= max_words)
            and (min_words is None or words >= min_words)
            and (max_chars is None or chars <= max_chars)
            and (min_chars is None or chars >= min_chars)
        )
        return Score(right, reason=f"{words} words, {chars} characters")

    return rule


def latency(max_s: float | None) -> Rule:
    """Whether the answer came within `max_s` seconds; without it, how many it took."""

    def rule(answer: Answer, case: Case) -> Score:
        if answer.latency_s is None:
            return Score(None, reason="no time was taken")
        if max_s is None:
            return Score(answer.latency_s)
        return Score(answer.latency_s <= max_s, reason=f"{answer.latency_s:.2f} s")

    return rule


def _values_text(output: str) -> str:
    """The values of a JSON answer as text; any other answer as it is."""
    data = parse_json(output)
    if not isinstance(data, dict | list):
        return output
    texts: list[str] = []

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                collect(item)
        elif value is not None:
            texts.append(str(value))

    collect(data)
    return "\n".join(texts)


def _quoted(parts: Sequence[str], between: str = ", ") -> str:
    return between.join(f"'{part}'" for part in parts)
