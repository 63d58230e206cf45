"""The properties of the `.prompty` format (`outputs`, `parameters` of a tool) as JSON Schemas."""

from __future__ import annotations

from typing import Any

from pex.core.errors import PexError, nearest
from pex.core.values import as_text, to_json_value

KINDS = ("string", "integer", "float", "number", "boolean", "array", "object")


def response_format(schema: dict[str, Any]) -> dict[str, Any]:
    """The request field that makes an OpenAI-compatible endpoint follow a JSON Schema."""
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }


def to_schema(outputs: Any, where: str) -> dict[str, Any]:
    """The JSON Schema of a list of output properties, all required and no others allowed.

    Example:
        >>> to_schema([{"name": "n", "kind": "integer", "nullable": True}], "p")["properties"]
        {'n': {'type': ['integer', 'null']}}
    """
    properties = {item["name"]: _property(item, where) for item in named(outputs, where)}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def tool_schema(parameters: Any, where: str, *, strict: bool, bound: Any) -> dict[str, Any]:
    """The JSON Schema of a tool's parameters; those without `required: true` are optional.

    Args:
        parameters: properties, or a JSON Schema, which is used as it is.
        where: how to name them in an error.
        strict: whether the endpoint checks the arguments; then every parameter is required, and
            optional ones can be null.
        bound: names of parameters that the model does not choose.

    Example:
        >>> tool_schema({"city": {"kind": "string", "required": True}, "unit": {"kind": "string"}},
        ...     "p", strict=False, bound=())["required"]
        ['city']
    """
    if not parameters:
        return {"type": "object", "properties": {}}
    if isinstance(parameters, dict) and isinstance(parameters.get("type"), str):
        return dict(to_json_value(parameters))
    items = [item for item in named(parameters, where) if item["name"] not in bound]
    chosen = [item["name"] for item in items if strict or item.get("required") is True]
    if strict:
        items = [
            item if item.get("required") is True else item | {"nullable": True} for item in items
        ]
    return to_schema(items, where) | {"required": chosen}


def to_outputs(schema: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Flat output properties for `schema`, or None if they cannot express it."""
    outputs = []
    for name, item in schema.get("properties", {}).items():
        kinds = item.get("type")
        nullable = isinstance(kinds, list)
        kind = next((k for k in kinds if k != "null"), None) if nullable else kinds
        if kind not in KINDS:
            return None
        entry: dict[str, Any] = {"name": name, "kind": kind}
        if item.get("description"):
            entry["description"] = item["description"]
        if item.get("enum"):
            entry["enumValues"] = [value for value in item["enum"] if value is not None]
        if nullable:
            entry["nullable"] = True
        outputs.append(entry)
    return outputs if outputs and to_schema(outputs, "") == schema else None


def named(items: Any, where: str) -> list[dict[str, Any]]:
    """Properties as a list with names, from any form used in files.

    Example:
        >>> named({"city": {"kind": "string"}, "n": 3}, "p")
        [{'name': 'city', 'kind': 'string'}, {'name': 'n', 'default': 3}]
    """
    if isinstance(items, dict) and set(items) == {"properties"}:
        items = items["properties"]
    if isinstance(items, dict):
        items = [{"name": as_text(name), **_entry(item)} for name, item in items.items()]
    if not isinstance(items, list):
        raise PexError(f"{where}: expected names with their kinds, got {items!r}")
    for item in items:
        if not isinstance(item, dict) or as_text(item.get("name")) in (None, ""):
            raise PexError(f"{where}: each entry needs a name: {item!r}")
    return [{**item, "name": as_text(item["name"])} for item in items]


def of_kind(value: Any, kind: str | None) -> Any:
    """A value from a file, according to its kind: a string as it was written, else a number.

    Example:
        >>> of_kind(["a", 1], "string"), of_kind(1, "integer")
        (['a', '1'], 1)
    """
    if kind not in (None, "string"):
        return to_json_value(value)
    return [as_text(item) for item in value] if isinstance(value, list) else as_text(value)


def _entry(item: Any) -> dict[str, Any]:
    """A property from the value after its name: its fields, or only its default value."""
    if item is None:
        return {}
    fields = ("kind", "type", "description", "required", "default", "example", "sample",
              "enumValues", "nullable", "items", "properties", "title", "strict")  # fmt: skip
    if isinstance(item, dict) and (not item or any(key in fields for key in item)):
        return item
    return {"default": item}


def _property(item: dict[str, Any], where: str) -> dict[str, Any]:
    kind = str(item.get("kind") or item.get("type") or "string")
    if kind not in KINDS:
        raise PexError(
            f"{where}: '{item.get('name')}' has kind '{kind}'", hint=nearest(kind, KINDS)
        )
    schema: dict[str, Any] = {"type": "number" if kind == "float" else kind}
    if kind == "object" and item.get("properties"):
        schema = to_schema(item["properties"], where)
    if kind == "array" and item.get("items"):
        if not isinstance(item["items"], dict):
            raise PexError(f"{where}: '{item.get('name')}': items must be keys with values")
        schema["items"] = _property(dict(item["items"]), where)
    if item.get("description"):
        schema["description"] = as_text(item["description"])
    if item.get("enumValues"):
        if not isinstance(item["enumValues"], list):
            raise PexError(
                f"{where}: '{item.get('name')}': enumValues: expected a list, "
                f"got {item['enumValues']!r}"
            )
        schema["enum"] = of_kind(item["enumValues"], kind)
    if item.get("nullable"):
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema and None not in schema["enum"]:
            schema["enum"].append(None)
    return schema
