"""The outcome calculated from a run's frame and its `About`: table, comparison, report.

Plain functions of the two, so data flows one way: answers, frame, outcome, record.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pex.core.about import About
from pex.core.errors import PexError
from pex.score.frame import percentages, score_names, summarise

if TYPE_CHECKING:
    import pandas as pd

    from pex.results.comparison import Comparison


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """A run in the form that is recorded.

    `frame` is the long frame, `summary` has one row per variant, `about` describes the run,
    `verdicts` is the comparison (None without one), `page` the report as HTML.
    """

    frame: pd.DataFrame
    summary: pd.DataFrame
    about: About
    verdicts: pd.DataFrame | None
    page: str


def outcome_of(frame: pd.DataFrame, about: About) -> Outcome:
    """Calculate once everything that is recorded of a run.

    Args:
        frame: the long frame.
        about: the run's description.
    """
    summary, verdicts = summarise(frame), verdicts_of(frame, about)
    return Outcome(frame, summary, about, verdicts, report_of(frame, about, summary, verdicts))


def baseline_of(about: About) -> str | None:
    """The baseline of the recorded comparison: the gate's, or None for the first variant."""
    baseline = (about.gate or {}).get("baseline")
    known = {name for item in about.variants for name in (item.name, item.prompt, item.model)}
    return baseline if baseline in known else None


def compare_variants(frame: pd.DataFrame, about: About, **options: Any) -> Comparison:
    """Compare a run's variants; `Results.compare` explains the options."""
    from pex.results.comparison import compare_frame

    found = compare_frame(
        frame, variants=about.variants, uncalibrated=about.uncalibrated, **options
    )
    found.notes += [text for judge in about.judges for text in judge.remarks]
    return found


def verdicts_of(frame: pd.DataFrame, about: About) -> pd.DataFrame | None:
    """The recorded comparison: every score, compared with `baseline_of`.

    None if there is only one variant, or no score.
    """
    if not score_names(frame) or frame["variant"].nunique() < 2:
        return None
    return compare_variants(frame, about, baseline=baseline_of(about)).frame


def report_of(
    frame: pd.DataFrame, about: About, summary: pd.DataFrame, verdicts: pd.DataFrame | None
) -> str:
    """The report as HTML."""
    from pex.report.page import page

    return page(frame, summary, percentages(frame), about, verdicts, _slices(frame, about))


def _slices(frame: pd.DataFrame, about: About) -> pd.DataFrame | None:
    """The slices shown in a report: by tag, or else by group, for the first score."""
    scores = score_names(frame)
    if not scores or frame["variant"].nunique() < 2:
        return None
    found = compare_variants(frame, about, baseline=baseline_of(about), metric=scores[0])
    for by in ("tags", "group"):
        try:
            return found.slices(by).frame
        except PexError:  # no tags or groups, or too many of them
            continue
    return None
