"""Checks the content of a message: text, parts and images."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pex.core.errors import nearest
from pex.training.formats import OPENAI

Add = Callable[..., None]
"""`add(kind, field, message, fix, level="error")` for the row that is checked."""

_PARTS = ("text", "image_url", "image")
_IMAGE_KINDS = ("image/jpeg", "image/png", "image/webp")
_LARGEST_IMAGE = 10_000_000
"""Bytes; OpenAI and Azure say so."""


def kind_of(value: Any) -> str:
    """What a value is, in the words of JSON."""
    if value is None:
        return "null"
    names = {bool: "true or false", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def check_content(message: Mapping[str, Any], place: str, format_name: str, add: Add) -> None:
    """Check the content of a message whose role is known.

    Args:
        message: the message.
        place: its place in the row.
        format_name: the format's name.
        add: takes the findings.
    """
    role, content = message["role"], message.get("content")
    calls = bool(message.get("tool_calls")) or bool(message.get("function_call"))
    field = f"{place}.content"
    if content is None:
        if not calls:
            add(
                "content",
                field,
                f"the {role} message has no content",
                "give it its text, or delete the message",
            )
        elif "content" in message and format_name in OPENAI:
            add(
                "null",
                field,
                "content: null beside tool_calls",
                "leave the key 'content' out (OpenAI and Azure read it so); Mistral wants "
                '"content": ""',
                "warning",
            )
    elif isinstance(content, str):
        if not content.strip() and not calls and role != "tool":
            add(
                "content",
                field,
                f"the {role} message is empty",
                "give it its text, or delete the message",
            )
    elif isinstance(content, list):
        if not content:
            add(
                "content",
                field,
                "an empty list of parts",
                'write a string, or [{"type": "text", …}]',
            )
        for number, part in enumerate(content):
            _check_part(part, f"{field}[{number}]", role, format_name, add)
    else:
        fix = "write it as a string: json.dumps(…)"
        add("content", field, f"expected a string or a list of parts, got {kind_of(content)}", fix)


def _check_part(part: Any, place: str, role: str, format_name: str, add: Add) -> None:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping) or kind not in _PARTS:
        said = (
            f"unknown type {json.dumps(kind)}"
            if isinstance(part, Mapping)
            else (f"expected an object, got {kind_of(part)}")
        )
        add("part", place, said, nearest(str(kind), _PARTS))
        return
    if kind == "text":
        if not isinstance(part.get("text"), str):
            add(
                "part",
                f"{place}.text",
                f"expected a string, got {kind_of(part.get('text'))}",
                '{"type": "text", "text": "…"}',
            )
        return
    if role != "user":
        add(
            "image-role",
            place,
            f"an image in a message of the {role}",
            "images can only be in messages of the user",
        )
    if format_name == "openai-dpo":
        add("image-dpo", place, "an image in preferences", "OpenAI's DPO takes text only")
    elif format_name == "openai-chat" and kind == "image_url":
        _check_url(part.get("image_url"), f"{place}.image_url", add)
    elif format_name == "openai-chat":
        add(
            "part",
            place,
            "'image' is trl's name",
            '{"type": "image_url", "image_url": {"url": "…"}}',
        )
    elif kind == "image_url":
        add(
            "part",
            place,
            "trl does not read 'image_url'",
            '{"type": "image"}, and the images in order in a column "images"',
        )


def _check_url(image: Any, place: str, add: Add) -> None:
    url = image.get("url") if isinstance(image, Mapping) else None
    if not isinstance(url, str):
        add(
            "image",
            place,
            f'expected {{"url": …}}, got {kind_of(image)}',
            '{"type": "image_url", "image_url": {"url": "…"}}',
        )
    elif url.startswith("data:"):
        kind, _, data = url[5:].partition(";base64,")
        if kind not in _IMAGE_KINDS or not data:
            add(
                "image",
                f"{place}.url",
                f"an image of the type {kind[:40] or '(none)'}",
                f"expected a data URL of {', '.join(_IMAGE_KINDS)} in base64",
            )
        elif len(data) * 3 // 4 > _LARGEST_IMAGE:
            add(
                "image-size",
                f"{place}.url",
                f"an image of {len(data) * 0.75 / 1e6:.0f} MB",
                "an image can have at most 10 MB: make it smaller",
            )
    elif not url.startswith(("https://", "http://")):
        add(
            "image",
            f"{place}.url",
            f"neither a link nor a data URL: {url[:60]!r}",
            "data:image/png;base64,… or https://…",
        )
