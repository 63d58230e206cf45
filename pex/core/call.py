"""One request to a model and its answer, as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from pex.core.sanitized_json import json_text, sanitized_json
from pex.core.text import replace_surrogates

MOST_TOKENS = 2**31 - 1
"""A larger count is taken for a mistake; PostgreSQL's INTEGER ends here too."""

_LARGEST = 1e300
_LATEST = 9e9
"""Seconds since 1970 up to which a time is believed: the year 2255, soon before pandas' end."""


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What is sent to a model: one variant, one case, one repeat.

    `body` is the JSON body of a chat completion; `key` names the request and its repeat
    independently of host, port and credentials. `turns` are what the user says after the first
    answer, each after the answer before it.
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
    """The page that answers: "chat", or "responses" of OpenAI's Responses API."""

    @property
    def place(self) -> tuple[str, str, int]:
        """The place of this request in the table: (variant, case_id, repeat)."""
        return (self.variant, self.case_id, self.repeat)


@dataclasses.dataclass(slots=True)
class Answer:
    """What came back for one request; `error` is set where no answer came.

    Times are in seconds, `started_at` in seconds since 1970 (UTC); tokens are counts as the
    provider reports them, None where it does not.
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
    """Where a case has several turns: every message after the first request, the answers too."""
    reasoning: str | None = None
    """What the model thought before it answered, kept apart from the output."""
    remarks: list[str] = dataclasses.field(default_factory=list)
    """Words for what is unusual: cut_off, filtered, read_leniently, parameter_dropped …"""
    raw_body: str | None = None
    """The body as it came, where it could not be read whole."""
    response_id: str | None = None
    """The name under which the endpoint keeps it, where the next turn can go on from there."""


def answer_from(fields: Mapping[str, Any]) -> Answer:
    """An answer from fields of any kind: what does not fit its place is left out, never raised.

    Counts are whole numbers from 0 or unknown, times and costs finite, texts can be stored
    everywhere. Fields that an answer does not have are ignored: a later version may have added
    them.

    Example:
        >>> answer = answer_from({"output": "Hi", "prompt_tokens": 10.5, "completion_tokens": 2.0})
        >>> answer.prompt_tokens, answer.completion_tokens
        (None, 2)
    """
    return Answer(**{name: _READ[name](value) for name, value in fields.items() if name in _READ})


def restored(fields: Mapping[str, Any]) -> Answer:
    """The same for fields that were kept, nearly all of which fit: then it is quicker."""
    if not fields.keys() <= _TYPES.keys():
        fields = {name: value for name, value in fields.items() if name in _TYPES}
    return checked(Answer(**fields))


def checked(answer: Answer) -> Answer:
    """The answer itself where all of it can be stored and shown, else a corrected copy."""
    for name, kind in _TYPES.items():
        value = getattr(answer, name)
        found = type(value)
        if value is None:
            if name in _MAY_BE_NONE:
                continue
        elif found is kind:
            # Every answer of a run comes by here, so the usual types are told apart at once.
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
    """A count of tokens: a whole number from 0 up to what is plausible, else None.

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
    """A text that can be stored everywhere; anything else as JSON.

    Example:
        >>> read_text({"label": "positive"}), read_text(None)
        ('{"label":"positive"}', None)
    """
    if value is None:
        return None
    return replace_surrogates(value) if isinstance(value, str) else json_text(value)


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
_OBJECTS = ("tool_calls", "logprobs", "conversation")
_MAY_BE_NONE = frozenset((*_TEXTS, *_NUMBERS, *_COUNTS, *_OBJECTS))
_READ: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_TEXTS, read_text),
    **dict.fromkeys(_NUMBERS, _read_number),
    **dict.fromkeys(_COUNTS, read_count),
    **dict.fromkeys(_OBJECTS, _read_objects),
    "started_at": _read_time,
    "from_journal": bool,
    "attempts": lambda value: read_count(value) or 1,
    "remarks": _read_words,
}
_TYPES: dict[str, type] = {
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys((*_NUMBERS, "started_at"), float),
    **dict.fromkeys((*_COUNTS, "attempts"), int),
    **dict.fromkeys((*_OBJECTS, "remarks"), list),
    "from_journal": bool,
}
_MOST = {**dict.fromkeys(_NUMBERS, _LARGEST), "started_at": _LATEST}


def _fits(values: list[Any], name: str) -> bool:
    """Whether a list can stay as it is."""
    if name == "remarks":
        return all(isinstance(word, str) and replace_surrogates(word) is word for word in values)
    if not all(isinstance(item, dict) for item in values):
        return False
    try:
        # Infinite numbers are written as null: only where there is one need the whole be searched.
        return b"null" not in orjson.dumps([[values]]) or sanitized_json(values) == values
    except TypeError:
        return False
