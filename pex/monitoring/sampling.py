"""Which deployed traces are scored: it follows from their ids, so every look chooses the same."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import math
from collections.abc import Collection
from typing import TYPE_CHECKING

from pex.monitoring.spec import Sample
from pex.monitoring.traces import OK

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, slots=True)
class Chosen:
    """The sample: traces to score now, those known already, and what they stand for.

    Args:
        new: ids of traces to score now, oldest first.
        known: how many of the sample were scored before.
        answered: how many traces it is a sample of: those with a text as answer, that match the
            filter.
    """

    new: tuple[str, ...]
    known: int
    answered: int

    @property
    def weight(self) -> float:
        """How many traces each scored one stands for; 0 if there is none."""
        scored = len(self.new) + self.known
        return self.answered / scored if scored else 0.0


def sample_place(trace_id: str) -> float:
    """Where a trace stands in every sample: a number from 0 to 1, from its id.

    A trace is in the sample where this is below the rate, so a larger sample contains the smaller
    one.

    Args:
        trace_id: its id.

    Example:
        >>> round(sample_place("tr-1"), 3), sample_place("tr-1") == sample_place("tr-1")
        (0.686, True)
    """
    return int.from_bytes(hashlib.sha256(trace_id.encode()).digest()[:8]) / 2**64


def choose(
    frame: pd.DataFrame,
    sample: Sample,
    scored: Collection[str],
    now: datetime.datetime,
    matching: Collection[str] | None = None,
) -> Chosen:
    """Choose the traces to score; those that ended in an error, or without a text, are left out.

    `per_day` holds for each day (UTC). On the day of the look it is taken in proportion to the time
    that has passed, so that looks during a day do not score its morning only.

    Args:
        frame: the traces.
        sample: rate and most per day.
        scored: the ids of traces that were scored before.
        now: when the look is made.
        matching: the ids that match the sample's filter; None: all of them.
    """
    answered = frame[frame["state"].eq(OK).fillna(False) & frame["output_chars"].notna()]
    if matching is not None:
        answered = answered[answered["trace_id"].isin(set(matching))]
    ids = answered["trace_id"].astype(str)
    rows = answered.assign(place=[sample_place(name) for name in ids], scored=ids.isin(set(scored)))
    known = int(rows["scored"].sum())
    left = rows[~rows["scored"] & (rows["place"] < sample.rate)]
    if sample.per_day is not None and len(left):
        left = _at_most(rows, left, sample.per_day, now)
    return Chosen(tuple(left["trace_id"].astype(str)), known, len(answered))


def _at_most(
    rows: pd.DataFrame, left: pd.DataFrame, per_day: int, now: datetime.datetime
) -> pd.DataFrame:
    """The traces that each day has room for, by their place in the sample."""
    today = now.astimezone(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    passed = (now.astimezone(datetime.UTC) - today).total_seconds() / 86_400
    taken = rows[rows["scored"]]["started_at"].dt.floor("D").value_counts()
    day = left["started_at"].dt.floor("D")
    room = (per_day - day.map(taken).fillna(0)).clip(lower=0)
    is_today = day.eq(today)
    part = math.ceil(per_day * passed)
    room = room.where(~is_today, (part - day.map(taken).fillna(0)).clip(lower=0))
    rank = left.groupby(day)["place"].rank(method="first")
    chosen: pd.DataFrame = left[rank <= room]
    return chosen
