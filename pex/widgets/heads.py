"""The head of each column of a grid: its scores, what it took, and what went wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.safe_text import clean
from pex.report.tables import (
    format_interval,
    format_score,
    format_seconds,
    format_usd,
    summary_scores,
)
from pex.score.pass_k import pass_k_scores
from pex.stats import intervals
from pex.widgets.sheet import Sheet

if TYPE_CHECKING:
    import pandas as pd

Head = dict[str, Any]
"""`scores`, each with name, text, note, part (of another score), meter (share, low, high; None if
it has no bar) and, for pass^k, its label and the score that it is `of`; `facts` (time and cost),
`notes`, and the counts `errors` and `cut_off`."""


def finished_heads(sheet: Sheet, summary: pd.DataFrame) -> list[Head]:
    """The heads of a run that has ended, in the order of the columns."""
    records = {str(record["variant"]): record for record in summary.to_dict("records")}
    names, passes = summary_scores(summary), pass_k_scores(summary)
    return [
        _finished(sheet, records[name], names, passes) if name in records else empty_head()
        for name in sheet.variants
    ]


def running_head(sums: Mapping[str, Sequence[float]]) -> Head:
    """The head of a column while the run goes on, from the values of each score so far.

    Example:
        >>> running_head({"ok": [1.0, 1.0, 0.0, 1.0]})["scores"][0]["text"]
        '75 %'
    """
    scores = []
    for name, values in sums.items():
        mean, count = math.fsum(values) / len(values), len(values)
        binary = all(value in (0.0, 1.0) for value in values)
        low = high = math.nan
        if binary:
            low, high = intervals.wilson(math.fsum(values), count)
        scores.append(_score(name, mean, low, high, binary, binary, f"of {count:,}"))
    _mark_parts(scores)
    return {**empty_head(), "scores": scores}


def empty_head() -> Head:
    """A head without any result."""
    return {"scores": [], "facts": "", "errors": 0, "cut_off": 0, "notes": ""}


def _finished(
    sheet: Sheet, record: Mapping[Any, Any], names: Sequence[str], passes: Mapping[str, int]
) -> Head:
    scores = []
    for name in names:
        mean, low, high = (record[f"score.{name}{end}"] for end in ("", ".lo", ".hi"))
        note = f"of {record[f'score.{name}.n']:,}"
        percent = name in sheet.percentages
        scores.append(_score(name, mean, low, high, percent, sheet.has_bar(name), note))
        if name in passes:
            scores.append(_pass_k(name, passes[name], record))
    _mark_parts(scores)
    took = [format_seconds(record["latency_s"]), format_usd(record["cost_usd"])]
    words = [f"{record[name]} {name}" for name in ("empty", "filtered") if record.get(name)]
    return {
        "scores": scores,
        "facts": " · ".join(took),
        "errors": int(record["errors"]),
        "cut_off": int(record.get("cut_off") or 0),
        "notes": " · ".join(words),
    }


def _score(
    name: str, mean: float, low: float, high: float, percent: bool, bar: bool, note: str
) -> dict[str, Any]:
    text, interval = format_score(mean, percent), format_interval(low, high, percent)
    said = f"{name} {text}, 95 % interval {interval}" if interval else f"{name} {text}"
    meter = None
    if bar and not math.isnan(mean):
        ends = [0.0 if math.isnan(end) else min(1.0, max(0.0, end)) for end in (low, high)]
        meter = [round(value, 4) for value in (mean, *ends)]
    return {"name": clean(name), "text": text, "note": clean(f"{said} ({note})"), "meter": meter}


def _pass_k(name: str, k: int, record: Mapping[Any, Any]) -> dict[str, Any]:
    """The line of pass^k, below that of its score."""
    ends = ("", ".lo", ".hi", ".cases")
    value, low, high, cases = (record[f"score.{name}.pass_k{end}"] for end in ends)
    note = f"the chance that all {k} repeats of a case pass; of {int(cases):,} cases"
    line = _score(f"{name} pass^{k}", value, low, high, True, True, note)
    return {**line, "label": f"pass^{k}", "of": clean(name)}


def _mark_parts(scores: Sequence[dict[str, Any]]) -> None:
    """A score that is a part of another one, as `fields.name` of `fields`, says so."""
    names = {score["name"] for score in scores}
    for score in scores:
        score["part"] = score["name"].rpartition(".")[0] in names
