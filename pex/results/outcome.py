"""The outcome calculated from a run's frame and its `About`: table, comparison, report.

Plain functions of the two, so data flows one way: answers, frame, outcome, record.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pex.core.about import About
from pex.core.errors import PexError, nearest
from pex.score.frame import percentages, score_names, summarise

if TYPE_CHECKING:
    import pandas as pd

    from pex.compare.frontier import Against, Frontier
    from pex.results.comparison import Comparison


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """A run in the form that is recorded.

    `frame` is the long frame, `summary` has one row per variant, `about` describes the run,
    `verdicts` is the comparison (None without one), `page` the report as HTML, `frontier` quality
    against cost or time (None without a score or with one variant).
    """

    frame: pd.DataFrame
    summary: pd.DataFrame
    about: About
    verdicts: pd.DataFrame | None
    page: str
    frontier: Frontier | None = None


def texts_of(outcome: Outcome) -> dict[str, str]:
    """The texts that are recorded with a run: its report, and the frontier as table and picture."""
    from pex.record.files import FRONTIER
    from pex.report.frontier import choice
    from pex.report.svg import frontier_svg

    found, summary = outcome.frontier, outcome.summary
    texts = {"report.html": outcome.page}
    if found is None or not found.standings:
        return texts
    texts[FRONTIER] = str(found.table().to_json(orient="split", index=False))
    binary = percentages(outcome.frame)
    svg = frontier_svg(summary, found.metric, found.against, binary, choice(found))
    return texts | ({"frontier.svg": svg} if svg.startswith("<svg") else {})


def outcome_of(frame: pd.DataFrame, about: About) -> Outcome:
    """Calculate once everything that is recorded of a run.

    Args:
        frame: the long frame.
        about: the run's description.
    """
    summary, verdicts = summarise(frame), verdicts_of(frame, about)
    found = None if verdicts is None else frontier_for(frame, about, summary=summary)
    page = report_of(frame, about, summary, verdicts, found)
    return Outcome(frame, summary, about, verdicts, page, found)


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


def frontier_for(
    frame: pd.DataFrame,
    about: About,
    metric: str | None = None,
    against: Against | None = None,
    margin: float | None = None,
    confidence: float | None = None,
    summary: pd.DataFrame | None = None,
) -> Frontier:
    """The frontier of one score; `Results.frontier` explains the options.

    What is not given comes from the gate, if that is on the same score.
    """
    from pex.compare.frontier import frontier

    gate, scores = about.gate or {}, score_names(frame)
    wanted = metric if metric is not None else gate.get("metric")
    if wanted not in scores:
        if metric is not None or not scores:
            raise PexError(
                f"frontier: there is no score '{metric}'", hint=nearest(str(metric), scores)
            )
        wanted = scores[0]
    if wanted == gate.get("metric"):
        margin = gate.get("margin") if margin is None else margin
        confidence = gate.get("confidence") if confidence is None else confidence
    level = 0.95 if confidence is None else confidence
    return frontier(frame, wanted, against, margin, level, about.uncalibrated, summary)


def verdicts_of(frame: pd.DataFrame, about: About) -> pd.DataFrame | None:
    """The recorded comparison: every score, compared with `baseline_of`.

    None if there is only one variant, or no score.
    """
    if not score_names(frame) or frame["variant"].nunique() < 2:
        return None
    return compare_variants(frame, about, baseline=baseline_of(about)).frame


def report_of(
    frame: pd.DataFrame,
    about: About,
    summary: pd.DataFrame,
    verdicts: pd.DataFrame | None,
    found: Frontier | None,
) -> str:
    """The report as HTML."""
    from pex.compare.field_table import field_table
    from pex.report.documents import previews_of
    from pex.report.page import page

    slices, shown = _slices(frame, about), previews_of(about)
    fields = field_table(frame, about.all_field_scorers)
    return page(frame, summary, percentages(frame), about, verdicts, slices, found, fields, shown)


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
