"""The cases that a project's experiments have now: a run can have had others."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

from pex.core.attempt import attempt
from pex.core.case import Case
from pex.core.case_hash import cases_sha256
from pex.core.cases import read_cases
from pex.core.errors import PexError
from pex.evidence.card.run_facts import PRIVATE
from pex.project.listing import experiment_files
from pex.project.spec import ExperimentSpec, load_spec
from pex.record.measurements import Measurement


class CasesNow:
    """The experiments of a project and their cases, each file read once.

    Args:
        project: the project's folder.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        self._specs: dict[Path, ExperimentSpec | PexError] = {}
        self._cases: dict[Path, list[Case] | PexError] = {}
        self._sha256: dict[Path, str] = {}

    def specs(self, paths: Iterable[Path]) -> list[ExperimentSpec]:
        """The experiments of these files that can be read."""
        found = map(self._spec, paths)
        return [spec for spec in found if not isinstance(spec, PexError)]

    def shown(self, paths: Iterable[Path]) -> Iterator[Case]:
        """The cases of experiments that are not marked private."""
        for path in paths:
            cases = self._of(path)
            yield from () if isinstance(cases, PexError) else (
                case for case in cases if not _is_private(case)
            )  # fmt: skip

    def all_of(self, paths: Iterable[Path]) -> list[Case]:
        """All cases of experiments that can be read, each once, also the private ones."""
        found: dict[str, Case] = {}
        for path in paths:
            cases = self._of(path)
            found |= {} if isinstance(cases, PexError) else {case.id: case for case in cases}
        return list(found.values())

    def private_ids(self, paths: Iterable[Path], row: Measurement) -> set[str] | PexError:
        """The cases that are marked private now.

        Args:
            paths: the experiments that use a prompt.
            row: one of its measurements, whose experiment counts too.

        Returns:
            Their ids; an error if cases cannot be read, so which are private is not known.
        """
        found: set[str] = set()
        for path in dict.fromkeys([*paths, *self._named(row.experiment)]):
            cases = self._of(path)
            if isinstance(cases, PexError):
                return cases
            found |= {case.id for case in cases if _is_private(case)}
        return found

    def differ(self, row: Measurement) -> bool:
        """Whether a run had other cases than the file of its experiment has now.

        Not if that is not known: no experiment of the project has its name, or an earlier version
        recorded it.
        """
        now = [sha256 for path in self._named(row.experiment) if (sha256 := self._hash(path))]
        return bool(row.cases_sha256 and now) and row.cases_sha256 not in now

    def _named(self, experiment: str) -> list[Path]:
        return self._by_name.get(experiment, [])

    @functools.cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in experiment_files(self._project).values():
            spec = self._spec(path)
            if not isinstance(spec, PexError):
                found.setdefault(spec.name, []).append(path)
        return found

    def _spec(self, path: Path) -> ExperimentSpec | PexError:
        if path not in self._specs:
            self._specs[path] = attempt(functools.partial(load_spec, path))
        return self._specs[path]

    def _of(self, path: Path) -> list[Case] | PexError:
        if path not in self._cases:
            spec = self._spec(path)
            self._cases[path] = spec if isinstance(spec, PexError) else attempt(
                lambda: read_cases(spec.cases.model_dump(), spec.columns, path.parent).cases
            )  # fmt: skip
        return self._cases[path]

    def _hash(self, path: Path) -> str:
        if path not in self._sha256:
            cases = self._of(path)
            self._sha256[path] = "" if isinstance(cases, PexError) else cases_sha256(cases)
        return self._sha256[path]


def _is_private(case: Case) -> bool:
    return any(tag.casefold() == PRIVATE for tag in case.tags)
