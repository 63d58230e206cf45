"""Checks a rule about a metric: which figures, on which scale, and what they say."""

from __future__ import annotations

import dataclasses
import datetime
import math
from typing import TYPE_CHECKING

from pex import stats
from pex.monitoring.alarm import Figure
from pex.monitoring.baseline import Baseline
from pex.monitoring.days import Split, days_between, split
from pex.monitoring.measures import VOLUME, Measure, measure, scale_of
from pex.monitoring.spec import AlarmRule
from pex.monitoring.traces import Traces
from pex.stats import Change

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MIN_VALUES = 100
"""So many values the baseline needs at least."""
MIN_DAYS = 3
"""On so many days they have to be."""
MIN_VOLUME_DAYS = 7
"""So many whole days the baseline needs for a rule about the number of traces."""
_WEEKEND = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Tested:
    """What a rule's test said.

    Args:
        change: the evidence, None if the rule cannot tell.
        days: the days that its positions stand for.
        problem: why it cannot tell; otherwise empty.
        measured: the metric's values.
        parts: those before and since.
        size: the change that is looked for, on the scale of the test; below 0 for a drop.
        deviation: the standard deviation of single values there.
        shown_size: the change in the metric's own units.
    """

    change: Change | None
    days: list[datetime.date]
    problem: str = ""
    measured: Measure | None = None
    parts: Split | None = None
    size: float = 0.0
    deviation: float = 0.0
    shown_size: float = 0.0


def check_metric(
    rule: AlarmRule,
    traces: Traces,
    baseline: Baseline,
    now: datetime.datetime,
    threshold: float,
) -> Tested:
    """Test a rule with a metric.

    Args:
        rule: the rule.
        traces: what was read.
        baseline: the period; a rule with a fixed limit can do without.
        now: the time of the look.
        threshold: the evidence that makes an alarm.
    """
    found = measure(traces, str(rule.metric))
    parts = split(found.values, baseline, now)
    problem = found.problem
    fixed = rule.above is not None or rule.below is not None
    if not problem and not fixed:
        problem = baseline.problem or (_too_few(parts) if rule.metric != VOLUME else "")
    if not problem and not len(parts.since):
        problem = f"no trace since the baseline has a value of {rule.metric}"
    if problem:
        return Tested(None, parts.days, problem, found, parts)
    if rule.metric == VOLUME:
        return _volume(rule, found, parts, baseline, now, threshold)
    if found.yes_no:
        return _yes_no(rule, found, parts, threshold)
    return _number(rule, found, parts, threshold)


def is_rise(rule: AlarmRule) -> bool:
    """Whether the rule is about values that are too high."""
    return rule.drop is None and rule.below is None


def figure_of(values: pd.DataFrame, yes_no: bool) -> Figure | None:
    """The mean of values with its 95 % interval; None without values.

    The days are the units of the interval where there are at least five of them, as a day's values
    are alike; with fewer days single values are.
    """
    count = len(values)
    if not count:
        return None
    numbers = values["value"].tolist()
    value = sum(numbers) / count
    ends = stats.wilson(sum(numbers), count) if yes_no else stats.mean(numbers)
    if values["day"].nunique() >= 5:
        grouped = stats.clustered(numbers, values["day"].tolist())
        wide = grouped is not None and ends is not None
        if wide and grouped and ends and grouped.high - grouped.low > ends[1] - ends[0]:
            ends = (grouped.low, grouped.high)
            if yes_no:
                ends = (max(0.0, ends[0]), min(1.0, ends[1]))
    return Figure(value, ends[0] if ends else None, ends[1] if ends else None, count)


def _too_few(parts: Split) -> str:
    count, days = len(parts.before), parts.before["day"].nunique()
    if count < MIN_VALUES:
        return (
            f"the baseline has {count} values, {MIN_VALUES - count} too few: "
            f"at least {MIN_VALUES} are needed"
        )
    if days < MIN_DAYS:
        return f"the baseline's values are of {days} days: at least {MIN_DAYS} days are needed"
    return ""


def _yes_no(rule: AlarmRule, found: Measure, parts: Split, threshold: float) -> Tested:
    limit = rule.above if rule.above is not None else rule.below
    usual = float(parts.before["value"].mean()) if len(parts.before) else 0.5
    if limit is not None:
        size = max(0.5 * min(limit, 1 - limit), 0.005)
        usual = limit
    elif rule.above_usual is not None:
        size = rule.above_usual * usual
    else:
        size = float(rule.drop if rule.drop is not None else rule.rise or 0)
    size = (size or 0.02) * (1 if is_rise(rule) else -1)
    before = [(n, round(total)) for n, total in _sums(parts.before)]
    after = [(n, round(total)) for n, total in _sums(parts.since, parts.days)]
    change = stats.rate_change(before, after, size, threshold, limit)
    deviation = math.sqrt(max(usual * (1 - usual), 1e-4))
    return Tested(change, parts.days, "", found, parts, size, deviation, abs(size))


def _number(rule: AlarmRule, found: Measure, parts: Split, threshold: float) -> Tested:
    import numpy as np

    limit = rule.above if rule.above is not None else rule.below
    reference = parts.before if len(parts.before) >= MIN_VALUES else found.values
    values = reference["value"].to_numpy()
    sign = 1 if is_rise(rule) else -1
    add, factor = 0.0, 1.0
    if rule.above_usual is not None:
        factor = 1 + (rule.above_usual or 0.1)
        if values.mean() <= 0:
            problem = f"the baseline's mean of {rule.metric} is 0: no share above it means anything"
            return Tested(None, parts.days, problem, found, parts)
    else:
        add = sign * (rule.drop or rule.rise or 0.1 * float(values.std()) or 1e-9)
    # A fixed limit is a mean in the metric's own units, so there the log scale does not fit.
    name = "" if limit is not None else found.metric
    scale = scale_of(name, values, 4 * abs(add) + 4 * (factor - 1) * abs(float(values.mean())))
    scaled = scale(values)
    size = scale.shift(values, add, factor)
    if limit is not None:
        size = sign * max(0.25 * float(scaled.std()), 1e-9)
    deviation = max(float(scaled.std()), abs(size) / 4, 1e-9)
    before = parts.before.assign(value=scale(parts.before["value"].to_numpy()))
    after = parts.since.assign(value=scale(parts.since["value"].to_numpy()))
    change = stats.mean_change(
        [(n, total / n) for n, total in _sums(before)],
        [(n, total / n if n else 0.0) for n, total in _sums(after, parts.days)],
        deviation, size, threshold, limit,
    )  # fmt: skip
    shown = abs(add) if factor == 1 else (factor - 1) * float(np.mean(values))
    return Tested(change, parts.days, "", found, parts, size, deviation, shown)


def _volume(
    rule: AlarmRule,
    found: Measure,
    parts: Split,
    baseline: Baseline,
    now: datetime.datetime,
    threshold: float,
) -> Tested:
    """The number of traces of whole days, on a log scale, working days and weekends apart."""
    import numpy as np

    begin = parts.days[0] if baseline.end is None or _is_midnight(baseline.end) else parts.days[1:2]
    start = begin if isinstance(begin, datetime.date) else (begin or [now.date()])[0]
    days = days_between(start, now.date() - datetime.timedelta(days=1))
    before_days: list[datetime.date] = []
    if baseline.first is not None and baseline.end is not None:
        late = 0 if _is_midnight(baseline.first) else 1
        before_days = days_between(
            baseline.first.date() + datetime.timedelta(days=late),
            baseline.end.date() - datetime.timedelta(days=1),
        )
    limit = rule.above if rule.above is not None else rule.below
    if limit is None and len(before_days) < MIN_VOLUME_DAYS:
        problem = (
            f"the baseline has {len(before_days)} whole days: at least {MIN_VOLUME_DAYS} are "
            "needed to know how the number of traces varies"
        )
        return Tested(None, days, problem, found, parts)
    counts = [(day, n) for day, (n, _) in zip(days, _sums(parts.since, days), strict=True)]
    usual = [
        (day, n) for day, (n, _) in zip(before_days, _sums(parts.before, before_days), strict=True)
    ]
    if not counts:
        return Tested(None, days, "no whole day has passed since the baseline", found, parts)
    levels = _weekday_levels(usual if limit is None else [])
    scaled = [(1, _log(n) - levels[day.weekday() >= _WEEKEND]) for day, n in usual]
    later = [(1, _log(n) - levels[day.weekday() >= _WEEKEND]) for day, n in counts]
    reference = [value for _, value in (scaled or later)]
    mean = float(np.mean([n for _, n in (usual or counts)]))
    # A low first guess: how much days vary beyond it is learnt from the baseline's days.
    deviation = max(0.7 * float(np.std(reference)), 1 / math.sqrt(max(mean, 1)), 0.05)
    change_by = rule.drop or rule.rise or 0.1 * mean
    share = rule.above_usual or (0.2 if limit is not None else change_by / max(mean, 1e-9))
    size = math.log1p(share) if is_rise(rule) else math.log(max(1 - share, 0.05))
    change = stats.mean_change(
        scaled, later, deviation, size, threshold, None if limit is None else math.log(limit + 0.5)
    )
    by_day = dataclasses.replace(parts, before=_counted(usual), since=_counted(counts), days=days)
    return Tested(change, days, "", found, by_day, size, deviation, share * mean)


def _is_midnight(at: datetime.datetime) -> bool:
    return at.time() == datetime.time()


def _log(count: int) -> float:
    return math.log(count + 0.5)


def _weekday_levels(usual: list[tuple[datetime.date, int]]) -> dict[bool, float]:
    """The usual log count of working days and of weekends; one level if either is too rare."""
    apart = {
        end: [_log(n) for day, n in usual if (day.weekday() >= _WEEKEND) is end]
        for end in (False, True)
    }
    if min(len(part) for part in apart.values()) < 2:
        return {False: 0.0, True: 0.0}
    return {end: sum(part) / len(part) for end, part in apart.items()}


def _counted(days: list[tuple[datetime.date, int]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "trace_id": pd.Series([""] * len(days), dtype="string"),
            "day": [day for day, _ in days],
            "value": [float(n) for _, n in days],
        }
    )


def _sums(values: pd.DataFrame, days: list[datetime.date] | None = None) -> list[tuple[int, float]]:
    """Count and sum of each day; with `days` also of those without values."""
    grouped = values.groupby("day")["value"].agg(["size", "sum"])
    if days is not None:
        grouped = grouped.reindex(days, fill_value=0)
    return [(int(n), float(s)) for n, s in zip(grouped["size"], grouped["sum"], strict=True)]
