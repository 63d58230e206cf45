"""Scorers of pex as asserts of promptfoo, for one case."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from pex.core.case import Case
from pex.exporters.exported import as_string

Assert = dict[str, Any]
Made = tuple[Assert | None, str]
"""The assert, None if there is none, and what is different or why."""

_NO_EXPECTED = "cases without an expected answer are not scored by it"


def assert_of(item: Mapping[str, Any], case: Case) -> Made:
    """The assert of promptfoo that does what a scorer does.

    Args:
        item: the scorer as in `experiment.yaml`, always with `kind`.
        case: the case, whose expected answer it may need.

    Returns:
        The assert, None if there is none for this case; and what it does differently, or why there
        is none, empty if it does the same.

    Example:
        >>> assert_of({"kind": "contains"}, Case("1", {}, "blue"))
        ({'type': 'icontains', 'value': 'blue'}, '')
        >>> assert_of({"kind": "latency", "max_s": 1.5}, Case("1", {}))
        ({'type': 'latency', 'threshold': 1500}, '')
    """
    kind = str(item["kind"]) if ":" not in str(item["kind"]) else "function"
    if item.get("turns", "last") != "last":
        return None, f"it looks at turns: {item['turns']}"
    make = _MAKERS.get(kind)
    if make is None:
        return None, _WHY.get(kind, f"promptfoo has no assert like '{kind}'")
    options = {key: value for key, value in item.items() if key not in ("kind", "name", "checks")}
    column = options.pop("column", None)
    return make(options, case.inputs.get(column) if column else case.expected)


def _plain(value: Any) -> str:
    """A value without template marks of promptfoo, which fills in the values of asserts."""
    text = as_string(value)
    return f"{{% raw %}}{text}{{% endraw %}}" if "{{" in text or "{%" in text else text


def _exact(options: Mapping[str, Any], expected: Any) -> Made:
    if expected is None:
        return None, _NO_EXPECTED
    how = ""
    if options.get("strip", True):
        how = "promptfoo's equals does not ignore spaces around an answer"
    if options.get("ignore_case"):
        pattern = "".join(
            f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else re.escape(letter)
            for letter in as_string(expected)
        )
        return {"type": "regex", "value": rf"^\s*{pattern}\s*$"}, ""
    return {"type": "equals", "value": _plain(expected)}, how


def _contains(options: Mapping[str, Any], expected: Any) -> Made:
    wanted = options.get("value")
    wanted = expected if wanted is None else wanted
    if wanted is None:
        return None, _NO_EXPECTED
    word = "icontains" if options.get("ignore_case", True) else "contains"
    if isinstance(wanted, list):
        return {"type": f"{word}-all", "value": [_plain(part) for part in wanted]}, ""
    return {"type": word, "value": _plain(wanted)}, ""


def _regex(options: Mapping[str, Any], expected: Any) -> Made:
    pattern = options.get("pattern")
    pattern = expected if pattern is None else pattern
    if pattern is None:
        return None, _NO_EXPECTED
    if options.get("full"):
        pattern = f"^(?:{pattern})$"
    how = "upper and lower case differ in promptfoo's regex" if options.get("ignore_case") else ""
    return {"type": "regex", "value": _plain(pattern)}, how


def _label(options: Mapping[str, Any], expected: Any) -> Made:
    if expected is None:
        return None, _NO_EXPECTED
    how = "icontains, which also passes an answer that names another label besides"
    return {"type": "icontains", "value": _plain(expected)}, how


def _json(options: Mapping[str, Any], expected: Any) -> Made:
    schema = options.get("schema")
    if isinstance(schema, str):
        return {"type": "is-json"}, f"without its schema, the file {schema}"
    return {"type": "is-json", **({"value": json.loads(json.dumps(schema))} if schema else {})}, ""


def _latency(options: Mapping[str, Any], expected: Any) -> Made:
    if options.get("max_s") is None:
        return None, "it is a number without a limit"
    return {"type": "latency", "threshold": round(options["max_s"] * 1000)}, ""


_MAKERS: dict[str, Callable[[Mapping[str, Any], Any], Made]] = {
    "exact": _exact,
    "contains": _contains,
    "regex": _regex,
    "label": _label,
    "json": _json,
    "latency": _latency,
}
_WHY = {
    "judge": "its prompt and scale are pex's: see promptfoo's llm-rubric",
    "goal": "its prompt is pex's: see promptfoo's llm-rubric",
    "function": "a function of Python: see promptfoo's assert 'python'",
    "similarity": "it is a number without a limit: see promptfoo's levenshtein",
    "number": "promptfoo compares numbers only with code: see its assert 'javascript'",
    "length": "promptfoo counts only with code: see its assert 'javascript'",
}
