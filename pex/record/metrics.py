"""Scores and differences as MLflow metrics: their names and their rounding."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.about import About
from pex.score.frame import is_part

if TYPE_CHECKING:
    import pandas as pd


def rows_of(comparison: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a comparison as dicts by column name."""
    return [
        {str(key): value for key, value in row.items()} for row in comparison.to_dict("records")
    ]


def differences_of(comparison: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Each candidate's differences as metrics: `label.diff`, `label.diff.lo`, `.hi` and `.p`."""
    found: dict[str, dict[str, float]] = {}
    many = comparison["baseline"].nunique() > 1
    for row in rows_of(comparison):
        # In a pairwise comparison a candidate can have several baselines.
        stem = f"{row['metric']}.diff" + (f".{metric_name(row['baseline'])}" if many else "")
        ends = {"": "diff", ".lo": "lo", ".hi": "hi", ".p": "p_adjusted"}
        found.setdefault(row["candidate"], {}).update(
            {
                f"{stem}{end}": float(row[column])
                for end, column in ends.items()
                if isinstance(row[column], float)
            }
        )
    return found


def primary(about: About, summary: pd.DataFrame) -> str | None:
    """The score that decides: the gate's, else the first that has a value; None without scores."""
    names = [column[6:-2] for column in summary.columns if column.endswith(".n")]
    wanted = (about.gate or {}).get("metric")
    return wanted if wanted in names else next(iter(names), None)


def verdict_words(row: Mapping[str, Any], comparison: pd.DataFrame) -> str:
    """A verdict for a tag: `strict: better`, with the score's name if there are several."""
    score = f" ({row['metric']})" if comparison["metric"].nunique() > 1 else ""
    return f"{row['candidate']}{score}: {row['verdict']}"


def is_of_scorer(metric: str, scorers: Sequence[str]) -> bool:
    """Whether a metric belongs to a scorer, for example `tone.lo` or `tone.polite.diff`."""
    name = metric.removesuffix("_errors")
    return name in scorers or any(is_part(name, scorer, scorers) for scorer in scorers)


def metric_name(text: str) -> str:
    """A variant's name without the characters that MLflow refuses in a metric's name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-")


def rounded(value: float) -> float:
    """Round to four significant digits; whole numbers stay unchanged."""
    if math.isnan(value):
        return value
    return value if value == int(value) else float(f"{value:.4g}")
