"""Answers and expected values, read as text or as JSON."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

ANSWER = (
    r"(?:答案\s?[是为：:]|(?:answer|antwort|lösung|réponse|respuesta|resposta|risposta|ответ)"
    r"""["'*_`)]{0,4}\s{0,3}(?:\s(?:is|ist|est|es|è|would\sbe|=)(?!\w)|[:：=])(?!\s*not\b))"""
)
"""A pattern of the words that announce an answer: "Answer:", "the answer is"."""

_FENCE_TAG = re.compile(r"\A[a-zA-Z]+(?=\s)")
_LONGEST_REASON = 200


class NoJson:
    """What `parse_json` returns for a text that is no JSON; None is a JSON value."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def parse_json(output: str) -> Any:
    """The JSON value of an answer; a `NoJson` where there is none.

    The whole answer must be JSON, or one code fence with JSON in it: text around it is no JSON.

    Example:
        >>> parse_json('{"a": 1}'), parse_json("NaN").reason
        ({'a': 1}, 'NaN is not JSON')
    """
    text = output.strip()
    if len(text) >= 6 and text.startswith("```") and text.endswith("```"):
        text = _FENCE_TAG.sub("", text[3:-3])
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        return NoJson(str(error))
    except RecursionError:
        return NoJson("it is nested too deeply")


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def answer_texts(output: str) -> list[str]:
    """The values in a JSON answer, without its keys; any other answer as it is."""
    data = parse_json(output)
    if not isinstance(data, dict | list | str):
        return [output]
    texts: list[str] = []
    rest = [data]
    while rest:  # no recursion: an answer may be nested as deeply as the JSON reader allows
        value = rest.pop()
        if isinstance(value, dict):
            rest.extend(reversed(value.values()))
        elif isinstance(value, list):
            rest.extend(reversed(value))
        elif value is not None:
            texts.append(text_of(value))
    return texts


def text_of(value: Any) -> str:
    """An expected value as the text that an answer is compared with."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def fold(text: str) -> str:
    """Text as it is compared where case is no matter; equal looking letters are equal."""
    return unicodedata.normalize("NFC", text).casefold()


def quoted(parts: Sequence[str], between: str = ", ") -> str:
    """Texts in quotation marks, one after the other."""
    return between.join(f"'{part}'" for part in parts)


def shorten(text: str) -> str:
    """A text that fits into a reason; an answer may be as long as a book."""
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"
