"""Bodies and streams with one odd place each, made from a good one."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

VALUES: dict[str, Any] = {
    "null": None, "empty": "", "list": [], "object": {}, "10.5": 10.5, "-3": -3, "0": 0,
    "10**19": 10**19, "10**400": 10**400, "infinity": float("inf"), "nan": float("nan"),
    "true": True, "false": False, "text": "text", "half": "a \ud83d b", "null byte": "a\x00b",
    "nested": [[[[{"a": [{"b": {}}]}]]]], "objects": [{}], "nulls": [None], "texts": ["a", "b"],
    "numbers": [1, 2.5], "number text": "12",
}  # fmt: skip


def deep(levels: int = 400) -> Any:
    """A list in a list in a list …: more than orjson writes."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


GOOD: dict[str, Any] = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1_767_225_600,
    "model": "m1-2026-01-01",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": {"content": [{"token": "Hi", "logprob": -0.5, "top_logprobs": []}]},
            "message": {
                "role": "assistant",
                "content": "Hi",
                "refusal": None,
                "reasoning_content": "Say hi.",
                "tool_calls": [
                    {"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 10,
        "completion_tokens": 2,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 1},
    },
}

PIECES: list[dict[str, Any]] = [
    {"model": "m1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"model": "m1", "choices": [{"index": 0, "delta": {"reasoning_content": "Say hi."}}]},
    {"model": "m1", "choices": [{"index": 0, "delta": {"content": "Hi"}, "logprobs": None}]},
    {
        "model": "m1",
        "choices": [
            {
                "index": 0,
                "delta": {
                    "tool_calls": [
                        {
                            "index": 0,
                            "id": "t1",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{"},
                        }
                    ]
                },
            }
        ],
    },
    {
        "model": "m1",
        "choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": 0, "function": {"arguments": "}"}}]}}],
    },
    {"model": "m1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"model": "m1", "choices": [], "usage": GOOD["usage"]},
]  # fmt: skip


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each node, the whole first."""
    yield path
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield from paths(item, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value at the end of a way."""
    if not path:
        return new
    whole = copy.deepcopy(value)
    at = whole
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = new
    return whole


def odd_bodies() -> Iterator[tuple[str, bytes]]:
    """A name and a body as Python's own server would send it, for each node and odd value."""
    for path in paths(GOOD):
        for name, value in {**VALUES, "deep": deep()}.items():
            yield f"{path} is {name}", json.dumps(changed(GOOD, path, value)).encode()


def odd_streams() -> Iterator[tuple[str, bytes]]:
    """The same for each node of each piece of a stream."""
    for number, piece in enumerate(PIECES):
        for path in paths(piece):
            for name, value in {**VALUES, "deep": deep()}.items():
                pieces = [*PIECES]
                pieces[number] = changed(piece, path, value)
                yield f"{number}{path} is {name}", stream_of(pieces)


def stream_of(pieces: list[Any]) -> bytes:
    """Pieces as server-sent events, with the mark at the end."""
    return b"".join(f"data: {json.dumps(p)}\n\n".encode() for p in pieces) + b"data: [DONE]\n\n"
