"""Answers of a Playground as its view shows them, and as a static table without a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from pex.core.safe_text import clean
from pex.playground.chat.shown import static_chats
from pex.playground.feedback import text_id
from pex.report.safe_html import markdown_html
from pex.report.tables import NO_MATH, cut, format_seconds, format_usd, fragment
from pex.report.word_difference import word_difference
from pex.widgets.cell import Cell
from pex.widgets.live_cell import RUNNING

MAX_CHARS = 20_000
"""Characters of an answer that are shown; the whole is in `.results.frame`."""
STATIC_CHARS = 600
PROMPT_CHARS = 300
"""Characters of a prompt in the head of the static table, which a long prompt makes too high."""
STATIC_BYTES = 400_000
_STATES = {"asked": "running", "growing": "running"}

Shown = dict[str, Any]
"""An answer as the view gets it."""


def shown(cell: Cell, number: int) -> Shown:
    """An answer as the view gets it.

    Args:
        cell: the answer.
        number: of the run that it came from.
    """
    text = clean(cell.text[: MAX_CHARS + 1])
    facts = _facts(cell)
    if cell.state == "asked":
        text, facts = "", "" if cell.text == RUNNING else clean(cell.text)
    return {
        "state": _STATES.get(cell.state, cell.state),
        "text": text[:MAX_CHARS],
        "id": text_id(cell.text) if cell.state == "answered" else "",
        "cut": len(cell.text) > MAX_CHARS,
        "facts": facts,
        "seconds": cell.latency_s,
        "usd": cell.cost_usd,
        "short": cell.facts.get("finish_reason") == "length",
        "marks": [
            [m.kind, clean(m.label), clean(cut(m.reason, 2000)), clean(m.name), m.value]
            for m in cell.marks
        ],
        "stale": False,
        "journal": bool(cell.facts.get("from_journal")),
        "run": number,
    }


def rendered(cells: Mapping[str, Shown]) -> dict[str, tuple[str, str]]:
    """Complete answers as Markdown: the id of each text, and harmless HTML.

    Args:
        cells: answers by "<variant id>|<case id>".
    """
    return {
        key: (cell["id"], markdown_html(cell["text"]))
        for key, cell in cells.items()
        if cell["state"] == "answered" and cell["text"].strip()
    }


def differences(cells: Mapping[str, Shown], against: str) -> dict[str, list[tuple[str, str]] | str]:
    """Each answer word by word against another column's; a sentence if that is not possible.

    Args:
        cells: answers by "<variant id>|<case id>".
        against: the id of the other variant.
    """
    found: dict[str, list[tuple[str, str]] | str] = {}
    for key, cell in cells.items():
        variant, _, case = key.partition("|")
        first = cells.get(f"{against}|{case}")
        if variant == against or cell["state"] != "answered":
            continue
        if first is None or first["state"] != "answered":
            found[key] = "there is no answer to compare with"
        elif first["text"] == cell["text"]:
            found[key] = "the same answer"
        else:
            pieces = word_difference(cell["text"], first["text"])
            found[key] = pieces or "too long and too different to compare word by word"
    return found


def static_draft(doc: Mapping[str, Any], cells: Mapping[str, Shown]) -> str:
    """Prompts and answers as a table for readers without a kernel: escaped and bounded."""
    variants, cases = doc["variants"], doc["cases"]
    head = ['<th scope="col">case</th>']
    for variant in variants:
        prompt = "\n\n".join(f"{m['role']}: {m['text']}" for m in variant["messages"])
        params = ", ".join(f"{name}={value}" for name, value in variant["params"].items())
        about = " · ".join(part for part in (variant["model"], params) if part)
        head.append(
            f'<th scope="col"><div>{escape(variant["name"])}</div><div>{escape(about)}</div>'
            f"{_text(prompt, PROMPT_CHARS)}</th>"
        )
    rows, size = list[str](), sum(map(len, head))
    for case in cases:
        about = "\n".join(f"{name}: {text}" for name, text in case["inputs"].items())
        parts = [f'<th scope="row">{_text(about or case["key"])}</th>']
        parts += [_answer(cells.get(f"{v['id']}|{case['id']}")) for v in variants]
        rows.append(f"<tr>{''.join(parts)}</tr>")
        size += len(rows[-1])
        if size > STATIC_BYTES:
            rows.pop()
            break
    left = len(cases) - len(rows)
    note = f"<caption>{left} more cases are not shown here.</caption>" if left else ""
    table = (
        f'<div class="pex-scroll"><table class="pex-table">{note}<thead><tr>{"".join(head)}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
    names = {variant["id"]: variant["name"] for variant in variants}
    talk = static_chats(doc.get("chats", ()), cells, names)
    whole = f'<div class="pex-static {NO_MATH}">{fragment(table + talk)}</div>'
    return clean(whole)


def _answer(cell: Shown | None) -> str:
    if cell is None:
        return "<td>not run</td>"
    state = "" if cell["state"] == "answered" else cell["state"]
    notes = [state, *(mark[1] for mark in cell["marks"]), cell["facts"]]
    said = [{"up": "rated good", "down": "rated bad"}.get(cell.get("thumb", "")), cell.get("note")]
    notes.append(": ".join(part for part in said if part))
    notes.append("out of date: the prompt or case changed" if cell["stale"] else "")
    note = " · ".join(part for part in notes if part)
    small = f'<div style="color:var(--pex-soft)">{escape(note)}</div>'
    return f"<td>{_text(cell['text'])}{small}</td>"


def _text(text: str, most: int = STATIC_CHARS) -> str:
    style = (
        "white-space:pre-wrap;overflow-wrap:break-word;min-width:11em;max-width:32em;"
        "font-weight:normal;text-align:start"
    )
    return f'<div dir="auto" style="{style}">{escape(cut(text, most))}</div>'


def _facts(cell: Cell) -> str:
    facts = cell.facts
    parts = []
    if facts.get("ttft_s") is not None:
        parts.append(f"{format_seconds(facts['ttft_s'])} to first token")
    if cell.latency_s is not None:
        parts.append(format_seconds(cell.latency_s))
    if facts.get("prompt_tokens") is not None and facts.get("completion_tokens") is not None:
        parts.append(f"{facts['prompt_tokens']:,} + {facts['completion_tokens']:,} tokens")
    if cell.cost_usd is not None:
        parts.append(format_usd(cell.cost_usd))
    if facts.get("finish_reason") == "length":
        parts.append("cut off at max_tokens")
    if facts.get("from_journal"):
        parts.append("reused")
    return " · ".join(parts)
