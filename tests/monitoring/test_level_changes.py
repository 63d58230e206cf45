"""Where the level of a metric moved."""

import pandas as pd

from pex.monitoring.level_changes import level_changes

DAYS = pd.date_range("2026-03-01", periods=12, tz="UTC")


def days(metric: str, values: list[float], n: list[int] | None = None, half: float = 0.05):
    return pd.DataFrame({
        "metric": metric, "kind": "share", "since": DAYS[: len(values)], "n": n or 100,
        "value": values, "lo": [v - half for v in values], "hi": [v + half for v in values],
    })  # fmt: skip


def test_the_clearest_move_comes_first_with_its_day_and_levels() -> None:
    calm = [0.9, 0.91, 0.9, 0.89, 0.9, 0.91]
    table = pd.concat([
        days("quiet", calm * 2),
        days("score.a", [*calm, 0.7, 0.71, 0.7, 0.69, 0.7, 0.71]),
        days("score.b", [*calm[:4], *[0.1, 0.11, 0.1, 0.09, 0.1, 0.11, 0.1, 0.1]]),
        days("short", [0.1, 0.9, 0.1]),
        days("tiny", [*calm, *[v + 0.04 for v in calm]]),
    ])  # fmt: skip
    found = level_changes(table)
    assert found["metric"].tolist() == ["score.b", "score.a"]
    first = found.iloc[0]
    assert (first["since"], first["first"], first["last"]) == (DAYS[4], DAYS[4], DAYS[4])
    assert round(first["before"], 2) == 0.9
    assert round(first["after"], 2) == 0.1


def test_a_day_with_hardly_a_value_is_no_move() -> None:
    values = [0.9, 0.91, 0.9, 0.89, 0.9, 0.91, 0.0, 0.0, 0.9, 0.89, 0.9, 0.9]
    few = [100] * 6 + [2, 2] + [100] * 4
    assert level_changes(days("score.a", values, few)).empty
    assert not level_changes(days("score.a", values)).empty
