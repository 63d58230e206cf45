"""Extending an undecided gate: more cases, then more repeats, up to the budget."""

from __future__ import annotations

from collections.abc import Callable

from pex.compare.gate import UNDECIDED
from pex.core.about import About
from pex.experiment.experiment import Experiment
from pex.experiment.options import RunOptions
from pex.results.results import Results

MOST_REPEATS = 16
"""Beyond this, repeats of the same cases add little information."""


def extend(
    exp: Experiment,
    results: Results,
    options: RunOptions,
    say: Callable[[str], None] = lambda text: None,
) -> Results:
    """Double the run until the gate decides, the budget is spent, or everything has been run.

    Existing answers come from the journal, so only new ones are paid for. Each extension is a
    separate run in MLflow, tagged `pex.extends` with the first one.

    Args:
        exp: the experiment; it has a gate.
        results: its first run.
        options: the options of the first run.
        say: called before each extension.

    Returns:
        The results of the last run.
    """
    tags = {**(options.get("mlflow_tags") or {}), "pex.extends": results.run_id or ""}
    spent, cap = results.about.spent_usd, results.about.budget_usd or 0.0
    metric = (results.about.gate or {}).get("metric", "")
    while results.status == "finished" and is_open(results.gate().outcome, metric, results.about):
        more = _more(exp, results, options)
        if more is None or (spent and spent >= cap):
            break
        said = ", ".join(f"{key} {value}" for key, value in more.items())
        say(f"undecided; continuing with {said}")
        options = {**options, **more, "budget_usd": cap - spent, "mlflow_tags": tags}
        results = exp.run(**options)
        spent += results.about.spent_usd
    return results


def is_open(outcome: str, metric: str, about: About) -> bool:
    """Whether more answers could decide a gate: with an uncalibrated judge it stays undecided.

    Args:
        outcome: the gate's current outcome.
        metric: the gate's score.
        about: the run.
    """
    return outcome == UNDECIDED and metric not in about.uncalibrated


def more_repeats(about: About) -> int | None:
    """The number of repeats in a run's next extension; None if more would add little."""
    repeats = 2 * about.repeats
    return repeats if repeats <= MOST_REPEATS else None


def _more(exp: Experiment, results: Results, options: RunOptions) -> RunOptions | None:
    """Twice the cases if there are more, else twice the repeats; None if both are exhausted."""
    limit, cases = options.get("limit"), results.about.cases
    if limit is not None and cases == limit and cases < len(exp.cases):
        return {"limit": 2 * cases}
    repeats = more_repeats(results.about)
    return None if repeats is None else {"repeats": repeats}
