"""A checked prompt as plain JSON, and back without checking or YAML: for caches."""

from __future__ import annotations

from typing import Any

from pex.core.includes import among
from pex.core.project import current_folder
from pex.core.prompt import FIELDS, Prompt
from pex.core.values import WrittenFloat, WrittenInt


def fields_of(prompt: Prompt) -> dict[str, Any]:
    """The fields of a prompt as plain JSON.

    Example:
        >>> prompt = Prompt("Say {{ word }}.", "say", defaults={"word": "hi"})
        >>> prompt_of(fields_of(prompt)) == prompt
        True
    """
    fields = {name: getattr(prompt, name) for name in FIELDS}
    return {
        **fields,
        "examples": list(prompt.examples),
        "messages": list(prompt.messages),
        "file_text": prompt.file_text,
        "origin": prompt.origin,
        "parts": prompt.parts,
        "written": prompt.written,
        # JSON cannot hold how a number was written (`01067`), which is how it is sent.
        "parse": prompt.file_text is not None and _has_written_numbers(fields),
    }


def prompt_of(fields: dict[str, Any]) -> Prompt:
    """The prompt of `fields_of`; its front matter is read when somebody asks for it."""
    text, name, origin = fields["file_text"], fields["name"], fields["origin"]
    if fields["parse"]:
        parsed = Prompt.parse(text, origin or name, name, among(fields["parts"], name))
        return parsed.called(name, origin)
    prompt: Prompt = object.__new__(Prompt)
    # A cache of an earlier version has no examples.
    values: dict[str, Any] = {key: fields[key] for key in FIELDS if key != "examples"}
    values["examples"] = tuple(fields.get("examples", ()))
    values |= {
        "messages": fields["messages"],
        "path": None,
        "file_text": text,
        "source": "",
        "origin": origin,
        "home": current_folder() if origin is not None else None,
        "response_model": None,
        "parts": fields["parts"],
        "written": None if fields["written"] is None else tuple(fields["written"]),
    }
    if text is None:
        values |= {"front": None, "unread": ()}
    for key, value in values.items():
        object.__setattr__(prompt, key, value)
    return prompt


def _has_written_numbers(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_written_numbers, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_has_written_numbers, value))
    return isinstance(value, WrittenInt | WrittenFloat)
