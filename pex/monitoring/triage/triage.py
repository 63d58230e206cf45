"""`pex.triage`: the queue of an application's traces."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pex.core import private
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.core.user_name import user_name
from pex.monitoring.reading import looked, milliseconds
from pex.monitoring.spec import Source, load_monitor
from pex.monitoring.triage.files import Files
from pex.monitoring.triage.marks import Marks
from pex.monitoring.triage.ordering import Worst, worst
from pex.monitoring.triage.queue import Queue
from pex.project.personal_rules import personal_rules
from pex.project.settings import load_settings
from pex.project.spec import load_spec
from pex.tracking.store import tracking_uri as uri_of

if TYPE_CHECKING:
    from pex.experiment.experiment import Experiment

STATE = "monitor"
"""In the project's `.pex/`: the figures of known traces."""


def triage(
    source: str | Path | Experiment,
    *,
    to: str | Path | Experiment | None = None,
    filter: str | None = None,  # noqa: A002 - as MLflow and monitor.yaml call it
    first: datetime.datetime | None = None,
    last: datetime.datetime | None = None,
    who: str | None = None,
    second: bool = False,
    limit: int = 100,
    tracking_uri: str | None = None,
) -> Queue:
    """Look at deployed traces, worst first, and decide on each what it is.

    Args:
        source: `monitor.yaml`, the name of an MLflow experiment (also of an application without
            pex), or an experiment, whose MLflow experiment has the same name.
        to: the experiment whose files get cases and requirements; an experiment given as `source`
            is its own.
        filter: in MLflow's syntax for traces, instead of that in `monitor.yaml`.
        first: only traces that began then or later.
        last: only traces that began before.
        who: your name; by default the one that the machine knows.
        second: what others have decided, for a second opinion; nothing is written to files then.
        limit: how many traces are shown at once.
        tracking_uri: MLflow's store; by default the project's.

    Returns:
        The queue. As the last line of a cell it is a widget; without one it has the same methods.

    Raises:
        PexError: a file or an MLflow experiment is missing, `[personal]` in pex.toml has a rule
            that is not valid, or the store does not answer.
    """
    if isinstance(limit, bool) or not 1 <= limit <= 500:
        raise PexError(f"limit={limit!r}: expected a number from 1 to 500")
    chosen, files = _source(source)
    if to is not None:
        files = Files(_path(to))
    if filter is not None:
        chosen = chosen.model_copy(update={"filter": filter})
    project = find_project()
    settings = load_settings(project)
    uri = uri_of(project, settings, tracking_uri)
    state = private.folder(private.folder(private.state(project)) / STATE)
    marks = Marks(uri, who or user_name())

    def look() -> Worst:
        with looked(uri, chosen, state, settings=settings) as known:
            return worst(known.kept, milliseconds(first), milliseconds(last))

    return Queue(
        look, marks, chosen.experiments, files, rules=personal_rules(settings), second=second,
        limit=limit, view=_view,
    )  # fmt: skip


def _view(queue: Queue) -> object:
    from pex.monitoring.triage.widget import TriageWidget

    return TriageWidget(queue)


def _source(source: str | Path | Experiment) -> tuple[Source, Files | None]:
    if not isinstance(source, str | Path):
        return Source(experiment=source.name), Files(_path(source))
    path = Path(source)
    if path.suffix.lower() not in (".yaml", ".yml"):
        return Source(experiment=str(source)), None
    if path.is_file() and _is_experiment(path):
        return Source(experiment=load_spec(path).name), Files(path)
    return load_monitor(path).source, None


def _is_experiment(path: Path) -> bool:
    from pex.core.yamltext import load_yaml

    data = load_yaml(path.read_text(encoding="utf-8"), str(path)).data
    return isinstance(data, dict) and "cases" in data and "source" not in data


def _path(experiment: str | Path | Experiment) -> Path:
    if isinstance(experiment, str | Path):
        return Path(experiment)
    if experiment.path is None:
        raise PexError(
            f"the experiment '{experiment.name}' is in no file that cases could join",
            hint="exp.save('experiments/NAME/experiment.yaml')",
        )
    return experiment.path
