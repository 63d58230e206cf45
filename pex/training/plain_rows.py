"""Rows of the most common kind, in which nothing can be wrong: they are recognised fast.

In millions of rows, nearly all are a system message, and turns of user and assistant with text.
Whatever is not exactly that is left to `pex.training.check_row`.
"""

from __future__ import annotations

from typing import Any

_CHAT = ("openai-chat", "trl-messages")


def is_plain(row: Any, format_name: str | None) -> bool:
    """Whether a row has text only, in the usual order, and no other key than it needs.

    All such rows of a format have the same keys and the same types in the same places.

    Args:
        row: the row as it was read.
        format_name: its format.

    Example:
        >>> said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
        >>> [is_plain({"messages": turns}, "openai-chat") for turns in (said, said[:1])]
        [True, False]
    """
    if type(row) is not dict:
        return False
    if format_name in _CHAT:
        return len(row) == 1 and _are_turns(row.get("messages"))
    if format_name == "alpaca":
        return len(row) == 5 and _is_alpaca(row)
    if format_name == "sharegpt":
        return len(row) == 3 and _is_sharegpt(row)
    return False


def _are_turns(messages: Any) -> bool:
    if type(messages) is not list or not messages:
        return False
    expected = "user"
    for number, message in enumerate(messages):
        if type(message) is not dict or len(message) != 2:
            return False
        role, content = message.get("role"), message.get("content")
        if type(content) is not str or not content or content.isspace():
            return False
        if role == "system" and number == 0:
            continue
        if role != expected:
            return False
        expected = "assistant" if role == "user" else "user"
    return bool(messages[-1]["role"] == "assistant")


def _is_alpaca(row: dict[str, Any]) -> bool:
    if row.get("history") != []:
        return False
    for key in ("instruction", "output", "input", "system"):
        if type(row.get(key)) is not str:
            return False
    return bool(row["instruction"].strip() and row["output"].strip())


def _is_sharegpt(row: dict[str, Any]) -> bool:
    turns = row.get("conversations")
    if row.get("tools") != "[]" or type(row.get("system")) is not str or type(turns) is not list:
        return False
    expected = "human"
    for turn in turns:
        if type(turn) is not dict or len(turn) != 2 or turn.get("from") != expected:
            return False
        value = turn.get("value")
        if type(value) is not str or not value or value.isspace():
            return False
        expected = "gpt" if expected == "human" else "human"
    return bool(turns) and expected == "human"
