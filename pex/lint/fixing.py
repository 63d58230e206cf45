"""What `--fix` does: only what changes no request. Everything else is for whoever measures it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.lint.finding import Finding

_EXAMPLES = re.compile(r"(?m)^examples:[ \t]*\[(.*)\][ \t]*$")


def fixed(source: str, findings: Sequence[Finding], path: Path) -> tuple[str, int]:
    """The text of a file with its findings fixed as far as possible, and how many were.

    Args:
        source: its text.
        findings: of the file.
        path: the file, for what it includes.
    """
    count = 0
    fixes = [(finding.fix, finding.line) for finding in findings if finding.fix is not None]
    # Comments first, from the last line up, so that the lines of the others stay right.
    for (kind, value), _ in sorted(fixes, key=lambda item: (item[0][0], -item[1])):
        changed = _without_comment(source, value) if kind == "comment" else _declared(source, value)
        if changed != source and _same_request(source, changed, path):
            source, count = changed, count + 1
    return source, count


def _declared(source: str, case_id: str) -> str:
    """The text with a case among the examples of its front matter."""
    written = json.dumps(case_id, ensure_ascii=False)
    there = _EXAMPLES.search(source)
    if there:
        before = there[1].strip()
        more = f"{before}, {written}" if before else written
        return f"{source[: there.start(1)]}{more}{source[there.end(1) :]}"
    if re.search(r"(?m)^examples:", source):
        return source  # a list over several lines
    if not source.startswith("---\n"):
        return f"---\nexamples: [{written}]\n---\n{source}"
    end = source.find("\n---", 3)
    return source if end < 0 else f"{source[:end]}\nexamples: [{written}]{source[end:]}"


def _without_comment(source: str, value: str) -> str:
    """The text without a code of an ignore comment; without the comment if that was all."""
    number, _, code = value.partition(":")
    lines = source.split("\n")
    line = lines[int(number) - 1]

    def less(match: re.Match[str]) -> str:
        rest = [item.strip() for item in match[1].split(",") if item.strip() not in ("", code)]
        return f"pex: ignore[{', '.join(rest)}]" if rest else "\0"

    in_text = "{#" in line  # what stands around the comment is sent
    line = re.sub(r"pex:[ \t]*ignore\[([^\]\n]*)\]", less, line)
    if in_text:
        line = re.sub(r"\{#-?[ \t]*\0[ \t]*-?#\}", "", line)
    else:
        line = re.sub(r"[ \t]*#[ \t]*\0", "", line)
    if "\0" in line:
        return source
    lines[int(number) - 1 : int(number)] = [line] if line.strip() or in_text else []
    return "\n".join(lines)


def _same_request(before: str, after: str, path: Path) -> bool:
    from pex.core import includes

    find = includes.in_folder(path.resolve().parent, path.name)
    try:
        one, other = (Prompt.parse(t, path.name, path.stem, find) for t in (before, after))
    except PexError:
        return False
    return _sent(one) == _sent(other)


def _sent(prompt: Prompt) -> str:
    """What a request is made of, without the comments of the template."""
    text = json.dumps([list(prompt.messages), prompt.params, prompt.response_schema, prompt.tools])
    return re.sub(r"\{#[^{}]*#\}", "", text)
