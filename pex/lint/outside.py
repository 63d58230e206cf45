"""Which variables hold a text from outside: by their values, and where none are known by name."""

from __future__ import annotations

import re
from typing import Any

from pex.lint.subject import Subject

_NAMES_TEXT = """
answer answers article articles attachment blog body chat chunk chunks comment comments
complaint content context conversation doc docs document documents email emails essay excerpt
feedback history html input inquiry letter mail mails message messages news note notes output page
pages paragraph passage passages post posts query question reply report request response results
review reviews search snippet snippets source sources speech story submission text texts thread
ticket tickets transcript tweet turns utterance web
"""
_NAMES = frozenset(_NAMES_TEXT.split())
"""Words in the names of variables that usually hold what somebody else has written."""
_WHOLE_NAMES = frozenset({"code", "data", "diff", "log", "logs"})
"""The same for a name as a whole: a `country_code` is none."""
_LONG = 40
"""Characters: shorter values without a line break are names, dates and choices."""


def is_outside(name: str, subject: Subject) -> bool:
    """Whether a variable holds free text that the prompt's author has not written."""
    known = subject.values.get(name)
    if known:
        return any(_is_free(value) for value in known)
    if name in subject.prompt.defaults:
        return False
    return name.lower() in _WHOLE_NAMES or bool(_NAMES & set(re.split(r"[\W_\d]+", name.lower())))


def _is_free(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > _LONG or "\n" in value.strip()
    if isinstance(value, dict):
        return any(map(_is_free, value.values()))
    return isinstance(value, list) and any(map(_is_free, value))
