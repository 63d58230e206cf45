"""Values as somebody types them: from a value to its text, and back."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import orjson

from pex.core.cases import Case
from pex.core.text import replace_surrogates, value_text
from pex.core.values import to_json_value


def text_of(value: Any) -> str:
    """A case's value as it is typed; lists and objects as JSON.

    Example:
        >>> text_of("a"), text_of(None), text_of([1, "b"])
        ('a', '', '[1, "b"]')
    """
    return "" if value is None else value_text(value)


def like(value: Any, text: str) -> Any:
    """The value of a text that is typed in place of `value`: a number or a list stays one.

    Example:
        >>> like(3, "4"), like(3, "four"), like("3", "4")
        (4, 'four', '4')
    """
    if value is None or isinstance(value, str) or not text:
        return text
    if text == text_of(value):
        return value
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    numbers = isinstance(found, int | float) and isinstance(value, int | float)
    return found if numbers or type(found) is type(value) else text


def parameter(text: Any) -> Any:
    """The value of a parameter that was typed: a number or JSON if it is one, else a string.

    Example:
        >>> parameter("0."), parameter("8"), parameter('["a"]'), parameter("low"), parameter("nan")
        (0.0, 8, ['a'], 'low', 'nan')
    """
    if not isinstance(text, str):
        return to_json_value(text)
    if re.fullmatch(r"\s*[+-]?(\d+\.\d*|\.\d+)\s*", text):
        return float(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return replace_surrogates(text.strip())


def sound_all(value: Any) -> Any:
    """Plain data whose strings can be sent and stored: a lone half surrogate is replaced."""
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, Mapping):
        return {replace_surrogates(str(name)): sound_all(item) for name, item in value.items()}
    return [sound_all(item) for item in value] if isinstance(value, list | tuple) else value


def sound_case(case: Case) -> Case:
    """A given case, without half surrogates: they cannot be sent."""
    inputs, expected = sound_all(case.inputs), sound_all(case.expected)
    if inputs == case.inputs and expected == case.expected:
        return case
    return dataclasses.replace(case, inputs=inputs, expected=expected)
