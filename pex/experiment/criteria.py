"""What an experiment is measured by: its requirements, what checks them, the gate."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.about import CheckInfo, CriteriaInfo, RequirementInfo
from pex.core.canonical_json import digest
from pex.core.errors import PexError
from pex.core.variant import Variant
from pex.library.metadata import metadata_of
from pex.project.spec import ExperimentSpec, Requirement
from pex.score.base import Scorer
from pex.score.judge.judge import Judge
from pex.score.requirements import DIGITS, check_known, checks_of, requirement_digest


@dataclasses.dataclass(frozen=True, slots=True)
class Criteria:
    """What a run is measured by, known before its first call.

    `parts` has a digest of each requirement, of each scorer and of the gate, so that a later run
    can tell which of them changed; `sha256` is the hash of all. `decided` is set by the record.
    """

    requirements: Sequence[RequirementInfo]
    checks: Sequence[CheckInfo]
    parts: Mapping[str, Any]
    sha256: str
    decided: CriteriaInfo | None = None

    @property
    def written(self) -> bool:
        """Whether somebody wrote down what must hold: requirements or a gate."""
        return bool(self.requirements or self.parts.get("gate"))


def requirements_of(
    spec: ExperimentSpec, variants: Sequence[Variant], place: str
) -> list[RequirementInfo]:
    """The requirements of an experiment: its own, then those of its prompts' metadata.

    Args:
        spec: the experiment as data.
        variants: its variants.
        place: where its own are written, for errors.

    Raises:
        PexError: one id with two texts, priorities or thresholds; the message names both places.
    """
    found: dict[str, RequirementInfo] = {}
    places = [(place, spec.requirements)]
    for prompt in {variant.prompt.name: variant.prompt for variant in variants}.values():
        where = prompt.path.name if prompt.path else prompt.origin or f"prompt '{prompt.name}'"
        places.append((where, metadata_of(prompt).requirements))
    for where, requirements in places:
        for item in requirements:
            known = found.setdefault(item.id, RequirementInfo(**item.model_dump(), place=where))
            if _asks(known) != _asks(item):
                detail = _same(known.text) == _same(item.text)
                raise PexError(
                    f"two requirements are called '{item.id}': in {known.place} "
                    f"{_said(known, detail)}, in {where} {_said(item, detail)}",
                    hint="give one of them another id, or both the same text, priority and "
                    "at_least",
                )
    return list(found.values())


def criteria_of(
    spec: ExperimentSpec,
    variants: Sequence[Variant],
    items: Sequence[Any],
    built: Sequence[Scorer | Judge],
    base: Path,
    place: str,
    *,
    strict: bool = True,
) -> Criteria:
    """The criteria of an experiment.

    Args:
        spec: the experiment as data.
        variants: its variants.
        items: its scorers as the user gave them.
        built: the scorers built from them.
        base: the folder that paths in `items` start from.
        place: where its own requirements are written, for errors.
        strict: refuse checks of unknown requirements; not where prompts were replaced, which may
            be the ones that have them.

    Raises:
        PexError: a scorer checks an unknown requirement, or one id has two meanings.
    """
    requirements = requirements_of(spec, variants, place)
    checks = checks_of(items, built, base)
    known = {item.id for item in requirements}
    if strict:
        check_known(checks, known)
    checks = [
        dataclasses.replace(check, requirements=[i for i in check.requirements if i in known])
        for check in checks
    ]
    parts: dict[str, Any] = {
        "requirements": {
            item.id: requirement_digest(item.text, item.priority, item.at_least)
            for item in requirements
        },
        "scorers": {
            check.score: digest([check.definition, sorted(check.requirements)], DIGITS)
            for check in checks
        },
        "gate": digest(spec.gate.model_dump(), DIGITS) if spec.gate else None,
    }
    return Criteria(requirements, checks, parts, digest(parts, 64))


def _asks(item: RequirementInfo | Requirement) -> tuple[str, str, float | None]:
    return _same(item.text), item.priority, item.at_least


def _said(item: RequirementInfo | Requirement, detail: bool) -> str:
    """A requirement for a message, with what it asks for beside its sentence."""
    least = "every case" if item.at_least is None else f"at least {item.at_least:.12g}"
    return f'"{item.text}"' + (f" ({item.priority}, {least})" if detail else "")


def _same(text: str) -> str:
    """A sentence without what makes no difference to its reader."""
    return " ".join(text.split())
