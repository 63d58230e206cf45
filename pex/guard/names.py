"""Names of people in a text: of a list, or by presidio-analyzer where it is installed."""

from __future__ import annotations

import importlib
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import regex  # type: ignore[import-untyped]

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_BETWEEN = regex.compile(r"[\s.,'’-]{1,3}")
_NO_SPACES = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
"""Letters of scripts that put no space between words."""
_MIN_SCORE = 0.6


class NameFinder(Protocol):
    """Whatever finds names: gives the start and end of each."""

    def __call__(self, text: str) -> Iterable[tuple[int, int]]:
        """The places of names in a text."""
        ...


class NameList:
    """Finds the names of a list: whole words, whatever their case, in time linear in the text.

    Example:
        >>> text = "ÉMILIE ZOLA's order, and Ann's annual fee"
        >>> [text[start:end] for start, end in NameList(["Émilie Zola", "Ann"])(text)]
        ['ÉMILIE ZOLA', 'Ann']
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._by_first: dict[str, list[list[str]]] = {}
        joined = set()
        for name in names:
            words = [folded(word) for word in _WORD.findall(name)]
            if not words:
                continue
            if _NO_SPACES.search(name):
                joined.add(name.strip())
            else:
                self._by_first.setdefault(words[0], []).append(words[1:])
        for rest in self._by_first.values():
            rest.sort(key=len, reverse=True)
        longest_first = sorted(joined, key=len, reverse=True)
        pattern = "|".join(map(regex.escape, longest_first))
        self._joined = regex.compile(pattern) if pattern else None

    def __call__(self, text: str) -> Iterator[tuple[int, int]]:
        """The places of names, in no particular order."""
        if self._joined is not None:
            yield from (match.span() for match in self._joined.finditer(text))
        if not self._by_first:
            return
        words = _folded_words(text)
        hits = [at for at, word in enumerate(words) if word in self._by_first]
        if not hits:
            return
        places = [match.span() for match in _WORD.finditer(text)]
        end = 0
        for at in hits:
            if at < end:
                continue
            for rest in self._by_first[words[at]]:
                end = at + 1 + len(rest)
                if words[at + 1 : end] == rest and _go_on(text, places[at:end]):
                    yield places[at][0], places[end - 1][1]
                    break
            else:
                end = at + 1


def _go_on(text: str, places: list[tuple[int, int]]) -> bool:
    """Whether only what stands within a name is between the words."""
    pairs = itertools.pairwise(places)
    return all(_BETWEEN.fullmatch(text, one[1], two[0]) for one, two in pairs)


def _folded_words(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    return [word.lower() if word.isascii() else folded(word) for word in _WORD.findall(text)]


def folded(text: str) -> str:
    """A word without its case, and with one way to write its accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def presidio_names(language: str = "en", analyzer: Any = None) -> NameFinder:
    """A finder of names by presidio-analyzer and the language model that it loads.

    Args:
        language: of the texts, as presidio names it.
        analyzer: an `AnalyzerEngine` of your own; otherwise presidio's default.

    Raises:
        ImportError: the package or its language model is not installed.
    """
    if analyzer is None:
        try:
            analyzer = importlib.import_module("presidio_analyzer").AnalyzerEngine()
        except ImportError:
            raise ImportError(
                "finding names needs the package presidio-analyzer, which is not installed: "
                'pip install "pexlab[pii]", then python -m spacy download en_core_web_lg'
            ) from None
        except (OSError, SystemExit) as error:  # spaCy's way to say that the model is missing
            raise ImportError(
                f"presidio-analyzer cannot load its language model ({error}): "
                "python -m spacy download en_core_web_lg"
            ) from None

    def find(text: str) -> Iterator[tuple[int, int]]:
        for result in analyzer.analyze(text=text, language=language, entities=["PERSON"]):
            if result.score >= _MIN_SCORE:
                yield result.start, result.end

    return find
