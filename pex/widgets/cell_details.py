"""An opened cell: all that is known of one answer, bounded, as plain data for a view."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pex.core import jsontext
from pex.core.events import RowKey
from pex.core.remarks import of_answer
from pex.core.safe_text import clean
from pex.core.text import value_text
from pex.core.values import missing
from pex.report.tables import cut, format_seconds, format_usd
from pex.report.text import markdown_html
from pex.report.words import word_difference
from pex.widgets.code import pieces
from pex.widgets.sheet import Cell, Sheet

MAX_CHARS = 200_000
"""Characters of one text that are shown; the whole is in `results.frame`."""
MODES = ("text", "markdown", "json", "code")

Messages = Callable[[RowKey], Sequence[Mapping[str, Any]]]
"""The messages that were sent for a place."""

_FACTS = {
    "model": "model", "resolved_model": "answered by", "finish_reason": "finish reason",
    "latency_s": "latency", "ttft_s": "first token after", "cost_usd": "cost",
    "prompt_tokens": "tokens in", "completion_tokens": "tokens out",
    "reasoning_tokens": "tokens of reasoning", "cached_tokens": "tokens from the cache",
    "cache_write_tokens": "tokens written to the cache", "remarks": "remarks",
    "started_at": "asked at", "from_journal": "from the journal", "trace_id": "trace",
    "request_key": "request key",
}  # fmt: skip


def opened(
    sheet: Sheet,
    row: int,
    column: int,
    messages: Messages | None,
    mode: str = "text",
    trace_url: Callable[[str], str | None] | None = None,
) -> dict[str, Any]:
    """What is shown of a cell.

    Args:
        sheet: where it is.
        row: its row.
        column: its column.
        messages: gives what was sent; None where that is not known.
        mode: how the answer is shown: one of `MODES`.
        trace_url: the address of a trace, where it has one.

    Returns:
        Texts by name; all cleaned of what cannot be seen, only `html` is HTML, and harmless.
    """
    line, cell = sheet.line(row), sheet.row(row)[column]
    place = sheet.place(row, column)
    facts: Mapping[str, Any] = {} if cell is None else cell.facts
    sent = [] if messages is None else messages(place)
    said = [*sent, *(facts.get("conversation") or [])]
    if not missing(facts.get("reasoning")):
        said.append({"role": "reasoning", "content": facts["reasoning"]})
    if cell is not None and not facts.get("conversation"):
        said.append({"role": "error" if cell.state == "error" else "assistant", "answer": True})
    first = sheet.row(row)[sheet.baseline]
    return {
        "case": line.id,
        "variant": place[0],
        "repeat": place[2] if sheet.repeats > 1 else None,
        "tags": [*line.tags, *([line.group] if line.group else [])],
        "inputs": _inputs(facts) or [["", _shown(line.text)]],
        "expected": _shown(line.expected),
        "messages": [_message(message) for message in said],
        "answer": _answer(cell, mode),
        "marks": [[m.kind, m.label, _shown(m.reason)] for m in (cell.marks if cell else ())],
        "difference": _difference(cell, first),
        "baseline": sheet.variants[sheet.baseline],
        "facts": _facts(facts, trace_url),
    }


def _shown(text: str) -> str:
    return clean(cut(text, MAX_CHARS))


def _inputs(facts: Mapping[str, Any]) -> list[list[str]]:
    return [
        [name[5:], _shown(value_text(facts[name]))]
        for name in facts
        if name.startswith("case.") and not missing(facts[name])
    ]


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    if message.get("answer"):
        return {"role": str(message["role"]), "answer": True}
    content = message.get("content")
    return {"role": str(message.get("role", "")), "text": _shown(value_text(content or ""))}


def _answer(cell: Cell | None, mode: str) -> dict[str, Any]:
    if cell is None:
        return {"mode": "text", "text": "", "empty": "not asked"}
    shown: dict[str, Any] = {"mode": mode, "text": _shown(cell.text)}
    if not cell.text.strip():
        shown["empty"] = "(empty answer)" if not cell.text else "(only whitespace)"
    elif mode == "markdown":
        shown["html"] = markdown_html(cut(cell.text, MAX_CHARS))
    elif mode == "json":
        shown["json"] = _json(cell.text)
    elif mode == "code":
        shown["pieces"] = pieces(cut(cell.text, MAX_CHARS))
    return shown


def _json(text: str) -> str | None:
    """A text as JSON again with all that is unseen escaped, None where it is none."""
    if len(text) > MAX_CHARS:
        return None
    inner = re.fullmatch(r"\s*```\w*\n(.*?)```\s*", text, re.DOTALL)
    try:
        return clean(json.dumps(jsontext.loads(inner[1] if inner else text)))
    except (ValueError, RecursionError):
        return None


def _difference(cell: Cell | None, first: Cell | None) -> list[tuple[str, str]] | str:
    """The pieces, or a sentence that says why there are none."""
    if cell is None or first is None or cell is first:
        return ""
    if "error" in (cell.state, first.state):
        return "one of the two is an error"
    if cell.text == first.text:
        return "the same answer"
    pieces = word_difference(cell.text, first.text)
    if pieces is None:
        return "too long and too different to compare word by word"
    return [(kind, _shown(piece)) for kind, piece in pieces]


def _facts(
    facts: Mapping[str, Any], trace_url: Callable[[str], str | None] | None
) -> list[list[str]]:
    """Name and value of each fact; the trace also has its address, or how to find it."""
    found = []
    for name, title in _FACTS.items():
        value = facts.get(name)
        if name == "remarks":
            value = "; ".join(of_answer(value)) or None
        if missing(value) or value is False:
            continue
        if name.endswith("_s"):
            text = format_seconds(float(str(value)))
        elif name == "cost_usd":
            text = format_usd(float(str(value)))
        elif isinstance(value, datetime.datetime):
            text = value.strftime("%Y-%m-%d %H:%M:%S UTC")
        else:
            text = "yes" if value is True else str(value)
        found.append([title, clean(text)])
        if name == "trace_id":
            url = trace_url(text) if trace_url is not None else None
            found[-1] += ["", url] if url else ["`pexlab ui` shows it"]
    return found
