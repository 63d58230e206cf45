"""Alarms that mean something: the rules of a monitor, tested on the days since its baseline."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pex.core.safe_text import clean
from pex.library.moves import Move
from pex.monitoring.alarm import Alarm, Figure, NearRelease, RuleState
from pex.monitoring.baseline import Baseline
from pex.monitoring.check_drift import Drifted, check_drift, shares
from pex.monitoring.check_metric import Tested, check_metric, figure_of, is_rise
from pex.monitoring.findable import findable
from pex.monitoring.measures import VOLUME
from pex.monitoring.spec import AlarmRule, MonitorSpec
from pex.monitoring.traces import Traces
from pex.stats import Change, change_threshold

if TYPE_CHECKING:
    import pandas as pd

QUIET_DAYS = 30
"""The quiet days that the bound on false alarms holds for."""
_MOST_TRACES = 20
_NEAR = datetime.timedelta(days=1)


def check_alarms(
    spec: MonitorSpec,
    traces: Traces,
    baseline: Baseline,
    now: datetime.datetime,
    moves: Sequence[Move] = (),
    vectors: Mapping[str, Sequence[float]] | None = None,
) -> list[Alarm]:
    """The alarms of a monitor at one time; see `check_rules` for the rules that are quiet."""
    states = check_rules(spec, traces, baseline, now, moves, vectors)
    return [state.alarm for state in states if state.alarm is not None]


def check_rules(
    spec: MonitorSpec,
    traces: Traces,
    baseline: Baseline,
    now: datetime.datetime,
    moves: Sequence[Move] = (),
    vectors: Mapping[str, Sequence[float]] | None = None,
    no_vectors: str = "",
) -> list[RuleState]:
    """Where each rule stands. Looking more often makes no further false alarms.

    All rules together make a false alarm in at most 1 - `confidence` of all stretches of thirty
    quiet days.

    Args:
        spec: the monitor.
        traces: what was read, with scores as `score.<name>`.
        baseline: the period to compare with, from `find_baseline`.
        now: the time of the look, with a zone; later traces are left out.
        moves: the moves of aliases, which are named where they are near.
        vectors: for `drift: meaning` the embedding of a sample of traces, by trace id.
        no_vectors: why there are none.
    """
    rules = max(1, len(spec.alarms))
    threshold = change_threshold(1 - spec.confidence, QUIET_DAYS, rules)
    found = []
    for rule in spec.alarms:
        if rule.drift is not None:
            drifted = check_drift(rule.drift, traces, baseline, now, threshold, vectors)
            found.append(_drift_state(rule, drifted, threshold, rules, no_vectors))
        else:
            tested = check_metric(rule, traces, baseline, now, threshold)
            found.append(_metric_state(rule, tested, threshold, rules))
    return [_with_releases(state, traces, now, moves) for state in found]


def rule_name(rule: AlarmRule) -> str:
    """A rule in words.

    Example:
        >>> rule_name(AlarmRule(metric="polite", drop=0.05))
        'polite: drop of 0.05'
        >>> rule_name(AlarmRule(drift="language"))
        'drift of language'
        >>> rule_name(AlarmRule(metric="cost_usd", above_usual=0.5))
        'cost_usd: 50 % above usual'
    """
    if rule.drift is not None:
        return f"drift of {rule.drift}"
    if rule.above_usual is not None:
        return f"{rule.metric}: {100 * rule.above_usual:g} % above usual"
    for name in ("drop", "rise"):
        if getattr(rule, name) is not None:
            return f"{rule.metric}: {name} of {getattr(rule, name):g}"
    name = "above" if rule.above is not None else "below"
    return f"{rule.metric}: {name} {getattr(rule, name):g}"


def _metric_state(rule: AlarmRule, tested: Tested, threshold: float, rules: int) -> RuleState:
    name, metric = rule_name(rule), str(rule.metric)
    if tested.change is None or tested.parts is None or tested.measured is None:
        return RuleState(rule=name, metric=metric, status="cannot tell", reason=tested.problem)
    parts, yes_no = tested.parts, tested.measured.yes_no and metric != VOLUME
    before, change = figure_of(parts.before, yes_no), tested.change
    said = findable(rule, tested, threshold)
    if change.alarm is None:
        return RuleState(
            rule=name, metric=metric, status="quiet", reason=_quiet(change, threshold, parts.since),
            findable=said, before=before, now=figure_of(parts.since, yes_no),
            evidence=change.values, threshold=threshold,
        )  # fmt: skip
    changed = _from(parts.since, change, tested.days)
    figure = figure_of(changed, yes_no) or Figure(math.nan, None, None, 0)
    order = changed.sort_values(
        ["value", "day"], ascending=[not is_rise(rule), False], kind="stable"
    )
    ids = [] if metric == VOLUME else order["trace_id"].tolist()
    if yes_no:  # those that are as they should be are nothing to look at
        worse = order["value"].eq(1.0 if is_rise(rule) else 0.0)
        ids = order.loc[worse, "trace_id"].tolist()
    alarm = _alarm(
        name, metric, change, tested.days, threshold, rules,
        before=before, now=figure, yes_no=yes_no, trace_ids=tuple(ids[:_MOST_TRACES]),
    )  # fmt: skip
    return RuleState(
        rule=name, metric=metric, status="alarm", reason=f"{alarm}: {alarm.sure_text}", alarm=alarm,
        findable=said, before=before, now=figure, evidence=change.values, threshold=threshold,
    )  # fmt: skip


def _drift_state(
    rule: AlarmRule, drifted: Drifted, threshold: float, rules: int, no_vectors: str
) -> RuleState:
    name, metric = rule_name(rule), str(rule.drift)
    if drifted.change is None or drifted.parts is None:
        problem = drifted.problem
        if metric == "meaning" and no_vectors:
            problem = no_vectors
        return RuleState(rule=name, metric=metric, status="cannot tell", reason=problem)
    parts, change = drifted.parts, drifted.change
    if change.alarm is None:
        return RuleState(
            rule=name, metric=metric, status="quiet", reason=_quiet(change, threshold, parts.since),
            evidence=change.values, threshold=threshold,
        )  # fmt: skip
    changed = _from(parts.since, change, drifted.days)
    was, now = shares(parts.before, drifted.names), shares(changed, drifted.names)
    moved = sorted(zip(drifted.names, was, now, strict=True), key=lambda x: -abs(x[2] - x[1]))
    grown = [item for item, old, new in sorted(moved, key=lambda x: x[1] - x[2]) if new > old]
    place = {item: index for index, item in enumerate(grown)}
    shown = changed[changed["value"].isin(grown)].assign(place=lambda f: f["value"].map(place))
    ids = shown.sort_values(["place", "at"], ascending=[True, False])["trace_id"].tolist()
    distance = sum(abs(new - old) for _, old, new in moved) / 2
    alarm = _alarm(
        name, metric, change, drifted.days, threshold, rules, before=None,
        now=Figure(distance, None, None, len(changed)), yes_no=True,
        trace_ids=tuple(ids[:_MOST_TRACES]),
        detail=", ".join(f"{clean(n)} {100 * a:.0f} % → {100 * b:.0f} %" for n, a, b in moved[:3]),
    )  # fmt: skip
    return RuleState(
        rule=name, metric=metric, status="alarm", reason=f"{alarm}: {alarm.sure_text}", alarm=alarm,
        now=alarm.now, evidence=change.values, threshold=threshold,
    )  # fmt: skip


def _alarm(
    rule: str, metric: str, change: Change, days: Sequence[datetime.date], threshold: float,
    rules: int, *, before: Figure | None, now: Figure, yes_no: bool, trace_ids: tuple[str, ...],
    detail: str = "",
) -> Alarm:  # fmt: skip
    assert change.alarm is not None
    assert change.start is not None
    assert change.peak is not None
    assert change.first is not None
    assert change.last is not None
    most = max(change.values)
    return Alarm(
        rule=rule,
        metric=metric,
        since=days[change.start],
        since_first=days[change.first],
        since_last=days[change.last],
        until=None if change.values[-1] >= threshold else days[change.peak],
        found_on=days[change.alarm],
        before=before,
        now=now,
        yes_no=yes_no,
        how_sure=min(1.0, QUIET_DAYS * rules / most),
        trace_ids=trace_ids,
        detail=detail,
    )


def _from(values: pd.DataFrame, change: Change, days: Sequence[datetime.date]) -> pd.DataFrame:
    """The values of the days of the change."""
    assert change.start is not None
    assert change.peak is not None
    inside = (values["day"] >= days[change.start]) & (values["day"] <= days[change.peak])
    return values[inside]


def _quiet(change: Change, threshold: float, since: pd.DataFrame) -> str:
    share = change.values[-1] / threshold if change.values else 0.0
    far = "far from an alarm" if share < 0.01 else f"at {100 * share:.0f} % of an alarm's evidence"
    last = since["day"].max()
    return f"no change found; {far}; the last value is of {last}"


def _with_releases(
    state: RuleState, traces: Traces, now: datetime.datetime, moves: Sequence[Move]
) -> RuleState:
    import dataclasses

    if state.alarm is None:
        return state
    near = releases_near(traces, state.alarm, now, moves)
    alarm = dataclasses.replace(state.alarm, near_releases=tuple(near))
    return dataclasses.replace(state, alarm=alarm, reason=f"{alarm}: {alarm.sure_text}")


def releases_near(
    traces: Traces, alarm: Alarm, now: datetime.datetime, moves: Sequence[Move] = ()
) -> list[NearRelease]:
    """What was released within a day of the days on which a change may have begun, nearest first.

    A prompt version or model counts by its first trace, unless it was there from the first.

    Args:
        traces: what was read.
        alarm: the change.
        now: the time of the look.
        moves: the moves of aliases in the project.
    """
    frame = traces.frame[traces.frame["started_at"] <= now]
    found = []
    keys = {"model": ["model"], "prompt": ["prompt", "prompt_version"]}
    for kind, columns in keys.items():
        firsts = frame.dropna(subset=columns).groupby(columns)["started_at"].min()
        oldest = firsts.min() if len(firsts) else None
        for name, at in firsts.items():
            if at != oldest:
                text = "/".join(str(part) for part in name) if isinstance(name, tuple) else name
                found.append(NearRelease(kind, clean(str(text)), at.to_pydatetime()))
    found += [
        NearRelease(
            "alias", f"{m.alias} of {m.prompt}: {m.before or 'none'} → {m.to}, by {m.by}", m.at
        )
        for m in moves
    ]
    middle = datetime.datetime.combine(alarm.since, datetime.time(), datetime.UTC)
    begin = datetime.datetime.combine(alarm.since_first, datetime.time(), datetime.UTC) - _NEAR
    end = datetime.datetime.combine(alarm.since_last, datetime.time(), datetime.UTC) + 2 * _NEAR
    near = [item for item in found if begin <= item.at < end]
    return sorted(near, key=lambda item: abs(item.at - middle - _NEAR / 2))
