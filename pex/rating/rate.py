"""The kind of blind rating that somebody asks for, from the options of `Results.rate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pex.compare.metric import check_confidence
from pex.core.about import About
from pex.core.errors import PexError
from pex.rating.answers import AnswersRating, named
from pex.rating.form import category_form, scale_form
from pex.rating.order import choose_variants
from pex.rating.preference import Target
from pex.rating.rating import REASONS, Rating
from pex.rating.tournament import Tournament
from pex.score.frame import score_names

if TYPE_CHECKING:
    import pandas as pd

_MAX_REASONS = 6


def rate(
    frame: pd.DataFrame,
    about: About,
    summary: pd.DataFrame,
    baseline: str | None,
    variants: Sequence[str] | None,
    *,
    rater: str | None = None,
    precision: float = 0.1,
    confidence: float = 0.95,
    reasons: Sequence[str] = REASONS,
    seed: int | None = None,
    instructions: str | None = None,
    scale: int | Sequence[int] | None = None,
    categories: Sequence[str] | None = None,
    wait: Callable[[], object] | None = None,
) -> Rating:
    """A rating of variants of a long frame; `Results.rate` describes the options."""
    check_confidence(confidence)
    number = isinstance(precision, int | float) and not isinstance(precision, bool)
    if not number or not 0 < precision < 0.5:
        raise PexError(
            f"precision={precision!r}: expected a number between 0 and 0.5",
            hint="0.1 means a win rate within ±10 percentage points",
        )
    tags = [reasons] if isinstance(reasons, str) else list(reasons)
    if len(tags) > _MAX_REASONS or not all(isinstance(tag, str) and 0 < len(tag) <= 40
                                            for tag in tags):  # fmt: skip
        raise PexError(f"reasons: expected at most {_MAX_REASONS} short strings, got {tags!r}")
    if instructions is not None and not isinstance(instructions, str):
        raise PexError(f"instructions: expected a string, got {instructions!r}")
    scores = score_names(frame)
    target = Target(precision, confidence)
    unique = list(dict.fromkeys(tags))
    more = (rater, target, unique, seed or 0, wait, instructions)
    if scale is not None or categories is not None:
        if scale is not None and categories is not None:
            raise PexError("rate() takes a scale or categories, not both")
        form = category_form(categories) if categories is not None else scale_form(scale or 0)
        return AnswersRating(frame, about, named(frame, variants, baseline), *more, form=form)
    chosen = choose_variants(frame, variants, baseline, summary, scores[0] if scores else None)
    kind = Tournament if len(chosen) > 2 else Rating
    return kind(frame, about, chosen, *more)
