"""Long frames for comparisons, made from a table of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd


def frame(scores: Mapping[str, Sequence[Any]], name: str = "ok", **columns: Any) -> pd.DataFrame:
    """One row per variant and case; a list as a score means repeats, an "error" a failed call.

    Args:
        scores: for each variant, one score per case; None is one that was not given.
        name: of the score.
        columns: further columns, one value per case.
    """
    rows = []
    for variant, values in scores.items():
        for number, value in enumerate(values):
            for repeat, one in enumerate(value if isinstance(value, list) else [value], 1):
                row = {"variant": variant, "case_id": f"c{number}", "repeat": repeat}
                row |= {"prompt": variant, "model": "lab/m1", "group": None}
                row |= {"error": "broken" if one == "error" else None}
                row |= {f"score.{name}": None if one == "error" else one}
                row |= {key: column[number] for key, column in columns.items()}
                rows.append(row)
    table = pd.DataFrame(rows)
    return table.astype({f"score.{name}": "float64"})
