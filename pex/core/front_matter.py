"""Finds the front matter of a prompt file.

If a file's front matter were not recognised, the file would be sent as it is and its parameters
lost. So anything that looks like front matter is either read or an error that names the line.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence

from pex.core.errors import PexError

_BREAK = re.compile(r"\r\n|\n|\r")
_ANY_BREAK = re.compile("\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
"""Also characters that editors show as a new line, though no file format treats them as one."""

_UNSEEN = "\ufeff\u200b\u200c\u200d\u2060\x00"
_FENCE = re.compile(r"[ \t]*(?:---|\+\+\+)[ \t]*")
_NEAR_FENCE = re.compile(r"\W*(?:[-+=~*_.–—−]{2,}|`{3,}).*|\s*[–—]\s*")
"""Possible attempts at a fence; editors turn three hyphens into one dash."""
_KEY = re.compile(r"""(["']?)([A-Za-z_$][\w$-]*)\1\s*[:=](?:\s|$)""")
_ROLE = re.compile(
    r"[ \t]*+#?[ \t]*+(?:system|developer|user|assistant)(?:\[.*\])?[ \t]*+:[ \t]*+", re.I
)
_TELLING = ("model", "inputs", "outputs", "tools", "template", "sample", "inputSchema")
"""Keys that hardly ever start a line between two marks in plain text."""
_NESTED = re.compile(rf"^(?:{'|'.join(_TELLING)}):[ \t]*\n[ \t]+(?:- )?\w+:", re.MULTILINE)
"""Never found in plain text: one of these keys with further keys below it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Parts:
    """The two parts of a prompt file; `front` is None if there is clearly none.

    `front_line` and `body_line` are the line numbers at which they start.
    """

    front: str | None
    body: str
    front_line: int = 1
    body_line: int = 1


def split(text: str, where: str, known: Sequence[str]) -> Parts:
    r"""Split a prompt file into its front matter and its body.

    The front matter comes first, between two lines `---` (or `+++`); empty lines and a byte
    order mark can come before it, and lines can have any line ending.

    Args:
        text: the whole file.
        where: how to name it in an error.
        known: the keys that front matter can have.

    Raises:
        PexError: the front matter is not at the start, or has no end.

    Example:
        >>> split("\n---\nname: x\n---\nHi", "f", ["name"])
        Parts(front='name: x\n', body='Hi', front_line=3, body_line=5)
        >>> split("# My prompt\n---\nname: x\n---\nHi", "f", ["name"])
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: f, line 2: front matter that is not at the start of the file
          nothing can come before its first '---'; put comments below that line
    """
    shown = text.removeprefix("\ufeff")
    lines = _lines(shown)
    first = next((at for at, line in enumerate(lines) if _seen(line).strip()), None)
    if first is None or not _FENCE.fullmatch(_seen(_line_of(lines[first]))):
        _check_no_front(shown, where, known)
        return Parts(None, text)
    indent = len(_seen(lines[first])) - len(_seen(lines[first]).lstrip())
    end = _end(lines, first, indent)
    if end is None:
        raise _no_end(lines, first, where)
    front = "".join(lines[first + 1 : end])
    if not front.strip():  # there can be two marks in a row, followed by the front matter
        _check_no_front(shown, where, known)
    return Parts(front, "".join(lines[end + 1 :]), first + 2, end + 2)


def _lines(text: str) -> list[str]:
    """The lines of a text with their line endings."""
    ends = [found.end() for found in _BREAK.finditer(text)]
    starts = [0, *ends]
    lines = [text[start:end] for start, end in zip(starts, [*ends, len(text)], strict=True)]
    return lines if lines[-1] else lines[:-1]


def _line_of(line: str) -> str:
    return line.rstrip("\r\n")


def _seen(line: str) -> str:
    return line.lstrip(_UNSEEN)


def _end(lines: Sequence[str], first: int, indent: int) -> int | None:
    for at in range(first + 1, len(lines)):
        line = _line_of(lines[at])
        if _FENCE.fullmatch(line) and len(line) - len(line.lstrip()) <= indent:
            return at
    return None


def _no_end(lines: Sequence[str], first: int, where: str) -> PexError:
    near = [
        at + 1
        for at in range(first + 1, len(lines))
        if re.fullmatch(r"\s*[-+–—−.]{2,}\W*", _line_of(lines[at]))
    ]
    mark = _line_of(lines[first]).strip(_UNSEEN + " \t")
    hint = f"write '{mark}' alone at the start of a line between it and the text"
    if near:
        hint = f"line {near[0]} looks like it: write '{mark}' there, at the start of the line"
    return PexError(f"{where}, line {first + 1}: the front matter has no end", hint=hint)


def _check_no_front(text: str, where: str, known: Sequence[str]) -> None:
    """Raise a `PexError` if a text taken to be without front matter contains some after all."""
    if not re.search(rf"(?:{'|'.join(map(re.escape, known))})[\"']?\s*[:=]", text):
        return
    lines = _ANY_BREAK.split(text)
    fences = [at for at, line in enumerate(lines) if _NEAR_FENCE.fullmatch(line)]
    roles = [at for at, line in enumerate(lines) if _ROLE.fullmatch(line)]
    edges = sorted({-1, *fences, *roles, len(lines)})
    for before, after in itertools.pairwise(edges):
        begin = _first_key(lines, before + 1, after, known)
        if begin is None:
            continue
        fenced = before in fences and after in fences
        if not any(role < begin for role in roles):  # a message can quote part of such a block
            fenced |= before in fences or after in fences
            nested = _NESTED.search("\n".join(lines[begin:after])) is not None
            fenced |= begin == _first_text(lines) and (bool(roles) or nested)
        if fenced and _is_front(lines[begin:after], known):
            raise _misplaced(lines, before, begin, fences, where)


def _first_text(lines: Sequence[str]) -> int | None:
    return next((at for at, line in enumerate(lines) if line.strip()), None)


def _first_key(lines: Sequence[str], start: int, end: int, known: Sequence[str]) -> int | None:
    """The first line in a range that begins with a known key."""
    for at in range(start, end):
        found = _KEY.match(_seen(lines[at]).strip())
        if found and found[2] in known:
            return at
    return None


def _is_front(lines: Sequence[str], known: Sequence[str]) -> bool:
    """Whether these lines are keys with values, and the keys are front matter keys."""
    depth = len(lines[0]) - len(lines[0].lstrip())
    keys: list[str] = []
    for line in lines:
        inner = len(line) - len(line.lstrip()) > depth
        if not line.strip() or inner or line.lstrip().startswith(("#", "- ", "[", "]", "{", "}")):
            continue
        found = _KEY.match(line.strip())
        if found is None:
            return any(key in _TELLING for key in keys)
        keys.append(found[2])
    return all(key in known for key in keys) or any(key in _TELLING for key in keys)


def _misplaced(
    lines: Sequence[str], before: int, begin: int, fences: Sequence[int], where: str
) -> PexError:
    if before in fences and _FENCE.fullmatch(lines[before]):
        if any(line.strip() for line in lines[:before]):
            return PexError(
                f"{where}, line {before + 1}: front matter that is not at the start of the file",
                hint="nothing can come before its first '---'; put comments below that line",
            )
    elif before in fences:
        return PexError(
            f"{where}, line {before + 1}: front matter starts after '{lines[before].strip()[:20]}'",
            hint="its first line is '---' alone, its last too",
        )
    return PexError(
        f"{where}, line {begin + 1}: front matter without a first line '---'",
        hint="put '---' alone on the line before it and on the line after it; a prompt that is "
        "only text, and looks like this, starts with two lines '---'",
    )
