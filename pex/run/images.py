"""Images in a request: what they weigh, and how a person sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

TOKENS_AT_MOST = 50_000
"""No image has been seen to cost more tokens (gpt-4o-mini: 2,833 + 5,667 for each of 8 tiles)."""

TOKENS_ABOUT = 1_000


def without_images(messages: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """The messages with the images taken out, for sizes, and how many there were."""
    count = 0
    texts = []
    for message in messages:
        content = message["content"]
        if isinstance(content, list):
            kept = [part for part in content if part.get("type") != "image_url"]
            count += len(content) - len(kept)
            content = kept
        texts.append({**message, "content": content})
    return texts, count


def tokens_at_most(body: Mapping[str, Any], size: int) -> int:
    """The most prompt tokens that a request of so many bytes can have: one for every byte of text.

    Example:
        >>> tokens_at_most({"messages": [{"role": "user", "content": "Hello"}]}, 60)
        60
    """
    for message in body["messages"]:
        if not isinstance(message["content"], list):
            continue
        for part in message["content"]:
            if part.get("type") == "image_url":
                size += TOKENS_AT_MOST - len(part["image_url"]["url"])
    return size


def text_bytes(messages: Sequence[Mapping[str, Any]]) -> int:
    """The size of the messages without their images."""
    return len(orjson.dumps(without_images(messages)[0]))


def shown(part: Mapping[str, Any]) -> str:
    """A part of a message for a person: text as it is, an image by its address or size."""
    if part.get("type") != "image_url":
        return str(part.get("text", ""))
    url = part["image_url"]["url"]
    if not url.startswith("data:"):
        return f"[image {url}]"
    kind, _, data = url[5:].partition(";base64,")
    return f"[{kind}, {len(data) * 3 / 4 / 1000:,.0f} kB]"
