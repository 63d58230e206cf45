"""pex.testing: prompts in a service's own tests, with pytest.

`cases` makes a test of each case of an experiment, `assert_no_worse` compares a prompt with a
baseline. Installing pex installs the plugin; until one of the two is used it imports nothing
else of pex.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pex.testing.answered import AnsweredCase
    from pex.testing.cases_mark import cases
    from pex.testing.no_worse import Verdict, assert_no_worse
    from pex.testing.undecided import Undecided

_HOMES = {
    "AnsweredCase": "answered",
    "Undecided": "undecided",
    "Verdict": "no_worse",
    "assert_no_worse": "no_worse",
    "cases": "cases_mark",
}

__all__ = ["AnsweredCase", "Undecided", "Verdict", "assert_no_worse", "cases"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pex.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"pex.testing.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
