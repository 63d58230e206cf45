"""Names of runs in MLflow, so that a list of them can be told apart."""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING, Any

from pex.core.about import About
from pex.core.values import missing

if TYPE_CHECKING:
    import pandas as pd

_NOTE = 80
_STOPPED = {"interrupted": "interrupted", "budget": "budget reached", "failed": "failed"}


def run_name(
    begin: str, about: About, summary: pd.DataFrame, score: str | None, yes_no: bool
) -> str:
    """The name of a run that has ended: when, how much was run or the note, the best score.

    Args:
        begin: how it begins: the time, or the id of a batch's job.
        about: the run's description.
        summary: one row per variant.
        score: the score that decides; None if there is none.
        yes_no: whether that score is yes or no, so that its mean is a share.
    """
    parts = [begin, " ".join(about.note.split())[:_NOTE] or _size(about)]
    best = best_of(summary, score)
    if best is not None:
        parts.append(f"{best[0]} {format_mean(best[1], yes_no)}")
    parts += [_STOPPED[about.status]] if about.status in _STOPPED else []
    return " · ".join(parts)


def local_time(at: datetime.datetime) -> str:
    """A time as names of runs have it, in this machine's time zone.

    Example:
        >>> local_time(datetime.datetime(2026, 11, 28, 17, 30).astimezone())
        '28 Nov 17:30'
    """
    at = at.astimezone()
    return f"{at.day} {_MONTHS[at.month - 1]} {at:%H:%M}"


def best_of(summary: pd.DataFrame, score: str | None) -> tuple[str, float] | None:
    """The variant with the highest mean of a score, and that mean; None if there is none."""
    column = f"score.{score}"
    if score is None or column not in summary or summary[column].isna().all():
        return None
    row = max(summary.to_dict("records"), key=lambda row: _or_least(row[column]))
    return str(row["variant"]), float(row[column])


def format_mean(value: float, yes_no: bool) -> str:
    """A mean: a share in percent, any other number to three digits.

    Example:
        >>> format_mean(0.7, True), format_mean(0.53218, False), format_mean(float("nan"), True)
        ('70 %', '0.532', '–')
    """
    if missing(value):
        return "–"
    return f"{value * 100:.0f} %" if yes_no else f"{value:.3g}"


def _or_least(value: Any) -> float:
    return -math.inf if missing(value) else float(value)


def _size(about: About) -> str:
    prompts, models = {v.prompt for v in about.variants}, {v.model for v in about.variants}
    count = len(about.variants)
    what = "variant"
    if count == len(prompts):
        what = "prompt"
    elif count == len(models):
        what = "model"
    times = f" × {about.repeats}" if about.repeats > 1 else ""
    return f"{count:,} {what}{'' if count == 1 else 's'} × {about.cases:,}{times}"


# Not strftime's: those follow the machine's language.
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
