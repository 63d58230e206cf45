"""Checks a rule about drift of the inputs: language, length, a tag, or meaning."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pex import stats
from pex.core.errors import nearest
from pex.monitoring.baseline import Baseline
from pex.monitoring.check_metric import MIN_DAYS, MIN_VALUES
from pex.monitoring.days import Split, split
from pex.monitoring.traces import Traces
from pex.stats import Change

if TYPE_CHECKING:
    import pandas as pd

_MOST_CATEGORIES = 20
_LENGTHS = 10
_TOPICS = 8
_SEED = 7
OTHER = "any other"


@dataclasses.dataclass(frozen=True, slots=True)
class Drifted:
    """What the test of a rule about drift said; as `Tested` of a metric.

    Args:
        change: the evidence, None if the rule cannot tell.
        days: the days that its positions stand for.
        problem: why it cannot tell; otherwise empty.
        parts: the categories before and since, in the column `value`.
        names: the categories.
    """

    change: Change | None
    days: list[datetime.date]
    problem: str = ""
    parts: Split | None = None
    names: tuple[str, ...] = ()


def check_drift(
    what: str,
    traces: Traces,
    baseline: Baseline,
    now: datetime.datetime,
    threshold: float,
    vectors: Mapping[str, Sequence[float]] | None = None,
) -> Drifted:
    """Test whether the shares of categories are still those of the baseline.

    Args:
        what: `language`, `length`, `meaning` or `tag.<name>`.
        traces: what was read.
        baseline: the period.
        now: the time of the look.
        threshold: the evidence that makes an alarm.
        vectors: for `meaning` the embedding of a sample of traces, by trace id.
    """
    values, problem = _raw(what, traces, vectors)
    parts = split(values, baseline, now)
    problem = problem or baseline.problem
    if not problem:
        count, days = len(parts.before), parts.before["day"].nunique()
        if count < MIN_VALUES or days < MIN_DAYS:
            problem = (
                f"the baseline has {count} traces of {days} days with a known {what}: at least "
                f"{MIN_VALUES} of {MIN_DAYS} days are needed"
            )
        elif not len(parts.since):
            problem = f"no trace since the baseline has a known {what}"
    if problem:
        return Drifted(None, parts.days, problem, parts)
    if what == "length":
        parts = _binned(parts)
    elif what == "meaning":
        parts = _clustered(parts, vectors or {})
    top = parts.before["value"].value_counts().index[: _MOST_CATEGORIES - 1]
    names = (*(str(name) for name in top), OTHER)
    before, since = (_named(part, names) for part in (parts.before, parts.since))
    parts = dataclasses.replace(parts, before=before, since=since)
    change = stats.category_change(
        _counts(before, sorted(before["day"].unique()), names),
        _counts(since, parts.days, names),
        threshold,
    )
    return Drifted(change, parts.days, "", parts, names)


def shares(values: pd.DataFrame, names: Sequence[str]) -> list[float]:
    """The share of each category."""
    counts = values["value"].value_counts()
    return [float(counts.get(name, 0)) / max(len(values), 1) for name in names]


def _raw(
    what: str, traces: Traces, vectors: Mapping[str, Sequence[float]] | None
) -> tuple[pd.DataFrame, str]:
    import pandas as pd

    frame, problem = traces.frame, ""
    column = {"length": "input_chars", "language": "language"}.get(what, what)
    if what == "meaning":
        value = frame["trace_id"].where(frame["trace_id"].isin(list(vectors or {})))
        if not vectors:
            problem = "there are no embeddings of the inputs"
    elif column in frame.columns:
        value = frame[column]
        if not value.notna().any():
            problem = f"no trace has a known {what}"
    else:
        value = pd.Series(pd.NA, index=frame.index, dtype="string")
        tags = [name for name in frame.columns if name.startswith("tag.")]
        problem = f"no trace has {what}: {nearest(what, [*tags, 'language', 'length', 'meaning'])}"
    values = pd.DataFrame(
        {"trace_id": frame["trace_id"], "at": frame["started_at"], "value": value}
    )
    return values.dropna().sort_values("at", kind="stable").reset_index(drop=True), problem


def _binned(parts: Split) -> Split:
    """Lengths as tenths of the baseline's."""
    import numpy as np

    lengths = parts.before["value"].astype("float64").to_numpy()
    edges = np.unique(np.quantile(lengths, np.arange(1, _LENGTHS) / _LENGTHS))

    def named(part: pd.DataFrame) -> pd.DataFrame:
        place = np.searchsorted(edges, part["value"].astype("float64").to_numpy())
        names = [
            *(f"up to {edge:.0f} characters" for edge in edges),
            f"over {edges[-1]:.0f} characters",
        ]
        return part.assign(value=[names[index] for index in place])

    return dataclasses.replace(parts, before=named(parts.before), since=named(parts.since))


def _clustered(parts: Split, vectors: Mapping[str, Sequence[float]]) -> Split:
    """Embeddings as topics: groups of one half of the baseline, near or far from their middle.

    The other half of the baseline is what later days are compared with: the half that made the
    groups would fit them better than any later day.
    """
    import numpy as np
    from scipy.cluster.vq import kmeans2, vq

    def unit(part: pd.DataFrame) -> np.ndarray:
        found = np.array([vectors[trace_id] for trace_id in part["value"]], dtype=np.float64)
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(found / np.where(norms == 0, 1, norms))

    half = parts.before.iloc[::2]
    made = unit(half)
    middles, _ = kmeans2(made, min(_TOPICS, len(made) // 10), minit="++", seed=_SEED)
    far = float(np.quantile(vq(made, middles)[1], 0.9))

    def named(part: pd.DataFrame) -> pd.DataFrame:
        if not len(part):
            return part
        group, distance = vq(unit(part), middles)
        return part.assign(value=[
            f"topic {place + 1}" + (", far from its middle" if away > far else "")
            for place, away in zip(group, distance, strict=True)
        ])  # fmt: skip

    return dataclasses.replace(
        parts, before=named(parts.before.iloc[1::2]), since=named(parts.since)
    )


def _named(part: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    text = part["value"].astype("string")
    return part.assign(value=text.where(text.isin(list(names)), OTHER))


def _counts(
    part: pd.DataFrame, days: Sequence[datetime.date], names: Sequence[str]
) -> list[list[int]]:
    table = part.groupby(["day", "value"]).size().unstack(fill_value=0)
    table = table.reindex(index=list(days), columns=list(names), fill_value=0)
    return [[int(count) for count in row] for row in table.to_numpy()]
