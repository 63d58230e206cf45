"""Images, files and recordings in a request: what they weigh, and how a person sees them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from pex.core.attachments import attached
from pex.run import part_tokens

BYTES_PER_TOKEN = 3.5
"""A rule of thumb for European languages; other scripts need up to three times the tokens."""

_PARTS = frozenset({"image_url", "file", "input_audio"})


def without_images(messages: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """The messages with images and the like taken out, for sizes, and how many there were."""
    count = 0
    texts = []
    for message in messages:
        content = message["content"]
        if isinstance(content, list):
            kept = [part for part in content if part.get("type") not in _PARTS]
            count += len(content) - len(kept)
            content = kept
        texts.append({**message, "content": content})
    return texts, count


def with_placeholders(
    messages: Sequence[Mapping[str, Any]], model: str
) -> Sequence[Mapping[str, Any]]:
    """The messages with a text in place of each part that is not one.

    It differs where the part differs, and is as long as text of as many tokens.
    """
    return [
        {**message, "content": [_placeholder(part, model) for part in message["content"]]}
        if isinstance(message.get("content"), list)
        else message
        for message in messages
    ]


def _placeholder(part: Mapping[str, Any], model: str) -> Mapping[str, Any]:
    if part.get("type") not in _PARTS:
        return part
    digest = hashlib.sha256(orjson.dumps(part)).hexdigest()
    length = round(BYTES_PER_TOKEN * part_tokens.tokens_about(part, model))
    return {"type": "text", "text": digest.ljust(length, "-")}


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
            if part.get("type") in _PARTS:
                size += part_tokens.tokens_at_most(part) - _length(part)
    return size


def tokens_about(messages: Sequence[Mapping[str, Any]], model: str) -> int:
    """The likely number of prompt tokens of all that is not text."""
    return sum(
        part_tokens.tokens_about(part, model)
        for message in messages
        if isinstance(message.get("content"), list)
        for part in message["content"]
        if part.get("type") in _PARTS
    )


def attached_tokens(messages: Sequence[Mapping[str, Any]], model: str) -> int:
    """The same for what a request only has a reference to, so its bytes do not count it."""
    return sum(
        part_tokens.tokens_about(part, model)
        for message in messages
        if isinstance(message.get("content"), list)
        for part in message["content"]
        if attached(part) is not None
    )


def _length(part: Mapping[str, Any]) -> int:
    """The characters that a part has in a request's bytes, as far as they are known."""
    kind = part["type"]
    field = {"image_url": "url", "file": "file_data", "input_audio": "data"}[kind]
    value = part[kind].get(field) if isinstance(part.get(kind), Mapping) else None
    return len(value) if isinstance(value, str) else 0


def counted_bytes(messages: Sequence[Mapping[str, Any]], model: str) -> int:
    """The size of the messages, with the bytes for other parts that text of as many tokens has.

    So the tokens for each byte of earlier calls say something about both.
    """
    texts, count = without_images(messages)
    parts = tokens_about(messages, model) if count else 0
    return len(orjson.dumps(texts)) + round(BYTES_PER_TOKEN * parts)


def shown(part: Mapping[str, Any]) -> str:
    """A part of a message for a person: text as it is, an image by its address or size."""
    attachment = attached(part)
    if attachment is not None:
        return f"[{attachment.shown}]"
    if part.get("type") != "image_url":
        return str(part.get("text", "")) or f"[{part.get('type')}]"
    url = part["image_url"]["url"]
    if not url.startswith("data:"):
        return f"[image {url}]"
    kind, _, data = url[5:].partition(";base64,")
    return f"[{kind}, {len(data) * 3 / 4 / 1000:,.0f} kB]"
