"""Where the level of a metric moved: all days looked back at, whether or not a rule watches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pex.stats import change_points

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("metric", "kind", "since", "first", "last", "before", "after")
LEAST_POINTS = 6
"""Days, or hours, that a metric has at least; fewer say nothing about two levels."""


def level_changes(table: pd.DataFrame) -> pd.DataFrame:
    """The moves of every metric's level, the clearest first.

    A description, not a test: with many metrics some moves are chance. Days with less than a
    quarter of the usual number of values are left out, and so are moves that are smaller than half
    of the usual interval of a day.

    Args:
        table: what `pex.monitoring.over_time.over_time` returns, not divided.

    Returns:
        A row for each move: the metric, its kind, the first day of the new level (`since`), the
        days within which it began (`first` to `last`, 95 %), and the level before and after.
    """
    import pandas as pd

    found = []
    for metric, rows in table.groupby("metric", sort=False):
        rows = rows[rows["value"].notna() & (rows["n"] >= rows["n"].median() / 4)]
        if len(rows) < LEAST_POINTS:
            continue
        usual = float(((rows["hi"] - rows["lo"]) / 2).median())
        days = rows["since"].tolist()
        for move in change_points(rows["value"].astype(float).tolist()):
            size = abs(move.after - move.before)
            if size > usual:
                found.append((
                    size / usual if usual else size, metric, rows["kind"].iloc[0],
                    days[move.index], days[move.first], days[move.last], move.before, move.after,
                ))  # fmt: skip
    found.sort(key=lambda row: row[0], reverse=True)
    return pd.DataFrame([row[1:] for row in found], columns=list(COLUMNS))
