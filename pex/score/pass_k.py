"""pass^k: the chance that all of k repeats of a case pass, beside the mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pex.stats import intervals
from pex.stats.repeats import mean_pass_hat_k, pass_hat_k

if TYPE_CHECKING:
    import pandas as pd

ENDS = ("", ".lo", ".hi", ".k", ".cases")
"""What follows `score.<name>.pass_k` in the columns of a summary."""


def pass_k_of(counts: Sequence[tuple[int, int]], k: int) -> dict[str, float]:
    """The chance that k of k repeats pass: estimated without bias per case, then over the cases.

    Args:
        counts: for each case the number of its scored answers and how many of them passed.
        k: from 1; cases with fewer answers are left out, and `.cases` says how many are left.

    Returns:
        By the ends of the columns: the mean, Wilson's 95 % interval, k, and the number of cases.

    Example:
        >>> found = pass_k_of([(3, 3), (3, 2), (2, 2)], 3)
        >>> found[""], found[".cases"], [round(found[end], 2) for end in (".lo", ".hi")]
        (0.5, 2, [0.09, 0.91])
    """
    whole = [(n, passed) for n, passed in counts if n >= k]
    value = low = high = math.nan
    if whole:
        value = mean_pass_hat_k(whole, k)
        total = math.fsum(pass_hat_k(n, passed, k) for n, passed in whole)
        low, high = intervals.wilson(min(total, len(whole)), len(whole))
    return {"": value, ".lo": low, ".hi": high, ".k": k, ".cases": len(whole)}


def pass_k_columns(rows: pd.DataFrame, name: str) -> dict[str, Any]:
    """The columns of a summary for one variant and one yes/no score; none without repeats.

    Args:
        rows: the variant's rows of the long frame.
        name: the score.
    """
    k = int(rows.groupby("case_id").size().max())
    if k < 2:
        return {}
    found = pass_k_of(counts_of(rows, name), k)
    return {f"score.{name}.pass_k{end}": found[end] for end in ENDS}


def pass_k_scores(summary: pd.DataFrame) -> dict[str, int]:
    """The scores whose pass^k is shown, and the largest k.

    Not those of which pass^k is the mean in every variant, because the repeats agree, and not the
    parts of another score.

    Args:
        summary: one row per variant.
    """
    names = [column[6:-2] for column in summary.columns if column.endswith(".n")]
    found = {}
    for name in names:
        column = f"score.{name}.pass_k.k"
        if column not in summary.columns or any(name.startswith(f"{n}.") for n in names):
            continue
        mean, every = summary[f"score.{name}"], summary[f"score.{name}.pass_k"]
        if bool(((mean - every).abs() > 1e-9).any()) or bool((mean.notna() & every.isna()).any()):
            found[name] = int(summary[column].max())
    return found


def pass_k_table(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """One row per variant and k, from 1 to the number of repeats.

    Args:
        frame: the long frame.
        name: a yes/no score.
    """
    import pandas as pd

    records = []
    for variant, rows in frame.groupby("variant", sort=False):
        counts = counts_of(rows, name)
        for k in range(1, max((n for n, _ in counts), default=0) + 1):
            found = pass_k_of(counts, k)
            named = {"k": k, "value": found[""], "lo": found[".lo"], "hi": found[".hi"]}
            records.append({"variant": variant, **named, "cases": found[".cases"]})
    return pd.DataFrame(records, columns=["variant", "k", "value", "lo", "hi", "cases"])


def counts_of(rows: pd.DataFrame, name: str) -> list[tuple[int, int]]:
    """For each case the number of its scored answers, and how many of them passed."""
    column = f"score.{name}"
    scored = rows[rows[column].notna()]
    found = scored.groupby("case_id", sort=False)[column].agg(["size", "sum"])
    return [(int(n), int(passed)) for n, passed in found.itertuples(index=False)]
