"""One request to a model and its answer, as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from pex.core.sanitized_json import sanitized_json, sanitized_json_text
from pex.core.text import replace_surrogates

MOST_TOKENS = 2**31 - 1
"""A larger count is considered a mistake; this is also the maximum of PostgreSQL's INTEGER."""

_LARGEST = 1e300
_LATEST = 9e9
"""The latest plausible time in seconds since 1970: the year 2255, a little before pandas' limit."""


@dataclasses.dataclass(frozen=True, slots=True)
class ToolLoop:
    """The tools that run between a model's steps, as far as the answer depends on them.

    `digest` changes with every implementation and with what the case gives them; an answer takes
    `max_steps` requests at most.
    """

    digest: str
    max_steps: int


@dataclasses.dataclass(frozen=True, slots=True)
class UserTurns:
    """A simulated user of one case, who writes the turns after the first.

    `body` is the request for its next message: its messages are those of the user's prompt, then
    what it said first. It writes `max_turns` messages at most, and ends with the word `stop`.
    """

    model: str
    body: dict[str, Any]
    max_turns: int
    stop: str
    api: str = "chat"


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """A request to a model: one variant, one case, one repeat.

    `body` is the JSON body of a chat completion, with placeholders for its canary and delimiters;
    `key` identifies the request and its repeat independently of host, port and credentials. `turns`
    are the user's further messages, each sent after the answer to the one before.
    """

    variant: str
    case_id: str
    repeat: int
    model: str
    body: dict[str, Any]
    key: str
    case_group: str | None = None
    turns: tuple[str, ...] = ()
    api: str = "chat"
    """The API that serves it: "chat", or "responses" for OpenAI's Responses API."""
    marked: list[dict[str, Any]] | None = dataclasses.field(default=None, repr=False)
    """The messages with marks where only the sent request has words; None if it has none."""
    loop: ToolLoop | None = None
    """The tools that run; None if the calls of tools are the answer."""
    user: UserTurns | None = None
    """Who writes the further turns, if they are not written down."""

    @property
    def place(self) -> tuple[str, str, int]:
        """The place of this request in the table: (variant, case_id, repeat)."""
        return (self.variant, self.case_id, self.repeat)


@dataclasses.dataclass(slots=True)
class Answer:
    """The answer to one request; `error` is set if there is none.

    Times are in seconds, `started_at` in seconds since 1970 (UTC); token counts are the provider's,
    None if it does not report them.
    """

    output: str | None = None
    error: str | None = None
    error_kind: str | None = None
    finish_reason: str | None = None
    resolved_model: str | None = None
    started_at: float = 0.0
    latency_s: float | None = None
    ttft_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cost_usd: float | None = None
    from_journal: bool = False
    attempts: int = 1
    tool_calls: list[dict[str, Any]] | None = None
    logprobs: list[dict[str, Any]] | None = None
    conversation: list[dict[str, Any]] | None = None
    """If there are turns or tools that run: every message after the first request, with answers."""
    reasoning: str | None = None
    """The model's reasoning before its answer, kept separate from the output."""
    remarks: list[str] = dataclasses.field(default_factory=list)
    """Codes for anything unusual: cut_off, filtered, read_leniently, parameter_dropped …"""
    raw_body: str | None = None
    """The raw body, if it could not be read completely."""
    canary: list[str] | None = None
    """The forms in which it has the request's canary, such as "plain"; None if there was none."""
    response_id: str | None = None
    """The id under which the endpoint stores it, if the next turn can continue from there."""
    steps: list[dict[str, Any]] | None = None
    """If tools run: each request of the path, with what it took and the tools that ran after it.

    So has a conversation with a simulated user, whose own requests have `"user": True`.
    """
    world: dict[str, Any] | None = None
    """The case's made world after the path, if its tools have one."""


def answer_from(fields: Mapping[str, Any]) -> Answer:
    """An answer from fields of any kind: values that do not fit are dropped; nothing is raised.

    Counts are whole numbers of at least 0 or unknown, times and costs are finite, and strings can
    be stored everywhere. Unknown fields are ignored: a later version may have added them.

    Example:
        >>> answer = answer_from({"output": "Hi", "prompt_tokens": 10.5, "completion_tokens": 2.0})
        >>> answer.prompt_tokens, answer.completion_tokens
        (None, 2)
    """
    return Answer(**{name: _READ[name](value) for name, value in fields.items() if name in _READ})


def restored(fields: Mapping[str, Any]) -> Answer:
    """The same for stored fields, faster because nearly all of them fit."""
    if not fields.keys() <= _TYPES.keys():
        fields = {name: value for name, value in fields.items() if name in _TYPES}
    return checked(Answer(**fields))


def checked(answer: Answer) -> Answer:
    """The answer itself if all of it can be stored and shown, else a corrected copy."""
    for name, kind in _TYPES.items():
        value = getattr(answer, name)
        found = type(value)
        if value is None:
            if name in _MAY_BE_NONE:
                continue
        elif found is kind:
            # Every answer of a run passes through here, so the usual types are checked first.
            if kind is str:
                if value.isascii() or replace_surrogates(value) is value:
                    continue
            elif kind is int:
                if 0 <= value <= MOST_TOKENS:
                    continue
            elif kind is float:
                if 0 <= value < _MOST[name]:
                    continue
            elif kind is bool or not value or _fits(value, name):
                continue
        return answer_from({name: getattr(answer, name) for name in _READ})
    return answer


def read_count(value: Any) -> int | None:
    """A token count: a whole number from 0 to the plausible maximum, else None.

    Example:
        >>> [read_count(value) for value in (12, 12.0, "12", 12.5, -3, True, 10**19, None)]
        [12, 12, 12, None, None, None, None, None]
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MOST_TOKENS else None


def read_text(value: Any) -> str | None:
    """A string that can be stored everywhere; other values as JSON.

    Example:
        >>> read_text({"label": "positive"}), read_text(None)
        ('{"label":"positive"}', None)
    """
    if value is None:
        return None
    return replace_surrogates(value) if isinstance(value, str) else sanitized_json_text(value)


def _read_number(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 <= value < _LARGEST else None


def _read_time(value: Any) -> float:
    number = _read_number(value)
    return number if number is not None and number < _LATEST else 0.0


def _read_objects(value: Any) -> list[dict[str, Any]] | None:
    if not isinstance(value, list):
        return None
    found = [sanitized_json(item) for item in value if isinstance(item, dict)]
    return found or None


def _read_words(value: Any) -> list[str]:
    if not isinstance(value, list | tuple):
        return []
    return [replace_surrogates(word) for word in value if isinstance(word, str)]


_TEXTS = ("output", "error", "error_kind", "finish_reason", "resolved_model", "reasoning",
          "raw_body", "response_id")  # fmt: skip
_NUMBERS = ("latency_s", "ttft_s", "cost_usd")
_COUNTS = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens",
           "cache_write_tokens")  # fmt: skip
_OBJECTS = ("tool_calls", "logprobs", "conversation", "steps")
_MAY_BE_NONE = frozenset((*_TEXTS, *_NUMBERS, *_COUNTS, *_OBJECTS, "canary", "world"))
_READ: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_TEXTS, read_text),
    **dict.fromkeys(_NUMBERS, _read_number),
    **dict.fromkeys(_COUNTS, read_count),
    **dict.fromkeys(_OBJECTS, _read_objects),
    "started_at": _read_time,
    "from_journal": bool,
    "attempts": lambda value: read_count(value) or 1,
    "remarks": _read_words,
    "canary": lambda value: None if value is None else _read_words(value),
    "world": lambda value: sanitized_json(value) if isinstance(value, dict) else None,
}
_TYPES: dict[str, type] = {
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys((*_NUMBERS, "started_at"), float),
    **dict.fromkeys((*_COUNTS, "attempts"), int),
    **dict.fromkeys((*_OBJECTS, "remarks", "canary"), list),
    "from_journal": bool,
    "world": dict,
}
_MOST = {**dict.fromkeys(_NUMBERS, _LARGEST), "started_at": _LATEST}


def _fits(values: Any, name: str) -> bool:
    """Whether a list or a world needs no change."""
    if name in ("remarks", "canary"):
        return all(isinstance(word, str) and replace_surrogates(word) is word for word in values)
    if name != "world" and not all(isinstance(item, dict) for item in values):
        return False
    try:
        # Infinite numbers are written as null: the whole value is searched only if there is a null.
        return b"null" not in orjson.dumps([[values]]) or sanitized_json(values) == values
    except TypeError:
        return False
