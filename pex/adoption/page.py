"""The one page of an adoption: self-contained HTML that opens from a file."""

from __future__ import annotations

import datetime
import functools
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, FileSystemLoader, Template
from markupsafe import Markup

from pex.adoption.decide import KEEP, VERDICTS
from pex.adoption.described import changed_places
from pex.adoption.outcome import Outcome
from pex.adoption.plan import Side
from pex.adoption.shown import SIGNS, changes, chip, next_steps, overview_html
from pex.compare.verdict import UNCHANGED
from pex.core.safe_text import clean
from pex.report.comparison import finding as finding_text
from pex.report.sides import side_by_side_table
from pex.report.tables import reachable
from pex.report.theme import page_style, style

MOST_CHANGED = 12
"""Changed answers of one prompt on the page."""
MAX_CHARS = 1200
MOST_OPEN = 5
"""With more prompts than this, none is unfolded when the page opens: it would be endless."""
MAX_BYTES = 2_000_000
"""Of all the answers side by side, so the file can be mailed and opens at once."""

HOW = (
    "Each prompt is compared on its own cases, case by case, by its primary score: the metric of "
    "its experiment's gate, else its first scorer.",
    "Better or worse: p is adjusted by Holm's procedure over all prompts, and the interval is at "
    "the level that this p is compared with. No worse: the one-sided bound is within the gate's "
    "margin, at Holm's level over all prompts that have a margin. So with {confidence} "
    "confidence no claim of one kind on this page is wrong.",
    "Keep as it is: better, no worse by the margin, or unchanged. Needs a rewrite: measurably "
    "worse, and at least half of the lost cases are losses of form (cut off, empty, without the "
    "answer format, or the right answer inside other words), or at least half as many cases are "
    "gained as lost. Do not move yet: measurably worse otherwise, or more errors than the "
    "experiment allows. Undecided: the cases do not suffice.",
    "Without a margin nothing can be no worse, only better, worse or unchanged: give the "
    "experiment a gate, or the command --margin.",
)


@functools.cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html.jinja")


class Told(Protocol):
    """What the page tells of an adoption."""

    outcomes: list[Outcome]
    confidence: float
    ends: tuple[str, ...]
    day: datetime.date

    @property
    def title(self) -> str:
        """Which model in place of which."""

    @property
    def new(self) -> Side:
        """The new model."""

    @property
    def old(self) -> str:
        """The old one in words."""

    @property
    def headline(self) -> str:
        """The result in a sentence."""

    @property
    def stopped_text(self) -> str:
        """Why it did not finish; empty if it did."""

    @property
    def remarks(self) -> list[str]:
        """What else has to be known."""

    @property
    def facts(self) -> str:
        """What was asked and spent."""

    @property
    def left_out_lines(self) -> list[str]:
        """What was not compared."""


def page(adoption: Told) -> str:
    """The text of the page; what models said is escaped."""
    outcomes = adoption.outcomes
    left = MAX_BYTES
    parts = []
    for item in outcomes:
        part, size = _part(item, left)
        left -= size
        parts.append(part)
    for part in parts:
        part["open"] = part["open"] and len(parts) <= MOST_OPEN
    table = reachable(overview_html(outcomes, link=True), "Prompts") if outcomes else ""
    steps = [command for _, command in next_steps(outcomes, str(adoption.new), adoption.old)]
    choices = [("", "all")] + [
        (name, f"{SIGNS[name]} {name}")
        for name in VERDICTS
        if any(item.decision.verdict == name for item in outcomes)
    ]
    return _template().render(
        title=clean(adoption.title),
        style=Markup(style() + page_style()),
        answer=clean(adoption.headline),
        stopped=clean(adoption.stopped_text),
        remarks=[clean(text) for text in (*adoption.ends, *adoption.remarks)],
        facts=clean(f"{adoption.facts} Compared on {adoption.day.day} {adoption.day:%B %Y}."),
        table=Markup(table),
        choices=choices if len(choices) > 2 else [],
        steps=[clean(text) for text in steps],
        left_out=[clean(text) for text in adoption.left_out_lines],
        parts=parts,
        how=[text.format(confidence=f"{100 * adoption.confidence:g} %") for text in HOW],
    )


def _part(item: Outcome, left: int) -> tuple[dict[str, Any], int]:
    """One prompt's part of the page, and the size of its answers side by side."""
    row = item.finding.row if item.finding else {}
    sides, caption = _sides(item, left)
    sentence = ""
    if row.get("n_cases") and row.get("verdict") != UNCHANGED:
        sentence = finding_text(row)
    return {
        "name": clean(item.task.key),
        "verdict": item.decision.verdict,
        "open": item.decision.verdict != KEEP and bool(sides) and len(sides) < 200_000,
        "chip": Markup(chip(item.decision.verdict)),
        "why": clean(item.decision.why),
        "sentence": clean(sentence),
        "facts": [(name, clean(text)) for name, text in _facts(item)],
        "remarks": [clean(text) for text in item.remarks],
        "sides": Markup(reachable(sides, "Answers that changed") if sides else ""),
        "caption": clean(caption),
    }, len(sides.encode())


def _facts(item: Outcome) -> list[tuple[str, str]]:
    task, row = item.task, (item.finding.row if item.finding else {})
    cost, latency, tokens, changed = changes(item)
    found = [("old → new", f"{_sent(task.old)} → {_sent(task.new)}")]
    if item.margin is not None and item.finding is not None and row.get("bound") is not None:
        found.append(("margin", _margin(item)))
    p = row.get("p_adjusted")
    if p is not None and p == p:
        said = "below 0.001" if float(p) < 0.001 else f"{float(p):.2g}"
        found.append(("p, adjusted", f"{said} (of {row['family']} comparisons)"))
    found += [("cost per 1,000", cost), ("latency, median", latency), ("tokens out", tokens)]
    about = item.described
    if about is not None and about.paired:
        noise = about.noise
        own = (
            f"; the old model itself differs in {100 * noise:.0f} % when asked twice"
            if noise == noise
            else ""
        )
        found.append(("answers changed", changed + own))
    if about is not None:
        found += [
            (f"answers {name.replace('_', ' ')}", f"{old:,} → {new:,}")
            for name, (new, old) in about.unusual.items()
        ]
        if any(about.errors):
            found.append(("errors", f"{about.errors[1]:,} → {about.errors[0]:,}"))
    if task.version is not None:
        where = " (champion)" if task.version == task.champion else ""
        found.append(("library", f"version {task.version}{where}"))
    return found


def _margin(item: Outcome) -> str:
    from pex.report.comparison import format_difference, format_value

    assert item.finding is not None
    assert item.margin is not None
    row = item.finding.row
    metric = str(row["metric"])
    bound = format_difference(row["bound"], metric, item.yes_no)
    margin = format_value(item.margin, metric, item.yes_no).replace(" %", " points")
    return f"{margin}; at the worst {bound}"


def _sent(variant: Any) -> str:
    from pex.core.text import value_text

    params = variant.all_params
    return ", ".join([variant.model, *(f"{k}={value_text(v)}" for k, v in params.items())])


def _sides(item: Outcome, left: int) -> tuple[str, str]:
    """The cases whose answers changed, side by side, lost ones first."""
    if item.results is None or item.described is None or not item.described.changed:
        return "", ""
    frame, sides = item.measured.frame, item.sides
    yes_no = {str(item.finding.row["metric"])} if item.yes_no and item.finding else set()
    cases = changed_cases(item)
    if left <= 0:
        return "", f"{len(cases):,} answers changed; the page is full: see .results in Python."
    shown = cases[:MOST_CHANGED]
    some = frame[frame["case_id"].isin(shown)]
    # The old answer on the left, as everywhere on the page.
    some = some.sort_values("variant", key=lambda name: name == sides.new, kind="stable")
    html = side_by_side_table(some, yes_no, len(shown), MAX_CHARS, sides.old, left, shown)
    more = len(cases) - len(shown)
    caption = "Answers that changed, the largest loss first"
    return html, caption + (f"; {more:,} more are in .results in Python." if more > 0 else ".")


def changed_cases(item: Outcome) -> list[str]:
    """The ids of the cases whose answers changed, the largest loss of score first."""
    frame, sides = item.measured.frame, item.sides
    places = [place for place, differs in changed_places(frame, sides).items() if differs]
    column = f"score.{item.finding.row['metric']}" if item.finding and item.finding.row else ""
    if column in frame.columns:
        names = ("variant", "case_id", "repeat", column)
        rows = zip(*(frame[name].tolist() for name in names), strict=True)
        score = {(variant, case, repeat): value for variant, case, repeat, value in rows}
        sign = 1 if item.finding and item.finding.row.get("higher_is_better", True) else -1

        def loss(place: tuple[str, int]) -> float:
            change = sign * (score[sides.new, *place] - score[sides.old, *place])
            return change if change == change else 0.0

        places.sort(key=loss)
    return list(dict.fromkeys(case for case, _ in places))
