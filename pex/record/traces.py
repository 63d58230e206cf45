"""Writing the traces of a run to MLflow, also in the background.

The ids come from the run, the case and the repeat: writing again finds the existing traces and
adds only the missing ones.
"""

from __future__ import annotations

import atexit
import functools
import json
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.about import About
from pex.core.cases import Case, load_cases
from pex.core.events import RowKey
from pex.core.prompt import Prompt
from pex.core.safe_text import clean
from pex.core.sent_messages import SentMessages
from pex.core.values import to_json_value
from pex.guard.redact import redact
from pex.record.case_versions import note_change
from pex.record.choose_traces import choose
from pex.record.dataset import dataset_name, forget_dataset, log_dataset, own_name
from pex.record.files import CASES
from pex.record.runs import load
from pex.record.search import children, is_scratch
from pex.record.sessions import turn_ids
from pex.record.spans import CASE_ID, METADATA, Shapes, Target, store, trace_id_of
from pex.tracking.store import connect

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import TraceInfo

__all__ = [
    "WRITTEN",
    "Target",
    "TraceWriter",
    "complete",
    "forget",
    "of_run",
    "target_of",
    "trace_id_of",
    "write",
]

WRITTEN = "pex.traces"
"""The tag of a parent run with the number of traces written: `120/500`."""

_BATCH, _PAGE, _DELETED = 50, 500, 100
_UNNOTICED_S, _LAST_BATCH_S = 0.5, 5.0

_writing: set[TraceWriter] = set()
"""The writers that have not ended."""


def write(
    target: Target,
    frame: pd.DataFrame,
    places: Sequence[tuple[str, int]],
    on_progress: Callable[[int, int], None] | None = None,
    stopped: Callable[[], bool] | None = None,
) -> dict[RowKey, str]:
    """Write the missing traces, and keep the count on the parent run.

    An existing trace is rewritten if its answer or its scores have changed; a score that a person
    has changed in MLflow is kept.

    Args:
        target: the run.
        frame: its long frame.
        places: the traces to write, from `choose`.
        on_progress: called with the number of traces written and their total.
        stopped: called before every batch; True stops the writing.

    Returns:
        The ids of all traces written, now or before.
    """
    client = connect(target.uri)
    from mlflow.tracing.client import TracingClient

    tracing, shapes = TracingClient(target.uri), Shapes(target, frame)
    rows = _rows(target, frame, places)
    ids = {place: trace_id_of(target.children[place[0]], place[1], place[2]) for place, _ in rows}
    there = {
        info.trace_id: info
        for child in target.children.values()
        for info in of_run(client, target.experiment_id, child)
    }
    missing = [
        (place, row)
        for place, row in rows
        if ids[place] not in there or not shapes.is_whole(there[ids[place]], row)
    ]
    others = len(there.keys() - set(ids.values()))
    done = len(rows) - len(missing)
    written = ids.keys() - {place for place, _ in missing}

    def tell() -> None:
        client.set_tag(target.run_id, WRITTEN, f"{done + others}/{len(rows) + others}")
        if on_progress:
            on_progress(done, len(rows))

    tell()
    for start in range(0, len(missing), _BATCH):
        if stopped and stopped():
            break
        batch = missing[start : start + _BATCH]
        pairs, prompts = [], list[tuple[str, int] | None]()
        for place, row in batch:
            old = there.get(ids[place])
            for assessment_id in shapes.stale(old, row):
                tracing.delete_assessment(ids[place], assessment_id)
            whole, spans = shapes.trace(row, old)
            turns = shapes.session(row, whole)
            if gone := turn_ids(old)[len(turns) :] if old else []:
                client.delete_traces(target.experiment_id, trace_ids=gone)
            # The whole comes last: where it is complete, its turns are.
            pairs += [*turns, (whole, spans)]
            prompts += [*[None] * len(turns), target.prompts.get(place[0])]
        for first in range(0, len(pairs), _BATCH):
            some = slice(first, first + _BATCH)
            store(tracing, target.experiment_id, pairs[some], prompts[some])
        done += len(batch)
        written |= {place for place, _ in batch}
        tell()
    return {place: ids[place] for place in ids if place in written}


def of_run(client: MlflowClient, experiment_id: str, run_id: str) -> Iterator[TraceInfo]:
    """The traces of a run in MLflow, without their spans."""
    token = None
    while True:
        page = client.search_traces(
            locations=[experiment_id],
            filter_string=f"metadata.`mlflow.sourceRun` = '{run_id}'",
            max_results=_PAGE,
            page_token=token,
            include_spans=False,
        )
        for trace in page:
            yield trace.info
        token = page.token
        if not token:
            return


def target_of(uri: str, run_id: str, about: About, prompts: Sequence[Prompt] = ()) -> Target:
    """The destination of a recorded run's traces.

    The prompt versions are those that MLflow links to the runs of the variants; the judges are
    those of `about.judges`, by their names.

    Args:
        uri: the store.
        run_id: the parent run.
        about: its description.
        prompts: its prompts, if they are at hand, for the messages that were sent.
    """
    client = connect(uri)
    run = client.get_run(run_id)
    experiment_id = str(run.info.experiment_id)
    runs = children(client, experiment_id, run_id)
    versions = {}
    for variant, child in runs.items():
        linked = json.loads(client.get_run(child).data.tags.get("mlflow.linkedPrompts", "[]"))
        if linked:
            versions[variant] = (str(linked[0]["name"]), int(linked[0]["version"]))
    return Target(
        uri=uri,
        experiment=about.name,
        experiment_id=experiment_id,
        run_id=run_id,
        children=runs,
        params={variant.name: variant.params for variant in about.variants},
        prompts=versions,
        judges={judge.name: judge.model for judge in about.judges},
        sent=SentMessages(about, prompts),
        dataset=dataset_name(about, is_scratch(run)),
    )


class TraceWriter(threading.Thread):
    """Writes a run's traces, and its cases as a dataset, while the user continues working.

    Started once the run's table is in MLflow. Nothing that happens here affects the run: an error
    is shown once as a warning and kept in `error`. A process that exits waits for it, says so,
    and lets Ctrl-C end the wait; `complete` then writes the missing traces.
    """

    def __init__(
        self,
        target: Target,
        frame: pd.DataFrame,
        places: Sequence[tuple[str, int]],
        cases: Sequence[Case] = (),
    ) -> None:
        """Prepare the writing; `start()` starts it.

        Args:
            target: the run.
            frame: its long frame.
            places: the rows that get a trace, from `choose`.
            cases: the cases of the dataset; without cases, no dataset.
        """
        # The exit handler waits, not the interpreter: that would wait without a message.
        super().__init__(name="pex-traces", daemon=True)
        self._target, self._cases = target, cases
        self._frame = frame.copy()  # the user may change theirs in the meantime
        self._places = places
        self._halted = threading.Event()
        self.progress = (0, len(self._places) * len(target.children))
        self.error: Exception | None = None

    def start(self) -> None:
        """Start the writing."""
        _wait_before_pools_close()
        _writing.add(self)
        atexit.register(self._at_exit)
        super().start()

    def run(self) -> None:
        """Write; called by the thread."""
        try:
            _write_all(
                self._target, self._frame, self._places, self._cases, self._note, self._halted
            )
        except Exception as error:  # noqa: BLE001 - the run itself has already succeeded
            self.error = error
            warnings.warn(
                clean(
                    f"not all traces could be written to MLflow: {redact(str(error))}; "
                    f"{self._later()}"
                ),
                stacklevel=2,
            )
        finally:
            _writing.discard(self)
            atexit.unregister(self._at_exit)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, at most `timeout` seconds; return whether everything is written."""
        self.join(timeout)
        return not self.is_alive() and self.error is None and not self._halted.is_set()

    def stop(self) -> None:
        """Stop the writing after the current batch."""
        self._halted.set()

    def _note(self, done: int, total: int) -> None:
        self.progress = (done, total)

    def _later(self) -> str:
        return f"`pexlab record {self._target.run_id}` continues later"

    def _at_exit(self) -> None:
        try:
            self.join(_UNNOTICED_S)
            if self.is_alive():
                done, total = self.progress
                sys.stderr.write(
                    f"writing traces to MLflow, {total - done} of {total} left; Ctrl-C to stop, "
                    f"{self._later()}\n"
                )
            self.join()
        except KeyboardInterrupt:
            self.stop()
            self.join(_LAST_BATCH_S)
            sys.stderr.write(f"stopped; {self._later()}\n")


@functools.cache
def _wait_before_pools_close() -> None:
    """Have the interpreter wait for the writing while MLflow can still use its thread pools.

    Exit handlers of `atexit` run after `concurrent.futures` has closed all pools, and MLflow reads
    and writes files with them. Its own handler is of the kind that `concurrent.futures` uses, and
    the one registered last runs first. `atexit` remains for processes that end without it.
    """
    import concurrent.futures.thread  # noqa: F401 - it must have registered its own by now

    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        register(_finish_writing)


def _finish_writing() -> None:
    for writer in list(_writing):
        writer._at_exit()


def complete(
    uri: str,
    run_id: str,
    traces: int | str,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[int, int]:
    """Write the missing traces of a recorded run, and its dataset.

    Args:
        uri: the store.
        run_id: the parent run.
        traces: the total number, see `choose`.
        on_progress: called with the number of traces written and their total.

    Returns:
        The number of traces added, and the number of requested traces that now exist.

    Raises:
        PexError: the run does not exist, or `traces` is not a valid number of traces.
    """
    frame, about = load(uri, run_id)
    target = target_of(uri, run_id, about)
    with tempfile.TemporaryDirectory() as folder:
        cases = load_cases(Path(connect(uri).download_artifacts(run_id, CASES, folder)))
    counts: list[int] = []

    def note(done: int, total: int) -> None:
        counts.append(done)
        if on_progress:
            on_progress(done, total)

    _write_all(target, frame, choose(frame, traces), cases, note, threading.Event())
    return (counts[-1] - counts[0], counts[-1]) if counts else (0, 0)


def forget(uri: str, run_id: str, case_ids: Collection[str]) -> int:
    """Delete the traces of some of a run's cases, and the datasets with those cases.

    A dataset is deleted as a whole: the remaining cases are in the run's own files.

    Args:
        uri: the store.
        run_id: the parent run.
        case_ids: the cases.

    Returns:
        The number of answers whose traces were deleted.
    """
    client = connect(uri)
    run = client.get_run(run_id)
    experiment_id = str(run.info.experiment_id)
    kept_as = {case_id[:METADATA] for case_id in case_ids}
    infos = [
        info
        for child in children(client, experiment_id, run_id, deleted=True).values()
        for info in of_run(client, experiment_id, child)
        if info.trace_metadata.get(CASE_ID) in kept_as
    ]
    # Turns first: their ids are known only as long as the whole conversation's trace is there.
    gone = [*(turn for info in infos for turn in turn_ids(info)), *(i.trace_id for i in infos)]
    for start in range(0, len(gone), _DELETED):
        client.delete_traces(experiment_id, trace_ids=gone[start : start + _DELETED])
    forget_dataset(uri, run_id)
    return len(infos)


def _write_all(
    target: Target,
    frame: pd.DataFrame,
    places: Sequence[tuple[str, int]],
    cases: Sequence[Case],
    on_progress: Callable[[int, int], None],
    halted: threading.Event,
) -> None:
    if places:
        write(target, frame, places, on_progress, halted.is_set)
    if cases and not halted.is_set():
        runs = [target.run_id, *target.children.values()]
        name = target.dataset or own_name(target.experiment, cases)
        dataset_id = log_dataset(target.uri, target.experiment_id, name, cases, runs, halted.is_set)
        if not halted.is_set():
            note_change(target.uri, target.run_id, dataset_id)


def _rows(
    target: Target, frame: pd.DataFrame, places: Sequence[tuple[str, int]]
) -> list[tuple[RowKey, dict[str, Any]]]:
    """The chosen rows, all variants of a place together, so a partial record also has pairs."""
    order = {place: number for number, place in enumerate(places)}
    numbers = [order.get(place) for place in zip(frame["case_id"], frame["repeat"], strict=True)]
    chosen = frame[[number is not None for number in numbers]]
    chosen = chosen[chosen["variant"].isin(list(target.children))]
    rows = [{str(k): to_json_value(v) for k, v in row.items()} for row in chosen.to_dict("records")]
    found = [((row["variant"], row["case_id"], row["repeat"]), row) for row in rows]
    return sorted(found, key=lambda item: order[item[0][1:]])
