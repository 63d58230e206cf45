"""Names that prompts, experiments, scores and files can have."""

from __future__ import annotations

import re

from pex.core.errors import PexError

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_LONGEST = 100
"""Letters of a file's name; systems take 255, of which endings and digests need some."""


def check_name(name: str, what: str) -> str:
    """Return `name` if it may name a prompt, an experiment or a score.

    MLflow's registry refuses spaces and `/`, its metrics refuse `@` and `(`: what passes here
    can be used in both.

    Raises:
        PexError: another character, or nothing at all.

    Example:
        >>> check_name("review-sentiment", "experiment name")
        'review-sentiment'
        >>> check_name("my prompt", "prompt name")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: prompt name 'my prompt': only letters, digits, '_', '.' and '-' may be used
          for example 'my-prompt'
    """  # noqa: E501 - the message is one line
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    if not name:
        raise PexError(f"{what}: it is empty")
    example = re.sub(r"[^A-Za-z0-9_.-]+", "-", str(name)).strip("-") or "name-1"
    raise PexError(
        f"{what} {name!r}: only letters, digits, '_', '.' and '-' may be used",
        hint=f"for example '{example}'",
    )


def check_file_name(name: str, what: str) -> str:
    """Return `name` if it may name a folder or a file as well: no `..`, nothing hidden or long.

    Raises:
        PexError: it may not.

    Example:
        >>> check_file_name("..", "batch id")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: batch id '..': it begins with '.'
    """
    check_name(name, what)
    if name.startswith("."):
        raise PexError(f"{what} {name!r}: it begins with '.'")
    if len(name) > _LONGEST:
        raise PexError(f"{what} '{name[:20]}…': {len(name)} characters, at most {_LONGEST}")
    return name


def is_file_name(name: str) -> bool:
    """Whether `check_file_name` lets a name pass.

    Example:
        >>> is_file_name("2026-03-10"), is_file_name(".ipynb_checkpoints"), is_file_name("a (copy)")
        (True, False, False)
    """
    return bool(_NAME.fullmatch(name)) and not name.startswith(".") and len(name) <= _LONGEST
