"""Which traces want a look, worst first, and why; from figures alone, without a text.

Errors come first, then people's negative feedback, low scores, refusals and answers that were cut
off; among equals those with more such reasons, then the newer ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pex.monitoring.traces import ERROR, Traces

if TYPE_CHECKING:
    import pandas as pd

TRIAGE = "pex.triage"
"""The name of the assessments that are a decision here, and of the tag."""
_LOW = 0.5
"""A score between 0 and 1 below this is low."""
_LOW_SHARE = 0.4
"""On another scale, feedback at or below this share of the highest seen is negative: 2 of 5."""


def ordered(traces: Traces) -> pd.DataFrame:
    """The traces with at least one reason, worst first, with a column for each reason.

    Args:
        traces: what was read.

    Returns:
        The rows of the traces' frame; `error`, `negative`, `low`, `refusal` and `cut_off` say why,
        `negative_names` which feedback.
    """
    frame = traces.frame.drop_duplicates("trace_id", keep="last").reset_index(drop=True)
    negative = _negative(traces.feedback)
    reasons = {
        "error": (frame["state"] == ERROR).fillna(False).astype(bool),
        "negative": frame["trace_id"].isin(negative).astype(bool),
        "low": _low(frame),
        "refusal": frame["refused"].fillna(False).astype(bool),
        "cut_off": (frame["finish_reason"] == "length").fillna(False).astype(bool),
    }
    weight = sum(flags.astype("int64") * 2 ** (4 - n) for n, flags in enumerate(reasons.values()))
    frame = frame.assign(
        **reasons,
        weight=weight,
        negative_names=[negative.get(key, "") for key in frame["trace_id"]],
    )
    frame = frame[frame["weight"] > 0]
    return frame.sort_values(
        ["weight", "started_at", "trace_id"], ascending=[False, False, True], kind="stable"
    ).reset_index(drop=True)


def why(row: Any) -> str:
    """The reasons of one trace, a row of `ordered`, in a line."""
    said = []
    if row["error"]:
        kind = row["error_kind"]
        said.append(f"error: {kind}" if isinstance(kind, str) else "error")
    if row["negative"]:
        said.append(f"negative feedback: {row['negative_names']}")
    if row["low"]:
        low = [
            f"{name[6:]} {row[name]:.2g}"
            for name in row.index
            if name.startswith("score.") and _is_number(row[name]) and row[name] < _LOW
        ]
        said.append(f"low score: {', '.join(low)}")
    if row["refusal"]:
        said.append("refused")
    if row["cut_off"]:
        said.append("cut off")
    return "; ".join(said)


def _is_number(value: Any) -> bool:
    import pandas as pd

    return not pd.isna(value)


def _low(frame: pd.DataFrame) -> pd.Series:
    import pandas as pd

    low = pd.Series(False, index=frame.index)
    for name in frame.columns:
        if name.startswith("score."):
            low |= (frame[name].astype("Float64") < _LOW).fillna(False).astype(bool)
    return low


def _negative(feedback: pd.DataFrame) -> dict[str, str]:
    """The traces with negative feedback, no, a number below 0 or low on its scale: its names."""
    person = feedback[(feedback["source"] == "person") & (feedback["name"] != TRIAGE)]
    person = person[person["number"].notna()]
    found: dict[str, str] = {}
    for name, mine in person.groupby("name"):
        numbers = mine["number"].astype("float64")
        top = numbers.max()
        limit = _LOW_SHARE * top if top > 1 else 0
        for trace_id in mine["trace_id"][numbers <= limit].unique():
            found[trace_id] = f"{found[trace_id]}, {name}" if trace_id in found else str(name)
    return found
