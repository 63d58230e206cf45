"""Rows of traces and of assessments as the frames of `Traces`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from pex.monitoring import kept_traces
from pex.monitoring.traces import COLUMNS, OPINIONS, Traces

_TAG = "tag."


def frames(pages: Iterable[Sequence[Any]], opinions: Sequence[Any]) -> Traces:
    """Traces of pages of rows, each a mapping or in the order of `kept_traces.COLUMNS`."""
    import pandas as pd

    parts = [_frame(rows) for rows in pages] or [_frame([])]
    frame = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    given = pd.DataFrame(
        _tuples(opinions, kept_traces.OPINIONS), columns=list(kept_traces.OPINIONS)
    ).assign(rationale=None)
    feedback = pd.DataFrame({name: _typed(given[name], kind) for name, kind in OPINIONS.items()})
    return Traces(frame, feedback)


def _frame(rows: Sequence[Any]) -> Any:
    import pandas as pd

    raw = pd.DataFrame(_tuples(rows, kept_traces.COLUMNS), columns=list(kept_traces.COLUMNS))
    tags = _tag_columns(raw.pop("tags"))
    typed: dict[str, Any] = {name: _typed(raw[name], kind) for name, kind in COLUMNS.items()}
    return pd.DataFrame({**typed, **tags})


def _tuples(rows: Sequence[Any], names: Sequence[str]) -> list[Sequence[Any]]:
    if rows and isinstance(rows[0], Mapping):
        return [[row.get(name) for name in names] for row in rows]
    return list(rows)


def _typed(column: Any, kind: str) -> Any:
    import pandas as pd

    if kind.startswith("datetime64"):
        return pd.to_datetime(column.astype("Int64"), unit="ms", utc=True, errors="coerce").astype(
            kind
        )
    if kind == "boolean":
        return column.astype("Float64").astype("boolean")
    return (
        column.astype("float64").astype(kind)
        if kind in ("Int64", "Float64")
        else column.astype(kind)
    )


def _tag_columns(column: Any) -> dict[str, Any]:
    import pandas as pd

    places, texts = pd.factorize(column)  # most traces share their tags with others
    parsed: list[dict[str, str]] = [orjson.loads(text) for text in texts]
    return {
        f"{_TAG}{name}": pd.Series([tags.get(name) for tags in parsed], dtype="string")
        .take(places)
        .set_axis(column.index)
        for name in dict.fromkeys(name for tags in parsed for name in tags)
    }
