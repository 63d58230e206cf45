"""Rules on what does not belong in a prompt: text from outside in the wrong place, secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pex.core.template import only_variable
from pex.guard.scan import scan
from pex.lint.finding import Finding
from pex.lint.outside import is_outside
from pex.lint.subject import Subject, Text

_SYSTEM = ("system", "developer")
_BEFORE = r"""(?:<[\w-][^<>]*>|\"\"\"|```\w*|'''|^[-=#*_~<]{3}[^\n]*$)"""
_AFTER = r"""(</[\w-]+>|\"\"\"|```|'''|^[-=#*_~>]{3,})"""
_NAMED_ELSEWHERE = re.compile(r"\{\{[^{}]*\}\}|your[-_ ]|example|placeholder", re.IGNORECASE)


def outside_in_system(subject: Subject) -> Iterator[Finding]:
    """PX101: whoever writes the text speaks with the authority of the prompt's author."""
    for text in subject.texts:
        if text.role not in _SYSTEM:
            continue
        for shown in text.shown:
            if shown.fenced or is_outside(shown.name, subject):
                yield Finding(
                    "PX101",
                    text.line + shown.line - 1,
                    f"{{{{ {shown.name} }}}} is text from outside, in the {text.role} message",
                    "move it to a user message: "
                    f"{{{{ {shown.name} | untrusted }}}}; models follow the {text.role} message",
                )


def outside_without_delimiter(subject: Subject) -> Iterator[Finding]:
    """PX102: the text can go on as if it were the prompt."""
    for text in subject.texts:
        if text.role != "user" or only_variable(text.text) is not None:
            continue
        for shown in text.shown:
            if shown.fenced or not is_outside(shown.name, subject):
                continue
            around = _own_marks(text, shown.name)
            message = f"{{{{ {shown.name} }}}} is text from outside, and nothing says where it ends"
            if around:
                message = f"{{{{ {shown.name} }}}} is text from outside, and can contain {around}"
            yield Finding(
                "PX102",
                text.line + shown.line - 1,
                message,
                f"write {{{{ {shown.name} | untrusted }}}}, which puts it between delimiters that "
                "nobody can guess",
            )


def _own_marks(text: Text, name: str) -> str:
    """The mark that the author has put after a value, such as `</review>`; empty if none."""
    value = r"\{\{-?\s*" + re.escape(name) + r"\b[^{}]*\}\}"
    found = re.search(f"{_BEFORE}\\s*{value}\\s*{_AFTER}", text.text, re.MULTILINE)
    return found[1] if found else ""


def secrets(subject: Subject) -> Iterator[Finding]:
    """PX103: everybody who reads the prompt or its record has it, and the model may say it."""
    for found in scan(subject.source):
        if _NAMED_ELSEWHERE.search(found.excerpt):
            continue
        yield Finding(
            "PX103",
            found.line,
            f"a secret in the prompt ({found.rule}): {found.excerpt}",
            "take it out and replace it where it is used: it is in the file's history; a model "
            "needs no key",
        )
