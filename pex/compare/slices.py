"""Slices: the same comparison within parts of the cases, to see where a candidate is worse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pex.compare.compare import names_of, rows_of
from pex.compare.metric import check_frame
from pex.compare.verdict import Options, to_table
from pex.core.about import VariantInfo
from pex.core.errors import PexError, nearest
from pex.core.provenance import origin_notes

if TYPE_CHECKING:
    import pandas as pd

MOST = 20
"""More distinct values are too many for slices, unless they are numbers, which are cut in four."""

SMALLEST = 10
"""Slices with fewer cases are shown but not tested: no test could find anything."""


def slices(
    frame: pd.DataFrame,
    by: str,
    baseline: str | None = None,
    metric: str | None = None,
    options: Options | None = None,
    variants: Sequence[VariantInfo] | None = None,
) -> pd.DataFrame:
    """Compare within each slice; p is adjusted over all slices with enough cases to test.

    Args:
        frame: the long frame.
        by: `tags`, `group`, `length` (of the inputs), or a column of the cases.
        baseline: as in `compare`.
        metric: one metric; None: the first score.
        options: as in `compare`.
        variants: as in `compare`.

    Returns:
        The columns of `compare`, preceded by `slice_by`, `slice` and `small` (too few cases).

    Raises:
        PexError: there is no such column, or it has too many values for slices.
    """
    notes = origin_notes(frame)
    frame = check_frame(frame)
    parts = list(cut(frame, by))
    if not parts:
        raise PexError(f"by='{by}': no case has a value for it")
    options = options or Options()
    metric = metric or names_of(frame, None)[0]
    frames = [frame[frame["case_id"].isin(case_ids)] for _, case_ids in parts]
    rows = rows_of(frame, frames, baseline, metric, options, variants, SMALLEST, notes)
    table = to_table(rows, options)
    each = len(rows) // len(parts)
    names = [name for name, _ in parts for _ in range(each)]
    table.insert(0, "slice_by", by)
    table.insert(1, "slice", names)
    table.insert(2, "small", table["n_cases"] < SMALLEST)
    return table


def cut(frame: pd.DataFrame, by: str) -> Iterator[tuple[str, set[str]]]:
    """The slices of the cases, each as a name and its case ids."""
    cases = frame.drop_duplicates("case_id").set_index("case_id")
    if by == "tags":
        yield from _tags(cases)
        return
    if by == "length":
        values = _lengths(cases)
    else:
        column = _column(frame, by)
        values = cases[column]
    yield from _values(values.dropna(), by)


def _column(frame: pd.DataFrame, by: str) -> str:
    for column in (by, f"case.{by}"):
        if column in frame.columns and (column == "group" or column.startswith("case.")):
            return column
    inputs = [name[5:] for name in frame.columns if name.startswith("case.")]
    raise PexError(
        f"by='{by}': the cases have no such column",
        hint=nearest(by, ["tags", "group", "length", *inputs]),
    )


def _tags(cases: pd.DataFrame) -> Iterator[tuple[str, set[str]]]:
    if "tags" not in cases.columns:
        return
    by_tag: dict[str, set[str]] = {}
    for case_id, tags in cases["tags"].items():
        # A frame from elsewhere can have strings here, or no values.
        for tag in tags if isinstance(tags, list | tuple) or hasattr(tags, "tolist") else []:
            by_tag.setdefault(str(tag), set()).add(str(case_id))
    yield from sorted(by_tag.items())


def _lengths(cases: pd.DataFrame) -> pd.Series[Any]:
    inputs = [name for name in cases.columns if name.startswith("case.")]
    if not inputs:
        raise PexError("by='length': the frame has no inputs of the cases")
    texts = cases[inputs].astype(str)
    lengths: pd.Series[Any] = texts.apply(lambda column: column.str.len()).sum(axis=1)
    return lengths


def _values(values: pd.Series[Any], by: str) -> Iterator[tuple[str, set[str]]]:
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.notna().all() and numbers.nunique() > 8:
        # Quarters by rank, so many equal values cannot leave one empty.
        quarter = pd.qcut(numbers, 4, duplicates="drop")
        unit = " characters" if by == "length" else ""
        for interval, part in numbers.groupby(quarter, observed=True):
            name = f"{part.min():.6g} to {part.max():.6g}{unit}"
            assert interval is not None
            yield name, set(part.index)
        return
    texts = values.astype(str)
    if texts.nunique() > MOST:
        raise PexError(
            f"by='{by}': {texts.nunique()} different values are too many for slices",
            hint=f"at most {MOST}; for more, make a column with fewer values",
        )
    for name, part in texts.groupby(texts, sort=True):
        yield str(name), set(part.index)
