"""Two prompts' scores side by side, case by case."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection

from pex.improvement.proposal import Measured

CLEARLY = 2.0
"""A proposal that is this many standard errors behind its parent on the sample is dropped."""


def gain(found: Measured, other: Measured) -> float:
    """The mean difference of the scores on the cases that both have, 0 without any."""
    differences = _differences(found, other)
    return statistics.fmean(differences) if differences else 0.0


def _differences(found: Measured, other: Measured) -> list[float]:
    return [
        score - other.scores[case] for case, score in found.scores.items() if case in other.scores
    ]


def clearly_behind(found: Measured, parent: Measured) -> bool:
    """Whether a proposal is too far behind its parent on a sample to be worth the rest."""
    differences = _differences(found, parent)
    if len(differences) < 2:
        return False
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    return statistics.fmean(differences) < -CLEARLY * error


def too_few_scores(found: Measured, wanted: Collection[str], share: float) -> str:
    """Why a prompt has too few scores to be compared; empty if it has enough.

    Args:
        found: its scores; a scorer may give none.
        wanted: the ids of the cases that should have one.
        share: of them that may be missing.
    """
    there = sum(case in found.scores for case in wanted)
    if wanted and (len(wanted) - there > share * len(wanted) or not there):
        return f"only {there} of {len(wanted)} cases have a score"
    return ""
