"""Prompts as the library browser shows them: rows of the list, versions, texts, differences.

A version is one in the library or a prompt file of the project. The result is plain data for a
view, bounded and without invisible characters.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pex.core.prompt import Prompt
from pex.core.safe_text import clean
from pex.core.text import value_text
from pex.report.tables import cut
from pex.report.word_difference import word_difference

MAX_CHARS = 200_000
"""Characters of one text that are shown."""
MAX_PIECES = 2_000
"""Variables of one text that are marked; the rest of the text is shown without marks."""
MAX_ROWS = 200
"""Prompts in the static table."""

_PLACES = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PromptRow:
    """A prompt in the list: of the library, of the project's files, or of both."""

    name: str
    version: int | None
    aliases: Mapping[str, int]
    used: Sequence[str]
    """The experiments that use it."""
    changed: datetime.datetime | None
    about: str
    model: str
    states: Sequence[str]
    """Remarks on its files, such as "file differs from version 3"."""
    scratch: bool = False
    """Whether nobody saved it: runs of earlier versions of pex registered it."""


@dataclass(frozen=True, slots=True)
class Version:
    """A library version or a file of a prompt; `key` is "3" or "file:prompts/short.prompty"."""

    key: str
    label: str
    aliases: Sequence[str]
    moved: Mapping[str, str]
    """For each alias, the user who moved it here, the time, and the previous version."""
    when: datetime.datetime | None
    by: str
    note: str
    state: str

    @property
    def is_file(self) -> bool:
        """Whether it is a file, not a version in the library."""
        return self.key.startswith("file:")


def local_time(at: datetime.datetime | None) -> str:
    """A time for people, in the time zone of this machine.

    Example:
        >>> local_time(None)
        ''
    """
    return "" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M}"


def row_for_view(row: PromptRow) -> dict[str, Any]:
    """A row of the list; `find` is the text that a search looks in."""
    shown: dict[str, Any] = {
        "name": clean(row.name),
        "version": row.version,
        "aliases": [clean(f"{alias} → {number}") for alias, number in row.aliases.items()],
        "used": [clean(name) for name in row.used],
        "changed": local_time(row.changed),
        "about": clean(cut(" ".join(row.about.split()), 200)),
        "states": [clean(state) for state in row.states],
        "scratch": row.scratch,
    }
    words = [row.name, *row.aliases, *row.used, row.about, row.model, *row.states]
    return {**shown, "find": clean(" ".join(words)).casefold()}


def list_table(rows: Sequence[PromptRow]) -> str:
    """The list as an HTML table for readers without a kernel; only what somebody saved."""
    every, rows = rows, [row for row in rows if not row.scratch]
    head = ("prompt", "version", "aliases", "used in", "last change", "")
    out = ['<div class="pex-scroll"><table class="pex-table"><thead><tr>']
    out += [f'<th scope="col">{escape(title)}</th>' for title in head]
    out.append("</tr></thead><tbody>")
    for row in rows[:MAX_ROWS]:
        cells = (
            "" if row.version is None else str(row.version),
            ", ".join(f"{alias} → {number}" for alias, number in row.aliases.items()),
            ", ".join(row.used),
            local_time(row.changed),
            "; ".join(row.states),
        )
        out.append(f'<tr><th scope="row">{escape(row.name)}</th>')
        out += [f"<td>{escape(cell)}</td>" for cell in cells]
        out.append("</tr>")
    out.append("</tbody>")
    left = []
    if len(rows) > MAX_ROWS:
        left.append(f"{len(rows) - MAX_ROWS:,} more prompts are not shown.")
    if len(every) > len(rows):
        count = len(every) - len(rows)
        be = "is" if count == 1 else "are"
        left.append(f"{count:,} that only runs registered {be} not shown.")
    if left:
        out.append(f"<caption>{' '.join(left)}</caption>")
    return "".join([*out, "</table></div>"])


def version_for_view(version: Version) -> dict[str, Any]:
    """A line of the table of versions."""
    return {
        "key": clean(version.key),
        "label": clean(version.label),
        "file": version.is_file,
        "aliases": [
            {"name": clean(alias), "moved": clean(version.moved.get(alias, ""))}
            for alias in version.aliases
        ],
        "when": local_time(version.when),
        "by": clean(version.by),
        "note": clean(cut(version.note, 2_000)),
        "state": clean(version.state),
    }


def template_pieces(text: str) -> list[list[str]]:
    """A template as pieces: `text`, and `place` for variables, blocks and comments.

    Example:
        >>> template_pieces("Review: {{ review }}!")
        [['text', 'Review: '], ['place', '{{ review }}'], ['text', '!']]
    """
    text = clean(cut(text, MAX_CHARS))
    pieces: list[list[str]] = []
    end = 0
    for match in _PLACES.finditer(text):
        if len(pieces) >= MAX_PIECES:
            break
        if match.start() > end:
            pieces.append(["text", text[end : match.start()]])
        pieces.append(["place", match[0]])
        end = match.end()
    if end < len(text) or not pieces:
        pieces.append(["text", text[end:]])
    return pieces


def prompt_for_view(prompt: Prompt) -> dict[str, Any]:
    """A prompt: its messages by role, and its other parts."""
    return {
        "messages": [
            {"role": str(message["role"]), "pieces": template_pieces(_text(message["content"]))}
            for message in prompt.messages
        ],
        "facts": [
            [name, clean(cut(text, MAX_CHARS))] for name, text in prompt_facts(prompt).items()
        ],
    }


def prompt_facts(prompt: Prompt) -> dict[str, str]:
    """The parts of a prompt other than its text, by name.

    Example:
        >>> prompt_facts(Prompt("{{ q }}", "ask", model="local/smollm2", params={"temperature": 0}))
        {'variables': 'q', 'model': 'local/smollm2', 'temperature': '0'}
    """
    parts = {
        "description": prompt.description,
        "variables": ", ".join(prompt.variables),
        "model": prompt.model or "",
        **{name: value_text(value) for name, value in prompt.params.items()},
        **{f"default of {name}": value_text(value) for name, value in prompt.defaults.items()},
        "response schema": _json(prompt.response_schema),
        "tools": _json(prompt.tools),
    }
    return {name: text for name, text in parts.items() if text}


def prompt_difference(prompt: Prompt, against: Prompt) -> dict[str, Any]:
    """A prompt compared with another: its text word by word, and each other part that differs.

    Returns:
        `text`: pieces (`same`, `new`, `gone`), or a sentence if there are none; `facts`: name,
        before, now.
    """
    new, old = prompt_facts(prompt), prompt_facts(against)
    names = dict.fromkeys([*old, *new])
    changed = [
        [clean(name), *(clean(cut(side.get(name, ""), MAX_CHARS)) for side in (old, new))]
        for name in names
        if old.get(name) != new.get(name)
    ]
    with_roles = any(len(p.messages) > 1 or p.messages[0]["role"] != "user"
                     for p in (prompt, against))  # fmt: skip
    texts = [_whole_text(p, with_roles) for p in (prompt, against)]
    return {"text": _text_difference(*texts), "facts": changed}


def _text_difference(text: str, against: str) -> list[list[str]] | str:
    """The pieces, or a sentence with the reason why there are none."""
    if text == against:
        return "The text is the same."
    pieces = word_difference(text, against)
    if pieces is None:
        return "The two texts are too long and too different to compare word by word."
    return [[kind, clean(cut(piece, MAX_CHARS))] for kind, piece in pieces]


def _whole_text(prompt: Prompt, with_roles: bool) -> str:
    if not with_roles:
        return prompt.text
    return "\n\n".join(f"{m['role']}:\n{_text(m['content'])}" for m in prompt.messages)


def _text(content: Any) -> str:
    """A message's content; parts that are not text as JSON."""
    if isinstance(content, str):
        return content
    return "\n".join(
        str(part["text"]) if part.get("type") == "text" else value_text(part) for part in content
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) if value else ""
