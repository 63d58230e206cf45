"""A Python function as a tool in OpenAI's form: its name, docstring and type hints."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pex.core.errors import PexError

WORLD = "world"
"""The parameter that gets the case's made world; the model does not know it."""


def as_tool(given: Any, where: str) -> Any:
    """A function as a tool in OpenAI's form; anything else as it is.

    The first paragraph of the docstring is the description, and the type hints are the parameters;
    `Annotated[str, pydantic.Field(description=…)]` describes one.

    Args:
        given: a function, or a tool in OpenAI's form.
        where: how to name the prompt in an error.

    Raises:
        PexError: the function's parameters have no JSON Schema.

    Example:
        >>> def lookup(order_id: str, limit: int = 3, world: dict | None = None):
        ...     "The state of an order."
        >>> tool = as_tool(lookup, "prompt 'desk'")["function"]
        >>> tool["name"], tool["description"]
        ('lookup', 'The state of an order.')
        >>> tool["parameters"]["properties"]
        {'order_id': {'type': 'string'}, 'limit': {'default': 3, 'type': 'integer'}}
        >>> tool["parameters"]["required"]
        ['order_id']
    """
    if isinstance(given, Mapping) or not callable(given):
        return given
    name = getattr(given, "__name__", None)
    if not name or name == "<lambda>":
        raise PexError(f"{where}: tools: a function without a name cannot be a tool")
    function: dict[str, Any] = {"name": name}
    description = " ".join((inspect.getdoc(given) or "").partition("\n\n")[0].split())
    if description:
        function["description"] = description
    function["parameters"] = _parameters(given, f"{where}: tool '{name}'")
    return {"type": "function", "function": function}


def _parameters(function: Callable[..., Any], where: str) -> dict[str, Any]:
    import pydantic

    fields: dict[str, Any] = {}
    try:
        parameters = inspect.signature(function, eval_str=True).parameters.values()
        for parameter in parameters:
            if parameter.name == WORLD or parameter.kind in (
                parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD
            ):  # fmt: skip
                continue
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise PexError(f"{where}: '{parameter.name}' cannot be given by its name")
            kind = Any if parameter.annotation is parameter.empty else parameter.annotation
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (kind, default)
        model = pydantic.create_model("tool", __config__={"extra": "forbid"}, **fields)
        schema = model.model_json_schema()
    except PexError:
        raise
    except Exception as error:  # noqa: BLE001 - a hint may be anything, and so may what it raises
        said = str(error).partition("\n")[0]
        raise PexError(
            f"{where}: its parameters cannot be described by type hints: {said}",
            hint="give the tool in OpenAI's form, with its own JSON Schema",
        ) from None
    return dict(_without_titles(schema))


def _without_titles(schema: Any) -> Any:
    """A schema without the titles that pydantic makes of names."""
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _without_titles(item) for name, item in value.items()}
        if key in ("properties", "$defs") and isinstance(value, dict)
        else _without_titles(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
