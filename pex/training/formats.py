"""The formats of training data, and which of them a row is in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from pex.core.errors import PexError, nearest

Format = Literal[
    "openai-chat",
    "openai-dpo",
    "trl-messages",
    "trl-prompt-completion",
    "trl-preference",
    "trl-preference-implicit",
    "trl-unpaired",
    "alpaca",
    "sharegpt",
]
FORMATS: tuple[Format, ...] = get_args(Format)
TRL: frozenset[str] = frozenset(name for name in FORMATS if name.startswith("trl-"))
OPENAI: frozenset[str] = frozenset(name for name in FORMATS if name.startswith("openai-"))

KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "openai-chat": (("messages",), ("tools", "parallel_tool_calls")),
    "openai-dpo": (("input", "preferred_output", "non_preferred_output"), ()),
    "trl-messages": (("messages",), ("tools", "images", "chat_template_kwargs")),
    "trl-prompt-completion": (
        ("prompt", "completion"),
        ("tools", "images", "chat_template_kwargs"),
    ),
    "trl-preference": (
        ("prompt", "chosen", "rejected"),
        ("tools", "images", "chat_template_kwargs"),
    ),
    "trl-preference-implicit": (
        ("chosen", "rejected"),
        ("tools", "images", "chat_template_kwargs"),
    ),
    "trl-unpaired": (("prompt", "completion", "label"), ("tools", "images")),
    "alpaca": (("instruction", "output"), ("input", "system", "history", "images")),
    "sharegpt": (("conversations",), ("system", "tools", "images", "id")),
}
"""The keys of a row: those it must have, those it can have."""

_ORDER = (
    "openai-dpo",
    "trl-preference",
    "trl-preference-implicit",
    "trl-unpaired",
    "trl-prompt-completion",
    "openai-chat",
    "sharegpt",
    "alpaca",
)
"""Those with more keys first."""


def check_format(name: str) -> Format:
    """A format's name, checked.

    Raises:
        PexError: there is no such format.

    Example:
        >>> check_format("openai-chats")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: unknown format 'openai-chats'
          did you mean 'openai-chat'?
    """
    for known in FORMATS:
        if name == known:
            return known
    raise PexError(f"unknown format '{name}'", hint=nearest(name, FORMATS))


def format_of(row: Mapping[str, Any]) -> Format | None:
    """The format that a row is in, by its keys; None if it is in none.

    Rows with `messages` are OpenAI's chat format: what is accepted there, TRL accepts too.

    Example:
        >>> format_of({"prompt": "The sky is", "completion": " blue."})
        'trl-prompt-completion'
        >>> format_of({"text": "The sky is blue."}) is None
        True
    """
    for name in _ORDER:
        if all(key in row for key in KEYS[name][0]):
            return check_format(name)
    return None
