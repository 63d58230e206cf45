"""What deployed traces did, by day or hour and beside each other: each figure with its interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pex.core.errors import PexError, nearest
from pex.monitoring import grouped
from pex.monitoring.traces import COLUMNS, ERROR, OK, UNFINISHED, Traces

if TYPE_CHECKING:
    import pandas as pd

Step = Literal["hour", "day"]
Kind = Literal["count", "share", "mean", "median", "p90"]

NOT_RANDOMISED = "not randomised: other users, other days"
"""Said wherever prompt versions or models of deployed traces stand beside each other."""
NONE = "(none)"
"""The level of traces that have no value in the column that divides them."""
CUT_OFF = ("length", "max_tokens")
"""The finish reasons of an answer that the token limit ended."""
MOST_WORDS = 8
"""Finish reasons, languages, kinds of error and words of feedback: the most frequent ones."""

BY = ("experiment", "service", "name", "prompt", "prompt_version", "model", "language", "state")
"""What traces can be divided by, and any `tag.<name>`."""

_MEANS = ("cost_usd", "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens")
_MEDIANS = ("input_chars", "output_chars")
_MILLISECONDS = {"hour": 3_600_000, "day": 86_400_000}


def over_time(
    traces: Traces,
    *,
    step: Step = "day",
    by: str | None = None,
    metrics: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Every metric of every day or hour, with its interval and n.

    A day between the first and the last that has no traces is a row with n = 0 and no value: a gap,
    not 0. Days are those of UTC. `total` is the sum over the traces, for costs and tokens over
    those that have them; `n_eff` is the number of independent traces that they are worth, since
    traces of one user or session resemble each other.

    Args:
        traces: what `read_traces` returned.
        step: the width of a point.
        by: divide the traces by a column of `BY`, or by a tag.
        metrics: only these.
        confidence: the two-sided level of the intervals.

    Returns:
        Columns `metric, kind, since, <by>, n, value, lo, hi, n_eff, total`.

    Raises:
        PexError: there is no such column or metric, with the nearest name.
    """
    import numpy as np
    import pandas as pd

    frame = traces.frame
    known = [_level(frame, by)] if by is not None else []
    if not len(frame):
        return _long([], by)
    moment = _moments(frame)
    width = _MILLISECONDS[step]
    bins = moment // width
    first, steps = int(bins.min()), int(bins.max() - bins.min()) + 1
    codes, levels = known[0] if known else (np.zeros(len(frame), np.int64), [""])
    group = (bins - first) * len(levels) + codes
    size = steps * len(levels)
    starts = pd.to_datetime((np.arange(steps) + first) * width, unit="ms", utc=True)
    places = {"since": np.repeat(starts.to_numpy(), len(levels))}
    if by is not None:
        places[by] = np.tile(np.array(levels, dtype=object), steps)
    tables = _tables(traces, metrics, group, size, confidence, places)
    result = _long(tables, by)
    result["since"] = pd.to_datetime(result["since"], utc=True)
    return result


def side_by_side(
    traces: Traces,
    by: str,
    *,
    reference: str | None = None,
    metrics: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """The metrics of prompt versions, models or others over the whole time, and their differences.

    Not randomised: other users, other days. A difference can come from who asked, or when.

    Args:
        traces: what `read_traces` returned.
        by: what divides the traces: a column of `BY`, or a tag.
        reference: what the others are compared with; default: that of most traces.
        metrics: only these.
        confidence: the two-sided level of the intervals.

    Returns:
        Columns `metric, kind, <by>, n, value, lo, hi, n_eff, total, first, last, diff, diff_lo,
        diff_hi`; `first` and `last` are when its traces began.

    Raises:
        PexError: there is no such column, metric or reference, with the nearest name.
    """
    import numpy as np
    import pandas as pd

    frame = traces.frame
    codes, levels = _level(frame, by)
    if not len(frame):
        return _long([], by)
    if reference is None:
        place = int(np.bincount(codes, minlength=len(levels)).argmax())
    elif reference in levels:
        place = levels.index(reference)
    else:
        raise PexError(f"no trace has the {by} '{reference}'", hint=nearest(str(reference), levels))
    names = {by: np.array(levels, dtype=object)}
    tables = _tables(traces, metrics, codes, len(levels), confidence, names)
    moment = _moments(frame)
    first = np.full(len(levels), np.iinfo(np.int64).max)
    last = np.full(len(levels), np.iinfo(np.int64).min)
    np.minimum.at(first, codes, moment)
    np.maximum.at(last, codes, moment)
    for table in tables:
        table["first"] = pd.to_datetime(first, unit="ms", utc=True)
        table["last"] = pd.to_datetime(last, unit="ms", utc=True)
        value, lo, hi = (table[end].to_numpy(float) for end in ("value", "lo", "hi"))
        found = grouped.differences(value, lo, hi, place)
        table["diff"], table["diff_lo"], table["diff_hi"] = found
        if table["kind"].iloc[0] == "count":  # of traffic, not of behaviour
            table[["diff", "diff_lo", "diff_hi"]] = np.nan
    result = _long(tables, by)
    result.attrs = {"reference": levels[place], "note": NOT_RANDOMISED}
    return result


def metric_names(traces: Traces) -> list[str]:
    """The metrics that these traces have."""
    return [name for name, _, _ in _measures(traces)]


def check_by(by: str, frame: pd.DataFrame) -> None:
    """Raise a `PexError` if traces cannot be divided by this.

    Args:
        by: a column of `BY`, or `tag.<name>`.
        frame: the traces.
    """
    known = [*BY, *(name for name in frame.columns if name.startswith("tag."))]
    if by not in known:
        hint = nearest(str(by), known)
        raise PexError(f"traces cannot be divided by '{by}'", hint=hint)


def levels_of(frame: pd.DataFrame, by: str) -> pd.Series:
    """The level of each trace: its value as a string, a version with its prompt's name.

    Args:
        frame: the traces.
        by: what divides them.

    Raises:
        PexError: traces cannot be divided by this.
    """
    check_by(by, frame)
    if by == "prompt_version":
        both = frame["prompt"].astype("string") + "/" + frame["prompt_version"].astype("string")
        return both.fillna(NONE)
    return frame[by].astype("string").fillna(NONE)


def clusters_of(frame: pd.DataFrame) -> Any:
    """Whose traces they are, as whole numbers: the user, else the session, else the trace alone."""
    import pandas as pd

    who = frame["user_digest"].astype("string").fillna(frame["session"].astype("string"))
    codes = pd.factorize(who.fillna("\0" + frame["trace_id"].astype("string")))[0]
    return codes.astype("int64")


def _level(frame: pd.DataFrame, by: str) -> tuple[Any, list[str]]:
    import pandas as pd

    codes, levels = pd.factorize(levels_of(frame, by), sort=True)
    return codes.astype("int64"), [str(level) for level in levels]


def _moments(frame: pd.DataFrame) -> Any:
    return frame["started_at"].dt.tz_convert("UTC").dt.as_unit("ms").astype("int64").to_numpy()


def _tables(
    traces: Traces,
    metrics: Sequence[str] | None,
    group: Any,
    size: int,
    confidence: float,
    places: dict[str, Any],
) -> list[pd.DataFrame]:
    import pandas as pd

    measures = {name: (kind, make) for name, kind, make in _measures(traces)}
    for name in metrics or ():
        if name not in measures:
            raise PexError(
                f"these traces have no metric '{name}'", hint=nearest(str(name), list(measures))
            )
    cluster = clusters_of(traces.frame)
    tables = []
    for name, (kind, make) in measures.items():
        if metrics is not None and name not in metrics:
            continue
        rows, values = make()
        found = _figure(kind, group[rows], values, cluster[rows], size, confidence)
        columns = {
            "metric": name, "kind": kind, **places, "n": found.n, "value": found.value,
            "lo": found.lo, "hi": found.hi, "n_eff": found.n_eff, "total": found.total,
        }  # fmt: skip
        tables.append(pd.DataFrame(columns))
    return tables


def _figure(
    kind: Kind, group: Any, values: Any, cluster: Any, size: int, confidence: float
) -> grouped.Grouped:
    if kind == "count":
        return grouped.counts(group, size, confidence)
    given = (group, values, cluster, size, confidence)
    if kind == "share":
        return grouped.shares(*given)
    if kind == "mean":
        return grouped.means(*given)
    return grouped.quantiles(*given, 0.5 if kind == "median" else 0.9)


Values = Callable[[], tuple[Any, Any]]


def _measures(traces: Traces) -> Iterator[tuple[str, Kind, Values]]:
    """Every metric of these traces with its kind; the numbers are made when they are needed."""
    frame = traces.frame
    state = frame["state"].astype("string")
    yield "traces", "count", _number(state.notna(), state.notna())
    ended = state.isin([OK, ERROR])
    yield "error_share", "share", _number(state == ERROR, ended)
    if (state == UNFINISHED).any():
        yield "unfinished_share", "share", _number(state == UNFINISHED, state.notna())
    kinds = frame["error_kind"].astype("string").where(state == ERROR)
    yield from _words("error_share", kinds, ended)
    if frame["refused"].notna().any():
        refused = frame["refused"].astype("Float64")
        yield "refusal_share", "share", _number(refused, refused.notna())
    reason = frame["finish_reason"].astype("string")
    if reason.notna().any():
        yield "cut_off_share", "share", _number(reason.isin(CUT_OFF), reason.notna())
        yield from _words("finish_reason", reason, reason.notna())
    for name, kind in (("latency_s", "median"), ("latency_s.p90", "p90")):
        if frame["latency_s"].notna().any():
            yield name, kind, _number(frame["latency_s"], frame["latency_s"].notna())  # type: ignore[misc]
    for name in _MEANS:
        if frame[name].notna().any():
            yield name, "mean", _number(frame[name], frame[name].notna())
    for name in _MEDIANS:
        if frame[name].notna().any():
            yield name, "median", _number(frame[name], frame[name].notna())
    language = frame["language"].astype("string")
    yield from _words("language", language, language.notna())
    for name in frame.columns:
        if name.startswith("score.") and frame[name].notna().any():
            values = frame[name].astype("Float64")
            yield name, _share_or_mean(values), _number(values, values.notna())
    yield from _opinions(traces)


def _number(values: pd.Series, there: pd.Series) -> Values:
    """The numbers of a column, and the places of the traces that count."""

    def made() -> tuple[Any, Any]:
        import numpy as np

        counted = there.fillna(False).to_numpy(dtype=bool)
        numbers = values.astype("Float64").to_numpy(dtype="float64", na_value=np.nan)
        counted = counted & np.isfinite(numbers)
        return np.flatnonzero(counted), numbers[counted]

    return made


def _words(name: str, words: pd.Series, there: pd.Series) -> Iterator[tuple[str, Kind, Values]]:
    """The share of each of the most frequent words."""
    for word in words.value_counts().index[:MOST_WORDS]:
        yield f"{name}.{word}", "share", _number((words == word).fillna(False), there)


def _share_or_mean(values: pd.Series) -> Kind:
    return "share" if bool(values.dropna().isin([0, 1]).all()) else "mean"


def _opinions(traces: Traces) -> Iterator[tuple[str, Kind, Values]]:
    """People's feedback: a number for each trace, the mean where several people gave one."""
    import pandas as pd

    said = traces.opinions
    if not len(said):
        return
    place = pd.Series(range(len(traces.frame)), index=traces.frame["trace_id"].astype("string"))
    place = place[~place.index.duplicated()]
    said = said.assign(row=said["trace_id"].astype("string").map(place))
    said = said[said["row"].notna()]  # feedback on a trace that is not among these
    for name, mine in said.groupby("name", sort=True):
        numbers = mine[mine["number"].notna()]
        if len(numbers):
            each = numbers.groupby("row")["number"].mean().astype("float64")
            kind = _share_or_mean(numbers["number"])
            yield f"feedback.{name}", kind, _given(each)
        words = mine[mine["number"].isna() & mine["value"].notna()]
        for word in words["value"].value_counts().index[:MOST_WORDS]:
            each = (words["value"] == word).groupby(words["row"]).mean().astype("float64")
            yield f"feedback.{name}.{word}", "share", _given(each)


def _given(each: pd.Series) -> Values:
    return lambda: (each.index.to_numpy(dtype="int64"), each.to_numpy(dtype="float64"))


def _long(tables: list[pd.DataFrame], by: str | None) -> pd.DataFrame:
    import pandas as pd

    if tables:
        return pd.concat(tables, ignore_index=True)
    columns = ["metric", "kind", "since", *([by] if by else []), "n", "value", "lo", "hi",
               "n_eff", "total"]  # fmt: skip
    return pd.DataFrame(columns=columns)


def empty_traces() -> Traces:
    """No traces: both frames with their columns and types."""
    import pandas as pd

    from pex.monitoring.traces import OPINIONS

    frame, feedback = (
        pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
        for columns in (COLUMNS, OPINIONS)
    )
    return Traces(frame, feedback)
