"""Whether a comparison makes a version good or bad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pex.compare.verdict import BETTER, NO_WORSE, UNCHANGED, WORSE
from pex.core.values import missing
from pex.evidence.bisection.result import Step

if TYPE_CHECKING:
    from pex.results.results import Results

GOOD, BAD, UNDECIDED = "good", "bad", "undecided"


def judged(row: Mapping[str, Any], margin: float | None) -> str:
    """Good, bad or undecided, for a row of a comparison that was made with this margin.

    Measurably worse is not enough for "bad": what is lost has to be measurably more than the margin
    allows. Without a margin, worse is bad; with a margin of 0, a version that loses in no case is
    good.

    Example:
        >>> row = {"verdict": "worse", "diff": -0.1, "lo": -0.2, "hi": -0.02, "losses": 7}
        >>> row["higher_is_better"] = True
        >>> judged(row, None), judged(row, 0.0), judged(row, 0.05)
        ('bad', 'bad', 'undecided')
        >>> judged({**row, "higher_is_better": False, "diff": 0.3, "lo": 0.1, "hi": 0.5}, 0.05)
        'bad'
        >>> judged({**row, "verdict": "undecided", "losses": 0}, 0.0)
        'good'
    """
    if margin == 0 and row["losses"] == 0:
        return GOOD  # no number of cases shows that nothing at all is lost, so none may have lost
    if row["verdict"] != WORSE:
        return GOOD if row["verdict"] in (BETTER, NO_WORSE, UNCHANGED) else UNDECIDED
    if margin is None:
        return BAD
    end = row["hi"] if row["higher_is_better"] else row["lo"]
    if missing(end):  # all differences are equal, which gives no interval
        end = row["diff"]
    lost = -end if row["higher_is_better"] else end
    return BAD if lost > margin else UNDECIDED


def step_of(
    version: str, against: str, row: Mapping[str, Any], margin: float | None, run_id: str | None
) -> Step:
    """A row of a comparison as a step of the search."""

    def number_of(key: str) -> Any:
        return None if missing(row[key]) else row[key]

    return Step(
        version=version,
        against=against,
        judged=judged(row, margin),
        verdict=row["verdict"],
        diff=number_of("diff"),
        lo=number_of("lo"),
        hi=number_of("hi"),
        score=number_of("candidate_score"),
        baseline_score=number_of("baseline_score"),
        n_cases=int(row["n_cases"]),
        repeats=int(row["n_repeats"]),
        more_cases=number_of("more_cases"),
        yes_no=bool(row["yes_no"]),
        errors=int(row["errors_candidate"]),
        run_id=run_id,
    )


def unmeasured(version: str, against: str, results: Results) -> Step:
    """A version that the run did not come to, or that only gave errors."""
    errors = int(results.frame["error"].notna().sum())
    return Step(
        version, against, UNDECIDED, UNDECIDED, None, None, None, None, None, 0,
        results.about.repeats, None, False, errors, results.run_id,
    )  # fmt: skip
