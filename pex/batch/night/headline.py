"""A night in one or two sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pex.batch.night.night_gate import NO_BASELINE, CandidateVerdict
from pex.compare.gate import FAIL, UNDECIDED
from pex.compare.verdict import WORSE
from pex.report.comparison import format_value

if TYPE_CHECKING:
    from pex.batch.night.night import JudgedNight

MOST = 4
"""Maximum number of candidates named; of others only the number is given."""


def headline(night: JudgedNight) -> str:
    """The night in one or two sentences, for people who do not program."""
    said = []
    bad = night.batch.failed
    total = len(night.batch.results)
    if bad:
        said.append(f"The night is incomplete: {_unfinished(len(bad), total)}.")
    if night.stopped_by_budget:
        said.append("The budget ended it before all calls were made.")
    erring = night.erring
    if erring:
        said.append(f"Too many calls ended in an error: {', '.join(s.title for s in erring)}.")
    failed = [item for item in night.judged if item.outcome == FAIL]
    if failed:
        causes = {item.cause for item in failed if item.cause}
        why = f" {causes.pop()}" if len(causes) == 1 else ""
        said.append(
            f"Something got worse: {_named(failed, scores=True)}.{why} Do not ship it as it is."
        )
    elif night.outcome == UNDECIDED:
        open_ = [item for item in night.judged if item.outcome == UNDECIDED]
        said.append(_undecided(open_, len(night.judged)))
    elif night.outcome is not None and not said:
        said.append("Nothing got worse. What was judged can be shipped.")
    elif night.outcome is None and not said:
        said.append("All notebooks ran. Nothing was judged: there is no gate.")
    return " ".join(said)


def _undecided(items: Sequence[CandidateVerdict], of: int) -> str:
    first = next((item for item in items if item.row is None), None)
    if first is not None and first.reason.startswith(NO_BASELINE):
        return "Nothing can be judged yet: no baseline has been accepted."
    if first is not None:
        return f"Not judged: {first.run['experiment']}. {first.reason}"
    worse = [item for item in items if item.row and item.row["verdict"] == WORSE]
    if worse:
        return f"Perhaps worse, not beyond chance yet: {_named(worse)}."
    rest = "" if len(items) == of else f" The other {of - len(items)} passed."
    return f"Not decided: there are too few cases to tell for {_named(items)}.{rest}"


def _unfinished(bad: int, total: int) -> str:
    if bad < total:
        return f"{bad} of {total} notebooks did not finish"
    return (
        "its notebook did not finish" if total == 1 else f"none of its {total} notebooks finished"
    )


def _named(items: Sequence[CandidateVerdict], *, scores: bool = False) -> str:
    """The first candidates, experiment by experiment, with their scores if these say more."""
    by_experiment: dict[str, dict[str, None]] = {}
    for item in items[:MOST]:
        name = f"'{item.candidate}'" + (_score(item) if scores else "")
        by_experiment.setdefault(item.run["experiment"], {})[name] = None
    parts = [f"{_listed(list(names))} in {where}" for where, names in by_experiment.items()]
    more = f" and {len(items) - MOST} more" if len(items) > MOST else ""
    return ", ".join(parts) + more


def _score(item: CandidateVerdict) -> str:
    if item.row is None:
        return ""
    now, then = (
        format_value(item.row[f"{side}_score"], item.metric, bool(item.row["yes_no"]))
        for side in ("candidate", "baseline")
    )
    return f" ({item.metric} {now} instead of {then})"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
