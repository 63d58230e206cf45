"""Text of cases in a prompt: what is the same word for word, in any script.

A prompt that quotes the cases it was made from scores well on them and on nothing else. A text
becomes a row of words and, in scripts that are written without spaces, of characters. Two texts
have a passage in common if at least five words, or 15 such characters, follow each other in both;
a word counts as much as three characters.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import regex  # type: ignore[import-untyped]

from pex.core.cases import Case

WORDS = 5
"""From how many words in a row a passage is a copy."""
CHARACTERS = 15
"""The same for scripts without spaces between words."""
_OF_A_WORD = CHARACTERS // WORDS

_WITHOUT_SPACES = (
    r"\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}"
    r"\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}"
)
_ASCII = re.compile(r"[a-z0-9]+")
_ASCII_APOSTROPHES = re.compile(r"(?<=[a-z])'(?=[a-z])")
_APOSTROPHES = regex.compile(r"(?<=\p{L})['’ʼ](?=\p{L})")
_TOKEN = regex.compile(
    rf"(?P<character>[{_WITHOUT_SPACES}]\p{{M}}*)|(?:(?![{_WITHOUT_SPACES}])[\p{{L}}\p{{M}}\p{{N}}])+"
)


def tokens(text: str) -> tuple[list[str], list[int]]:
    """The words and characters of a text, without case and punctuation, and how much each counts.

    Example:
        >>> tokens("Don’t PANIC, café!")
        (['dont', 'panic', 'café'], [3, 3, 3])
        >>> tokens("「東京」 GPT")
        (['東', '京', 'gpt'], [1, 1, 3])
    """
    if text.isascii():  # most are, and it is ten times as fast
        found = _ASCII.findall(_ASCII_APOSTROPHES.sub("", text.lower()))
        return found, [_OF_A_WORD] * len(found)
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = _APOSTROPHES.sub("", text)
    words, weights = [], []
    for match in _TOKEN.finditer(text):
        words.append(match[0])
        weights.append(1 if match["character"] else _OF_A_WORD)
    return words, weights


def passages(text: str) -> Iterator[tuple[str, ...]]:
    """The shortest passages of a text that count as a copy, one from each word, in linear time.

    Example:
        >>> [" ".join(words) for words in passages("To be or not to be.")]
        ['to be or not to', 'be or not to be']
    """
    words, weights = tokens(text)
    if 1 not in weights:
        return zip(*(words[at:] for at in range(WORDS)), strict=False)
    return (tuple(words[start:end]) for start, end in _places(weights))


def _places(weights: Sequence[int]) -> Iterator[tuple[int, int]]:
    end = total = 0
    for start, weight in enumerate(weights):
        while total < CHARACTERS and end < len(weights):
            total += weights[end]
            end += 1
        if total < CHARACTERS:
            return
        yield start, end
        total -= weight


def strings(value: Any) -> Iterator[str]:
    """Every string in a value, and its numbers as text; names of keys are not included.

    Example:
        >>> list(strings({"a": ["x", 7], "b": None}))
        ['x', '7']
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def case_texts(case: Case) -> Iterator[str]:
    """The texts of a case that must not be in a prompt: its inputs and its expected answer."""
    yield from strings(case.inputs)
    yield from strings(case.expected)


def copied_passage(
    texts: Iterable[str],
    known: Iterable[str],
    cases: Sequence[Case],
    examples: Sequence[Case] = (),
) -> tuple[str, str] | None:
    """The first passage of `texts` that a case has, with the id of the case, else None.

    Args:
        texts: the texts of a prompt.
        known: the texts of the prompt it was made from: what is in them is no copy.
        cases: the cases whose text must not be in it.
        examples: the cases whose text may be in it.

    Example:
        >>> case = Case("7", {"text": "The lid broke on the first day."})
        >>> copied_passage(["If THE LID BROKE on the first day, say no."], [], [case])
        ('the lid broke on the first day', '7')
    """
    of_cases = _passages_of(tuple(cases))
    allowed: set[tuple[str, ...]] | None = None
    for text in texts:
        for passage in passages(text):
            number = of_cases.get(hash(passage))
            if number is None:
                continue
            if allowed is None:
                quoted = (part for case in examples for part in case_texts(case))
                allowed = {p for part in (*known, *quoted) for p in passages(part)}
            of_case = {p for part in case_texts(cases[number]) for p in passages(part)}
            if passage in of_case and passage not in allowed:
                return _longest(passage, text, of_case), cases[number].id
    return None


@functools.lru_cache(maxsize=2)
def _passages_of(cases: tuple[Case, ...]) -> dict[int, int]:
    """The hashes of the passages of cases, with the place of the first case that has each.

    Kept, because every proposal is checked with the same cases; hashes, because there may be
    millions.
    """
    found: dict[int, int] = {}
    for number, case in enumerate(cases):
        for text in case_texts(case):
            for passage in passages(text):
                found.setdefault(hash(passage), number)
    return found


def _longest(passage: tuple[str, ...], text: str, of_case: set[tuple[str, ...]]) -> str:
    """The whole passage of a text, from the one found on, that a case has too."""
    words, weights = tokens(text)
    first = last = -1
    for start, end in _places(weights):
        window = tuple(words[start:end])
        if first < 0 and window == passage:
            first = start
        elif first >= 0 and window not in of_case:
            break
        last = end
    found = words[first:last]
    return ("" if all(len(word) == 1 for word in found) else " ").join(found)
