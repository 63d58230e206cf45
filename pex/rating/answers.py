"""Blind rating of answers alone: a number on a scale, or a category."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.about import About
from pex.core.errors import PexError, nearest
from pex.core.safe_text import clean
from pex.core.text import replace_surrogates
from pex.rating import levels_report
from pex.rating.form import Form
from pex.rating.levels import Levels, levels
from pex.rating.order import ALL, Presentation, find_answers
from pex.rating.preference import Target, now
from pex.rating.rating import Rating, path_of
from pex.rating.session import RatingSession
from pex.rating.store import MAX_NOTE, AnswerRating, RatingFile, parse_answer_rating
from pex.report.rich_text import RichText

if TYPE_CHECKING:
    import pandas as pd

NAME = "rated"
COLUMNS = ("case_id", "repeat", "rater", "choice", "reasons", "note", "at", "second_look")


class AnswersRating(Rating):
    """Answers of variants one after the other, without names, on a scale or in categories.

    Made by `Results.rate(scale=…)` or `Results.rate(categories=…)`; used like a rating of pairs.
    A rating belongs to its answer: it counts for every variant that gave the same text.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        about: About,
        variants: tuple[str, ...],
        rater: str | None,
        target: Target,
        reasons: Sequence[str],
        seed: int,
        wait: Callable[[], object] | None,
        instructions: str | None = None,
        *,
        form: Form,
    ) -> None:
        self._form = form  # it is part of the file's name
        super().__init__(frame, about, variants, rater, target, reasons, seed, wait, instructions)

    def _material(self, variants: tuple[str, ...]) -> tuple[Any, RatingFile[Any]]:
        """What is rated, `Answers` here, and the file of its ratings."""
        form = self._form
        parse = functools.partial(parse_answer_rating, choices=form.names)
        kind = "scale" if form.is_scale else "categories"
        path = path_of(self._about, [kind, *form.names])
        return find_answers(self._frame, variants), RatingFile(path, parse)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per rating and variant that gave the answer, oldest first.

        `choice` is the category or the number as text, `value` the number (1 for the first
        category, 0 for the others). `second_look` marks answers shown again; they measure the
        rater and count nowhere else.
        """
        import pandas as pd

        by_id = {answer.id: answer for answer in self._pairs.different}
        rows = [
            [variant, *(getattr(rated, name) for name in COLUMNS), self._form.value(rated.choice)]
            for rated in self._ratings()
            for variant in by_id[rated.pair].variants
        ]
        frame = pd.DataFrame(rows, columns=["variant", *COLUMNS, "value"])
        frame["at"] = pd.to_datetime(frame["at"], utc=True, format="ISO8601")
        return frame

    def summary(self) -> pd.DataFrame:
        """One row per variant, the best first: all raters together, then each.

        `mean` is on the scale, or the share of the first category, with `lo` and `hi`; then come
        the counts of each choice.
        """
        return levels_report.table(self._levels())

    def explain(self) -> str:
        """The result in sentences: the verdict, what is missing, how reliable the ratings are."""
        return RichText(clean(levels_report.explain(self._levels(), self._notes())))

    def record(self, name: str = NAME) -> str:
        """Write the ratings to MLflow as assessments on the answers' traces: numbers or categories.

        Args:
            name: of the assessment.

        Returns:
            What was written, in a sentence. The ratings stay in `.pex/ratings/` in any case.

        Raises:
            PexError: MLflow does not answer, or the name cannot be used.
        """
        return super().record(name)

    def _levels(self) -> Levels:
        self._file.refresh()
        known = {answer.id for answer in self._pairs.different}
        ratings = [rated for rated in self._file.ratings if rated.pair in known]
        return levels(ratings, self._pairs, self._form, self._target)

    def _open_session(self, rater: str) -> RatingSession[Any]:
        self._file.refresh()
        answers = self._pairs.different
        return RatingSession(
            rater, answers, self._file, self._seed, functools.partial(_made, self._form)
        )

    def _line(self) -> str:
        rated = {rated.case_id for rated in self._ratings()}
        cases = {answer.case_id for answer in self._pairs.different}
        return levels_report.progress_line(len(rated), len(cases))

    def _html(self) -> str:
        return levels_report.result_html(self._levels(), self._notes())

    def _assessments(self, ratings: Sequence[Any]) -> list[dict[str, Any]]:
        by_id = {answer.id: answer for answer in self._pairs.different}
        return [
            {
                "variant": variant, "case_id": rated.case_id, "repeat": rated.repeat,
                "value": self._form.value(rated.choice) if self._form.is_scale else rated.choice,
                "rationale": "; ".join(filter(None, [", ".join(rated.reasons), rated.note])),
                "rater": rated.rater,
            }
            for rated in ratings
            if not rated.second_look
            for variant in by_id[rated.pair].variants
        ]  # fmt: skip


def named(
    frame: pd.DataFrame, asked: Sequence[str] | None, baseline: str | None
) -> tuple[str, ...]:
    """The variants whose answers are rated: those that are named, else all.

    Args:
        frame: the long frame.
        asked: names, or "all".
        baseline: comes first if it is one of them.

    Raises:
        PexError: an unknown name, or no answers at all.
    """
    known = [str(name) for name in frame["variant"].unique()]
    names = [asked] if isinstance(asked, str) else list(asked or ())
    if not known:
        raise PexError("there are no answers")
    if not names or (names == [ALL] and ALL not in known):
        return tuple(sorted(known, key=lambda name: name != baseline))
    for name in names:
        if name not in known:
            raise PexError(f"there is no variant '{name}'", hint=nearest(str(name), known))
    return tuple(dict.fromkeys(names))


def _made(
    form: Form, shown: Presentation, rater: str, choice: str, reasons: Sequence[str], note: str
) -> AnswerRating:
    if choice not in form.names:
        raise PexError(f"there is no choice '{choice}'", hint=f"one of {', '.join(form.names)}")
    return AnswerRating(
        pair=shown.pair.id,
        case_id=shown.pair.case_id,
        repeat=shown.pair.repeat,
        rater=rater,
        choice=choice,
        reasons=tuple(map(replace_surrogates, reasons)),
        note=replace_surrogates(note[:MAX_NOTE]),
        at=now(),
        second_look=shown.second_look,
        group=shown.pair.group or "",
    )
