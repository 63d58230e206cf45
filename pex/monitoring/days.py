"""Values by day: the table of the baseline and that of the days since."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING

from pex.monitoring.baseline import Baseline

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, slots=True)
class Split:
    """Values before and since.

    Args:
        before: the baseline's values, with a column `day`.
        since: the later values, with a column `day`.
        days: every day since the baseline, also those without values.
    """

    before: pd.DataFrame
    since: pd.DataFrame
    days: list[datetime.date]


def split(values: pd.DataFrame, baseline: Baseline | None, now: datetime.datetime) -> Split:
    """The values before and since the end of the baseline; those of the future are left out.

    Args:
        values: a frame with a column `at`.
        baseline: the period; None if there is none: then all values are later ones.
        now: the time of the look.
    """
    values = values[values["at"] <= now]
    values = values.assign(day=values["at"].dt.date)
    if baseline is None or baseline.first is None or baseline.end is None:
        before, since = values.iloc[:0], values
        begin = values["day"].min() if len(values) else now.date()
    else:
        before = values[(values["at"] >= baseline.first) & (values["at"] < baseline.end)]
        since = values[values["at"] >= baseline.end]
        begin = baseline.end.date()
    last = (now - datetime.timedelta(microseconds=1)).date()
    return Split(before, since, days_between(begin, last))


def days_between(first: datetime.date, last: datetime.date) -> list[datetime.date]:
    """All days from the first to the last, both included.

    Example:
        >>> len(days_between(datetime.date(2026, 2, 27), datetime.date(2026, 3, 1)))
        3
    """
    return [first + datetime.timedelta(days=n) for n in range((last - first).days + 1)]
