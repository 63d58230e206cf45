"""Reading a judge's verdict if it is unambiguous, even if it does not follow the schema."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pex.core.score import WORDS
from pex.score.reading import NoJson, parse_json, shorten

_YES_NO = {**WORDS, "y": True, "n": False, "1": True, "0": False}
_SIDES = {
    "first": "first", "the first": "first", "second": "second", "the second": "second",
    "tie": "tie", "a tie": "tie", "draw": "tie", "a draw": "tie", "equal": "tie",
}  # fmt: skip
_MARK = re.compile(
    r"(?i)(?<!\w)(verdict|score|rating|answer|judge?ment|decision|winner|preferred)"
    r"""["'*_`)]{0,4}\s{0,3}(?:\sis(?!\w)|[:：=])"""
)
_OUT_OF = re.compile(r"([-+]?\d{1,9}(?:\.\d{1,9})?)\s?(?:/|out\sof|of)\s?(\d{1,9})")
_NUMBER = re.compile(r"[-+]?\d{1,9}(?:\.\d{1,9})?")
_TAG = re.compile(r"</?[a-zA-Z_]{1,20}>")
_FIRST = re.compile(r"[^.,;:!()–—]+(?=[.,;:!]\s|\s?[–—(]|\s-\s)|\S+(?=\s(?:because|since)\s)")
"""A possible verdict that is followed by a remark."""

_HEDGE = re.compile(
    r"(?i)\b(?:mostly|mainly|largely|partly|partially|somewhat|almost|nearly|maybe|perhaps|kind\sof|"
    r"sort\sof|but|however|although|though|except|unless|sometimes|possibly|probably)\b"
)
_ENUMERATES = re.compile(r"(?i)1[.)]\s|(?:first|second)\s?[,:]")
"""The start of a list of reasons: "1. It is polite", "First, it is polite"."""

_SENTENCE = re.compile(r"\n|[.!;]\s")
_LONGEST, _OBJECTS = 20_000, 50
"""Limits: characters of an answer, and objects or marks in it, that are read."""


class VerdictReader:
    """Reads verdicts that a schema allows, even if they are written differently.

    Case, Markdown, text around an object, a code fence, further keys and a missing reason do not
    matter; "Score: 4/5" is 4 on a scale up to 5. If two verdicts are possible, there is none.

    Args:
        schema: the schema of the property `verdict`.
        fits: returns the mismatch with the schema of a verdict, or None.

    Example:
        >>> reader = VerdictReader({"enum": ["yes", "no"]}, lambda value: None)
        >>> reader.read("**Yes**"), reader.read('So: {"Verdict": "YES", "score": 3}')
        (('yes', None), ('yes', None))
        >>> reader.read("Yes or no") is None
        True
    """

    def __init__(self, schema: Mapping[str, Any], fits: Callable[[Any], str | None]) -> None:
        self._values = [schema["const"]] if "const" in schema else schema.get("enum")
        kinds = schema.get("type", [])
        self._kinds = {kinds} if isinstance(kinds, str) else set(kinds)
        self._most = schema.get("maximum")
        if self._values and all(_is_number(value) for value in self._values):
            self._most = max(self._values)
        self._fits = fits

    def read(self, text: str) -> tuple[Any, str | None] | None:
        """A verdict in the schema's form, and its reason; None if no verdict is clear."""
        text = text.strip()
        if len(text) > _LONGEST:
            return None
        objects = list(_with_verdict(text))
        if objects:
            return self._agreed((value, reason) for value, reason in objects)
        # An unfinished object, or other JSON, is not read as words.
        if text[:1] in ("{", "[") or not isinstance(parse_json(text), NoJson | str | int | float):
            return None
        said = self._in_words(_TAG.sub("\n", text).strip())
        return None if said is None else (said, None if len(text) < 20 else shorten(text))

    def _agreed(self, found: Iterator[tuple[Any, Any]]) -> tuple[Any, str | None] | None:
        read = [
            (self._said_first(value) if isinstance(value, str) else self._value(value), reason)
            for value, reason in found
        ]
        first, reason = read[0]
        if first is None or any(value != first for value, _ in read):
            return None
        said = None if reason is None else reason if isinstance(reason, str) else json.dumps(reason)
        return first, said

    def _in_words(self, text: str) -> Any:
        whole = self._value(text)
        if whole is not None:
            return whole
        marked = []
        for match in itertools.islice(_MARK.finditer(text), _OBJECTS):
            behind = text[match.end() :].lstrip(" \n*_`\"'")
            value = self._said_first(_SENTENCE.split(behind, maxsplit=1)[0])
            # "The answer is polite" is about the judged answer.
            if value is not None or match[1].casefold() != "answer":
                marked.append(value)
        if marked:
            return self._one(marked)
        lines = [value for line in text.splitlines() if (value := self._value(line)) is not None]
        if lines:
            return self._one(lines)
        return self._said_first(text)

    def _said_first(self, text: str) -> Any:
        """The verdict that is the text, or starts it if no other is named: "Yes, it is polite"."""
        whole, begin = self._value(text), _FIRST.match(text)
        if whole is not None or begin is None:
            return whole
        value = self._value(begin[0])
        rest = text[begin.end() :]
        if value is None or _HEDGE.search(rest) or _ENUMERATES.match(text):
            return None
        others = {self._value(word) for word in set(re.findall(r"\w+", rest))} - {None}
        return value if others <= {value} else None

    @staticmethod
    def _one(values: Sequence[Any]) -> Any:
        return values[0] if all(value == values[0] for value in values) else None

    def _value(self, given: Any) -> Any:
        """A verdict in the schema's words; None if it is not clearly one of them."""
        for value in self._candidates(given):
            if (self._values is None or value in self._values) and self._fits(value) is None:
                return value
        return None

    def _candidates(self, given: Any) -> Iterator[Any]:
        yes_no = isinstance(given, bool)
        text = _bare(given) if isinstance(given, str) else "" if yes_no else f"{given}"
        truth = given if yes_no else _YES_NO.get(text.casefold())
        for value in self._values or ([True, False] if "boolean" in self._kinds else []):
            if truth is value or (isinstance(value, str) and _says(value, text, truth)):
                yield value
        if not yes_no:
            yield from self._numbers(given if _is_number(given) else text)

    def _numbers(self, given: Any) -> Iterator[Any]:
        if isinstance(given, str):
            of = _OUT_OF.fullmatch(given)
            if of is not None and self._most == float(of[2]):
                given = of[1]
            if not _NUMBER.fullmatch(given):
                return
            given = float(given)
        if isinstance(given, float) and not math.isfinite(given):  # NaN, or 1e999
            return
        if _is_number(given):
            whole = int(given) if given == int(given) else given
            numeric = self._kinds & {"integer", "number"}
            if numeric or any(_is_number(value) for value in self._values or ()):
                yield whole


def _says(value: str, text: str, truth: bool | None) -> bool:
    """Whether a text, or a yes or no, means one of the words of a schema."""
    meant = WORDS.get(value.casefold())
    if meant is not None and truth is not None:
        return meant is truth
    return value.casefold() == text.casefold() or (meant is None and _side(text) == value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bare(text: str) -> str:
    """A text without the Markdown, quotes and punctuation around it."""
    text = re.sub(r"[*_`\"'“”‘’#>]+", " ", text)
    return " ".join(text.split()).strip(" .!,;:()[]{}\\$").removeprefix("boxed{").strip(" {}")


def _side(text: str) -> str | None:
    plain = re.sub(r"\s(?:answer|response|one|reply|is better|wins)$", "", text.casefold())
    return _SIDES.get(re.sub(r"\s(?:answer|response|one|reply)$", "", plain))


def _with_verdict(text: str) -> Iterator[tuple[Any, Any]]:
    """The verdicts in the JSON objects of a text, with their reasons."""
    whole = parse_json(text)
    found = [whole] if isinstance(whole, dict) else list(_objects(text))
    for item in found:
        yield from _verdicts(item, 0)


def _verdicts(item: Any, depth: int) -> Iterator[tuple[Any, Any]]:
    if not isinstance(item, dict) or depth > 3:
        return
    keys = {str(key).strip().casefold(): key for key in item}
    if "verdict" in keys:
        reason = keys.get("reason")
        yield item[keys["verdict"]], None if reason is None else item[reason]
        return
    for value in item.values():
        yield from _verdicts(value, depth + 1)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    for _ in range(_OBJECTS):
        if at < 0:
            return
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if isinstance(value, dict):
                yield value
        at = text.find("{", end)
