"""How far the version that a card is about meets its requirements."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Sequence

from pex.compare.requirements import MET, NEVER_FAILED, NOT_MET, UNDECIDED, UNTESTED
from pex.evidence.card.data import RequirementState
from pex.evidence.card.run_facts import VariantFacts
from pex.evidence.requirements import NOT_MEASURED
from pex.project.spec import ExperimentSpec, Requirement
from pex.record.measurements import Measurement
from pex.score.requirements import requirement_digest

_WORST = (NOT_MET, UNDECIDED, NOT_MEASURED, NEVER_FAILED, MET)
OTHER_CASES = "that run had other cases than the file has now"


@dataclasses.dataclass(frozen=True, slots=True)
class NewestRun:
    """The newest run of a version in an experiment on a model.

    `other_cases` is whether it had other cases than the experiment has now.
    """

    row: Measurement
    facts: VariantFacts
    other_cases: bool


def requirement_states(
    asked: Iterable[Requirement], checked: Collection[str], runs: Sequence[NewestRun], digest: str
) -> Iterator[RequirementState]:
    """The state of each requirement; on several models, the worst.

    Args:
        asked: the requirements as they are now.
        checked: the ids of those that a scorer checks.
        runs: the newest first.
        digest: the version's; what a run says of another version or another wording or threshold
            does not count.
    """
    for requirement in asked:
        now = requirement_digest(requirement.text, requirement.priority, requirement.at_least)
        by_model: dict[str, tuple[str, str]] = {}
        for run in runs:
            said = run.facts.requirements.get(requirement.id)
            if said and run.row.digest == digest and said[2] == now and said[0] != UNTESTED:
                by_model.setdefault(run.row.model, _of_run(run, said))
        if not by_model:
            yield RequirementState(
                requirement, NOT_MEASURED if requirement.id in checked else UNTESTED
            )
            continue
        state, detail = min(by_model.values(), key=lambda found: _WORST.index(found[0]))
        more = f" (the worst of {len(by_model)} models)" if len(by_model) > 1 else ""
        yield RequirementState(requirement, state, f"{detail}{more}")


def _of_run(run: NewestRun, said: Sequence[str]) -> tuple[str, str]:
    state, detail = said[0], f"{run.row.model}: {said[1]}"
    if not run.other_cases:
        return state, detail
    # Passing some of the cases, or earlier ones, is not passing those of now.
    state = NOT_MEASURED if state in (MET, NEVER_FAILED) else state
    return state, f"{detail}; {OTHER_CASES}"


def checked_by(specs: Iterable[ExperimentSpec]) -> set[str]:
    """The requirements that scorers of these experiments check."""
    found: set[str] = set()
    for item in (item for spec in specs for item in spec.scorers if isinstance(item, dict)):
        ids = item.get("checks") or []
        found |= {str(one) for one in (ids if isinstance(ids, list) else [ids])}
    return found
