"""Replies that nothing has to run for: recorded with a case, or made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pex.core import jsontext
from pex.core.canonical_json import canonical_json, canonical_text
from pex.core.errors import PexError
from pex.score.reading import shorten
from pex.tools.spec import MadeSpec

_PLACE = re.compile(r"\{(\w+)\}")


class RecordedReplies:
    """The recorded replies of a case, for one path.

    A call gets the reply that was recorded for its name and arguments; if there are several, one
    after the other, and the last of them again. A call that was recorded with no such arguments
    gets the next reply of its name that no call has had.

    Args:
        entries: `{name, arguments, reply}`, in the order in which they were recorded.

    Example:
        >>> replies = RecordedReplies([
        ...     {"name": "look", "arguments": {"id": 1}, "reply": "one"},
        ...     {"name": "look", "arguments": {"id": 2}, "reply": {"n": 2}}])
        >>> replies.take("look", {"id": 2}), replies.take("look", {"id": 3})
        ('{"n":2}', 'one')
        >>> replies.take("look", {"id": 4}) is None
        True
    """

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self._entries = [
            (entry["name"], _canonical(entry.get("arguments")), canonical_text(entry["reply"]))
            for entry in entries
        ]
        self._left = set(range(len(self._entries)))

    def take(self, name: str, arguments: Any) -> str | None:
        """The reply to a call; None if none was recorded for it, or all have been given."""
        wanted = _canonical(arguments)
        alike = [
            at for at, (own, given, _) in enumerate(self._entries)
            if own == name and given == wanted
        ]  # fmt: skip
        fresh = [at for at in alike if at in self._left]
        if not alike:
            fresh = [at for at in sorted(self._left) if self._entries[at][0] == name]
        at = fresh[0] if fresh else alike[-1] if alike else None
        if at is None:
            return None
        self._left.discard(at)
        return self._entries[at][2]


def _canonical(arguments: Any) -> bytes:
    if isinstance(arguments, str):
        try:
            arguments = jsontext.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError):
            return b"text:" + str(arguments).encode("utf-8", "replace")
    return canonical_json(_plain_numbers({} if arguments is None else arguments))


def _plain_numbers(value: Any) -> Any:
    """Numbers by their value: 7.0 and 7 are the same argument."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain_numbers(item) for key, item in value.items()}
    return [_plain_numbers(item) for item in value] if isinstance(value, list) else value


def recorded_entries(value: Any, column: str, case_id: str) -> list[dict[str, Any]]:
    """The recorded replies in a column of a case, which may be JSON text.

    Raises:
        PexError: it is not a list of `{name, arguments, reply}`.
    """
    where = f"case '{case_id}': {column}"
    if value is None or value == "":
        return []
    if isinstance(value, str):
        try:
            value = jsontext.loads(value)
        except (ValueError, RecursionError):
            raise PexError(f"{where}: expected a list as JSON, got {shorten(value)!r}") from None
    if not isinstance(value, Sequence):
        raise PexError(f"{where}: expected a list, got {type(value).__name__}")
    for number, entry in enumerate(value, 1):
        if (
            not isinstance(entry, Mapping)
            or not isinstance(entry.get("name"), str)
            or "reply" not in entry
        ):
            raise PexError(
                f"{where}: entry {number} is not a recorded reply",
                hint='expected {"name": "lookup", "arguments": {…}, "reply": …}',
            )
    return [dict(entry) for entry in value]


def made_reply(spec: MadeSpec, arguments: Any) -> str:
    """The reply that is written down for these arguments.

    In its texts, `{name}` stands for an argument.

    Example:
        >>> spec = MadeSpec(kind="made", reply="Order {order_id} is on its way, {name}.")
        >>> made_reply(spec, {"order_id": "A1"})
        'Order A1 is on its way, {name}.'
    """
    given = arguments if isinstance(arguments, Mapping) else {}
    reply = spec.reply
    for entry in spec.replies:
        if all(
            name in given and _canonical([given[name]]) == _canonical([value])
            for name, value in entry.arguments.items()
        ):
            reply = entry.reply
            break
    return canonical_text(_filled(reply, given))


def _filled(value: Any, given: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _PLACE.sub(
            lambda place: canonical_text(given[place[1]]) if place[1] in given else place[0], value
        )
    if isinstance(value, dict):
        return {key: _filled(item, given) for key, item in value.items()}
    return [_filled(item, given) for item in value] if isinstance(value, list) else value
