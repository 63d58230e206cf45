"""The table of an ablation, as text and as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from pex.core.safe_text import clean
from pex.report.tables import format_score, minus

if TYPE_CHECKING:
    from pex.improvement.ways.ablation import Ablated, AblationResult

_NOTE = (
    "Each row is the prompt without that sentence, compared case by case with the whole prompt; "
    "p is corrected for the number of sentences (Holm). What two sentences say together shows in "
    "neither row."
)


def as_text(result: AblationResult) -> str:
    """The table for a terminal."""
    lines = [_heading(result)]
    for item in result.sentences:
        text = " ".join(item.sentence.text.split())
        text = text if len(text) <= 60 else f"{text[:59]}…"
        ends = f"{_difference(item, result)} {_interval(item, result)}"
        lines.append(f"{ends:>22}  {item.verdict:<17}  {text}")
    return clean("\n".join(lines))


def as_html(result: AblationResult) -> str:
    """The table for a notebook or a page; the sentences are escaped."""
    heads = ("sentence", "score without it", "what it adds", "p, corrected", "verdict")
    rows = []
    for item in result.sentences:
        p = "–" if item.p is None else "< 0.001" if item.p < 0.001 else f"{item.p:.2g}"
        ends = f' <span class="pex-small">{escape(_interval(item, result))}</span>'
        rows.append(
            f"<tr><td>{escape(item.sentence.text)}</td>"
            f"<td>{format_score(item.without, result.percent)}</td>"
            f"<td>{escape(_difference(item, result))}{ends}</td>"
            f"<td>{p}</td><td>{escape(item.verdict)}</td></tr>"
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        f"<p>{escape(_heading(result))}</p>"
        f'<div class="pex-scroll"><table class="pex-table"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        f'<p class="pex-small">{escape(_NOTE)}</p>'
    )


def _heading(result: AblationResult) -> str:
    score = format_score(result.score, result.percent)
    cases = "1 case" if result.cases == 1 else f"{result.cases:,} cases"
    return (
        f"What each sentence of '{result.prompt.name}' adds to {result.metric} ({score}, {cases})"
    )


def _difference(item: Ablated, result: AblationResult) -> str:
    scale, digits = (100, ".0f") if result.percent else (1, ".3g")
    value = item.difference * scale
    return minus(f"{0.0 if abs(value) < 1e-9 else value:+{digits}}")


def _interval(item: Ablated, result: AblationResult) -> str:
    if item.low is None or item.high is None:
        return ""
    scale, digits = (100, ".0f") if result.percent else (1, ".3g")
    return minus(f"[{item.low * scale:{digits}}, {item.high * scale:{digits}}]")
