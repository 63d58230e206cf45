"""Names for prompts, experiments, scores and files."""

from __future__ import annotations

import re

from pex.core.errors import PexError

LIBRARY = "library:"
"""The prefix of a reference to a library prompt, used in place of a file path."""

ROLES = ("system", "developer", "user", "assistant")
"""Who a chat message can be from."""

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_LONGEST = 100
"""Characters of a file name; systems allow 255, and extensions and digests need some of them."""


def check_name(name: str, what: str) -> str:
    """Return `name` if it is valid for a prompt, an experiment or a score.

    MLflow's registry refuses spaces and `/`, its metrics refuse `@` and `(`: names that pass here
    work in both.

    Raises:
        PexError: the name has another character or is empty.

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
    """Return `name` if it is also valid for a folder or file: no `..`, not hidden, not too long.

    Raises:
        PexError: it is not valid.

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
    """Whether a name passes `check_file_name`.

    Example:
        >>> is_file_name("2026-03-10"), is_file_name(".ipynb_checkpoints"), is_file_name("a (copy)")
        (True, False, False)
    """
    return bool(_NAME.fullmatch(name)) and not name.startswith(".") and len(name) <= _LONGEST
