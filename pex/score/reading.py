"""Reading answers and expected values as text or as JSON."""

from __future__ import annotations

import collections
import dataclasses
import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from pex.core.text import value_text

ANSWER = (
    r"(?:答案\s?[是为：:]|(?:answer|antwort|lösung|réponse|respuesta|resposta|risposta|ответ)"
    r"""["'*_`)]{0,4}\s{0,3}(?:\s(?:is|ist|est|es|è|would\sbe|=)(?!\w)|[:：=])(?!\s*not\b))"""
)
"""A pattern of the words that announce an answer: "Answer:", "the answer is"."""

_FENCE = re.compile(
    r"^[ \t]{0,9}(?P<mark>`{3,9}|~{3,9})(?P<tag>[^\n`]*)\n(?P<inside>.*?)"
    r"(?:^[ \t]{0,9}(?P=mark)[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_ONE_LINE = re.compile(
    r"(?P<mark>`{1,9}|~{3,9}|'{3}|\"{3})(?P<tag>[a-zA-Z0-9]*(?=[\s{\[\"]))?(?P<inside>.*)(?P=mark)",
    re.DOTALL,
)
_WITHIN_A_LINE = re.compile(
    r"(?P<mark>`{3,9}|~{3,9})[a-zA-Z0-9]{0,20}(?=[\s{\[\"])(?P<inside>.*?)(?P=mark)", re.DOTALL
)
"""A fence with other words before its start, or after its end."""
_QUOTED = re.compile(r"^ {0,3}> ?", re.MULTILINE)
_MARKS = ("`", "~~~", "'''", '"""')
_UNSEEN = " \t\r\n\u00a0\u200b\ufeff"
"""Invisible characters allowed around JSON: spaces, and a byte order mark."""
_LONGEST_REASON = 200


class NoJson:
    """The result of `parse_json` for a text that is not JSON; None is a JSON value."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


@dataclasses.dataclass(slots=True)
class JsonText:
    """The result of reading a text as JSON: its value, and notes on skipped text."""

    value: Any
    notes: list[str] = dataclasses.field(default_factory=list)


def parse_json(output: str) -> Any:
    """The JSON value of an answer; a `NoJson` if there is none.

    Example:
        >>> parse_json('{"a": 1}'), parse_json("NaN").reason
        ({'a': 1}, 'NaN is not JSON')
    """
    return read_json(output).value


def read_json(output: str) -> JsonText:
    r"""The JSON of an answer, and notes on text that was not read.

    The whole answer must be JSON, or there must be exactly one code fence, of any kind, with JSON
    in it: then text around the fence is ignored, and a note says so. JSON with any other text
    around it is not valid.

    Example:
        >>> read_json("Sure:\n~~~json\n[1]\n~~~")
        JsonText(value=[1], notes=['text around the code fence was ignored'])
        >>> read_json('{"a": 1, "a": 2}')
        JsonText(value={'a': 2}, notes=["the key 'a' appears twice; the last one was read"])
    """
    text = output.strip()
    found = _loads(text)
    if not isinstance(found.value, NoJson) or not any(mark in text for mark in _MARKS):
        return found
    if text.startswith(">"):
        text = _QUOTED.sub("", text)
    wrapped = _ONE_LINE.fullmatch(text)
    if wrapped is not None:
        inside = _loads(wrapped["inside"])
        if not isinstance(inside.value, NoJson):
            return inside
    fences = list(_FENCE.finditer(text))
    if len(fences) > 1:
        return JsonText(
            NoJson(f"there are {len(fences)} code fences: it is unclear which one counts")
        )
    within = list(_WITHIN_A_LINE.finditer(text))
    for fence in [*fences, *within] if len(within) < 2 else fences:
        inside = _loads(fence["inside"])
        if isinstance(inside.value, NoJson):
            continue
        if text[: fence.start()].strip() or text[fence.end() :].strip():
            inside.notes.append("text around the code fence was ignored")
        return inside
    if fences:
        return _loads(fences[0]["inside"])
    return found if wrapped is None else inside


def _loads(text: str) -> JsonText:
    notes: dict[str, None] = {}

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            times = collections.Counter(key for key, _ in items)
            twice = next(key for key in found if times[key] > 1)
            notes[f"the key '{shorten(twice)}' appears twice; the last one was read"] = None
        return found

    try:
        value = json.loads(text.strip(_UNSEEN), parse_constant=_refuse, object_pairs_hook=pairs)
    except ValueError as error:
        return JsonText(NoJson(str(error)))
    except RecursionError:
        return JsonText(NoJson("it is nested too deeply"))
    return JsonText(value, list(notes))


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def answer_texts(output: str) -> list[str]:
    """The values in a JSON answer, without its keys; any other answer unchanged."""
    begin = output.strip().strip(_UNSEEN)[:1]
    if begin not in ("{", "[", '"') and "`" not in output and "~~~" not in output:
        return [output]  # not JSON with strings in it, like nearly all one-word answers
    data = parse_json(output)
    if not isinstance(data, dict | list | str):
        return [output]
    texts: list[str] = []
    rest = [data]
    while rest:  # no recursion: an answer can be nested as deeply as the JSON reader allows
        value = rest.pop()
        if isinstance(value, dict):
            rest.extend(reversed(value.values()))
        elif isinstance(value, list):
            rest.extend(reversed(value))
        elif value is not None:
            texts.append(value_text(value))
    return texts


def fold(text: str) -> str:
    """Normalise a text for comparison ignoring case; letters that look equal become equal."""
    return unicodedata.normalize("NFC", text).casefold()


def quoted(parts: Sequence[str], between: str = ", ") -> str:
    """Texts in quotation marks, joined together."""
    return between.join(f"'{part}'" for part in parts)


def shorten(text: str) -> str:
    """Shorten a text to fit into a reason; an answer can be as long as a book."""
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"
