"""What somebody thinks of answers: a thumb and a note, each of one text."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from pex.core.errors import PexError
from pex.core.text import replace_surrogates

THUMBS = ("up", "down", "")
MOST = 5_000
"""So many are kept; the oldest are dropped first."""
MOST_CHARS = 4_000
"""Characters of a note."""


@dataclasses.dataclass(frozen=True, slots=True)
class Feedback:
    """A thumb ("up", "down" or "" for none) and a note."""

    thumb: str = ""
    note: str = ""


class FeedbackBook:
    """The feedback on a draft's answers: it belongs to a text, and another answer has none.

    Args:
        kept: what `to_json` returned.

    Raises:
        PexError: that is not feedback.

    Example:
        >>> book = FeedbackBook()
        >>> book.put({"cell": "v|c", "id": "1f", "thumb": "up"})
        'v|c'
        >>> book.put({"cell": "v|c", "id": "1f", "note": "concise"})
        'v|c'
        >>> book.of("v|c", "1f"), book.of("v|c", "2e")
        (Feedback(thumb='up', note='concise'), Feedback(thumb='', note=''))
    """

    def __init__(self, kept: Mapping[str, Any] | None = None) -> None:
        self._all: dict[str, Feedback] = {}
        for name, item in (kept or {}).items():
            self._all[name] = Feedback(_thumb(item["thumb"]), _note(item["note"]))

    def of(self, cell: str, text: str) -> Feedback:
        """The feedback on an answer.

        Args:
            cell: `<variant id>|<case id>`.
            text: the id of the answer's text.
        """
        return self._all.get(f"{cell}|{text}", Feedback())

    def put(self, act: Mapping[str, Any]) -> str:
        """Take what somebody says about an answer; what is not in the act stays.

        Args:
            act: `cell` and `id`, the text's; `thumb`, `note` or both.

        Returns:
            The cell.

        Raises:
            PexError: there is no such thumb, or the note is no string or too long.
        """
        cell, text = str(act.get("cell")), str(act.get("id") or "")
        if not text:
            raise PexError("there is no answer to give feedback on")
        before = self.of(cell, text)
        thumb = _thumb(act["thumb"]) if "thumb" in act else before.thumb
        note = _note(act["note"]) if "note" in act else before.note
        self._all.pop(f"{cell}|{text}", None)
        if thumb or note:
            self._all[f"{cell}|{text}"] = Feedback(thumb, note)
        while len(self._all) > MOST:
            del self._all[next(iter(self._all))]
        return cell

    def cells(self) -> set[str]:
        """The cells with feedback on an answer that they have or had."""
        return {name.rpartition("|")[0] for name in list(self._all)}

    def to_json(self) -> dict[str, dict[str, str]]:
        """All of it as plain data, by `<variant id>|<case id>|<text id>`."""
        now = list(self._all.items())  # a draft is saved on another thread
        return {name: dataclasses.asdict(item) for name, item in now}


def text_id(text: str) -> str:
    """What an answer's text is known by: another text has another one.

    Example:
        >>> text_id("positive")
        'afa6e9ab3ac6'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def without_cases(kept: Mapping[str, Any], entries: Iterable[str]) -> dict[str, Any]:
    """Plain data by cell, or by cell and text, without that of some cases.

    Example:
        >>> without_cases({"v|c": 1, "v|d|1f": 2}, ["d"])
        {'v|c': 1}
    """
    gone = set(entries)
    return {name: item for name, item in kept.items() if name.split("|")[1] not in gone}


def _thumb(value: Any) -> str:
    if value not in THUMBS:
        raise PexError(f"expected the thumb 'up', 'down' or '', got {value!r}")
    return str(value)


def _note(value: Any) -> str:
    if not isinstance(value, str):
        raise PexError(f"expected a string, got {type(value).__name__}")
    if len(value) > MOST_CHARS:
        raise PexError(f"a note of {len(value):,} characters is too long, at most {MOST_CHARS:,}")
    return replace_surrogates(value)
