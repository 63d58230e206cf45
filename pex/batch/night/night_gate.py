"""Judging a night: every candidate compared with its baseline, tonight and across nights."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.batch.night.baseline import pinned
from pex.batch.night.run_changes import Loader, Recorded, cases_digest, fingerprint
from pex.batch.plan import PlanGate
from pex.compare.attacks import is_redteam
from pex.compare.compare import compare, pair_cases
from pex.compare.gate import FAIL, PASS, UNDECIDED, gate
from pex.compare.runs import BASELINE, CANDIDATE, both
from pex.compare.verdict import UNCHANGED, WORSE, Options
from pex.core.about import About
from pex.core.attack_columns import RESISTED, TASK_DONE
from pex.core.errors import PexError
from pex.experiment.gate_rule import PINNED
from pex.project.spec import GateSpec
from pex.stats import EProcess, e_month, e_process

if TYPE_CHECKING:
    import pandas as pd

NO_BASELINE = "no baseline has been accepted yet"
"""How the reason begins if the plan has no accepted baseline; the headline says so, too."""
ALARM = 40.0
"""Evidence at which the nights together say "worse": at most 1 in 40 series without a change reach
it. The first night of a series can also fail by itself (2.5 %), so both together stay under 5 % of
months. With several candidates in a run, each needs that many times the evidence."""


@dataclasses.dataclass(slots=True)
class CandidateVerdict:
    """The findings about one candidate.

    `row` is its row of the comparison, `cases` has one row per case, the largest loss first; None
    if there was nothing to compare. `nights` counts the nights of its series, including this one;
    `cause` is the likely cause of a loss.
    """

    run: Mapping[str, Any]
    candidate: str
    baseline: str
    metric: str
    outcome: str
    reason: str
    row: Mapping[str, Any] | None = None
    cases: pd.DataFrame | None = None
    e: float = 1.0
    nights: int = 0
    accepted: Mapping[str, Any] | None = None
    sequence: str = ""
    on_undecided: str = "warn"
    cause: str = ""
    beside: str = ""
    """The score, if it is judged beside the gate's own: the other one of a red-team run."""

    @property
    def verdict(self) -> str | None:
        """The comparison's word for it; None if there was nothing to compare."""
        return None if self.row is None else str(self.row["verdict"])

    @property
    def unchanged(self) -> bool:
        """Whether its prompt, its model and all its answers are those of the baseline."""
        return self.verdict == UNCHANGED


def rule_of(plan: PlanGate | None, own: Mapping[str, Any] | None) -> GateSpec | None:
    """The rule for a run: the plan's keys override the experiment's own; None without a rule.

    Raises:
        PexError: together they are incomplete.

    Example:
        >>> rule_of(PlanGate(margin=0.1), {"baseline": "a", "metric": "ok", "margin": 0.0}).margin
        0.1
    """
    given = {} if plan is None else plan.model_dump(exclude_none=True)
    merged = {**(own or {}), **given}
    if not merged:
        return None
    lacking = [key for key in ("baseline", "metric", "margin") if merged.get(key) is None]
    if lacking:
        raise PexError(
            f"the gate does not say its {' and '.join(lacking)}",
            hint="in the plan's gate, or in the experiment's",
        )
    return GateSpec(**merged)


def judge(
    tonight: Recorded, rule: GateSpec, plan: str, folder: Path, load: Loader, uri: str
) -> list[CandidateVerdict]:
    """Judge every candidate of a run; nothing is written.

    A red-team run is judged on both of its scores, whichever the rule names: a model that refuses
    everything has a perfect `resisted`.

    Args:
        tonight: the run.
        rule: the rule to judge by.
        plan: the plan's name.
        folder: the plan's folder, where the accepted baseline is.
        load: reads a run back.
        uri: the store.

    Returns:
        One for each candidate and score; if nothing can be compared, one with the reason.
    """
    other = {RESISTED: TASK_DONE, TASK_DONE: RESISTED}.get(rule.metric)
    if other is None or not is_redteam(tonight.frame):
        return _judge(tonight, rule, plan, folder, load, uri)
    found = _judge(tonight, rule, plan, folder, load, uri, scores=2)
    if any(item.row is None for item in found):
        return found
    second = rule.model_copy(update={"metric": other})
    found += _judge(tonight, second, plan, folder, load, uri, beside=other, scores=2)
    for item in found:
        item.reason = f"{item.metric}: {item.reason}"
    return found


def _judge(
    tonight: Recorded, rule: GateSpec, plan: str, folder: Path, load: Loader, uri: str,
    beside: str = "",
    scores: int = 1,
) -> list[CandidateVerdict]:  # fmt: skip
    """One for each candidate; if nothing can be compared, one for the run with the reason."""
    accepted = None
    try:
        if rule.baseline == PINNED:
            accepted = pinned(folder, plan, tonight.run)
            if accepted is None:
                raise PexError(
                    f"{NO_BASELINE} for '{tonight.run['experiment']}'; to "
                    f"accept tonight's: pexlab batch accept {tonight.run['batch_id']}"
                )
            found = _against_accepted(tonight, load(accepted["run_id"]), rule)
        else:
            found = _within(tonight, rule)
    except PexError as error:
        return [
            CandidateVerdict(
                tonight.run, "", rule.baseline, rule.metric, UNDECIDED, error.message,
                on_undecided=rule.on_undecided,
            )
        ]  # fmt: skip
    data = cases_digest(tonight.frame)
    for item, identity in found:
        item.accepted, item.beside = accepted, beside
        _over_nights(item, [plan, identity, data], tonight, rule, uri, scores * len(found))
    return [item for item, _ in found]


def _within(tonight: Recorded, rule: GateSpec) -> list[tuple[CandidateVerdict, str]]:
    """Compare the candidates with a variant of the same night."""
    table, frame = _compared(tonight.frame, rule, rule.baseline, tonight.about)
    found = _judged(table, frame, tonight, rule)
    return [(item, fingerprint(tonight, item.baseline)) for item in found]


def _against_accepted(
    tonight: Recorded, accepted: Recorded, rule: GateSpec
) -> list[tuple[CandidateVerdict, str]]:
    """Compare the variants with those of the same name in the accepted run."""
    frame, variants, _ = both(accepted.frame, tonight.frame)
    about = dataclasses.replace(tonight.about, variants=variants)
    table, frame = _compared(frame, rule, BASELINE, about)
    found = []
    for item in _judged(table, frame, tonight, rule):
        item.reason = item.reason.replace(f"'{item.baseline}'", "the accepted baseline")
        item.reason = item.reason.replace(f"'{item.candidate}'", f"'{item.candidate[3:]}'")
        item.candidate = item.candidate.removeprefix(f"{CANDIDATE}: ")
        item.baseline = item.baseline.removeprefix(f"{BASELINE}: ")
        found.append((item, f"{accepted.run['run_id']} {item.baseline}"))
    return found


def _compared(
    frame: pd.DataFrame, rule: GateSpec, baseline: str, about: About
) -> tuple[pd.DataFrame, pd.DataFrame]:
    options = Options(rule.margin, rule.confidence, None, about.uncalibrated)
    return compare(frame, baseline, rule.metric, options, about.variants), frame


def _judged(
    table: pd.DataFrame, frame: pd.DataFrame, tonight: Recorded, rule: GateSpec
) -> list[CandidateVerdict]:
    from pex.report.comparison import findings

    said = gate(table, findings(table))
    return [
        CandidateVerdict(
            tonight.run,
            str(row["candidate"]),
            str(row["baseline"]),
            rule.metric,
            said.outcomes[row["candidate"]],
            said.reasons[row["candidate"]],
            {str(key): value for key, value in row.items()},
            pair_cases(frame, row["candidate"], row["baseline"], rule.metric),
            on_undecided=rule.on_undecided,
        )
        for row in table.to_dict("records")
    ]


def _over_nights(
    item: CandidateVerdict,
    same: Sequence[str],
    tonight: Recorded,
    rule: GateSpec,
    uri: str,
    of: int,
) -> None:
    """Add tonight to the earlier nights that compared the same things.

    `same` is what must be equal besides the variant itself: plan, baseline, cases; `of` is the
    number of candidates, times scores, judged with it.
    """
    from pex.core.canonical_json import digest
    from pex.record.nights import evidence

    assert item.row is not None
    variant = item.candidate
    what = [item.run["job_id"], item.run["experiment"], variant, rule.metric]
    item.sequence = digest([*what, *same, fingerprint(tonight, variant)], 20)
    # A night that is read again is judged only by what came before it.
    own = item.run["batch_id"]
    nights = {
        e["batch_id"]: e for e in evidence(uri, item.sequence, item.beside)
    }  # of several runs the last
    before = itertools.takewhile(lambda e: e["batch_id"] != own, nights.values())
    counts = [(e["baseline_only"], e["candidate_only"]) for e in before]
    counts.append((int(item.row["losses"]), int(item.row["wins"])))
    # The nights are independent only if both sides get new answers every night.
    series = together(counts, rule.baseline == PINNED, of)
    item.e, item.nights = series.e, len(counts)
    item.outcome, item.reason = decide(item.outcome, item.reason, item.row, series)


def keep(items: Sequence[CandidateVerdict], uri: str) -> None:
    """Store the evidence of a night with its runs, for later nights."""
    from pex.record.nights import keep_evidence

    for item in items:
        if item.row is None:  # there was nothing to compare
            continue
        kept = {
            "baseline_only": int(item.row["losses"]),
            "candidate_only": int(item.row["wins"]),
            "e": item.e,
            "outcome": item.outcome,
            "verdict": item.verdict,
            "nights": item.nights,
        }
        keep_evidence(uri, item.run, item.candidate, item.sequence, kept, item.beside)


def together(counts: Sequence[tuple[int, int]], stored: bool, of: int = 1) -> EProcess:
    """The evidence of a series of nights that it got worse.

    Args:
        counts: for each night the cases lost and the cases won compared with the baseline.
        stored: whether the baseline's answers are those of one earlier night.
        of: how many candidates are judged together, each of which could raise an alarm.

    Example:
        >>> together([(0, 0), (8, 0)], stored=False).alarm
        1
    """
    if stored:
        return e_month(counts, ALARM * of, one_sided=True)
    return e_process(counts, ALARM * of, one_sided=True)


def decide(outcome: str, reason: str, row: Mapping[str, Any], series: EProcess) -> tuple[str, str]:
    """The outcome of a night that can be part of a series, and the reason.

    Worse in the first night of a series is a fail, as anywhere. Later, the same test would be
    bound to be wrong in some nights, so the nights together decide.
    """
    if row["verdict"] == UNCHANGED:  # whatever earlier nights were
        return outcome, reason
    nights = len(series.values)
    if series.alarm is not None and outcome != FAIL:
        return FAIL, (f"{reason} The {nights} nights together leave no doubt that it got worse.")
    if row["verdict"] == WORSE and nights > 1 and series.alarm is None:
        return UNDECIDED, (
            f"{reason} One night alone looks like that by chance now and then, and nothing was "
            f"changed since the night before: the {nights} nights together are not yet sure."
        )
    return outcome, reason


def outcome_of(items: Sequence[CandidateVerdict]) -> str | None:
    """`fail` if one failed, else `undecided` if one is, else `pass`; None without candidates."""
    found = {item.outcome for item in items}
    return next((word for word in (FAIL, UNDECIDED, PASS) if word in found), None)
