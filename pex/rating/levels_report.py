"""Levels of variants, from ratings of single answers, in sentences and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from pex.rating.form import Form
from pex.rating.levels import Level, Levels
from pex.rating.report import case_count, percent, quoted, reliability
from pex.report.tables import fragment

if TYPE_CHECKING:
    import pandas as pd

_TWICE = "answers that were shown a second time"


def progress_line(rated: int, total: int) -> str:
    """The progress in cases, without a hint of who is ahead or of answers that come twice."""
    return f"{rated:,} of {case_count(total)} rated"


def plain_headline(found: Levels) -> str:
    """Which variant is rated highest, in a sentence for people who know no statistics."""
    return " ".join(part for part in _headline(found) if part)


def _headline(found: Levels) -> tuple[str, str]:
    """The verdict, and what it is seen by."""
    there = [level for level in found.order if level.mean is not None]
    if not there:
        return "No answer has been rated yet.", ""
    levels = "; ".join(_said(level, found.form) for level in there) + "."
    if len(there) == 1:
        return levels, ""
    best = quoted(there[0].variant)
    more = "rated higher" if found.form.is_scale else f"{quoted(found.form.names[0])} more often"
    if found.verdict is not None:
        others = "all others" if len(there) > 2 else quoted(there[1].variant)
        return f"{best} is {more} than {others}.", levels
    if found.surely_worse:
        beaten = " and ".join(map(quoted, found.surely_worse))
        return f"{best} is {more} than {beaten}; the rest is not clear yet.", levels
    return "No clear difference yet.", f"{levels} This can still be chance."


def explain(found: Levels, notes: Sequence[str] = ()) -> str:
    """The findings in sentences, a paragraph each, the most important first."""
    return "\n\n".join([plain_headline(found), *details(found), *notes, *_method(found)])


def details(found: Levels) -> list[str]:
    """Each variant with its interval, what is missing, and how far it can be relied on."""
    sentences = [
        f"{quoted(level.variant)}: {_value(level.mean, found.form)}{_interval(level, found.form)} "
        f"over {case_count(level.cases)}."
        for level in found.order
        if level.mean is not None
    ]
    if found.more and found.ratings:
        goal = found.target.precision * (found.form.high - found.form.low)
        width = f"±{goal:.3g}" if found.form.is_scale else f"±{goal * 100:.3g} points"
        cases = "case" if found.more == 1 else "cases"
        sentences.append(f"Intervals of {width} need about {found.more:,} more {cases}.")
    if found.answers.errors:
        count = found.answers.errors
        some = "1 answer is" if count == 1 else f"{count:,} answers are"
        sentences.append(f"{some} missing because of an error.")
    return [*sentences, *reliability(found, "answer", _TWICE)]


def table(found: Levels) -> pd.DataFrame:
    """One row per variant for all raters together, the best first, then for each rater."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for rater, part in [("all", found.order), *found.by_rater.items()]:
        looks = list(found.self_agreement.values())
        if rater in found.by_rater:
            looks = [found.self_agreement[rater]]
        rows += [
            {
                "rater": rater, "variant": level.variant, "cases": level.cases,
                "ratings": level.ratings, "mean": level.mean, "lo": level.low, "hi": level.high,
                **level.counts, "enough": found.enough, "more_cases": found.more,
                "looked_twice": sum(item.of for item in looks),
                "same_twice": sum(item.same for item in looks),
            }
            for level in part
        ]  # fmt: skip
    frame = pd.DataFrame(rows)
    return frame.astype({"mean": "Float64", "lo": "Float64", "hi": "Float64"})


def result_html(found: Levels, notes: Sequence[str] = ()) -> str:
    """The result as HTML: one plain sentence, the variants, the notes; methods folded."""
    first = "mean" if found.form.is_scale else f"share of {found.form.names[0]}"
    head = ["variant", first, "", *found.form.names]
    verdict, counts = _headline(found)
    titles = "".join(
        f'<th scope="col"{_number(n)}>{escape(title)}</th>' if title else "<td></td>"
        for n, title in enumerate(head)
    )
    rows = "".join(_row(level, found) for level in found.order)
    body = (
        # Narrow pages scroll it, with keys too.
        '<div class="pex-scroll" tabindex="0" role="region" aria-label="Ratings">'
        f'<table class="pex-table"><caption>{case_count(found.cases)} rated</caption>'
        f"<thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    more = "".join(f"<li>{escape(text)}</li>" for text in [*details(found), *_method(found)])
    shown = "".join(f"<p>{escape(text)}</p>" for text in notes)
    return fragment(
        f'<div class="pex-rating-result"><p><strong>{escape(verdict)}</strong> {escape(counts)}</p>'
        f"{body if found.ratings else ''}{shown}<details><summary>Details</summary>"
        f'<ul class="pex-notes">{more}</ul></details></div>'
    )


def _row(level: Level, found: Levels) -> str:
    form, meter, value = found.form, "", "–"
    if level.mean is not None:
        number = f"{level.mean:.2f}" if form.is_scale else percent(level.mean)
        value = f"{number}{_interval(level, form)}"
        span = form.high - form.low
        share, low, high = (
            ((end or 0.0) - form.low) / span for end in (level.mean, level.low, level.high)
        )
        meter = (
            '<span class="pex-meter" aria-hidden="true" style="width:120px;margin-top:6px;'
            f'--pex-share:{share:.4f};--pex-low:{low:.4f};--pex-high:{high:.4f}"></span>'
        )
    verdict = ""
    if level.variant == found.verdict:
        verdict = ' <span class="pex-chip pex-chip-good">▲ best</span>'
    elif level.variant in found.surely_worse:
        verdict = ' <span class="pex-chip pex-chip-bad">▼ worse</span>'
    cells = "".join(f'<td class="pex-number">{count:,}</td>' for count in level.counts.values())
    return (
        f'<tr><th scope="row">{escape(quoted(level.variant)[1:-1])}{verdict}</th>'
        f'<td class="pex-number">{value}</td><td>{meter}</td>{cells}</tr>'
    )


def _method(found: Levels) -> list[str]:
    if not found.ratings:
        return []
    return [
        "Several ratings of one case count as one value, their mean. Intervals: Student's t with "
        "standard errors clustered by case or group; Wilson's if all values are the same. "
        "Variants are compared on the same cases, with a correction for all pairs of them. You may "
        "stop once the intervals are narrow enough, not because one is ahead."
    ]


def _said(level: Level, form: Form) -> str:
    if form.is_scale:
        ends = f"on a scale from {form.low:g} to {form.high:g}"
        return f"{quoted(level.variant)} has {level.mean:.2f} on average, {ends}"
    first = form.names[0]
    return (
        f"{quoted(level.variant)} is {quoted(first)} in {level.counts[first]:,} of "
        f"{level.ratings:,} ratings"
    )


def _value(mean: float | None, form: Form) -> str:
    value = mean or 0.0
    return f"{value:.2f}" if form.is_scale else f"{percent(value)} {quoted(form.names[0])}"


def _interval(level: Level, form: Form) -> str:
    if level.low is None or level.high is None:
        return ""
    if form.is_scale:
        return f" [{level.low:.2f}, {level.high:.2f}]"
    return f" [{level.low * 100:.0f}, {level.high * 100:.0f}]"


def _number(column: int) -> str:
    return "" if column in (0, 2) else ' class="pex-number"'
