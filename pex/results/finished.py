"""Whether a run that ended counts as finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pex.core.errors import BudgetError, ProviderError
from pex.core.provenance import accepted_rows, counted_errors

if TYPE_CHECKING:
    from pex.results.results import Results


def check(results: Results, max_error_share: float) -> None:
    """Raise what a finished run has to be reported as: the budget, or too many errors."""
    counts = results.about.counts
    if results.status == "budget":
        raise BudgetError(
            f"the budget of ${results.about.budget_usd:g} ended the run: {counts.answered} "
            f"of {counts.requests} requests were answered",
            hint="all answers are kept; raise it with --budget USD",
        )
    broken = [judge for judge in results.about.judges if judge.error]
    if results.status == "failed" and broken:
        raise ProviderError(
            f"the judge '{broken[0].name}' gave no verdict: {broken[0].error}",
            hint="the answers and other scores are kept; the same command continues",
        )
    errors, requests = counted_errors(results.frame, counts.errors, counts.requests)
    share = errors / requests if requests else 0.0
    if share > max_error_share:
        first = accepted_rows(results.frame)["error"].dropna().iloc[0]
        raise ProviderError(
            f"{errors} of {requests} requests ended in an error "
            f"({share:.0%}, allowed {max_error_share:.0%}); the first: {first}"
        )
