"""Which cases of a project are held out: they test, so nothing may be trained on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.attempt import attempt
from pex.core.case import Case
from pex.core.cases import read_cases
from pex.core.errors import PexError
from pex.core.splits import COLUMN
from pex.core.yamltext import load_yaml
from pex.improvement.memory import earlier_improvements, known_sets
from pex.improvement.sets import division
from pex.project.folder import load_variants
from pex.project.listing import experiment_files
from pex.project.spec import load_spec
from pex.training.alike import HeldOutTexts
from pex.training.example import case_text

if TYPE_CHECKING:
    from pex.project.spec import ExperimentSpec

TRAIN = "train"
GATED = "gate"
"""Why a case is held out: its experiment has a gate and no splits."""


@dataclasses.dataclass(frozen=True, slots=True)
class Match:
    """A held-out case that a candidate is like."""

    experiment: str
    case_id: str
    why: str
    likeness: float


class HeldOut:
    """All held-out cases of a project: found by their inputs' text, also reworded.

    Equal inputs have equal texts, whatever their columns are called, so a hash of the text finds
    all cases that a hash of the inputs would.

    Args:
        cases: each with its experiment's name and why it is held out.

    Example:
        >>> held = HeldOut([("reviews", Case("r1", {"text": "It broke on day one."}), "confirm")])
        >>> [held.find([text])[0] is None for text in ("It broke on day 1.", "Fine")]
        [False, True]
    """

    def __init__(self, cases: Iterable[tuple[str, Case, str]]) -> None:
        self._cases = list(cases)
        self._texts = HeldOutTexts([case_text(case) for _, case, _ in self._cases])

    def __len__(self) -> int:
        return len(self._cases)

    def find(self, texts: Sequence[str]) -> list[Match | None]:
        """The held-out case that each case is or is like; None if there is none.

        Args:
            texts: of some hundred cases, by `case_text`.
        """
        if not self._cases:
            return [None] * len(texts)
        return [near and self._match(*near) for near in self._texts.find(texts)]

    def _match(self, number: int, likeness: float) -> Match:
        experiment, case, why = self._cases[number]
        return Match(experiment, case.id, why, likeness)


def held_out_cases(
    project: Path, uri: str, read: Mapping[Path, Sequence[Case]] | None = None
) -> list[tuple[str, Case, str]]:
    """The held-out cases of all experiments of a project, each with its experiment and the reason.

    Args:
        project: the project's folder.
        uri: the store with the sets of earlier improvements.
        read: the cases of files of experiments that have been read already.

    Raises:
        PexError: an experiment cannot be read: its test cases would not be known.
    """
    found: list[tuple[str, Case, str]] = []
    for path in experiment_files(project).values():
        try:
            name, cases, sets = sets_of_file(path, uri, (read or {}).get(path.resolve()))
        except PexError as error:
            raise PexError(
                f"the held-out cases of {path.parent.name} are not known: {error.message}",
                hint="fix the file first: a case that tests must not be trained on",
            ) from None
        found += [(name, case, sets[case.id]) for case in cases if case.id in sets]
    return found


def sets_of_file(
    path: Path, uri: str, cases: Sequence[Case] | None = None
) -> tuple[str, Sequence[Case], dict[str, str]]:
    """The name and cases of an experiment's file, and why cases of it are held out, by id.

    Args:
        path: the file.
        uri: the store with the sets of earlier improvements.
        cases: its cases, if they have been read already.

    Raises:
        PexError: a file cannot be read.
    """
    spec = load_spec(path)
    if cases is None:
        cases = read_cases(spec.cases.model_dump(), spec.columns, path.parent).cases
    sets = held_out_sets(
        cases,
        gated=spec.gate is not None or _plan_gate(path),
        shares=spec.splits,
        variables=_variables(spec, path.parent) if spec.splits else (),
        known=known_sets(earlier_improvements(uri, spec.name)),
    )
    return spec.name, cases, sets


def held_out_sets(
    cases: Sequence[Case],
    *,
    gated: bool,
    shares: Mapping[str, float] | None,
    variables: Iterable[str],
    known: Mapping[str, Any],
) -> dict[str, str]:
    """Why each held-out case is held out, by its id; cases to train on are not in it.

    Args:
        cases: of one experiment.
        gated: whether the experiment has a gate.
        shares: its `splits`.
        variables: of its prompts; see `pex.improvement.sets.division`.
        known: the sets of earlier improvements.

    Example:
        >>> cases = [Case("a", {"q": 1, "split": "train"}), Case("b", {"q": 2, "split": "test"})]
        >>> held_out_sets(cases, gated=True, shares=None, variables=(), known={})
        {'b': 'test'}
        >>> held_out_sets([Case("c", {"q": 3})], gated=True, shares=None, variables=(), known={})
        {'c': 'gate'}
    """
    if any(_declared(case) for case in cases):
        return {
            case.id: _declared(case) or "no split"
            for case in cases
            if _declared(case).casefold() != TRAIN
        }
    if shares is not None:
        split, _ = division(cases, {str(k): v for k, v in shares.items()}, variables, known)  # type: ignore[misc]
        sets = {case_id: str(name) for case_id, name in split.membership().items()}
    else:
        sets = {case.id: str(known.get(case.id, GATED if gated else TRAIN)) for case in cases}
    return {case_id: name for case_id, name in sets.items() if name != TRAIN}


def _declared(case: Case) -> str:
    value = case.inputs.get(COLUMN)
    return value.strip() if isinstance(value, str) else ""


def _variables(spec: ExperimentSpec, folder: Path) -> list[str]:
    """The variables of the first prompt, by which `pex.improve` finds cases that are alike."""
    from pex.library.resolve import resolve_beside

    variants = load_variants(spec, folder, {}, lambda ref: resolve_beside(folder, ref))
    return list(variants[0].prompt.variables) if variants else []


def _plan_gate(path: Path) -> bool:
    """Whether a plan beside the experiment has a gate for it."""
    plan = path.parent / "plan.yaml"
    if not plan.is_file():
        return False
    read = attempt(lambda: load_yaml(plan.read_text(encoding="utf-8"), str(plan)).data)
    if isinstance(read, PexError):
        raise PexError(f"{plan}: {read.message}", hint="a plan's gate makes its cases a test")
    return isinstance(read, dict) and bool(read.get("gate"))


HOW_TO_MARK = (
    f"mark cases to train on: a column '{COLUMN}' with the values train and test, or splits: in "
    "experiment.yaml"
)
"""What a user does about an experiment all of whose cases count as test."""
