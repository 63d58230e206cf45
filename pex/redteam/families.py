"""Which families of attacks test and which may be trained on: a family is one or the other."""

from __future__ import annotations

import hashlib
from typing import Literal, get_args

from pex.core.errors import PexError, nearest

Families = Literal["all", "train", "held_out"]
FAMILIES: tuple[Families, ...] = get_args(Families)
_PART = 3
"""One family in so many is held out."""


def is_held_out(family: str) -> bool:
    """Whether a family tests: by the hash of its name, so it stays what it is for ever.

    Example:
        >>> [is_held_out(name) for name in ("ignore-previous", "new-task", "end-of-data")]
        [True, True, False]
    """
    return hashlib.sha256(f"family {family}".encode()).digest()[0] % _PART == 0


def chosen(family: str, which: str) -> bool:
    """Whether a family is among `all`, those to `train` on, or those `held_out`.

    Raises:
        PexError: `which` is none of the three.
    """
    if which not in FAMILIES:
        raise PexError(f"families: unknown '{which}'", hint=nearest(which, FAMILIES))
    return which == "all" or is_held_out(family) == (which == "held_out")
