"""A pydantic class as the form of an answer: the JSON Schema to request, and parsing the answer.

The schema is strict, as OpenAI's structured outputs require: every property is required, and no
others are allowed. It is created here, not by the openai package, because it is part of the
journal's key: another version of that package must not cause paid answers to be requested again.
"""

from __future__ import annotations

from typing import Any

from pex.core.errors import PexError


def strict_schema(model: Any, where: str) -> dict[str, Any]:
    """The strict JSON Schema of a pydantic class.

    Args:
        model: a subclass of `pydantic.BaseModel`, or a pydantic dataclass.
        where: how to name the prompt in an error.

    Raises:
        PexError: it is not a pydantic class, or has no fields or no JSON Schema.

    Example:
        >>> import pydantic
        >>> class Review(pydantic.BaseModel):
        ...     label: str
        ...     stars: int | None = None
        >>> schema = strict_schema(Review, "prompt 'p'")
        >>> schema["required"], schema["additionalProperties"]
        (['label', 'stars'], False)
    """
    import pydantic

    if not isinstance(model, type) or not hasattr(model, "__pydantic_validator__"):
        raise PexError(
            f"{where}: response_model: expected a pydantic class, got {model!r}",
            hint="a JSON Schema goes into response_schema=",
        )
    try:
        schema = pydantic.TypeAdapter(model).json_schema()
    except (pydantic.errors.PydanticInvalidForJsonSchema, pydantic.errors.PydanticUserError) as bad:
        reason = str(bad).partition("\n")[0]
        raise PexError(f"{where}: response_model '{model.__name__}': {reason}") from None
    root = schema
    if set(schema) <= {"$ref", "$defs"}:  # a class that refers to itself
        root = {**_resolved(schema["$ref"], schema), "$defs": schema["$defs"]}
    if root.get("type") != "object" or not root.get("properties"):
        raise PexError(f"{where}: response_model '{model.__name__}' has no fields")
    strict: dict[str, Any] = _strict(root, root)
    return strict


def read_answer(model: Any, value: Any) -> Any:
    """The object for an answer's JSON value; None if it does not fit the class.

    Args:
        model: the pydantic class.
        value: the JSON value of the answer.
    """
    import pydantic

    from pex.core.canonical_json import canonical_json

    try:
        # As JSON, in which a date or an enum is a string.
        return pydantic.TypeAdapter(model).validate_json(canonical_json(value))
    except (pydantic.ValidationError, PexError):  # a value with 1e999 cannot be written
        return None


def _strict(schema: Any, root: dict[str, Any]) -> Any:
    """A schema made strict, with everything in it."""
    if not isinstance(schema, dict):
        return schema
    ref = schema.get("$ref")
    if isinstance(ref, str) and len(schema) > 1:  # strict schemas allow nothing next to a $ref
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return _strict({**_resolved(ref, root), **rest}, root)
    made = {key: value for key, value in schema.items() if key not in ("default", "discriminator")}
    if "oneOf" in made:  # strict schemas allow only `anyOf`
        made["anyOf"] = made.pop("oneOf")
    for key in ("$defs", "properties"):
        if isinstance(made.get(key), dict):
            made[key] = {name: _strict(item, root) for name, item in made[key].items()}
    for key in ("anyOf", "allOf", "prefixItems"):
        if isinstance(made.get(key), list):
            made[key] = [_strict(item, root) for item in made[key]]
    for key in ("items", "additionalProperties"):
        if key in made:
            made[key] = _strict(made[key], root)
    if made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    if "properties" in made:
        made["required"] = list(made["properties"])
    return made


def _resolved(ref: str, root: dict[str, Any]) -> dict[str, Any]:
    found: Any = root
    for name in ref.removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)
