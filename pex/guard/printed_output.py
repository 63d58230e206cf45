r"""Removes keys from a process's output, even if split, coloured, wrapped or inside tags.

A key printed in two pieces is in neither of them, and a coloured one has escape codes inside it.
So pieces that belong together are joined, and formatting is ignored during the search.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence
from typing import Any

from pex.guard.key_shapes import MASK
from pex.guard.known_keys import Known

_FORMAT = re.compile(
    r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]"  # colours and similar
    r"|\x1b\][^\x07\x1b]{0,4000}(?:\x07|\x1b\\)"  # links, titles
    r"|\x1b[@-Z\\^_=>()#][0-9A-B]?"
    r"|[ \t│|]{0,200}[\r\n]+[ \t│|]{0,200}"  # a wrapped line, possibly in a frame
    r"|</?[A-Za-z][^<>]{0,2000}>"
    r"|[\x00-\x08\u200b\u2060\ufeff\u00ad]"
)


def masked(text: str, known: Known) -> str:
    r"""Printed text, without keys.

    Args:
        text: any text.
        known: the values to remove.

    Example:
        >>> masked("\x1b[31mopen-\x1b[1msesame\x1b[0m, open-\n  sesame", Known(["open-sesame"]))
        '\x1b[31m[redacted]\x1b[0m, [redacted]'
    """
    return pieces([text], known)[0]


def pieces(texts: Sequence[str], known: Known) -> list[str]:
    """Pieces of one text, without keys, including keys that span several pieces.

    Args:
        texts: the pieces, in order.
        known: the values to remove.

    Example:
        >>> pieces(["it is open-", "ses", "ame, really"], Known(["open-sesame"]))
        ['it is [redacted]', '', ', really']
    """
    if not known:
        return list(texts)
    cleaned = [known.masked(text) for text in texts]
    whole = "".join(cleaned)
    spans = find(whole, known)
    return _cut(cleaned, spans) if spans else cleaned


def find(text: str, known: Known) -> list[tuple[int, int]]:
    r"""The positions of keys in a printed text, in order and without overlaps.

    Args:
        text: any text.
        known: the values to look for.

    Example:
        >>> find("open-\n sesame", Known(["open-sesame"]))
        [(0, 13)]
    """
    if not known:
        return []
    squeezed, starts, shifts = _squeezed(text)
    spans = [*known.spans(text)]
    spans += [
        (_back(first, starts, shifts), _back(last - 1, starts, shifts) + 1)
        for first, last in known.spans(squeezed)
    ]
    return _joined(spans)


def content(value: Any, known: Known) -> Any:
    """JSON such as a notebook, without keys, also in names; lists and dicts are changed in place.

    Args:
        value: any JSON value.
        known: the values to remove.
    """
    if isinstance(value, str):
        return masked(value, known)
    if isinstance(value, dict):
        for name in [name for name in value if isinstance(name, str) and known.within(name)]:
            value[masked(name, known)] = value.pop(name)
        for name, item in value.items():
            value[name] = content(item, known)
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            value[:] = _lines(value, known)
        else:
            value[:] = [content(item, known) for item in value]
            streams(value, known)
    return value


def streams(outputs: Sequence[Any], known: Known) -> None:
    """Remove keys printed in pieces; a cell's outputs are changed in place.

    Args:
        outputs: a cell's outputs, in notebook format.
        known: the values to remove.
    """
    shown = [item for item in outputs if _is_stream(item)]
    names = {item["name"] for item in shown}
    groups = [[item for item in shown if item["name"] == name] for name in sorted(names)]
    for group in [*groups, shown] if len(groups) > 1 else groups:
        if len(group) > 1:
            texts = pieces([_text(item) for item in group], known)
            for item, text in zip(group, texts, strict=True):
                if text != _text(item):
                    item["text"] = text


def _is_stream(item: Any) -> bool:
    return (
        isinstance(item, dict)
        and item.get("output_type") == "stream"
        and isinstance(item.get("name"), str)
        and isinstance(item.get("text"), str | list)
    )


def _text(item: dict[str, Any]) -> str:
    return item["text"] if isinstance(item["text"], str) else "".join(map(str, item["text"]))


def _lines(texts: list[str], known: Known) -> list[str]:
    """A list of strings, such as a traceback; a key can continue from one into the next."""
    # A traceback's strings do not contain the line breaks between them.
    cleaned = pieces([f"{text}\n" for text in texts], known)
    return [text.removesuffix("\n") for text in cleaned]


def _squeezed(text: str) -> tuple[str, list[int], list[int]]:
    """The text without formatting; where each part begins in it, and the offset of that part."""
    parts, starts, shifts = [], [0], [0]
    end = length = 0
    for found in _FORMAT.finditer(text):
        parts.append(text[end : found.start()])
        length += found.start() - end
        end = found.end()
        starts.append(length)
        shifts.append(end - length)
    parts.append(text[end:])
    return "".join(parts), starts, shifts


def _back(at: int, starts: list[int], shifts: list[int]) -> int:
    """The position in the original text of a character of the squeezed text."""
    return at + shifts[bisect.bisect_right(starts, at) - 1]


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _cut(texts: list[str], spans: list[tuple[int, int]]) -> list[str]:
    """The pieces without these spans of the whole text; the mask replaces each at its beginning."""
    cut, begin = [], 0
    for text in texts:
        end, at, kept = begin + len(text), begin, []
        for first, last in spans:
            if last <= begin or first >= end:
                continue
            kept.append(text[at - begin : max(first, begin) - begin])
            if first >= begin:
                kept.append(MASK)
            at = min(last, end)
        cut.append("".join([*kept, text[at - begin :]]))
        begin = end
    return cut
