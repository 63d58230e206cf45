"""The sentences of a prompt that can be taken out without breaking its template."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Sequence

from pex.core.errors import PexError
from pex.core.prompt import Prompt

_END = re.compile(
    r"(?<![A-Za-z]\.[A-Za-z])(?<!\bDr)(?<!\bMr)(?<!\bNo)(?<!\bvs)(?<!\bca)(?<!\betc)"
    r"[.!?…]+[)\"'”’»\]]*(?=[ \t]+\S)|[。！？]+[」』）”]*"
)
"""The end of a sentence within a line."""
_NUMBER = re.compile(r"[ \t]*(?:\d+|[A-Za-z])[.)][ \t]")
"""The number of an item in a list."""
_FENCE = re.compile(r"^[ \t]*(```|~~~)")
_TAGS = ("{{", "{%", "{#", "}}", "%}", "#}")


@dataclasses.dataclass(frozen=True, slots=True)
class Sentence:
    """A part of a message: `text` without the white space around it, at `start` to `end`."""

    message: int
    start: int
    end: int
    text: str


def sentences_of(prompt: Prompt, most: int = 40) -> list[Sentence]:
    r"""The sentences that can be taken out, in order; a fenced block is one.

    A sentence with a variable or another part of the template stays. If there are more than
    `most`, neighbours within a message are put together.

    Example:
        >>> prompt = Prompt("Be kind. Answer {{ q }}, please!\n- No lists, e.g. of names.", "p")
        >>> [sentence.text for sentence in sentences_of(prompt)]
        ['Be kind.', '- No lists, e.g. of names.']
    """
    found = [
        Sentence(number, start, end, text)
        for number, message in enumerate(prompt.messages)
        if isinstance(message["content"], str)
        for start, end, text in _parts(message["content"])
        if any(map(str.isalnum, text)) and not any(tag in text for tag in _TAGS)
    ]
    while len(found) > most:
        merged = _merged(found, prompt)
        if len(merged) == len(found):
            break
        found = merged
    return found


def without(prompt: Prompt, sentences: Collection[Sentence], name: str) -> Prompt | None:
    """The prompt without some sentences; None if it does not work without them.

    A message of which nothing is left is dropped with them.
    """
    messages = []
    for number, message in enumerate(prompt.messages):
        removed = [sentence for sentence in sentences if sentence.message == number]
        if not removed:
            messages.append(dict(message))
            continue
        content = _cut(message["content"], removed)
        if content:
            messages.append({**message, "content": content})
    if not messages:
        return None
    try:
        return prompt.changed(name=name, messages=messages)
    except PexError:
        return None


def _parts(content: str) -> Iterator[tuple[int, int, str]]:
    """The lines of a message, cut at the ends of sentences, with their places."""
    at, fenced_from = 0, -1
    for line in content.splitlines(keepends=True):
        end = at + len(line)
        if _FENCE.match(line):
            if fenced_from < 0:
                fenced_from = at
            else:
                yield fenced_from, end, content[fenced_from:end].strip()
                fenced_from = -1
        elif fenced_from < 0:
            yield from _in_line(content, at, end)
        at = end
    if fenced_from >= 0:
        yield fenced_from, at, content[fenced_from:].strip()


def _in_line(content: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    number = _NUMBER.match(content, start, end)
    after = number.end() if number else start
    while start < end:
        found = _END.search(content, max(start, after), end)
        stop = found.end() if found else end
        yield start, stop, content[start:stop].strip()
        start = stop


def _merged(sentences: Sequence[Sentence], prompt: Prompt) -> list[Sentence]:
    """Neighbours put together, two by two."""
    merged: list[Sentence] = []
    open_pair = False
    for sentence in sentences:
        last = merged[-1] if merged else None
        if open_pair and last and _are_neighbours(last, sentence, prompt):
            text = prompt.messages[last.message]["content"][last.start : sentence.end].strip()
            merged[-1] = Sentence(last.message, last.start, sentence.end, text)
            open_pair = False
        else:
            merged.append(sentence)
            open_pair = True
    return merged


def _are_neighbours(one: Sentence, other: Sentence, prompt: Prompt) -> bool:
    if one.message != other.message:
        return False
    content: str = prompt.messages[one.message]["content"]
    return not content[one.end : other.start].strip()


def _cut(content: str, removed: Sequence[Sentence]) -> str:
    pieces, at = [], 0
    for sentence in sorted(removed, key=lambda sentence: sentence.start):
        pieces.append(content[at : sentence.start])
        at = sentence.end
        cut = content[sentence.start : sentence.end]
        # A line whose end is in the part that was taken out keeps it if something is before it.
        before = "".join(pieces)
        if cut.endswith("\n") and before and not before.endswith("\n"):
            pieces.append("\n")
        if not before or before.endswith("\n"):  # the next sentence becomes the line's first
            at += len(content[at:]) - len(content[at:].lstrip(" \t"))
    pieces.append(content[at:])
    text = re.sub(r"[ \t]+\n", "\n", "".join(pieces))
    return re.sub(r"\n{3,}", "\n\n", text).strip()
