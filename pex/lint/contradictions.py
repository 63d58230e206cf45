"""PX104: instructions that contradict each other. Only what a reader would call one at once."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence

from pex.lint.finding import Finding
from pex.lint.subject import Subject

_SENTENCE = re.compile(r"[^.!?\n]+")
_CLAUSE = re.compile(r"[,;:]|\b(?:and|but|or|und|aber|oder)\b", re.IGNORECASE)
_MOST = 200
"""Clauses of a prompt that are compared with each other."""
_WORD = re.compile(r"[a-zäöüß][a-zäöüß'’-]*", re.IGNORECASE)
_ALWAYS = re.compile(r"\b(?:always|immer|stets)\b", re.IGNORECASE)
_NEVER = re.compile(
    r"\b(?:never|do not ever|don['’]t ever|under no circumstances|niemals|nie)\b", re.IGNORECASE
)
_CONDITION = re.compile(
    r"\b(?:if|when|unless|except|until|while|where|in case|wenn|falls|außer|nur|sofern)\b"
)
_EMPTY_TEXT = """
a an and as at be by do for from in is it its of on or our please so that the their them then
they this to use we with you your must should will can always never ever also der die das den
dem ein eine einen und in im zu mit von es sie du dein ihre immer nie niemals stets bitte
"""
_EMPTY = frozenset(_EMPTY_TEXT.split())
_FORMATS = (
    (
        "one word",
        re.compile(r"\b(?:one|a single|only one|exactly one) word\b", re.IGNORECASE),
        "an explanation",
        re.compile(
            r"\b(?:explain (?:your|why|how|the)|(?:give|state) (?:your |a |the )?reason(?:s|ing)?\b"
            r"|step[- ]by[- ]step|in detail|at least (?:two|three|four|five|\d+) sentences)",
            re.IGNORECASE,
        ),
    ),
    (
        "JSON",
        re.compile(r"\b(?:as|in|only|valid) (?:valid )?JSON\b|\bJSON (?:object|only)\b"),
        "no JSON",
        re.compile(r"\b(?:no|not (?:use |in |as )?|without|instead of) JSON\b|\bplain text\b"),
    ),
)  # fmt: skip
_ANSWER = re.compile(
    r"\b(?:answer|reply|respond|write|output|return|explain|give|state|use|say)\b",
    re.IGNORECASE,
)
_FORBIDS = re.compile(r"\b(?:do not|don['’]t|never|without|think|before you answer)\b")
_LANGUAGE = re.compile(
    r"\b(?:answer|reply|respond|write)\b[^.!?\n]{0,30}?\b(?:in|auf) (English|German|French|Spanish|"
    r"Italian|Dutch|Polish|Portuguese|Japanese|Chinese|Korean|Deutsch|Englisch)\b",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    line: int


def contradictions(subject: Subject) -> Iterator[Finding]:
    """PX104: always and never the same thing, two formats, or two languages."""
    sentences = _sentences(subject)
    yield from _always_and_never(sentences)
    for one, is_one, other, is_other in _FORMATS:
        first = _asks(sentences, is_one)
        second = next((s for s in _all(sentences, is_other) if s != first), None)
        if first is not None and second is not None:
            yield _finding(first, second, one, other)
    languages = [(m[1].lower(), s) for s in sentences for m in [_LANGUAGE.search(s.text)] if m]
    for name, sentence in languages[1:]:
        if name != languages[0][0]:
            first = languages[0][1]
            yield _finding(first, sentence, languages[0][0].title(), name.title())
            break


def _finding(first: _Sentence, second: _Sentence, wanted: str, other: str) -> Finding:
    where = "in the same line" if first.line == second.line else f"in line {first.line}"
    return Finding(
        "PX104",
        second.line,
        f"it asks for {other} here, and {where} for {wanted}",
        "keep one of them, or say when which holds: models follow one or the other by chance",
    )


def _always_and_never(sentences: Sequence[_Sentence]) -> Iterator[Finding]:
    clauses = [
        _Sentence(part.strip(), sentence.line)
        for sentence in sentences
        if not _CONDITION.search(sentence.text.lower())
        for part in _CLAUSE.split(sentence.text)
    ]
    always = [(s, words) for s in clauses if _ALWAYS.search(s.text) and (words := _content(s.text))]
    never = [(s, words) for s in clauses if _NEVER.search(s.text) and (words := _content(s.text))]
    for first, wanted in always[:_MOST]:
        for second, forbidden in never[:_MOST]:
            both = len(wanted & forbidden)
            if both >= 2 and both / len(wanted | forbidden) >= 0.6:
                line, other = max(first.line, second.line), min(first.line, second.line)
                yield Finding(
                    "PX104",
                    line,
                    f"always and never the same: “{_short(first.text)}”, “{_short(second.text)}”"
                    + (f" (line {other})" if other != line else ""),
                    "keep one of them, or say when which holds",
                )
                break


def _content(text: str) -> frozenset[str]:
    """The words that carry a clause's meaning, without endings."""
    words = (word.lower() for word in _WORD.findall(text))
    return frozenset(_stem(word) for word in words if word not in _EMPTY)


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _sentences(subject: Subject) -> list[_Sentence]:
    """The sentences of the instructions: not those of examples, quotes and code."""
    found = []
    for text in subject.texts:
        if text.role == "assistant":
            continue
        plain = re.sub(r"```.*?(?:```|\Z)", _blank, text.text, flags=re.DOTALL)
        plain = re.sub(r"\{[{%#][^{}\n]*[}%#]\}|\"[^\"\n]*\"|“[^“”\n]*”|`[^`\n]*`", _blank, plain)
        for match in _SENTENCE.finditer(plain):
            if match[0].strip():
                line = text.line + plain.count("\n", 0, match.start())
                found.append(_Sentence(match[0].strip(), line))
    return found


def _blank(match: re.Match[str]) -> str:
    """As many lines, without their text."""
    return "\n" * match[0].count("\n") or " "


def _all(sentences: Sequence[_Sentence], pattern: re.Pattern[str]) -> Iterator[_Sentence]:
    for sentence in sentences:
        lower = sentence.text.lower()
        asks = pattern.search(sentence.text) and _ANSWER.search(sentence.text)
        if asks and not _CONDITION.search(lower) and not _FORBIDS.search(lower):
            yield sentence


def _asks(sentences: Sequence[_Sentence], pattern: re.Pattern[str]) -> _Sentence | None:
    return next(_all(sentences, pattern), None)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:59]}…"
