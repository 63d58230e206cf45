"""An improvement as HTML: a part of a notebook, or a file of its own."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from pex.core.safe_text import clean
from pex.improvement.confirmation import Confirmation
from pex.improvement.picture import Score, confirmed, svg
from pex.improvement.selection import START, Candidate
from pex.report.comparison import SIGNS, chip
from pex.report.safe_html import escaped
from pex.report.sides import side_by_side_table
from pex.report.tables import format_usd
from pex.report.tables import fragment as in_style
from pex.report.theme import page_style, style
from pex.report.word_difference import word_difference

MOST_CASES = 200
_FOLDER = Path(__file__).parent
_STATES = {"chosen": " pex-chip-good", "refused": " pex-chip-warn"}
_MARKS = {
    "chosen": "✓",
    "refused": "✗",
    "behind on train": "▼",
    "not chosen": "·",
    "not measured": "–",
    "start": "■",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows of an improvement; `value` formats a score."""

    sentence: str
    verdict: str
    notes: Sequence[str]
    metric: str
    yes_no: bool
    candidates: Sequence[Candidate]
    scores: Sequence[Score]
    best: Candidate
    confirmation: Confirmation | None
    steps: Sequence[str]
    summary: str
    value: Callable[[float], str]


@functools.cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        # What a template prints comes from models and files.
        finalize=lambda value: clean(value) if type(value) is str else value,
    )


def page(shown: Shown) -> str:
    """The report: a file without links to anything outside."""
    sheet = Markup(style() + page_style())
    template = _templates().get_template("improvement_page.html.jinja")
    return template.render(style=sheet, **_data(shown), cases=_cases(shown))


def fragment(shown: Shown) -> str:
    """What a notebook shows."""
    template = _templates().get_template("improvement.html.jinja")
    return in_style(str(template.module.improvement(**_data(shown))))  # type: ignore[attr-defined]


def _data(shown: Shown) -> dict[str, Any]:
    best = shown.best
    prompts = {item.name: item.prompt.text for item in shown.candidates}
    rows = []
    for item, score in zip(shown.candidates, shown.scores, strict=True):
        rows.append(
            {
                "item": item,
                "scores": [shown.value(getattr(score, name)) for name in _sets(shown.scores)],
                "cost": "–" if math.isnan(item.usd_per_1000) else format_usd(item.usd_per_1000),
                "state": _state(item),
                "change": Markup(_change(item, prompts)),
                "best": item is best and item.name != START,
            }
        )
    sign = SIGNS.get(shown.verdict, "■")
    return {
        "name": shown.candidates[0].prompt.name,
        "shown": shown,
        "verdict": Markup(chip(shown.verdict, escape(f"{sign} {shown.verdict}"))),
        "picture": Markup(svg(shown.scores, best.name, shown.metric, shown.yes_no)),
        "rows": rows,
        "sets": _sets(shown.scores),
        "winner": Markup(_change(best, {best.parent: prompts[START]})),
        "changed": best.name != START,
    }


def _sets(scores: Sequence[Score]) -> tuple[str, ...]:
    """The sets with a column: confirm only if something was confirmed."""
    return ("train", "select", "confirm") if confirmed(scores) else ("train", "select")


def _state(item: Candidate) -> Markup:
    text = f"{_MARKS[item.state]} {item.state}"
    return Markup('<span class="pex-chip{}">{}</span>').format(
        Markup(_STATES.get(item.state, "")), text
    )


def _change(item: Candidate, prompts: dict[str, str]) -> str:
    """A prompt's text with the words that its parent did not have, and those that are gone."""
    old = prompts.get(item.parent)
    text = item.prompt.text
    pieces = word_difference(text, old) if old is not None else None
    shown = []
    for kind, piece in pieces or [("same", text)]:
        safe = escaped(piece)
        if kind == "same" or not piece.strip():
            shown.append(safe)
        else:
            shown.append(f"<ins>{safe}</ins>" if kind == "new" else f"<del>{safe}</del>")
    return "".join(shown)


def _cases(shown: Shown) -> Markup:
    """The confirm set's cases with both answers."""
    import pandas as pd

    found = shown.confirmation
    if found is None:
        return Markup("")
    name = str(found.row["candidate"])
    frame = pd.concat(
        [found.start.frame.assign(variant=START), found.winner.frame.assign(variant=name)],
        ignore_index=True,
    )
    yes_no = [shown.metric] if shown.yes_no else []
    return Markup(side_by_side_table(frame, yes_no, MOST_CASES, 1200, baseline=START))
