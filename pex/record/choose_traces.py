"""Choosing the rows of a run that get a trace in MLflow, if not all of them do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError, nearest
from pex.score.frame import yes_no

if TYPE_CHECKING:
    import pandas as pd

_WORDS = ("all", "none")


def check_traces(value: Any) -> int | str:
    """Return `value` if it is a valid number of traces to write.

    Raises:
        PexError: it is neither a non-negative whole number nor "all" or "none".

    Example:
        >>> check_traces("all"), check_traces(500)
        ('all', 500)
        >>> check_traces("al")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: traces: expected a whole number from 0, 'all' or 'none', got 'al'
          did you mean 'all'?
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value in _WORDS:
        return value
    raise PexError(
        f"traces: expected a whole number from 0, 'all' or 'none', got {value!r}",
        hint=nearest(value, _WORDS) if isinstance(value, str) else None,
    )


def choose(frame: pd.DataFrame, limit: int | str) -> list[tuple[str, int]]:
    """Choose the cases and repeats that get a trace: the same ones for every variant.

    The most interesting come first: cases with an error, then cases on which the variants
    differ in a yes/no score, then cases that all variants fail, then the rest, each in the
    order of the frame. A larger limit adds to the choice of a smaller one.

    Args:
        frame: the long frame.
        limit: the total number of traces (variants x cases x repeats), "all" or "none".

    Returns:
        (case_id, repeat) pairs, at most `limit` divided by the number of variants.

    Raises:
        PexError: `limit` is not valid.
    """
    limit = check_traces(limit)
    if limit == "none" or not len(frame):
        return []
    rank = _ranks(frame)
    places = frame[["case_id", "repeat"]].drop_duplicates()
    ordered = sorted(
        zip(places["case_id"], places["repeat"], strict=True),
        key=lambda place: rank[place[0]],  # sorting is stable: it keeps the order of the frame
    )
    found = [(str(case_id), int(repeat)) for case_id, repeat in ordered]
    return found if isinstance(limit, str) else found[: limit // frame["variant"].nunique()]


def _ranks(frame: pd.DataFrame) -> dict[str, int]:
    """0 for a case with an error, 1 if variants differ, 2 if they all fail, 3 for the rest."""
    import pandas as pd

    cases = pd.Index(frame["case_id"].unique())
    rank = pd.Series(3, index=cases)
    columns = [f"score.{name}" for name in sorted(yes_no(frame))]
    for column in columns:
        means = frame.groupby(["case_id", "variant"], sort=False)[column].mean()
        lowest, highest = means.groupby("case_id").min(), means.groupby("case_id").max()
        rank[lowest.index[lowest < 1.0]] = rank[lowest.index[lowest < 1.0]].clip(upper=2)
        rank[lowest.index[lowest < highest]] = 1
    rank[frame.loc[frame["error"].notna(), "case_id"].unique()] = 0
    return {str(case_id): int(value) for case_id, value in rank.items()}
