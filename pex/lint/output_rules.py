"""Rules on the output: PX105, a format that a scorer needs; PX106, examples that contradict it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pex.lint.finding import Finding
from pex.lint.subject import Subject, Text, Use

_MOST_LABELS = 20
_JSON_KINDS = ("json", "fields")
_ONE_WORD = re.compile(
    r"\b(?:answer|reply|respond|output|say)\b[^.!?\n]{0,40}\b(?:one|a single) word\b", re.IGNORECASE
)
_AS_JSON = re.compile(
    r"\b(?:answer|reply|respond|output|return|write)\b[^.!?\n]{0,40}\bJSON\b", re.IGNORECASE
)


def missing_format(subject: Subject) -> Iterator[Finding]:
    """PX105: a scorer looks for something that the prompt does not ask for."""
    said = _said(subject)
    line = max((text.line for text in subject.texts), default=1)
    done = set()
    for use in subject.uses:
        for scorer in use.scorers:
            kind, name = str(scorer.get("kind")), str(scorer.get("name") or scorer.get("kind"))
            if kind in _JSON_KINDS and "json" not in said and not _has_format(subject):
                problem = (
                    f"the scorer '{name}' of {use.experiment} reads JSON, and nothing asks for it",
                    "say which keys the answer has, or give the prompt a schema (outputs:)",
                )
            elif kind == "label" and (missing := _unsaid(scorer, use, said)):
                named = ", ".join(f"'{label}'" for label in missing)
                problem = (
                    f"the scorer '{name}' of {use.experiment} looks for {named}, which the prompt "
                    "does not name",
                    "name every label that an answer can be",
                )
            else:
                continue
            if problem not in done:
                done.add(problem)
                yield Finding("PX105", line, *problem)


def _said(subject: Subject) -> str:
    """All that the prompt says of its output, in lower case."""
    prompt = subject.prompt
    parts = [*prompt.templates, json.dumps([prompt.response_schema, prompt.tools])]
    return "\n".join(parts).lower()


def _has_format(subject: Subject) -> bool:
    return bool(subject.prompt.response_schema) or "response_format" in subject.prompt.params


def labels_of(scorer: Any, use: Use) -> list[str]:
    """The labels that a scorer looks for; none if they are too many, or texts."""
    given = scorer.get("labels")
    values = given if given else [case.expected for case in use.cases if case.expected is not None]
    labels = sorted({str(value).strip() for value in values if isinstance(value, str | bool | int)})
    return labels if 1 < len(labels) <= _MOST_LABELS else []


def _unsaid(scorer: Any, use: Use, said: str) -> list[str]:
    words = re.sub(r"[\W_]+", " ", said)
    labels = labels_of(scorer, use)
    return [name for name in labels if re.sub(r"[\W_]+", " ", name.lower()).strip() not in words]


def wrong_examples(subject: Subject) -> Iterator[Finding]:
    """PX106: an example teaches more than a sentence: models follow it."""
    examples = [text for text in subject.texts if text.role == "assistant" and not text.shown]
    if not examples:
        return
    asked = [text.text for text in subject.texts if text.role != "assistant"]
    one_word = any(_ONE_WORD.search(text) for text in asked)
    as_json = _has_format(subject) or any(_AS_JSON.search(text) for text in asked)
    for text in examples:
        answer = text.text.strip()
        if as_json:
            why = _json_problem(answer, subject.prompt.response_schema)
        elif one_word and len(answer.split()) > 1:
            why = "has more than one word, and the prompt asks for one"
        else:
            why = _label_problem(answer, subject.uses)
        if why:
            yield _example(text, why)


def _json_problem(answer: str, schema: Any) -> str:
    fenced = re.fullmatch(r"```(?:json)?\s*(.*?)\s*```", answer, re.DOTALL)
    try:
        value = json.loads(fenced[1] if fenced else answer)
    except ValueError:
        return "is not JSON, and the prompt asks for it"
    if schema:
        from pex.core.errors import PexError
        from pex.score.structured import follows

        try:
            problem = follows(schema)(value)
        except PexError:  # a schema that nothing can be checked with
            return ""
        return f"does not follow the prompt's own schema: {problem}" if problem else ""
    return ""


def _label_problem(answer: str, uses: Sequence[Use]) -> str:
    for use in uses:
        for scorer in use.scorers:
            if scorer.get("kind") != "label":
                continue
            labels = labels_of(scorer, use)
            words = re.sub(r"[\W_]+", " ", answer.lower())
            if labels and not any(
                re.sub(r"[\W_]+", " ", n.lower()).strip() in words for n in labels
            ):
                named = ", ".join(f"'{label}'" for label in labels)
                return f"is none of the labels of {use.experiment}: {named}"
    return ""


def _example(text: Text, why: str) -> Finding:
    shown = " ".join(text.text.split())
    shown = shown if len(shown) <= 40 else f"{shown[:39]}…"
    return Finding(
        "PX106",
        text.line,
        f"the example “{shown}” {why}",
        "make them agree: models follow examples",
    )
