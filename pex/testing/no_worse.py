"""`assert_no_worse`: a prompt compared with a baseline, in a test."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError, nearest
from pex.core.prompt import Prompt
from pex.testing.session import Session, current
from pex.testing.subject import Subject, prompt_of, variants_with
from pex.testing.undecided import Undecided

if TYPE_CHECKING:
    from pex.experiment.experiment import Experiment
    from pex.results.results import Results

BASELINE = "baseline"
"""What the baseline is called if its own name is the tested prompt's."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a comparison.

    Args:
        outcome: "pass", "fail" or "undecided".
        text: the finding in sentences, with the interval and the numbers of cases.
        rows: the comparison, a dict for each model and set of parameters, as in
            `results.compare().frame`.
    """

    outcome: str
    text: str
    rows: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        return self.text


def assert_no_worse(
    prompt: Subject,
    baseline: Subject,
    *,
    experiment: str | Path | Experiment,
    metric: str | None = None,
    margin: float | None = None,
    confidence: float | None = None,
) -> Verdict:
    """Run a prompt and a baseline on an experiment's cases, and assert that it is no worse.

    The comparison is paired by case, and is the rule of gates: better, unchanged, or worse by less
    than the margin passes; measurably worse fails; anything else is undecided, which pytest shows
    as an outcome of its own. A judge that is not calibrated against people can only be undecided.

    Args:
        prompt: the prompt to test: a `.prompty` file, `library:name@alias`, the name of one of the
            experiment's prompts, or a `pex.Prompt`.
        baseline: what it is compared with, named in the same way.
        experiment: the experiment's file, or the experiment: its cases, models and scorers.
        metric: a score, or `cost_usd`, `latency_s` …; None: the gate's, else the first score.
        margin: how much worse is still no worse, in the unit of the metric: 0.05 is five points of
            a yes/no score; None: the gate's, if it is on this metric.
        confidence: the level of the interval; None: the gate's, else 0.95.

    Returns:
        The verdict of a comparison that passed.

    Raises:
        AssertionError: it is measurably worse.
        Undecided: the cases do not suffice for a verdict.
        PexError: something does not fit; no model was called.
        ProviderError: too many requests ended in an error.
        BudgetError: the budget was spent before the last answer.
    """
    session = current()
    verdict = compared(session, prompt, baseline, experiment, metric, margin, confidence)
    session.verdicts.append({"outcome": verdict.outcome, "rows": verdict.rows})
    if verdict.outcome == "fail":
        raise AssertionError(verdict.text)
    if verdict.outcome == "undecided":
        raise Undecided(verdict.text)
    return verdict


def compared(
    session: Session,
    prompt: Subject,
    baseline: Subject,
    experiment: str | Path | Experiment,
    metric: str | None,
    margin: float | None,
    confidence: float | None,
) -> Verdict:
    """The verdict, whatever it is; see `assert_no_worse`."""
    from pex.experiment.experiment import Experiment
    from pex.results.finished import check

    if not isinstance(experiment, Experiment):
        experiment = Experiment.load(session.path(experiment))
    rule = _rule(experiment, metric, margin, confidence)
    one = prompt_of(prompt, experiment, session.root)
    other = prompt_of(baseline, experiment, session.root)
    same = (one.digest, one.model) == (other.digest, other.model)
    if other.name == one.name:
        other = other.called(f"{one.name}.{BASELINE}", other.origin)
    if same:
        text = f"'{one.name}' is unchanged: it is the same prompt as the baseline."
        return Verdict("pass", text, ())
    drafted = experiment.drafted(variants_with(experiment, [one, other]), experiment.cases)
    results = session.run(drafted)
    if results.status == "budget":
        raise session.over_budget(results)
    check(results, experiment.max_error_share)
    return _judged(results, other, rule)


def _judged(results: Results, baseline: Prompt, rule: dict[str, Any]) -> Verdict:
    from pex.core.values import to_json_value

    comparison = results.compare(baseline.name, **rule)
    gate = comparison.gate()
    lines = list(gate.reasons.values())
    rows = [to_json_value(row) for row in comparison.frame.to_dict("records")]
    for row in rows:
        counts = f"{row['wins']} better, {row['ties']} the same, {row['losses']} worse"
        level = f"{row['confidence']:.0%}".replace("%", " %")
        lines.append(f"  {row['candidate']}: {counts}; {level} interval, margin {row['margin']:g}")
        lines += [f"  ! {text}" for text in row["warnings"]]
    return Verdict(gate.outcome, "\n".join(lines), tuple(rows))


def _rule(
    experiment: Experiment, metric: str | None, margin: float | None, confidence: float | None
) -> dict[str, Any]:
    """Metric, margin and confidence, with the gate's where none are given."""
    from pex.compare.metric import MEASURED, check_confidence

    gate = experiment.gate or {}
    names = experiment.score_names
    metric = metric or gate.get("metric") or next(iter(names), None)
    if metric is None:
        raise PexError(
            f"experiment '{experiment.name}' has no scorer", hint="name a metric: metric='cost_usd'"
        )
    known = [*names, *MEASURED]
    # A scorer can give several scores, `name.key`, which are unknown before it runs.
    if not any(metric == name or metric.startswith(f"{name}.") for name in known):
        raise PexError(
            f"experiment '{experiment.name}': no scorer produces the metric '{metric}'",
            hint=nearest(metric, known),
        )
    own = gate if gate.get("metric") == metric else {}
    margin = own.get("margin") if margin is None else margin
    if margin is None:
        raise PexError(
            f"assert_no_worse on '{metric}': how much worse is still no worse?",
            hint="pass margin=0.05 (five points of a yes/no score)",
        )
    if not isinstance(margin, int | float) or isinstance(margin, bool) or margin < 0:
        raise PexError(f"margin: expected a number, 0 or more, got {margin!r}")
    level = confidence or own.get("confidence") or 0.95
    check_confidence(level)
    return {"metric": metric, "margin": float(margin), "confidence": level}
