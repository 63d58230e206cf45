"""What is typed as JSON in a variant: its tools, and the schema of its answers.

Every keystroke in a variant reads them, so what was read is remembered; it is not changed.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any

from pex.core import jsontext
from pex.core.errors import PexError
from pex.core.params import check_tools
from pex.core.schemas import check_schema

_DECODER = json.JSONDecoder()
_SPACE = " \t\n\r"


def text_of_json(value: Any) -> str:
    """A value as it is shown to be edited; "" for None."""
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)


@functools.lru_cache(maxsize=64)
def tools_of(text: str) -> list[dict[str, Any]] | None:
    r"""The tools that a text lists; None if it is empty.

    Raises:
        PexError: it is not valid JSON, or they are not tools; the line is in the message.

    Example:
        >>> tools_of('[\n  {"type": "function"}\n]')
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: tools, line 2: tool 1: it has no name
          expected {"type": "function", "function": {"name": …, "parameters": …}}
    """
    found = _read(text, "tools")
    if found is None:
        return None
    try:
        check_tools(found, "tools")
    except PexError as error:
        said = error.message.removeprefix("tools: ").removeprefix("tools: ")
        line = line_of(text, _wrong_tool(found))
        raise PexError(f"tools, line {line}: {said}", hint=error.hint) from None
    return list(found)


@functools.lru_cache(maxsize=64)
def schema_of(text: str) -> dict[str, Any] | None:
    r"""The JSON Schema that a text says; None if it is empty.

    Raises:
        PexError: it is not valid JSON, or not a JSON Schema; the line is in the message.

    Example:
        >>> schema_of('{"type": "object",\n "properties": {"label": {"type": "text"}}}')
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: schema, line 2: properties.label.type: 'text' is not valid under any of the given schemas
    """  # noqa: E501 - the message is one line
    from pex.score.structured import follows

    found = _read(text, "schema")
    if found is None:
        return None
    if not isinstance(found, dict) or not found:
        raise PexError("schema, line 1: expected an object with the schema of the answer")
    error = _schema_error(found)
    if error is not None:
        line = line_of(text, error.absolute_path)
        place = ".".join(map(str, error.absolute_path))
        raise PexError(f"schema, line {line}: {place + ': ' if place else ''}{error.message}")
    follows(found)
    return found


def line_of(text: str, path: Sequence[Any]) -> int:
    r"""The line of a part of a JSON text, from 1.

    Args:
        text: valid JSON.
        path: keys and numbers that lead to the part; it may lead further than the text does.

    Example:
        >>> line_of('{"a": 1,\n "b": [\n 2,\n 3]}', ["b", 1])
        4
    """
    at: int | None = _skip(text, 0)
    line = 1
    for part in (*path, None):
        if at is None:
            break
        line = text.count("\n", 0, at) + 1
        at = _child(text, at, part) if part is not None else None
    return line


def _read(text: str, what: str) -> Any:
    if not text.strip():
        return None
    try:
        return jsontext.loads(text)
    except json.JSONDecodeError as error:
        raise PexError(f"{what}, line {error.lineno}: not valid JSON: {error.msg}") from None
    except ValueError as error:
        raise PexError(f"{what}: {error}") from None


def _wrong_tool(tools: Any) -> list[Any]:
    """The path to what is wrong with the tools."""
    if not isinstance(tools, list):
        return []
    for number in range(len(tools)):
        try:
            check_tools(tools[: number + 1], "")
        except PexError:
            break
    else:
        return []
    function = tools[number].get("function") if isinstance(tools[number], dict) else None
    schema = function.get("parameters") if isinstance(function, dict) else None
    error = _schema_error(schema) if isinstance(schema, dict) else None
    path = ["function", "parameters", *error.absolute_path] if error is not None else []
    return [number, *path]


def _schema_error(schema: dict[str, Any]) -> Any:
    import jsonschema

    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        check_schema(kind, schema)
    except jsonschema.SchemaError as error:
        return error
    return None


def _child(text: str, at: int, part: Any) -> int | None:
    """Where the value of a key or the item of a number begins; None if there is none."""
    if text[at] not in "{[":
        return None
    is_object, number = text[at] == "{", 0
    at = _skip(text, at + 1)
    while text[at] not in "}]":
        key: Any = number
        if is_object:
            key, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        if key == part:
            return at
        _, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
        number += 1
    return None


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at
