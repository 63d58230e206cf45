"""Recorded runs by name: the list of a project's runs, and the run that a person means."""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import re
from typing import TYPE_CHECKING

from pex.core.errors import PexError, nearest
from pex.guard.redact import redact
from pex.record.search import MOST, UnknownRunError, run_of
from pex.tracking.store import connect, exists

if TYPE_CHECKING:
    from mlflow.entities import Run

LATEST = "latest"
_ID = re.compile("[0-9a-f]{32}")
_START = re.compile("[0-9a-f]{6,31}")
_TYPED_ID = re.compile(r"(?=[^\d]*\d)(?:run[ :=]*)?([0-9a-zA-Z]{4,40})(?:…|\.{2,3})?")
"""What somebody may have typed or copied as an id: at least a digit, perhaps a dot too many."""
_NEAR, _ALIKE = 3, 0.7
_BACK = re.compile(r"(.*)~(\d{1,4})")


@dataclasses.dataclass(frozen=True, slots=True)
class RecordedRun:
    """One recorded run: its id, its name in MLflow, its experiment, when it started.

    `status` is MLflow's; `verdicts` and `baseline` are as in the run's tags; `source` is empty for
    a measurement, else where it was tried (a Playground or a cell).
    """

    run_id: str
    name: str
    experiment: str
    started_at: datetime.datetime
    status: str
    verdicts: str
    baseline: str
    source: str


def recorded_runs(uri: str, experiment: str | None = None, limit: int = MOST) -> list[RecordedRun]:
    """The newest runs of pex in a store, newest first; none if there is no store yet.

    Args:
        uri: the store.
        experiment: only the runs of this experiment.
        limit: at most this many.
    """
    if not exists(uri):
        return []
    client = connect(uri)
    everywhere = [item.experiment_id for item in client.search_experiments()]
    query = "tags.`pex.kind` = 'run'"
    if experiment is not None:
        query += f" and tags.`pex.experiment` = '{_plain(experiment)}'"
    found = client.search_runs(everywhere, query, max_results=limit) if everywhere else []
    return [_recorded(run) for run in found]


def find_run(uri: str, name: str) -> str:
    """The id of the run that a person means.

    Args:
        uri: the store.
        name: an id or its first six or more characters, `latest`, an experiment's name (its newest
            run, without those tried in a Playground or a cell), or the run's name in MLflow;
            `latest~1` is the one before, `NAME~2` the experiment's last but two.

    Raises:
        PexError: there is no such run, or several have the name.
    """
    if _ID.fullmatch(name):
        try:
            run_of(uri, name)
        except UnknownRunError as error:
            raise PexError(error.message, hint=_hint(name, recorded_runs(uri))) from None
        return name
    runs = recorded_runs(uri)
    counted = _BACK.fullmatch(name)
    stem, back = (counted[1], int(counted[2])) if counted else (name, 0)
    own = runs if stem == LATEST else [run for run in runs if run.experiment == stem]
    if stem != LATEST:
        own = [run for run in own if not run.source] or own
    if back < len(own):
        return own[back].run_id
    if own:
        of = "recorded runs" if stem == LATEST else f"runs of '{stem}'"
        raise PexError(f"'{name}': there are only {len(own)} {of}", hint=_LIST)
    named = [run for run in runs if run.name == name]
    if not named and _START.fullmatch(name):
        named = [run for run in runs if run.run_id.startswith(name)]
    if len(named) == 1:
        return named[0].run_id
    if named:
        ids = ", ".join(f"{run.run_id[:8]} ({_when(run)})" for run in named[:3])
        raise PexError(f"{len(named)} runs are called '{name}': {ids}", hint=_LIST)
    raise PexError(f"there is no run '{name}' in {redact(uri)}", hint=_hint(name, runs))


_LIST = "`pexlab runs` lists them"


def _hint(name: str, runs: list[RecordedRun]) -> str:
    if not runs:
        return "nothing has been recorded there yet"
    near = _near_ids(name, runs)
    if near:
        shown = " or ".join(f"{run.run_id[:8]} ({run.experiment}, {_when(run)})" for run in near)
        return f"did you mean {shown}? {_LIST}"
    known = list(dict.fromkeys([LATEST, *(run.experiment for run in runs)]))
    names = difflib.get_close_matches(name, [*known, *(run.name for run in runs)], n=1, cutoff=0.6)
    return f"{nearest(name, [*names, *known] if names else known)}; {_LIST}"


def _near_ids(name: str, runs: list[RecordedRun]) -> list[RecordedRun]:
    """The runs whose ids begin nearly like something that looks like an id."""
    typed = _TYPED_ID.fullmatch(name)
    if typed is None:
        return []
    begins = {run.run_id[: len(typed[1])]: run for run in reversed(runs)}
    found = difflib.get_close_matches(typed[1].lower(), begins, n=_NEAR, cutoff=_ALIKE)
    return [begins[begin] for begin in found]


def _when(run: RecordedRun) -> str:
    return f"{run.started_at:%d %b %H:%M}".lstrip("0")


def _plain(text: str) -> str:
    """A name without the character that would end it in a query."""
    return text.replace("'", "")


def _recorded(run: Run) -> RecordedRun:
    tags = run.data.tags
    return RecordedRun(
        str(run.info.run_id),
        str(run.info.run_name or ""),
        tags.get("pex.experiment", ""),
        datetime.datetime.fromtimestamp(run.info.start_time / 1000).astimezone(),
        run.info.status,
        tags.get("pex.verdicts", ""),
        tags.get("pex.baseline", ""),
        tags.get("pex.source", ""),
    )
