"""Values of cases, parameters and files as plain JSON data, for prompts and the journal.

Numbers from a YAML file keep their spelling (`WrittenInt`, `WrittenFloat`), because `01067` and
`1.10` may be meant as strings; the reader of each field decides.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import math
import numbers
import re
from collections.abc import Mapping
from typing import Any

from pex.core.errors import PexError

_MOST_DIGITS = 400
"""For a `Decimal`; JSON has no limit, but `1E+999999` would be a million digits in a prompt."""


class WrittenInt(int):
    """An integer from a YAML file that JSON would write differently, such as `01067` or `0x1F`."""

    written: str

    def __new__(cls, value: int, written: str) -> WrittenInt:
        """Make one that remembers how it was written."""
        made = super().__new__(cls, value)
        made.written = written
        return made

    def __reduce__(self) -> tuple[type[WrittenInt], tuple[int, str]]:
        return WrittenInt, (int(self), self.written)


class WrittenFloat(float):
    """A float from a YAML file that JSON would write differently, such as `1.10`."""

    written: str

    def __new__(cls, value: float, written: str) -> WrittenFloat:
        """Make one that remembers how it was written."""
        made = super().__new__(cls, value)
        made.written = written
        return made

    def __reduce__(self) -> tuple[type[WrittenFloat], tuple[float, str]]:
        return WrittenFloat, (float(self), self.written)


def as_written(value: Any) -> Any:
    """A YAML value for a field that allows both strings and numbers: as it was written.

    A number stays a number if JSON writes it the same way; else it becomes a string.

    Example:
        >>> as_written([WrittenInt(1067, "01067"), WrittenFloat(1.1, "1.10"), 42, True])
        ['01067', '1.10', 42, True]
    """
    if isinstance(value, WrittenInt | WrittenFloat):
        return value.written
    if isinstance(value, dict):
        return {as_text(key): as_written(item) for key, item in value.items()}
    return [as_written(item) for item in value] if isinstance(value, list) else value


def as_text(value: Any) -> Any:
    """A YAML value for a string field: numbers and booleans become strings as they were written.

    Example:
        >>> as_text(WrittenFloat(1.1, "1.10")), as_text(42), as_text(True), as_text(None)
        ('1.10', '42', 'true', None)
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, WrittenInt | WrittenFloat):
        return value.written
    return str(value) if isinstance(value, int | float) else value


def as_numbers(value: Any) -> Any:
    """A YAML value for a number field: plain numbers, which do not keep their spelling.

    A number with leading zeros becomes a string; other values are not changed.

    Example:
        >>> as_numbers({"a": WrittenFloat(1.1, "1.10"), "zip": WrittenInt(1067, "01067")})
        {'a': 1.1, 'zip': '01067'}
    """
    if isinstance(value, WrittenInt):
        return _plain(value)
    if isinstance(value, WrittenFloat):
        return float(value)
    if isinstance(value, dict):
        return {key: as_numbers(item) for key, item in value.items()}
    return [as_numbers(item) for item in value] if isinstance(value, list) else value


def to_json_value(value: Any) -> Any:
    """The JSON-like form of a value from pandas, numpy, YAML or TOML; missing values are None.

    Dates, times and durations become ISO 8601, `Decimal` and numpy scalars become numbers. A
    YAML number with leading zeros becomes a string: numbers are not written like that.

    Raises:
        PexError: an infinite number, or an object without a JSON form.

    Example:
        >>> to_json_value({"a": float("nan"), 1: (True, "x"), "d": decimal.Decimal("1.50")})
        {'a': None, '1': [True, 'x'], 'd': 1.5}
        >>> to_json_value({"when": datetime.date(2026, 11, 28), "zip": WrittenInt(1067, "01067")})
        {'when': '2026-11-28', 'zip': '01067'}
    """
    try:
        return _plain(value)
    except RecursionError:
        raise PexError("a value that contains itself, or is nested too deeply") from None


def missing(value: Any) -> bool:
    """Whether a value from a table is missing: None, NaN, pandas' NA and NaT.

    Example:
        >>> missing(None), missing(float("nan")), missing(""), missing([float("nan")])
        (True, True, False, False)
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, numbers.Real) and bool(value != value)


def is_json_value(value: Any) -> bool:
    """Whether a value is already JSON data, so `to_json_value` would only copy it.

    Example:
        >>> is_json_value({"a": [1, None]}), is_json_value({"a": (1,)}), is_json_value({1: "a"})
        (True, False, False)
    """
    try:
        return _is_plain(value)
    except RecursionError:
        return False


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    if kind is list:
        return all(map(_is_plain, value))
    return value is None or kind in (str, int, bool) or (kind is float and math.isfinite(value))


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):  # a subclass (numpy's, ruamel's, an enum's) becomes a plain string
        return str.__str__(value)
    if isinstance(value, int):
        padded = isinstance(value, WrittenInt) and re.match(r"[-+]?0\d", value.written)
        return value.written if isinstance(value, WrittenInt) and padded else int(value)
    if isinstance(value, float):
        return _number(float(value))
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, decimal.Decimal):
        return _of_decimal(value)
    if isinstance(value, datetime.timedelta) or hasattr(value, "isoformat"):
        return _of_time(value)
    if type(value).__name__ == "NAType":  # pandas' missing value
        return None
    if _is_array(value):
        return _of_numpy(value)
    raise _refused(value)


def _number(value: float) -> float | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise PexError("an infinite number cannot be stored as JSON")
    return value


def _mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, item in value.items():
        name = _key(key)
        if name in made:
            raise PexError(f"two keys are both '{name}' when written as text")
        made[name] = _plain(item)
    return made


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, WrittenInt | WrittenFloat):
        return key.written
    found = key if isinstance(key, bool) or key is None else _plain(key)
    if isinstance(found, list | dict):
        raise PexError(f"a key of type {type(key).__name__} cannot be stored as JSON: {key!r}")
    return str(found)


def _of_decimal(value: decimal.Decimal) -> int | float | None:
    if value.is_nan():
        return None
    if value.is_infinite() or value.adjusted() > _MOST_DIGITS:
        return _number(math.inf)
    exponent = value.as_tuple().exponent
    whole = value == value.to_integral_value()
    if whole and (abs(value) > 2**53 or (isinstance(exponent, int) and exponent >= 0)):
        return int(value)
    return _number(float(value))


def _of_time(value: Any) -> str | None:
    if value != value:  # pandas' NaT
        return None
    if hasattr(value, "isoformat"):  # also pandas' Timedelta, which has nanoseconds
        return str(value.isoformat())
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    part = f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    return f"P{value.days}DT{hours}H{minutes}M{seconds}{part}S"


def _is_array(value: Any) -> bool:
    """Whether a value is a numpy scalar or array, or a pandas column."""
    return hasattr(value, "dtype") and hasattr(value, "tolist")


def _of_numpy(value: Any) -> Any:
    kind = getattr(value.dtype, "kind", "O")
    if getattr(value, "ndim", 0) > 0:
        # `tolist` turns dates with nanoseconds into integers, so each item is converted by itself.
        return [_plain(item) for item in (value if kind in "mM" else value.tolist())]
    if kind in "mM":
        return _of_datetime64(value[()])
    found = value.tolist()
    if type(found) is type(value):  # a long double, which Python has no type for
        return _number(float(value))
    return _plain(found)


def _of_datetime64(value: Any) -> str | None:
    import numpy as np

    if np.isnat(value):
        return None
    dates = value.dtype.kind == "M"
    days_or_more = np.datetime_data(value.dtype)[0] in ("D", "W", "M", "Y")
    if dates and days_or_more:
        return str(value.astype("datetime64[D]"))
    if not dates and np.datetime_data(value.dtype)[0] in ("M", "Y"):
        raise _refused(value)  # months have no fixed length
    rough = value.astype("datetime64[us]" if dates else "timedelta64[us]")
    item = rough.item()
    if rough == value and not isinstance(item, int):
        return _of_time(item)
    if not dates:
        raise _refused(value)
    return str(value)


def _refused(value: Any) -> PexError:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:79]}…"
    return PexError(
        f"a value of type {type(value).__name__} cannot be stored as JSON: {shown}",
        hint=_advice(value),
    )


def _advice(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return "give its .value"
    if isinstance(value, set | frozenset):
        return "a set has no order: give sorted(…)"
    if isinstance(value, bytes | bytearray | memoryview):
        return "give text, for example by .decode(); bytes can be a PDF, an image, WAV or MP3"
    if hasattr(value, "model_dump"):
        return "give its .model_dump()"
    if hasattr(value, "__next__") or isinstance(value, range):
        return "give list(…)"
    return "give text, a number, a boolean, a list, a dict or None"
