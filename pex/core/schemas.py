"""Linear-time versions of `jsonschema` checks that are quadratic in the length of a list.

An answer, or somebody else's schema, can contain a list of a hundred thousand items.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any


def unique_items(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
    """The keyword `uniqueItems`: items are compared by a canonical string.

    Numbers are equal by value, and booleans are not numbers; the order of an object's keys does not
    matter.
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
    """A string that is the same for values equal in JSON, and different for all others.

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
        return hex(value)  # Python refuses to write more than 4300 decimal digits
    if isinstance(value, dict):
        parts = sorted(
            f"{json.dumps(str(key))}:{equality_key(item)}" for key, item in value.items()
        )
        return f"{{{','.join(parts)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(equality_key, value))}]"
    return repr(value)


def check_schema(kind: Any, schema: Any) -> None:
    """Raise a `jsonschema.SchemaError` if this is not a JSON Schema.

    Args:
        kind: the validator class for the schema's version.
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
