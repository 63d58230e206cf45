"""The values of a metric, one for each trace, and the scale on which their mean is tested."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pex.core.errors import nearest
from pex.monitoring.traces import ERROR, UNFINISHED, Traces

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SKEWED = ("latency_s", "cost_usd", "prompt_tokens", "completion_tokens")
"""Figures with a long tail to the right, which are tested on a log scale."""
SHARES = ("error_share", "refusal_share", "cut_off_share")
VOLUME = "traces"
_CUT_OFF = ("length", "max_tokens")


@dataclasses.dataclass(frozen=True, slots=True)
class Measure:
    """The values of a metric, oldest first.

    Args:
        metric: its name.
        values: a frame with `trace_id`, `at` and `value`; traces without a value are left out.
        yes_no: whether all values are 0 or 1.
        problem: why there are no values, in a sentence; otherwise empty.
    """

    metric: str
    values: pd.DataFrame
    yes_no: bool
    problem: str = ""


def measure(traces: Traces, metric: str) -> Measure:
    """The values of a metric.

    Args:
        traces: what was read.
        metric: a score, `feedback.<name>`, or a figure of every trace, as `AlarmRule.metric`.
    """
    import pandas as pd

    frame = traces.frame
    ended = frame["state"].ne(UNFINISHED)
    if metric == "error_share":
        value = frame["state"].eq(ERROR).astype("Float64").where(ended)
    elif metric == "refusal_share":
        value = frame["refused"].astype("Float64")
    elif metric == "cut_off_share":
        reason = frame["finish_reason"]
        value = reason.isin(_CUT_OFF).astype("Float64").where(reason.notna())
    elif metric == VOLUME:
        value = pd.Series(1.0, index=frame.index, dtype="Float64")
    elif metric in SKEWED:
        value = frame[metric].astype("Float64")
    elif metric.startswith("feedback."):
        return _opinions(traces, metric)
    elif f"score.{metric.removeprefix('score.')}" in frame.columns:
        value = pd.to_numeric(
            frame[f"score.{metric.removeprefix('score.')}"].astype("Float64"), errors="coerce"
        )
    else:
        known = [name.removeprefix("score.") for name in frame.columns if name.startswith("score.")]
        hint = nearest(metric, [*known, *SHARES, *SKEWED, VOLUME])
        return _made(metric, _nothing(), f"no trace has a score '{metric}': {hint}")
    return _made(metric, pd.DataFrame({
        "trace_id": frame["trace_id"], "at": frame["started_at"], "value": value,
    }))  # fmt: skip


def _opinions(traces: Traces, metric: str) -> Measure:
    name = metric.removeprefix("feedback.")
    opinions = traces.feedback
    those = opinions[opinions["name"].eq(name)]
    if not len(those):
        known = sorted(f"feedback.{item}" for item in opinions["name"].dropna().unique())
        return _made(metric, _nothing(), f"no trace has {metric}: {nearest(metric, known)}")
    # Several people's opinions of one trace are one value, so that a trace counts once.
    value = those.dropna(subset=["number"]).groupby("trace_id")["number"].mean()
    frame = traces.frame[["trace_id", "started_at"]].rename(columns={"started_at": "at"})
    joined = frame.join(value.rename("value"), on="trace_id", how="inner")
    if not len(joined):
        return _made(metric, _nothing(), f"{metric} has only texts, so it has no mean")
    return _made(metric, joined)


def _made(metric: str, values: pd.DataFrame, problem: str = "") -> Measure:
    values = values.dropna().sort_values("at", kind="stable").reset_index(drop=True)
    values["value"] = values["value"].astype("float64")
    if not problem and not len(values):
        problem = f"no trace has a value of {metric}"
    return Measure(metric, values, bool(values["value"].isin((0.0, 1.0)).all()), problem)


def _nothing() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "trace_id": pd.Series(dtype="string"),
            "at": pd.Series(dtype="datetime64[ms, UTC]"),
            "value": pd.Series(dtype="Float64"),
        }
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Scale:
    """How values are made fit for a test of their mean; fixed by the baseline's values.

    A skewed figure becomes log(1 + value / median): half a request as expensive again counts the
    same everywhere, and a single huge value cannot make an alarm. Others are clipped just outside
    what 99.8 % of the baseline's values are. The mean on this scale is what is tested.
    """

    median: float | None
    low: float
    high: float

    def __call__(self, values: Floats) -> Floats:
        """The values on the scale."""
        import numpy as np

        if self.median is not None:
            values = np.log1p(np.maximum(values, 0) / self.median)
        return np.clip(values, self.low, self.high)

    def shift(self, values: Floats, add: float = 0.0, factor: float = 1.0) -> float:
        """How far the mean moves on the scale if all values are multiplied and added to."""
        free = dataclasses.replace(self, low=-float("inf"), high=float("inf"))
        return float(free(values * factor + add).mean() - free(values).mean())


def scale_of(metric: str, values: Floats, room: float) -> Scale:
    """The scale of a metric from the baseline's values.

    Args:
        metric: its name.
        values: the baseline's values.
        room: how far beyond them a value still counts in full, in its own units.
    """
    import numpy as np

    median = float(np.median(values))
    if metric in SKEWED and median > 0:
        most = float(np.quantile(values, 0.999)) * 4
        return Scale(median, 0.0, float(np.log1p(most / median)))
    low, high = np.quantile(values, (0.001, 0.999))
    return Scale(None, float(low) - room, float(high) + room)
