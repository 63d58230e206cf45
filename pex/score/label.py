"""The scorer `label`: the answer names exactly one of the allowed labels."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.score import Score
from pex.core.text import value_text
from pex.score.base import Rule, needs_expected
from pex.score.letters import Letters, is_letter
from pex.score.reading import answer_texts, fold, quoted, shorten

# Underscores around a word are Markdown; those inside it (`not_spam`) are part of it.
_EMPHASIS = re.compile(r"(?<!\w)_++|(?<!_)_++(?!\w)")
# Thai, Lao, Burmese, Khmer, Japanese and Chinese do not put spaces between words.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def allowed_labels(labels: Sequence[Any] | None, cases: Sequence[Case]) -> list[str]:
    """The labels that an answer can name: those given, or else those that the cases expect.

    Raises:
        PexError: a label is empty, or a case expects something that is not a label.
    """
    for case in cases:
        if isinstance(case.expected, dict | list):
            shown = shorten(value_text(case.expected))
            raise PexError(f"case '{case.id}' expects {shown}; a label must be one string")
    seen = {value_text(case.expected).strip() for case in cases if case.expected is not None}
    chosen = (
        sorted(filter(_plain, seen)) if labels is None else [value_text(item) for item in labels]
    )
    if not all(map(_plain, chosen)):
        raise PexError("labels: one of them is empty")
    known = {_plain(item) for item in chosen}
    for item in sorted(seen):
        if _plain(item) not in known:
            raise PexError(
                f"a case expects '{shorten(item)}', which is not a label",
                hint=nearest(item, chosen),
            )
    return chosen


def label(labels: Sequence[str]) -> Rule:
    """The answer names exactly one of the labels, and it is the expected one.

    Whole words count, ignoring case; of two labels at one place, the longer one counts. In a JSON
    answer the values are read, not the keys. In scripts without spaces a label counts at any
    position. For labels that are single letters, upper case counts first: "B, because a whale"
    names B, "It is a whale." does not name A; see `Letters`.
    """
    names = {_plain(item): item for item in labels}
    single = [item for item in labels if is_letter(item)]
    words = [item for item in names if names[item] not in single]
    ordered = sorted(words, key=len, reverse=True)
    starts = re.compile(f"(?={'|'.join(map(re.escape, ordered))})") if ordered else None
    letters = Letters(single, [names[item] for item in words]) if single else None

    def named(texts: Sequence[str]) -> list[str]:
        found = [item for text in texts if starts for item in _named(_plain(text), ordered, starts)]
        if letters is not None:
            by_text = [letters.named(text) for text in texts]
            strongest = max((strength for strength, _ in by_text), default=0)
            found += [_plain(i) for strength, of in by_text if strength == strongest for i in of]
        return list(dict.fromkeys(found))

    def rule(answer: Answer, case: Case, expected: Any) -> Score:
        found = named(answer_texts(answer.output or ""))
        if len(found) == 1:
            right = found[0] == _plain(value_text(expected))
            return Score(right, reason=f"names '{names[found[0]]}'")
        if not found:
            count = "the 1 label" if len(names) == 1 else f"the {len(names)} labels"
            return Score(False, reason=f"names none of {count}")
        return Score(False, reason=f"names {quoted([names[item] for item in found], ' and ')}")

    return needs_expected(rule)


def _plain(text: str) -> str:
    return " ".join(_EMPHASIS.sub(" ", fold(text)).split())


def _named(text: str, labels: Sequence[str], starts: re.Pattern[str]) -> Iterator[str]:
    """The labels in a text, the longest at each place; none inside another."""
    end = 0
    for match in starts.finditer(text):
        start = match.start()
        if start < end:
            continue
        for item in labels:
            stop = start + len(item)
            if text.startswith(item, start) and not (
                _goes_on(text, start, -1) or _goes_on(text, stop - 1, 1)
            ):
                yield item
                end = stop
                break


def _goes_on(text: str, edge: int, step: int) -> bool:
    """Whether the word at the edge of a label continues beyond it."""
    beyond = text[edge + step : edge + step + 1] if edge + step >= 0 else ""
    if not beyond:
        return False
    if unicodedata.category(beyond).startswith("M"):  # an accent, or a vowel sign
        return True
    if beyond in ".," and text[edge].isdigit():  # 4.5 does not name 4
        further = edge + 2 * step
        return 0 <= further < len(text) and text[further].isdigit()
    if _UNSPACED.match(beyond) or _UNSPACED.match(text[edge]):
        return False
    return beyond.isalnum() or beyond == "_"
