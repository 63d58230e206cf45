"""Blind rating of three or more variants, two answers at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pex.core.safe_text import clean
from pex.rating import standings_report
from pex.rating.rating import Rating, pair_assessments
from pex.rating.standings import Standings, half_width, standings
from pex.rating.store import PairRating
from pex.report.rich_text import RichText

if TYPE_CHECKING:
    import pandas as pd


class Tournament(Rating):
    """Pairs of all variants, drawn so that all are compared about equally often.

    Made by `Results.rate()` with three or more variants; used like a rating of two.
    """

    def summary(self) -> pd.DataFrame:
        """One row per variant, the best first: all raters together, then each.

        `share` is the expected win rate against a variant of average strength (a tie is half a
        win) with `lo` and `hi`; `enough` and `more_cases` refer to the target precision.
        """
        return standings_report.table(self._standings())

    def explain(self) -> str:
        """The result in sentences: the verdict, what is missing, how reliable the ratings are."""
        return RichText(clean(standings_report.explain(self._standings(), self._notes())))

    def _standings(self) -> Standings:
        return standings(self._ratings(), self._pairs, self._target)

    def _line(self) -> str:
        ratings = self._ratings()
        rated = len({item.case_id for item in ratings})
        half = half_width(ratings, self._pairs, self._target)
        total = len({pair.case_id for pair in self._pairs.different})
        return standings_report.progress_line(rated, total, half, self._target)

    def _html(self) -> str:
        return standings_report.result_html(self._standings(), self._notes())

    def _assessments(self, ratings: Sequence[PairRating]) -> list[dict[str, Any]]:
        """One for each answer and rater, the mean of its comparisons: MLflow keeps only one."""
        by_answer: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for rated in ratings:
            for item in pair_assessments(rated):
                place = tuple(item[name] for name in ("variant", "case_id", "repeat", "rater"))
                by_answer.setdefault(place, []).append(item)
        return [
            {
                **items[0],
                "value": sum(item["value"] for item in items) / len(items),
                "rationale": "; ".join(item["rationale"] for item in items),
            }
            for items in by_answer.values()
        ]
