"""Rows of traces and of assessments as the frames of `Traces`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from pex.monitoring import kept_traces
from pex.monitoring.traces import COLUMNS, OPINIONS, Traces

if TYPE_CHECKING:
    import pandas as pd

_TAG = "tag."


def frames(pages: Iterable[Sequence[Sequence[Any]]], opinions: Sequence[Any]) -> Traces:
    """The frames of traces, oldest first.

    Args:
        pages: traces as lists of values, in the order of `kept_traces.COLUMNS`.
        opinions: assessments as rows in the order of `kept_traces.OPINIONS`.
    """
    import pandas as pd

    parts = [_frame(page) for page in pages] or [_frame([[] for _ in kept_traces.COLUMNS])]
    frame = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    said = zip(*opinions, strict=True) if opinions else [()] * len(kept_traces.OPINIONS)
    given = dict(zip(kept_traces.OPINIONS, said, strict=True))
    given["rationale"] = (None,) * len(opinions)
    feedback = {name: _typed(given[name], kind) for name, kind in OPINIONS.items()}
    return Traces(_by_time(frame), pd.DataFrame(feedback))


def frames_of(rows: Sequence[Mapping[str, Any]], opinions: Sequence[Mapping[str, Any]]) -> Traces:
    """The frames of traces and assessments that are given by name."""
    page = [[row.get(name) for row in rows] for name in kept_traces.COLUMNS]
    return frames([page], [[said[name] for name in kept_traces.OPINIONS] for said in opinions])


def _by_time(frame: pd.DataFrame) -> pd.DataFrame:
    """Oldest first, and by id those that began at the same moment."""
    moments = frame["started_at"]
    if moments.is_monotonic_increasing and moments.is_unique:
        return frame
    return frame.sort_values(["started_at", "trace_id"], ignore_index=True)


def _frame(page: Sequence[Sequence[Any]]) -> pd.DataFrame:
    import pandas as pd

    raw = dict(zip(kept_traces.COLUMNS, page, strict=True))
    tags = _tag_columns(raw.pop("tags"))
    typed = {name: _typed(raw[name], kind) for name, kind in COLUMNS.items()}
    return pd.DataFrame({**typed, **tags})


def _typed(values: Sequence[Any], kind: str) -> Any:
    import numpy as np
    import pandas as pd

    if kind == "string":
        return pd.array(np.array(values, dtype=object), dtype="string")
    numbers: Any = pd.Series(np.array(values, dtype="float64"))
    if kind.startswith("datetime64"):
        moments = pd.to_datetime(numbers.astype("Int64"), unit="ms", utc=True, errors="coerce")
        return moments.astype(kind)
    return numbers.astype("Float64").astype(kind) if kind == "boolean" else numbers.astype(kind)


def _tag_columns(texts_of: Sequence[str]) -> dict[str, Any]:
    import numpy as np
    import pandas as pd

    places, texts = pd.factorize(np.array(texts_of, dtype=object))  # most share their tags
    parsed: list[dict[str, str]] = [orjson.loads(text) for text in texts]
    return {
        f"{_TAG}{name}": pd.array([tags.get(name) for tags in parsed], dtype="string").take(places)
        for name in dict.fromkeys(name for tags in parsed for name in tags)
    }
