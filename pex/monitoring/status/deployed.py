"""What deployed traces say of each prompt: which versions answer, and what users think."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pex.core.errors import PexError
from pex.monitoring.reading import read_traces
from pex.monitoring.spec import MonitorSpec, load_monitor
from pex.monitoring.traces import TRIAGE, Traces
from pex.project.listing import experiment_files

if TYPE_CHECKING:
    import pandas as pd

FILE = "monitor.yaml"


@dataclasses.dataclass(frozen=True, slots=True)
class Deployed:
    """The traces of one prompt in the last days.

    Args:
        monitor: the file that says where its traces are, as the project has it.
        days: how many days were looked at.
        traces: how many traces there were.
        answered: for each version, the times of its traces: how many, and the last.
        opinions: how many yes/no opinions users gave.
        negative: how many of them were no.
        untriaged: on how many traces with a no nobody has decided yet.
        last_opinion: when the last opinion was given.
    """

    monitor: str
    days: int
    traces: int
    answered: Mapping[int, Sequence[datetime.datetime]]
    opinions: int
    negative: int
    untriaged: int
    last_opinion: datetime.datetime | None

    def others_since(self, version: int, moved: datetime.datetime) -> dict[int, int]:
        """How many traces other versions had well after an alias was moved.

        A quarter of an hour is given to applications that still had the version before.
        """
        since = moved + datetime.timedelta(minutes=15)
        late = {
            number: sum(at > since for at in times)
            for number, times in self.answered.items()
            if number != version
        }
        return {number: count for number, count in late.items() if count}


def monitors(project: Path) -> Iterator[Path]:
    """The `monitor.yaml` of the project and of its experiments' folders."""
    folders = {path.parent for path in experiment_files(project).values()}
    for folder in [project, *sorted(folders - {project})]:
        if (folder / FILE).is_file():
            yield folder / FILE


def deployed_prompts(
    project: Path, uri: str, state: Path, days: int, now: datetime.datetime
) -> tuple[dict[str, Deployed], list[str]]:
    """What the traces of every monitor of a project say of each prompt.

    Args:
        project: the project's folder.
        uri: the store with the traces.
        state: where pex keeps what it knows of them.
        days: how many days back.
        now: the end of these days, in UTC.

    Returns:
        One entry for each prompt that has traces, and what could not be read, in sentences.
    """
    found: dict[str, Deployed] = {}
    problems: list[str] = []
    first = now - datetime.timedelta(days=days)
    for path in monitors(project):
        place = path.relative_to(project).as_posix()
        try:
            spec: MonitorSpec = load_monitor(path)
            traces = read_traces(uri, spec.source, state, first=first, last=now)
        except PexError as error:
            problems.append(f"{place}: {error.message}")
            continue
        for name, part in traces.frame.dropna(subset=["prompt"]).groupby("prompt"):
            found[str(name)] = _deployed(place, days, part, traces)
    return found, problems


def _deployed(place: str, days: int, part: pd.DataFrame, traces: Traces) -> Deployed:
    by_version = part.dropna(subset=["prompt_version"]).groupby("prompt_version")["started_at"]
    decided = set(traces.feedback.loc[traces.feedback["name"] == TRIAGE, "trace_id"])
    people = traces.opinions[traces.opinions["trace_id"].isin(part["trace_id"])]
    opinions = people[people["number"].isin([0.0, 1.0])]
    negative = opinions[opinions["number"] == 0]
    last = opinions["at"].max() if len(opinions) else None
    return Deployed(
        monitor=place,
        days=days,
        traces=len(part),
        answered={
            int(str(version)): [at.to_pydatetime() for at in times] for version, times in by_version
        },
        opinions=len(opinions),
        negative=len(negative),
        untriaged=len(set(negative["trace_id"]) - decided),
        last_opinion=last.to_pydatetime() if last is not None else None,
    )
