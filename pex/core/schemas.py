"""What `jsonschema` does in a time that grows with the square of a list, done in proportion.

An answer, or a schema of somebody else's, may hold a list of a hundred thousand parts.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any


def unique_items(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
    """The keyword `uniqueItems`: each item is compared with all others by what it is written as.

    Numbers are equal by value and no boolean is one; the order of an object's keys does not matter.
    """
    from jsonschema import ValidationError

    if not wanted or not validator.is_type(value, "array"):
        return
    seen: dict[str, int] = {}
    for at, item in enumerate(value):
        first = seen.setdefault(equality_key(item), at)
        if first != at:
            yield ValidationError(f"items {first} and {at} are equal, and all must be different")
            return


def equality_key(value: Any) -> str:
    """A text that is the same for values that are equal in JSON, and for no others.

    Example:
        >>> equality_key({"b": 1.0, "a": [True]}) == equality_key({"a": [True], "b": 1})
        True
        >>> equality_key(1) == equality_key(True), equality_key("1") == equality_key(1)
        (False, False)
    """
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return hex(value)  # Python writes no number of more than 4300 digits as a decimal one
    if isinstance(value, dict):
        parts = sorted(
            f"{json.dumps(str(key))}:{equality_key(item)}" for key, item in value.items()
        )
        return f"{{{','.join(parts)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(equality_key, value))}]"
    return repr(value)


def check_schema(kind: Any, schema: Any) -> None:
    """Raise a `jsonschema.SchemaError` where this is not a JSON Schema.

    Args:
        kind: the validator class of the schema's version.
        schema: any JSON value.
    """
    from jsonschema import SchemaError

    try:
        for error in _of_metaschema(kind).iter_errors(schema):
            raise SchemaError.create_from(error)
    except (RecursionError, OverflowError):
        raise SchemaError("it is nested too deeply, or has a pattern that is too large") from None


@functools.cache
def _of_metaschema(kind: Any) -> Any:
    from jsonschema import validators

    checks = validators.validator_for(kind.META_SCHEMA, default=kind)
    ours = validators.extend(checks, {"uniqueItems": unique_items})  # type: ignore[no-untyped-call]
    return ours(kind.META_SCHEMA, format_checker=checks.FORMAT_CHECKER)
