"""The inputs of a comparison: checks on the long frame, and the metric's column."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pex.core.errors import PexError, nearest
from pex.core.provenance import accepted_rows
from pex.score.frame import percentages, score_names

if TYPE_CHECKING:
    import pandas as pd

MEASURED = ("cost_usd", "latency_s", "ttft_s", "prompt_tokens", "completion_tokens")
"""Metrics of every call besides scores; lower is better."""


@dataclasses.dataclass(frozen=True, slots=True)
class Metric:
    """One metric to compare by: its name, its column, and its direction.

    `yes_no` is also true of a share of yes/no scores: both go from 0 to 1 and are read in percent.
    """

    name: str
    column: str
    yes_no: bool
    higher_is_better: bool

    @property
    def is_score(self) -> bool:
        """Whether it comes from a scorer, so an error can count as its worst value."""
        return self.column.startswith("score.")

    @property
    def skewed(self) -> bool:
        """Whether it is a cost or a time, whose few large values need another interval."""
        return not self.is_score


def metric_of(frame: pd.DataFrame, name: str, lower_is_better: bool | None = None) -> Metric:
    """The metric named `name`.

    Raises:
        PexError: no scorer or call has it, or its values are not numbers.
    """
    import pandas as pd

    scores = score_names(frame)
    measured = [item for item in MEASURED if item in frame.columns]
    if name not in scores and name not in measured:
        raise PexError(
            f"there is no metric '{name}'",
            hint=nearest(name, [*scores, *measured])
            if scores
            else "no scorer was given; cost and time can be compared: " + ", ".join(measured),
        )
    column = f"score.{name}" if name in scores else name
    values = frame[column]
    if not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)):
        wrong = next((v for v in values if v is not None and not _is_number(v)), None)
        if wrong is not None:
            raise PexError(
                f"metric '{name}': {wrong!r} is not a number",
                hint="scores are numbers, or True and False",
            )
    is_score = name in scores
    lower = not is_score if lower_is_better is None else lower_is_better
    return Metric(name, column, is_score and name in percentages(frame), not lower)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) or hasattr(value, "__float__")


def check_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with optional columns filled in: `repeat`, `error`, `group`.

    Args:
        frame: one row per (variant, case_id, repeat).

    Generated cases that nobody has accepted are left out.

    Raises:
        PexError: no rows, no variants or case ids, a missing id, a duplicate row.
    """
    if "case_id" not in frame.columns:
        raise PexError(
            "the frame has no column 'case_id': without it, answers to the same case cannot be "
            "paired",
            hint="name the column that says which case a row is: "
            "frame.rename(columns={'…': 'case_id'})",
        )
    if "variant" not in frame.columns:
        raise PexError("the frame has no column 'variant'", hint=nearest("variant", frame.columns))
    if not len(frame):
        raise PexError("there are no rows to compare")
    for column in ("case_id", "variant"):
        if gaps := int(frame[column].isna().sum()):
            raise PexError(f"{gaps:,} {'row has' if gaps == 1 else 'rows have'} no {column}")
    missing = {
        name: value
        for name, value in (("repeat", 1), ("error", None), ("group", None))
        if name not in frame.columns
    }
    frame = frame.assign(**missing) if missing else frame
    place = ["variant", "case_id", "repeat"]
    twice = frame.duplicated(place)
    if twice.any():
        variant, case_id, repeat = frame.loc[twice, place].iloc[0]
        raise PexError(
            f"{int(twice.sum())} duplicate rows, the first: variant '{variant}', case "
            f"'{case_id}', repeat {repeat}",
            hint="drop them, or number them in the column 'repeat'",
        )
    accepted = accepted_rows(frame)
    if not len(accepted):
        raise PexError(
            "every case is generated and nobody has accepted one: there is nothing to compare",
            hint="pexlab cases review EXPERIMENT",
        )
    return accepted  # type: ignore[no-any-return]


def check_correct(correct: str) -> None:
    """Check for what p is corrected.

    Raises:
        PexError: it is neither "score" nor "all".
    """
    if correct not in ("score", "all"):
        raise PexError(f"correct='{correct}'", hint=nearest(str(correct), ("score", "all")))


def check_margin(margin: float | None, metric: Metric, frame: pd.DataFrame) -> None:
    """Raise a `PexError` for an invalid margin: negative, or beyond the scale."""
    if margin is None:
        return
    if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 <= margin < 1e300:
        raise PexError(f"margin={margin!r}: expected a number, 0 or more")
    if metric.yes_no and margin >= 1:
        raise PexError(
            f"margin={margin:g}: '{metric.name}' is yes or no, so its scores go from 0 to 1",
            hint=f"for {margin:g} percentage points use margin={margin / 100:g}"
            if margin <= 100
            else "0.02 is two percentage points",
        )
    values = frame[metric.column].astype("float64").dropna()
    spread = float(values.max() - values.min()) if len(values) else 0.0
    if not metric.yes_no and spread > 0 and margin > spread:
        raise PexError(
            f"margin={margin:g} is wider than all values of '{metric.name}', which go from "
            f"{values.min():.3g} to {values.max():.3g}: no difference could ever exceed it",
            hint="the margin is in the unit of the metric",
        )


def check_confidence(confidence: float) -> None:
    """Raise a `PexError` for an invalid level."""
    is_number = isinstance(confidence, int | float) and not isinstance(confidence, bool)
    if not is_number or not 0.5 < confidence < 1:
        raise PexError(
            f"confidence={confidence!r}: expected a number between 0.5 and 1",
            hint=f"for {confidence:g} % use confidence={confidence / 100:g}"
            if is_number and 50 < confidence < 100
            else "0.95 is usual",
        )
