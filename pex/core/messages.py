"""The chat messages of a prompt: checked, and filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pex.core import template
from pex.core.documents import KIND, part_text, way_of, way_of_part
from pex.core.errors import PexError, nearest
from pex.core.hidden import Hidden
from pex.core.includes import check_resolved
from pex.core.names import ROLES
from pex.core.text import whole_text
from pex.core.values import to_json_value

Message = dict[str, Any]
"""`{"role": "user", "content": "…"}`; the content can be a list of parts (text, images)."""


def check_messages(text: str | Sequence[Mapping[str, Any]], name: str) -> tuple[Message, ...]:
    """The messages of a prompt, checked and stripped of surrounding white space.

    Raises:
        PexError: an unknown role, a template that is not valid, no text at all.
    """
    given = [{"role": "user", "content": text}] if isinstance(text, str) else list(text)
    messages = []
    for number, message in enumerate(given, 1):
        where = f"prompt '{name}', message {number}"
        if not isinstance(message, Mapping) or not {"role", "content"} <= set(message):
            raise PexError(f"{where}: expected {{'role': …, 'content': …}}, got {message!r}")
        role, content = message["role"], message["content"]
        if role not in ROLES:
            raise PexError(f"{where}: unknown role '{role}'", hint=nearest(role, ROLES))
        content = content.strip() if isinstance(content, str) else to_json_value(content)
        for piece in content_templates(content):
            check_resolved(piece, f"{where} ({role})")
            template.check(piece, f"{where} ({role})")
        _check_documents(role, content, where)
        messages.append(whole_text({**to_json_value(dict(message)), "content": content}, where))
    if not any(content_templates(message["content"]) for message in messages):
        raise PexError(f"prompt '{name}': it has no text")
    return tuple(messages)


def _check_documents(role: str, content: Any, where: str) -> None:
    if isinstance(content, str):
        template.check_documents(content, where)
        given = bool(template.documents(content))
    else:
        parts = [part for part in content or () if part.get("type") == KIND]
        for part in parts:
            way_of_part(part, f"{where}, {KIND}")
        given = bool(parts)
    if given and role != "user":
        raise PexError(
            f"{where} ({role}): documents can only be in messages of the user",
            hint="providers take them nowhere else",
        )


def content_templates(content: Any) -> list[str]:
    """Every template in a message's content."""
    if isinstance(content, str):
        return [content] if content else []
    return [str(_templates(part)) for part in content if _templates(part)]


def _templates(part: Mapping[str, Any]) -> Any:
    image = part.get("image_url")
    if part.get("type") == "image_url" and isinstance(image, Mapping):
        return image.get("url")
    if part.get("type") == KIND:
        return part.get(KIND)
    return part.get("text") if part.get("type") == "text" else None


def render_content(
    message: Message, values: Mapping[str, Any], where: str, words: Hidden | None = None
) -> Any:
    """A message's content with `values` filled in; Markdown images of the user become parts."""
    content = message["content"]
    if not isinstance(content, str):
        return [_render_part(part, values, where, words) for part in content]
    if message["role"] != "user" or not template.has_images(content):
        return template.render(content, values, where, words)
    parts: list[dict[str, Any]] = []
    pieces = template.cut(content, values, where, words)
    for number in range(0, len(pieces), 3):
        parts.append({"type": "text", "text": pieces[number]})
        if number + 1 < len(pieces):
            way, address = pieces[number + 1], pieces[number + 2]
            image = {"type": "image_url", "image_url": {"url": address}}
            parts.append(way_of(way).part(address) if way else image)
    return _trimmed(parts)


def _trimmed(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parts without white space around their texts, except where a text goes on in a document's."""
    inline = [part.get("type") == KIND and part["as"] == "text" for part in parts]
    for number, part in enumerate(parts):
        if part["type"] == "text":
            if number == 0 or not inline[number - 1]:
                part["text"] = part["text"].lstrip()
            if number == len(parts) - 1 or not inline[number + 1]:
                part["text"] = part["text"].rstrip()
    return [part for part in parts if part["type"] != "text" or part["text"]]


def _render_part(
    part: dict[str, Any], values: Mapping[str, Any], where: str, words: Hidden | None
) -> dict[str, Any]:
    text = _templates(part)
    if text is None:
        return part
    filled = template.render(text, values, where, words)
    if part["type"] == "text":
        return {**part, "text": filled}
    if part["type"] == KIND:
        return way_of_part(part, where).part(filled)
    return {**part, "image_url": {**part["image_url"], "url": filled}}


def content_text(content: Any) -> str:
    """The templates of a message's content, one below the other."""
    if isinstance(content, str):
        return content
    pieces = (part_text(part) if part.get("type") == KIND else _templates(part) for part in content)
    return "\n".join(str(piece) for piece in pieces if piece)
