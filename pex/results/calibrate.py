"""Calibrating a judge: its scores of a run's answers compared with people's ratings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pex.core.about import JudgeInfo
from pex.core.errors import PexError, nearest
from pex.core.events import RowKey
from pex.core.score import WORDS
from pex.score.judge.calibration import Calibration, calibrate
from pex.score.judge.positions import Positions

if TYPE_CHECKING:
    import pandas as pd


def calibrate_judge(frame: pd.DataFrame, judge: JudgeInfo, ratings: pd.DataFrame) -> Calibration:
    """Compare a judge's scores in a long frame with people's; `Results.calibrate` explains more.

    Raises:
        PexError: no answer has both scores, or the ratings cannot be read.
    """
    places = list(zip(frame["variant"], frame["case_id"], frame["repeat"], strict=True))
    scores = frame[f"score.{judge.name}"]
    return calibrate(
        {
            place: float(score)
            for place, score in zip(places, scores, strict=True)
            if score == score
        },
        _human_scores(ratings, places),
        judge.identity,
        Positions(**judge.positions) if judge.positions else None,
        sorted({str(name) for name in ratings["rater"].dropna()}) if "rater" in ratings else [],
    )


def _human_scores(ratings: pd.DataFrame, places: Sequence[RowKey]) -> dict[RowKey, float]:
    """People's ratings by the place of the answer; several ratings of one answer are averaged.

    Args:
        ratings: `case_id` and `value`; with `variant` and `repeat`, each rates one answer, without
            them, every answer to the case.
        places: the places of the existing answers.

    Raises:
        PexError: a column is missing, or a value is neither yes/no nor a number.
    """
    for column in ("case_id", "value"):
        if column not in ratings.columns:
            raise PexError(
                f"the ratings have no column '{column}'", hint=nearest(column, ratings.columns)
            )
    keys = [name for name in ("variant", "case_id", "repeat") if name in ratings.columns]
    given: dict[tuple[Any, ...], list[float]] = {}
    for row in ratings.to_dict("records"):
        given.setdefault(tuple(row[key] for key in keys), []).append(_rating(row["value"]))
    found = {}
    for variant, case_id, repeat in places:
        of_place = {"variant": variant, "case_id": case_id, "repeat": repeat}
        values = given.get(tuple(of_place[key] for key in keys))
        if values:
            mean = math.fsum(values) / len(values)
            yes_no = all(value in (0.0, 1.0) for value in values)
            found[variant, case_id, repeat] = float(mean >= 0.5) if yes_no else mean
    return found


def _rating(value: Any) -> float:
    if isinstance(value, str) and value.casefold() in WORDS:
        return float(WORDS[value.casefold()])
    try:
        return float(value)
    except (TypeError, ValueError):
        raise PexError(
            f"rating {value!r}: expected yes or no, True or False, or a number"
        ) from None
