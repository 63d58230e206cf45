"""PX107: a case that the prompt is scored on stands in the prompt."""

from __future__ import annotations

from collections.abc import Iterator

from pex.core.case import Case
from pex.improvement.copied_text import WORDS, strings, tokens
from pex.lint.finding import Finding
from pex.lint.subject import Subject

_LONGEST = 30
"""Words of a case that are compared: a long text is recognised by its beginning."""


def leaked_cases(subject: Subject) -> Iterator[Finding]:
    """PX107: the prompt knows the answer, so its score says nothing."""
    if not subject.uses:
        return
    places = [(text.line, f" {' '.join(tokens(text.text)[0])} ") for text in subject.texts]
    allowed = set(subject.prompt.examples)
    done = set()
    for use in subject.uses:
        for case in use.cases:
            if case.id in allowed or case.id in done:
                continue
            for line, words in places:
                if any(f" {passage} " in words for passage in _passages(case)):
                    done.add(case.id)
                    yield Finding(
                        "PX107",
                        _line(subject, case, line),
                        f"the text has the case '{case.id}' of {use.experiment}, on which it is "
                        "scored",
                        f"take it out, or declare it (examples: [{case.id}]), so it has no scores "
                        "on it",
                        fix=("examples", case.id),
                    )
                    break


def _passages(case: Case) -> Iterator[str]:
    """The inputs of a case that are long enough to be nobody else's."""
    for text in strings(case.inputs):
        words, weights = tokens(text)
        if sum(weights) >= 3 * WORDS:
            yield " ".join(words[:_LONGEST])


def _line(subject: Subject, case: Case, default: int) -> int:
    """The line of the file with the beginning of the case, else that of the message."""
    for text in strings(case.inputs):
        head = text.strip().split("\n")[0][:40]
        if len(head) > 10 and head in subject.source:
            return subject.line_of(head)
    return default
