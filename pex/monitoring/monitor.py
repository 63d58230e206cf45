"""`pex.monitor`: a look at deployed traces."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.monitoring.over_time import check_by, empty_traces
from pex.monitoring.results import MonitorResults
from pex.monitoring.spec import MonitorSpec, Sample, Source, load_monitor
from pex.monitoring.traces import Traces
from pex.project.settings import load_settings
from pex.tracking.store import connect, errors_of
from pex.tracking.store import tracking_uri as store_of

if TYPE_CHECKING:
    from pex.library.moves import Move
    from pex.monitoring.scoring import Scored

Day = str | datetime.date | None
_FILES = (".yaml", ".yml")
_MOST_NAMED = 8


def monitor(
    source: str | Path,
    *,
    scorers: Sequence[Any] | None = None,
    sample: float | Mapping[str, Any] | Sample | None = None,
    filter: str | None = None,  # noqa: A002 - MLflow's word for it
    first: Day = None,
    last: Day = None,
    by: str | None = None,
    record: bool = True,
    show: bool | None = None,
    tracking_uri: str | None = None,
    now: datetime.datetime | None = None,
) -> MonitorResults:
    """Look at deployed traces: figures over time, scores of a sample, feedback, alarms.

    What was read and scored before is kept, so that the second look costs only what is new. New
    alarms are sent to the monitor's notices.

    Args:
        source: a `monitor.yaml`, or the name of an MLflow experiment.
        scorers: as in an experiment; over those of the file. Judges cost money, at most the
            sample's `budget_usd`.
        sample: which traces are scored: a rate, or `rate`, `per_day`, `filter`, `budget_usd`.
        filter: only these traces, in MLflow's syntax: `"tag.service = 'reviews'"`.
        first: the first day (UTC).
        last: the last day, included.
        by: what the page divides the traces by; default: prompt versions and models.
        record: write the look as a run to MLflow.
        show: show progress; None: if the session is interactive.
        tracking_uri: a store other than the project's.
        now: the time of the look; default: the present.

    Raises:
        PexError: a key, scorer, day or filter does not fit; there is no experiment of the given
            name, with the nearest one; the store does not answer. No model was called. Where the
            file's experiment is not there yet, the look is empty and says so.

    Example:
        >>> import pex
        >>> pex.monitor("no-such-file.yaml")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: monitor: no-such-file.yaml does not exist
    """
    from pex.improvement.progress import progress

    spec, folder = _spec_of(source, scorers, sample, filter)
    begin, end = day_of(first, "first"), day_of(last, "last")
    if begin and end and end < begin:
        raise PexError(f"last is {end}, before first, {begin}")
    project = find_project(folder)
    uri = store_of(project, load_settings(project), tracking_uri)
    with progress(show) as say:
        moment = now or datetime.datetime.now(datetime.UTC)
        look = _Look(spec, folder, project, uri, moment, say, may_be_new=_is_file(source))
        results = look.run(begin, end, by)
        if record:
            from pex.monitoring.record_look import record_look

            say("writing the look to MLflow")
            results = dataclasses.replace(results, run_id=record_look(results))
        if results.look.unnotified and spec.notify:
            from pex.monitoring.look import notify_alarms
            from pex.monitoring.page import page

            notify_alarms(spec, results.look, page(results), say)
    return results


def spec_of(source: str | Path) -> tuple[MonitorSpec, Path]:
    """The monitor that a file or an experiment's name means, and the folder of its paths.

    Args:
        source: a `monitor.yaml`, or the name of an MLflow experiment.

    Raises:
        PexError: the file does not fit.
    """
    return _spec_of(source, None, None, None)


def _spec_of(
    source: str | Path,
    scorers: Sequence[Any] | None,
    sample: float | Mapping[str, Any] | Sample | None,
    query: str | None,
) -> tuple[MonitorSpec, Path]:
    path = Path(source)
    if _is_file(source):
        if not path.is_file():
            raise PexError(f"monitor: {source} does not exist")
        spec, folder = load_monitor(path), path.resolve().parent
    else:
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", str(source)).strip("-.") or "monitor"
        spec, folder = MonitorSpec(name=name, source=Source(experiment=str(source))), Path.cwd()
    update: dict[str, Any] = {}
    if scorers is not None:
        update["scorers"] = list(scorers)
    if sample is not None:
        update["sample"] = _sample(sample)
    if query is not None:
        update["source"] = spec.source.model_copy(update={"filter": query})
    return spec.model_copy(update=update), folder


def _is_file(source: str | Path) -> bool:
    return isinstance(source, Path) or Path(source).suffix in _FILES


def _sample(given: float | Mapping[str, Any] | Sample) -> Sample:
    from pex.project.files import validate

    if isinstance(given, Sample):
        return given
    values = dict(given) if isinstance(given, Mapping) else {"rate": given}
    return validate(Sample, values, "sample")


def day_of(value: Day, name: str) -> datetime.date | None:
    """A day that a user gave.

    Raises:
        PexError: it cannot be read.
    """
    if value is None or (
        isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)
    ):
        return value
    if isinstance(value, datetime.datetime):
        return value.date()
    try:
        return datetime.date.fromisoformat(value)
    except ValueError:
        raise PexError(f"{name}: expected a day such as 2026-03-01, got {value!r}") from None


def midnight(day: datetime.date | None, later: int = 0) -> datetime.datetime | None:
    """When a day begins in UTC, or one that many days later."""
    if day is None:
        return None
    begin = datetime.datetime.combine(day, datetime.time(), datetime.UTC)
    return begin + datetime.timedelta(days=later)


@dataclasses.dataclass(frozen=True)
class _Look:
    """One look, with everything that it needs."""

    spec: MonitorSpec
    folder: Path
    project: Path
    uri: str
    now: datetime.datetime
    say: Callable[[str], None]
    may_be_new: bool = False
    """Whether the application may not have written its first trace yet: a file can be older."""

    @property
    def state(self) -> Path:
        """The project's `.pex/`; monitors keep what they know in `monitor/`."""
        return self.project / load_settings(self.project).journal.path

    def run(
        self, first: datetime.date | None, last: datetime.date | None, by: str | None
    ) -> MonitorResults:
        """Read, score, test."""
        from pex.library.moves import read_history
        from pex.monitoring.look import look
        from pex.monitoring.reading import read_traces

        ids, not_yet = self._experiments()
        moves = [line.move for line in read_history(self.project).lines]
        traces = empty_traces() if not_yet else read_traces(
            self.uri, self.spec.source, self.state / "monitor", first=midnight(first),
            last=midnight(last, 1), on_page=self._page, settings=load_settings(self.project),
        )  # fmt: skip
        if by is not None:
            check_by(by, traces.frame)
        scored = None
        if self.spec.scorers and len(traces.frame):
            traces, scored = self._score(traces)
        vectors, problem = self._vectors(traces, moves)
        checked = look(
            self.spec, self.folder, self.state, traces, self.now, moves, vectors, problem
        )
        return MonitorResults(
            spec=self.spec,
            traces=traces,
            scored=scored,
            look=checked,
            uri=self.uri,
            experiment_ids=ids,
            now=self.now,
            by_column=by,
            empty="" if len(traces.frame) else not_yet or self._why_empty(first, last),
        )

    def _vectors(
        self, traces: Traces, moves: Sequence[Move]
    ) -> tuple[dict[str, list[float]] | None, str]:
        """The embeddings that a rule `drift: meaning` needs; or why there are none."""
        from pex.local.package import missing
        from pex.monitoring.baseline import find_baseline
        from pex.monitoring.look import open_baseline
        from pex.monitoring.meaning import meaning_sample, sample_vectors

        if not any(rule.drift == "meaning" for rule in self.spec.alarms):
            return None, ""
        absent = missing()
        if absent is not None:
            return None, absent
        # While an alarm is open, the baseline is the one that it was raised against.
        baseline = open_baseline(self.spec, self.state)
        baseline = find_baseline(self.spec, self.folder, moves, self.now, baseline)
        ids = meaning_sample(traces, baseline, self.now)
        if ids:
            self.say(f"comparing what {len(ids):,} traces are about")
        return sample_vectors(self.state, self.spec.name, ids, self._requests), ""

    def _requests(self, ids: Sequence[str]) -> Mapping[str, str]:
        """What users said, by trace."""
        from pex.monitoring.reading import fetch_texts

        found = fetch_texts(self.uri, ids)
        return {key: texts.request for key, texts in found.items() if texts.request}

    def _page(self, page: Traces) -> None:
        self.say(f"{page.new:,} new traces read")

    def _experiments(self) -> tuple[dict[str, str], str]:
        """MLflow's ids of the experiments, and what to do if none is there yet."""
        client = connect(self.uri)
        with errors_of(self.uri):
            known = {item.name: str(item.experiment_id) for item in client.search_experiments()}
        names = self.spec.source.experiments
        missing = [name for name in names if name not in known]
        if missing and self.may_be_new and len(missing) == len(names):
            near = nearest(missing[0], list(known))
            return {}, (
                f"MLflow has no experiment '{missing[0]}' yet ({near}). "
                f"It is there once an application with mlflow.set_experiment({missing[0]!r}) and "
                "mlflow.openai.autolog() or @mlflow.trace has answered once."
            )
        for name in missing:
            raise PexError(f"MLflow has no experiment '{name}'", hint=nearest(name, list(known)))
        return {name: known[name] for name in names}, ""

    def _score(self, traces: Traces) -> tuple[Traces, Scored]:
        from pex.monitoring.scoring import matching_filter, score_sample

        query = self.spec.sample.filter
        names = self.spec.source.experiments
        matching = None if query is None else lambda: matching_filter(self.uri, names, query)
        return score_sample(
            self.spec, traces, self.uri, self.state / "monitor" / f"{self.spec.name}-scores",
            self.project, self.folder,
            lambda ids: self._texts(ids, traces), matching=matching, now=self.now, say=self.say,
        )  # fmt: skip

    def _texts(self, ids: Sequence[str], traces: Traces) -> Mapping[str, Any]:
        """The chosen traces as cases; one that is gone, or has no answer, is left out."""
        from pex.monitoring.reading import fetch_texts
        from pex.monitoring.trace_case import trace_case

        rows = traces.frame[traces.frame["trace_id"].isin(list(ids))]
        reasons = dict(zip(rows["trace_id"], rows["finish_reason"].fillna(""), strict=True))
        models = dict(zip(rows["trace_id"], rows["model"].fillna(""), strict=True))
        return {
            trace_id: trace_case(
                trace_id,
                texts.request,
                texts.response,
                variables=texts.variables,
                expected=texts.expected,
                model=str(models[trace_id]),
                finish_reason=str(reasons[trace_id]) or None,
                messages=texts.messages,
            )
            for trace_id, texts in fetch_texts(self.uri, ids).items()
            if texts.response is not None
        }

    def _why_empty(self, first: datetime.date | None, last: datetime.date | None) -> str:
        names = "', '".join(self.spec.source.experiments)
        when = f" since {first}" if first else ""
        when += f" until {last}" if last else ""
        query = f" that match {self.spec.source.filter}" if self.spec.source.filter else ""
        others = [name for name in self._with_traces() if name not in self.spec.source.experiments]
        said = f"No traces in '{names}'{when}{query}."
        if not others:
            return f"{said} No other experiment has traces either."
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        return f"{said} Experiments that have traces: {', '.join(others[:_MOST_NAMED])}{more}."

    def _with_traces(self) -> list[str]:
        from mlflow.tracing.client import TracingClient

        client = connect(self.uri)
        with errors_of(self.uri):
            return [
                str(item.name)
                for item in client.search_experiments(max_results=200)
                if TracingClient(self.uri).search_traces(
                    locations=[item.experiment_id], max_results=1, include_spans=False
                )
            ]
