"""An opened cell: everything about one answer, bounded, as plain data for a view."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pex.core import jsontext
from pex.core.document_preview import Preview
from pex.core.documents import KIND as DOCUMENT
from pex.core.documents import part_text
from pex.core.events import RowKey
from pex.core.remarks import of_answer
from pex.core.safe_text import clean
from pex.core.score import Score
from pex.core.text import value_text
from pex.core.values import missing, to_json_value
from pex.report.documents import Show
from pex.report.fields import sign
from pex.report.safe_html import markdown_html
from pex.report.tables import cut, format_seconds, format_usd
from pex.report.word_difference import word_difference
from pex.score.field_outcomes import differences, read_again
from pex.score.unusual_answers import remarks_of
from pex.widgets.cell import Cell
from pex.widgets.code import pieces
from pex.widgets.path_view import path_of
from pex.widgets.sheet import Sheet

MAX_CHARS = 200_000
"""Characters of one text that are shown; `results.frame` has all of them."""
MAX_FIELDS = 200
MODES = ("text", "markdown", "json", "code")

Messages = Callable[[RowKey], Sequence[Mapping[str, Any]]]
"""The messages that were sent for a place."""

RequestBody = Callable[[RowKey], Mapping[str, Any]]
"""The body of the request for a place, as far as it is known; empty if it is not."""

_RESPONSE = (
    "output", "error", "error_kind", "tool_calls", "reasoning", "finish_reason", "resolved_model",
    "prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens",
    "cache_write_tokens", "latency_s", "ttft_s", "cost_usd", "remarks", "request_key",
)  # fmt: skip

_FACTS = {
    "model": "model", "resolved_model": "answered by", "finish_reason": "finish reason",
    "latency_s": "latency", "ttft_s": "first token after", "cost_usd": "cost",
    "prompt_tokens": "tokens in", "completion_tokens": "tokens out",
    "reasoning_tokens": "reasoning tokens", "cached_tokens": "tokens from the cache",
    "cache_write_tokens": "tokens written to the cache", "remarks": "remarks",
    "started_at": "started at", "from_journal": "reused", "trace_id": "trace",
    "request_key": "request key",
}  # fmt: skip


def cell_details(
    sheet: Sheet,
    row: int,
    column: int,
    messages: Messages | None,
    mode: str = "text",
    trace_url: Callable[[str], str | None] | None = None,
    request: RequestBody | None = None,
    previews: Show | None = None,
) -> dict[str, Any]:
    """Everything shown of a cell.

    Args:
        sheet: the grid's rows.
        row: the cell's row.
        column: its column.
        messages: gives the messages that were sent; None if they are not known.
        mode: how the answer is shown: one of `MODES`.
        trace_url: the address of a trace, if it has one.
        request: gives the body of the request; None if it is not known.
        previews: gives pictures of the documents that the case names.

    Returns:
        Texts by name, without invisible characters; only `html` is HTML, and harmless.
    """
    cells = sheet.row(row)
    line, cell = sheet.line(row), cells[column]
    place = sheet.place(row, column)
    facts: Mapping[str, Any] = {} if cell is None else cell.facts
    sent = [] if messages is None else messages(place)
    # Where tools ran, the path has what was said after the first request.
    ran = isinstance(facts.get("steps"), list)
    conversation = [*sent, *(() if ran else facts.get("conversation") or [])]
    if not missing(facts.get("reasoning")):
        conversation.append({"role": "reasoning", "content": facts["reasoning"]})
    if cell is not None and not facts.get("conversation"):
        conversation.append(
            {"role": "error" if cell.state == "error" else "assistant", "answer": True}
        )
    body = {} if request is None else dict(request(place))
    fields = _fields(sheet, cell, line.expected)
    baseline = cells[sheet.baseline]
    compared = None if baseline is None or baseline is cell else baseline.facts
    return {
        "case": line.id,
        "variant": place[0],
        "repeat": place[2] if sheet.repeats > 1 else None,
        "tags": [*line.tags, *([line.group] if line.group else [])],
        "inputs": _inputs(facts, previews) or [["", _bounded(line.text)]],
        "expected": _bounded(line.expected),
        "messages": [_message(message) for message in conversation],
        "answer": _answer(cell, mode),
        "path": path_of(facts, compared, sheet.variants[sheet.baseline]),
        "marks": _marks(cell, [item["scorer"] for item in fields]),
        "fields": fields,
        "difference": _difference(cell, cells[sheet.baseline]),
        "baseline": sheet.variants[sheet.baseline],
        "tabs": [
            [number, clean(name), _verdict(each)]
            for number, (name, each) in enumerate(zip(sheet.variants, cells, strict=True))
        ],
        "params": _params(body),
        "facts": _facts(facts, trace_url),
        "raw": _raw(body, facts),
    }


def _marks(cell: Cell | None, by_field: Sequence[str]) -> list[list[str]]:
    """Kind, label and reason of each score, after what cannot be seen in the answer.

    Those of fields have no reason here: a table of their own has the values.
    """
    if cell is None:
        return []
    said = [] if cell.state != "answered" else remarks_of(
        {name: cell.facts.get(name) for name in ("finish_reason", "remarks")}
    )  # fmt: skip
    parts = tuple(f"{name}." for name in by_field)
    scores = [
        [mark.kind, mark.label, "" if mark.name.startswith(parts) else _bounded(mark.reason)]
        for mark in cell.marks
    ]
    return [*(["warn", word, ""] for word in said), *scores]


def _fields(sheet: Sheet, cell: Cell | None, expected: str) -> list[dict[str, Any]]:
    """The fields that are not as expected, for each scorer of structured answers.

    A row is a sign, what is wrong, the field, the given and the expected value, and a note.
    """
    shown: list[dict[str, Any]] = []
    if cell is None or cell.state != "answered":
        return shown
    for name, scorer in sheet.field_scorers.items():
        ended, remarks = (cell.facts.get(key) for key in ("finish_reason", "remarks"))
        verdicts = {
            mark.name.removeprefix(f"{name}."): Score(mark.value, mark.reason)
            for mark in cell.marks
            if mark.name.startswith(f"{name}.")
        }
        reading = read_again(scorer, cell.text, expected, ended, remarks, verdicts)
        if reading is None:
            continue
        found = [] if reading.unread is not None else differences(reading)
        rows = [
            [sign(item.what), item.what, clean(item.field), _or_none(item.given),
             _or_none(item.wanted), clean(item.note)]
            for item in found[:MAX_FIELDS]
        ]  # fmt: skip
        right = sum(item.outcome == "right" for item in reading.outcomes)
        counted = sum(item.outcome is not None for item in reading.outcomes)
        said = clean(reading.unread) if reading.unread else f"{right} of {counted} values right"
        if len(found) > MAX_FIELDS:
            said += f"; the first {MAX_FIELDS} of {len(found):,} that differ"
        shown.append({"scorer": clean(name), "said": said, "rows": rows})
    return shown


def _or_none(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _verdict(cell: Cell | None) -> str:
    """The verdict over all yes/no scores: good, bad if one is, failed for an error, or none."""
    if cell is None:
        return ""
    kinds = {mark.kind for mark in cell.marks}
    if cell.state == "error" or "failed" in kinds:
        return "failed"
    return "bad" if "bad" in kinds else "good" if "good" in kinds else ""


def _params(body: Mapping[str, Any]) -> list[list[str]]:
    """The parameters of a request: all but the model and the messages."""
    return [
        [clean(name), _bounded(value_text(value))]
        for name, value in body.items()
        if name not in ("model", "messages")
    ]


def _raw(body: Mapping[str, Any], facts: Mapping[str, Any]) -> list[list[str]]:
    """The request and what is kept of the response, as JSON."""
    response = {
        name: value
        for name in _RESPONSE
        if name in facts and not missing(value := to_json_value(facts[name]))
    }
    shown = [["Request", _without_files(body)], ["Response as recorded", response]]
    return [
        [title, _bounded(json.dumps(value, ensure_ascii=False, indent=2, default=str))]
        for title, value in shown
        if value
    ]


def _without_files(value: Any) -> Any:
    """A request with images and files as their beginning and size."""
    if isinstance(value, Mapping):
        return {name: _without_files(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_files(each) for each in value]
    if isinstance(value, str) and value.startswith("data:") and len(value) > 200:
        return f"{value[:60]}… ({len(value):,} characters)"
    return value


def _bounded(text: str) -> str:
    return clean(cut(text, MAX_CHARS))


def _inputs(facts: Mapping[str, Any], previews: Show | None) -> list[list[Any]]:
    """Name, text and, of a document, its preview, for each input."""
    shown: list[list[Any]] = []
    for name, value in facts.items():
        if name.startswith("case.") and not missing(value):
            preview = previews(name[5:], value) if previews is not None else None
            more = [] if preview is None else [_cleaned(preview)]
            shown.append([name[5:], _bounded(value_text(value)), *more])
    return shown


def _cleaned(preview: Preview) -> dict[str, Any]:
    return {**preview.as_data(), "name": clean(preview.name), "facts": clean(preview.facts)}


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    if message.get("answer"):
        return {"role": str(message["role"]), "answer": True}
    content = message.get("content")
    if isinstance(content, list) and any(part.get("type") == DOCUMENT for part in content):
        content = "\n".join(part_text(part) for part in content)
    return {"role": str(message.get("role", "")), "text": _bounded(value_text(content or ""))}


def _answer(cell: Cell | None, mode: str) -> dict[str, Any]:
    if cell is None:
        return {"mode": "text", "text": "", "empty": "not run"}
    answer: dict[str, Any] = {"mode": mode, "text": _bounded(cell.text)}
    if not cell.text.strip():
        answer["empty"] = "(empty answer)" if not cell.text else "(only whitespace)"
    elif mode == "markdown":
        answer["html"] = markdown_html(cut(cell.text, MAX_CHARS))
    elif mode == "json":
        answer["json"] = _json(cell.text)
    elif mode == "code":
        answer["pieces"] = pieces(cut(cell.text, MAX_CHARS))
    return answer


def _json(text: str) -> str | None:
    """A text as JSON with invisible characters escaped; None if it is not JSON."""
    if len(text) > MAX_CHARS:
        return None
    inner = re.fullmatch(r"\s*```\w*\n(.*?)```\s*", text, re.DOTALL)
    try:
        return clean(json.dumps(jsontext.loads(inner[1] if inner else text)))
    except (ValueError, RecursionError):
        return None


def _difference(cell: Cell | None, baseline: Cell | None) -> list[tuple[str, str]] | str:
    """The pieces, or a sentence that says why there are none."""
    if cell is None or baseline is None or cell is baseline:
        return ""
    if "error" in (cell.state, baseline.state):
        return "one of the two answers is an error"
    if cell.text == baseline.text:
        return "the same answer"
    pieces = word_difference(cell.text, baseline.text)
    if pieces is None:
        return "too long and too different to compare word by word"
    return [(kind, _bounded(piece)) for kind, piece in pieces]


def _facts(
    facts: Mapping[str, Any], trace_url: Callable[[str], str | None] | None
) -> list[list[str]]:
    """Name and value of each fact; the trace also has its address, or how to find it."""
    shown = []
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
        shown.append([title, clean(text)])
        if name == "trace_id":
            url = trace_url(text) if trace_url is not None else None
            shown[-1] += ["", url] if url else ["pexlab ui opens it"]
    return shown
