"""Checks the messages of a row: roles, contents, tool calls and their answers, images.

The rules are those of the providers' and trainers' own pages: OpenAI "Supervised fine-tuning",
"Vision fine-tuning" and "Direct preference optimization", Azure "Customize a model with
fine-tuning", Mistral "Text fine-tuning", Together "Data preparation", TRL "Dataset formats and
types".
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.errors import nearest
from pex.training.check_contents import Add, check_content, kind_of
from pex.training.check_tool_calls import Numbered, check_calls
from pex.training.finding import Level
from pex.training.formats import OPENAI, TRL

ROLES = ("system", "developer", "user", "assistant", "tool")
_OTHER_NAMES = {
    "human": "user",
    "gpt": "assistant",
    "ai": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "observation": "tool",
    "function": "tool",
    "chatgpt": "assistant",
    "prompter": "user",
}
"""Roles of other formats, and what they are called here."""
_KEYS = ("role", "content", "name", "tool_calls", "tool_call_id", "weight")
_ALSO = ("refusal", "audio", "reasoning_content", "thinking", "images")
_MOST_IMAGES = {"OpenAI": 10, "Azure": 64}


def check_messages(
    messages: Any, field: str, format_name: str, tools: Any, add: Add, *, ends: bool = True
) -> None:
    """Check a conversation.

    Args:
        messages: what should be a list of messages.
        field: its place in the row.
        format_name: the format's name.
        tools: the row's tools.
        add: takes the findings.
        ends: the last message must be the assistant's.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes):
        add(
            "messages",
            field,
            f"expected a list of messages, got {kind_of(messages)}",
            '[{"role": "user", "content": "…"}, …]',
        )
        return
    if not messages:
        add("no-messages", field, "no message", "delete the row, or add its messages")
        return
    known = []
    for number, message in enumerate(messages):
        place = f"{field}[{number}]"
        if not isinstance(message, Mapping):
            add(
                "message",
                place,
                f"expected an object, got {kind_of(message)}",
                '{"role": "…", "content": "…"}',
            )
        elif _check_message(message, place, format_name, add):
            known.append((number, message))
    _check_order(known, field, format_name, add, ends=ends)
    check_calls(known, field, tools, add)
    _check_images(known, field, format_name, add)


def unknown_keys(
    row: Mapping[str, Any], known: Sequence[str], field: str, add: Add, level: Level = "warning"
) -> None:
    """A finding for each key that nobody reads, with the nearest right name.

    Args:
        row: the object.
        known: the names that it can have.
        field: its place in the row.
        add: takes the findings.
        level: of the findings.
    """
    for key in row:
        if key not in known and row[key] is not None:
            left = [name for name in known if name not in row] or known
            add(
                "key",
                f"{field}.{key}" if field else key,
                f"unknown key '{key}'",
                f"{nearest(str(key), left)}; else delete it",
                level,
            )


def _check_message(message: Mapping[str, Any], place: str, format_name: str, add: Add) -> bool:
    role = message.get("role")
    if role is None and "from" in message:
        add(
            "role",
            place,
            "'from' and 'value' are ShareGPT's names",
            "write 'role' and 'content', or check the file as sharegpt",
        )
        return False
    if role not in ROLES:
        right = _OTHER_NAMES.get(str(role).casefold())
        hint = f"did you mean '{right}'?" if right else nearest(str(role), ROLES)
        said = "a role is missing" if role is None else f"unknown role {json.dumps(role)}"
        add("role", f"{place}.role", said, hint)
        return False
    if role == "developer" and format_name in TRL:
        add(
            "developer",
            f"{place}.role",
            "chat templates know no role 'developer'",
            "write 'system'",
            "warning",
        )
    if "function_call" in message:
        add(
            "function_call",
            f"{place}.function_call",
            "'function_call' is the old form of a call",
            "write tool_calls: [{id, type: 'function', function: {name, arguments}}]",
        )
    known = (*_KEYS, *_ALSO, "function_call")
    unknown_keys(message, known, place, add)
    _check_weight(message, place, format_name, add)
    for key, owner in (("tool_calls", "assistant"), ("tool_call_id", "tool")):
        if message.get(key) and role != owner:
            add(
                "owner",
                f"{place}.{key}",
                f"'{key}' in a message of the {role}",
                f"only messages of the role '{owner}' have it",
            )
    check_content(message, place, format_name, add)
    return True


def _check_weight(message: Mapping[str, Any], place: str, format_name: str, add: Add) -> None:
    weight = message.get("weight")
    if weight is None:
        return
    if format_name in TRL:
        add(
            "weight",
            f"{place}.weight",
            "trl does not read 'weight': it learns from the message",
            "leave it out; assistant_only_loss=True learns from the assistant only",
            "warning",
        )
    elif message["role"] != "assistant":
        add(
            "weight",
            f"{place}.weight",
            f"'weight' in a message of the {message['role']}",
            "only messages of the assistant have it",
        )
    elif isinstance(weight, bool) or weight not in (0, 1):
        add(
            "weight",
            f"{place}.weight",
            f"expected 0 or 1, got {json.dumps(weight, default=str)}",
            "0: read but not learnt, 1: learnt",
        )


def _check_order(known: Numbered, field: str, format_name: str, add: Add, *, ends: bool) -> None:
    for (_, one), (number, two) in itertools.pairwise(known):
        role = two["role"]
        place = f"{field}[{number}]"
        if role == one["role"] == "assistant":
            if not _has_call_ids(one):  # else the call without an answer is what is told
                add(
                    "assistants",
                    place,
                    "two assistant turns in a row",
                    "merge them into one, or add the message between them",
                )
        elif role == one["role"] == "user":
            add(
                "users",
                place,
                "two user turns in a row: Together, Mistral and many chat templates "
                "want user and assistant to alternate",
                "merge them into one",
                "warning",
            )
        elif role in ("system", "developer"):
            add(
                "system",
                place,
                f"a {role} message after the first: many chat templates refuse it",
                "merge it into the first message",
                "warning",
            )
    if not known or not ends:
        return
    number, last = known[-1]
    if last["role"] != "assistant":
        add(
            "last",
            f"{field}[{number}]",
            f"the last message is of the {last['role']}",
            "the last message must be the assistant's: that is what is learnt",
        )
    answers = [message for _, message in known if message["role"] == "assistant"]
    if answers and format_name in OPENAI and all(message.get("weight") == 0 for message in answers):
        add(
            "weights",
            field,
            "every assistant message has weight 0: nothing is learnt",
            "give the message to learn from weight 1, or leave it out",
        )


def _has_call_ids(message: Mapping[str, Any]) -> bool:
    calls = message.get("tool_calls")
    return isinstance(calls, list) and any(
        isinstance(call, Mapping) and call.get("id") for call in calls
    )


def _check_images(known: Numbered, field: str, format_name: str, add: Add) -> None:
    count = sum(
        isinstance(part, Mapping) and part.get("type") in ("image_url", "image")
        for _, message in known
        if isinstance(message.get("content"), list)
        for part in message["content"]
    )
    if format_name != "openai-chat":
        return
    if count > _MOST_IMAGES["Azure"]:
        add("images", field, f"{count} images", "a row can have at most 10 images, 64 at Azure")
    elif count > _MOST_IMAGES["OpenAI"]:
        add(
            "images",
            field,
            f"{count} images: OpenAI takes at most 10 a row, Azure 64",
            "divide the row",
            "warning",
        )
