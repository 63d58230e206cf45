"""Checks that are added to a draft by hand: scorers with the few options that a form can have."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pex.core.errors import PexError, nearest
from pex.playground.judges import KIND, free_name, judge_of
from pex.score.build import build

EXPECTED = {"kind": "contains", "ignore_case": True}
"""How an answer is compared with the expected one if there are no other scorers."""
MOST = 12
_NAME_CHARS = 24
_SIMPLE: dict[str, dict[str, Any]] = {
    "exact": {"kind": "exact"},
    "expected": EXPECTED,
    "similarity": {"kind": "similarity"},
    "json": {"kind": "json"},
}
_WITH_VALUE = {"contains": "value", "regex": "pattern", "length": "max_words"}


def new_check(kind: str, value: str, taken: Collection[str]) -> dict[str, Any]:
    """A scorer as a file would have it, under a name that no other one has.

    Args:
        kind: exact, expected (contains the expected answer), similarity, json, contains, regex or
            length.
        value: what contains, regex (a pattern) and length (most words) compare with.
        taken: the names of the other scorers.

    Raises:
        PexError: an unknown kind, or a value that the kind cannot use.

    Example:
        >>> new_check("contains", "refund", ())
        {'kind': 'contains', 'value': 'refund', 'name': 'contains-refund'}
        >>> new_check("json", "", {"json"})["name"]
        'json-2'
    """
    if kind in _SIMPLE:
        check = _SIMPLE[kind]
        return {**check, "name": free_name(str(check["kind"]), taken)}
    if kind not in _WITH_VALUE:
        raise PexError(f"there is no check '{kind}'", hint=nearest(kind, [*_SIMPLE, *_WITH_VALUE]))
    if not value.strip():
        raise PexError(f"the check '{kind}' needs a value")
    given: Any = value
    if kind == "length":
        if not value.strip().isdecimal():
            raise PexError(f"at most how many words: expected a whole number, got {value!r}")
        given = int(value)
    check = {"kind": kind, _WITH_VALUE[kind]: given}
    build([check], [])
    if kind == "length":
        return {**check, "name": free_name(f"max-{given}-words", taken)}
    words = re.sub(r"[^A-Za-z0-9]+", "-", value)[:_NAME_CHARS].strip("-")
    return {**check, "name": free_name(f"{kind}-{words}" if words else kind, taken)}


def scorers_of(checks: Sequence[Mapping[str, Any]], variables: Sequence[str]) -> list[Any]:
    """The checks of a draft as the scorers of an experiment.

    Args:
        checks: as the draft keeps them.
        variables: of its prompts.

    Raises:
        PexError: a judge that cannot be made.
    """
    return [
        judge_of(check, variables) if check.get("kind") == KIND else dict(check) for check in checks
    ]


def about_check(check: Mapping[str, Any]) -> str:
    """What a check is, where its name does not say it."""
    if check.get("kind") != KIND:
        return ""
    verdict = "a number from 1 to 5" if check.get("scale") else "yes or no"
    return f"{check['model']} says {verdict}: {check['criteria']}"
