"""What a model said, in every form that endpoints send: text, parts, objects, tool calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import orjson

from pex.core.sanitized_json import sanitized_json, sanitized_json_text
from pex.core.text import replace_surrogates

_THOUGHTS = frozenset(
    {
        "thinking",  # Anthropic, Mistral's Magistral: parts beside the text
        "redacted_thinking",  # Anthropic
        "reasoning",  # OpenAI's Responses API
        "reasoning_content",
        "reasoning.text",  # OpenRouter's reasoning_details
        "reasoning.summary",
        "reasoning.encrypted",
        "summary_text",  # OpenAI's Responses API
        "thought",
    }
)
"""Types of parts that are not the answer but the way to it."""

_TEXT_KEYS = ("text", "content", "value", "output_text", "parts")
"""Where a part has its text; OpenAI's Assistants nest it once more (`text.value`)."""

_PART_KEYS = frozenset(
    {*_TEXT_KEYS, "type", "role", "index", "id", "annotations", "logprobs", "cache_control",
     "thought", "thoughtSignature", "status", "extra_content", "refusal"}
)  # fmt: skip
"""What a part has besides; an object with other keys is an answer that the server has parsed."""

_THOUGHT_KEYS = ("text", "thinking", "summary", "reasoning", "content", "value", "parts")
_FIELDS = (
    "reasoning_content",  # DeepSeek, Qwen, vLLM up to 2025, llama.cpp, LM Studio, Groq (parsed)
    "reasoning",  # OpenRouter, vLLM, Groq, Together
    "thinking",  # Ollama
    "reasoning_details",  # OpenRouter
    "thoughts",
)
"""Where a message has its reasoning beside its content, the first that there is."""


@dataclasses.dataclass(slots=True)
class Content:
    """What was said, taken apart; `lost` where a piece of it could not be understood.

    `text` is None if nothing was said at all.
    """

    text: str | None = None
    reasoning: str = ""
    refusal: str = ""
    lost: bool = False

    def _say(self, text: str) -> None:
        self.text = text if self.text is None else self.text + text


def read_content(value: Any) -> Content:
    """Take apart the content of a message.

    Example:
        >>> read_content([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes"}])
        Content(text='Yes', reasoning='Hm.', refusal='', lost=False)
        >>> read_content({"label": "positive"}).text
        '{"label":"positive"}'
    """
    found = Content()
    if isinstance(value, dict) and not _is_part(value):
        found.text = sanitized_json_text(value)  # the answer, which its server has parsed already
    else:
        _walk(value, found, 20)
    return found


def _is_part(value: Mapping[str, Any]) -> bool:
    kind = value.get("type")
    known = (isinstance(kind, str) and kind in _THOUGHTS) or _PART_KEYS.issuperset(value)
    return known or (isinstance(kind, str) and any(key in value for key in _TEXT_KEYS))


def read_reasoning(message: Mapping[str, Any]) -> str:
    """The reasoning beside the content of a message, "" if there is none.

    Example:
        >>> read_reasoning({"content": "Yes", "reasoning_details": [{"text": "Hm."}]})
        'Hm.'
    """
    for name in _FIELDS:
        if message.get(name):
            text = _thought(message[name], 20)
            if text:
                return text
    return ""


def _walk(value: Any, found: Content, depth: int) -> None:
    if isinstance(value, str):
        found._say(value)
    elif value is None:
        return
    elif depth == 0:
        found.lost = True
    elif isinstance(value, list):
        if not value:
            found._say("")
        for item in value:
            _walk(item, found, depth - 1)
    elif isinstance(value, dict):
        _part(value, found, depth - 1)
    else:  # a number or a boolean: a server that has parsed the answer
        found.lost = True
        if sanitized_json(value) is not None:
            found._say(sanitized_json_text(value))


def _part(part: dict[str, Any], found: Content, depth: int) -> None:
    kind = part.get("type")
    if (isinstance(kind, str) and kind in _THOUGHTS) or part.get("thought") is True:
        found.reasoning += _thought(part, depth)
    elif isinstance(part.get("refusal"), str):
        found.refusal += part["refusal"]
    elif isinstance(kind, str) or _PART_KEYS.issuperset(part):
        keys = [key for key in _TEXT_KEYS if part.get(key) is not None]
        if keys:
            _walk(part[keys[0]], found, depth)
        elif not any(key in part for key in _TEXT_KEYS):
            found.lost = True  # an image, a reference, a part of a kind that came later
    else:
        found._say(sanitized_json_text(part))


def _thought(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return value
    if depth == 0:
        return ""
    if isinstance(value, list):
        return "".join(_thought(item, depth - 1) for item in value)
    if isinstance(value, dict):
        for key in _THOUGHT_KEYS:
            if value.get(key):
                return _thought(value[key], depth - 1)
    return ""


class ToolCalls:
    """Tool calls, whole or in the pieces of a stream, in the form of OpenAI's.

    A piece belongs to the call with its index; without one to the call with its id, else to the
    last. The same index with another id and a name is a call of its own (Gemini numbers all of
    them 0).

    Example:
        >>> calls = ToolCalls()
        >>> calls.add_piece({"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{"}})
        >>> calls.add_piece({"index": None, "function": {"arguments": "}"}})
        >>> calls.found()
        [{'id': 'c1', 'type': 'function', 'function': {'name': 'f', 'arguments': '{}'}}]
    """

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []
        self._order: list[int] = []
        self.lost = False

    def __bool__(self) -> bool:
        return bool(self._calls)

    def found(self) -> list[dict[str, Any]] | None:
        """All calls in the order of their numbers, None if there are none."""
        places = sorted(range(len(self._calls)), key=lambda n: self._order[n])
        return [self._calls[n] for n in places] or None

    def add_all(self, value: Any) -> None:
        """Take the calls of an answer that came whole."""
        for item in value if isinstance(value, list) else [value]:
            if item is None:
                continue
            if _is_standard(item):
                self._add(item, None)
                continue
            call = self._start(item)
            self.lost = self.lost or call is None or not call["function"]["name"]

    def add_piece(self, piece: Any) -> None:
        """Take a piece of one call."""
        if isinstance(piece, list):
            for item in piece:
                self.add_piece(item)
            return
        if not isinstance(piece, dict):
            self.lost = self.lost or piece is not None
            return
        number, name = _number(piece.get("index")), _name(piece)
        place = self._place(number, piece, name)
        if place is None:
            self.lost = self._start(piece, number) is None or self.lost
            return
        call = self._calls[place]
        call["id"] = call["id"] or _id(piece)
        function = call["function"]
        if name != function["name"]:  # else the whole name is said with each piece
            function["name"] += name
        function["arguments"] += _arguments(piece)

    def _place(self, number: int | None, piece: Mapping[str, Any], name: str) -> int | None:
        """Which call a piece belongs to, None if it begins one."""
        given = _id(piece)
        same_id = [n for n, call in enumerate(self._calls) if given and call["id"] == given]
        if number is not None:
            same = [n for n, at in enumerate(self._order) if at == number]
            place = same[-1] if same else None
            if (
                place is not None
                and given
                and name
                and self._calls[place]["id"] not in (None, given)
            ):
                place = same_id[-1] if same_id else None
        elif given:
            place = same_id[-1] if same_id else self._unnamed()
        else:
            place = len(self._calls) - 1 if self._calls else None
        if place is not None and name and _arguments(piece) and _is_done(self._calls[place]):
            return None  # a whole call that says the number or the id of the one before
        return place

    def _unnamed(self) -> int | None:
        """The last call, where its own id has not come yet."""
        return len(self._calls) - 1 if self._calls and not self._calls[-1]["id"] else None

    def _start(self, item: Any, number: int | None = None) -> dict[str, Any] | None:
        if isinstance(item, str):  # some servers send each call as a JSON text
            try:
                item = orjson.loads(item)
            except orjson.JSONDecodeError:
                return None
        if not isinstance(item, dict):
            return None
        name, arguments = _name(item), _arguments(item)
        if not name and not arguments and not item.get("id"):
            return None
        # What else came with the call stays with it (Gemini's signatures have to be sent back).
        extra = {
            key: sanitized_json(value)
            for key, value in item.items()
            if key not in ("index", "id", "type", "function", "name", "arguments", "input", "args")
        }
        function = {"name": name, "arguments": arguments}
        call = {"id": _id(item), "type": "function", "function": function, **extra}
        self._add(call, number)
        return call

    def _add(self, call: dict[str, Any], number: int | None) -> None:
        self._calls.append(call)
        self._order.append(max(self._order, default=-1) + 1 if number is None else number)


def _is_done(call: Mapping[str, Any]) -> bool:
    """Whether nothing can follow: its arguments are whole."""
    try:
        orjson.loads(call["function"]["arguments"])
    except orjson.JSONDecodeError:
        return False
    return True


def _is_standard(item: Any) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("function"), dict):
        return False
    function = item["function"]
    if not isinstance(function.get("name"), str) or not isinstance(function.get("arguments"), str):
        return False
    if item.get("type") != "function" or not isinstance(item.get("id"), str):
        return False
    try:
        orjson.dumps([[[item]]])
    except TypeError:
        return False
    return True


def _function(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a call has its name and arguments: Ollama and Anthropic have them at the top."""
    function = item.get("function")
    return function if isinstance(function, dict) else item


def _name(item: Mapping[str, Any]) -> str:
    name = _function(item).get("name")
    if name is None and isinstance(item.get("function"), str):
        name = item["function"]
    return name if isinstance(name, str) else "" if name is None else sanitized_json_text(name)


def _arguments(item: Mapping[str, Any]) -> str:
    """The arguments as JSON text, even if they came as an object."""
    function = _function(item)
    for key in ("arguments", "input", "args"):
        value = function.get(key)
        if value is not None:
            return value if isinstance(value, str) else sanitized_json_text(value)
    return ""


def _id(item: Mapping[str, Any]) -> str | None:
    given = item.get("id")
    if given is None or given == "":
        return None
    return replace_surrogates(given) if isinstance(given, str) else sanitized_json_text(given)


def _number(index: Any) -> int | None:
    if isinstance(index, str) and index.isascii() and index.isdigit() and len(index) < 10:
        return int(index)
    if isinstance(index, float) and index.is_integer() and abs(index) < 1e9:
        return int(index)
    if isinstance(index, bool) or not isinstance(index, int):
        return None
    return index
