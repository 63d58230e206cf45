"""The versions of an experiment's cases, from its recorded runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.experiment.experiment import Experiment
from pex.project.settings import load_settings
from pex.project.spec import load_spec

if TYPE_CHECKING:
    from pex.record.case_versions import CasesVersion


def case_versions(experiment: Experiment | Path | str, n: int = 20) -> list[CasesVersion]:
    """The versions of an experiment's cases in its recorded runs, the newest first.

    Each says when it began, with which run, how many cases it has, which share of them a model
    wrote, and what changed: `change.added`, `removed`, `changed` and `accepted` have all ids. Runs
    on a part of the cases, and runs tried in a Playground or a cell, make no version.

    Args:
        experiment: an experiment, its file, or its name.
        n: how many at most.

    Raises:
        PexError: nothing is recorded for it, or the store does not answer.

    Example:
        >>> import pex
        >>> for version in pex.case_versions("review-sentiment"):  # doctest: +SKIP
        ...     print(version.line)
        2  2026-11-29 18:02  42 cases, 5 % generated: 2 added (g-1f, g-2a); ...
    """
    from pex.record.case_versions import versions
    from pex.record.run_names import recorded_runs
    from pex.tracking.store import exists, tracking_uri

    if isinstance(experiment, Experiment):
        name = experiment.name
    elif str(experiment).endswith((".yaml", ".yml")):
        name = load_spec(Path(experiment)).name
    else:
        name = str(experiment)
    project = find_project()
    uri = tracking_uri(project, load_settings(project))
    found = versions(uri, name, n) if exists(uri) else []
    if not found:
        names = {run.experiment for run in recorded_runs(uri)}
        raise PexError(
            f"no run on all cases of '{name}' is recorded",
            hint=nearest(name, names - {name}) if names - {name} else "run it: pexlab run",
        )
    return found
