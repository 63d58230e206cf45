"""Text that every file, request and digest can store."""

from __future__ import annotations

import json
from typing import Any

from pex.core.errors import PexError


def whole_text(value: Any, where: str) -> Any:
    r"""A value with strings that can be sent and stored: surrogate pairs become characters.

    Args:
        value: a string, or a list or dict containing strings; other values are not changed.
        where: its place, for the message.

    Raises:
        PexError: a string has a lone half of a character. No file, request or digest can store
            it, and as the intended character is unknown, it is not replaced.

    Example:
        >>> whole_text(["\ud83d\ude00"], "column 'q'") == ["\U0001f600"]
        True
        >>> whole_text("bad \ud800", "column 'q'")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: column 'q': half a character (U+D800) at position 5
          to replace it: text.encode("utf-8", "replace").decode()
    """
    if isinstance(value, str):
        return value if value.isascii() else _whole_str(value, where)
    if isinstance(value, dict):
        return {_whole_str(k, where) if isinstance(k, str) else k: whole_text(v, where)
                for k, v in value.items()}  # fmt: skip
    if isinstance(value, list | tuple):
        return [whole_text(item, where) for item in value]
    return value


def _whole_str(text: str, where: str) -> str:
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        pass
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    try:
        joined.encode()
        return joined
    except UnicodeEncodeError as error:
        half, where = f"U+{ord(joined[error.start]):X}", where.encode("utf-8", "replace").decode()
        raise PexError(
            f"{where}: half a character ({half}) at position {error.start + 1}",
            hint='to replace it: text.encode("utf-8", "replace").decode()',
        ) from None


def replace_surrogates(text: str) -> str:
    r"""`text` with surrogate pairs joined into characters, and a lone half replaced.

    SQLite, Parquet, MLflow and pandas refuse half a surrogate pair.

    Example:
        >>> replace_surrogates("\ud83d\ude00 and \ud83d")
        '😀 and �'
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def value_text(value: Any) -> str:
    """A value in readable form: a string as it is, anything else as JSON.

    Example:
        >>> value_text("a"), value_text([1, "é"]), value_text(None)
        ('a', '[1, "é"]', 'null')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def conflict_line(text: str) -> int | None:
    r"""The line of the first conflict marker that git left in a text; None if there is none.

    Example:
        >>> conflict_line("a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> other\n")
        2
        >>> conflict_line("Title\n=======\n")
    """
    lines = text.splitlines()
    begun = [at for at, line in enumerate(lines, 1) if line.startswith("<<<<<<< ")]
    ended = any(line.startswith(">>>>>>> ") for line in lines)
    return begun[0] if begun and ended else None
