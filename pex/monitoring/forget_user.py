"""All that MLflow and a monitor hold of one user of a deployed application, and its deletion."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.cases.file import write
from pex.core import jsonl
from pex.monitoring import spans
from pex.monitoring.api_traces import ApiTraces
from pex.monitoring.columns import user_digest
from pex.monitoring.kept_traces import KeptTraces
from pex.monitoring.meaning import SUFFIX
from pex.monitoring.scores_file import FILE as SCORES
from pex.monitoring.sql_traces import IDS, SqlTraces, is_sql
from pex.monitoring.trace_files import delete_files
from pex.monitoring.trace_row import RawTrace
from pex.record.forget_cases import shrink
from pex.tracking.store import connect, errors_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SPAN_KEYS = ("user.id", "enduser.id")
_KEYS = ("mlflow.trace.user", *_SPAN_KEYS, "user", "user_id")
_DELETED, _PAGE = 100, 1000


@dataclasses.dataclass(frozen=True, slots=True)
class UserData:
    """What there is of a user.

    Args:
        digest: what stands for the user in files.
        traces: the ids of the traces in the store, with the number of their experiment.
        trace_ids: these, and those that only a monitor still knows.
        records: the ids of the records of datasets, by dataset.
        kept: how many rows each of a monitor's files has.
    """

    digest: str
    traces: Mapping[str, str]
    trace_ids: frozenset[str]
    records: Mapping[str, Sequence[str]]
    kept: Mapping[Path, int]

    def goes(self, trace_id: str, user: str) -> bool:
        """Whether a row goes that was made from this trace, of this user."""
        return user == self.digest or trace_id in self.trace_ids


def find_user(uri: str, user: str, monitor: Path) -> UserData:
    """Find the traces of a user in all experiments, deleted ones too, and what was made of them.

    A trace is the user's if its metadata `mlflow.trace.user`, an attribute `user.id` or
    `enduser.id` of one of its spans, or its tag `user` or `user_id` is the id.

    Args:
        uri: MLflow's store.
        user: the id, or its digest (`u-…`).
        monitor: the folder of what monitors keep.

    Raises:
        PexError: the store cannot be read.
    """
    digest = user_digest(user)
    traces = _in_store(uri, user)
    known = set(traces)
    kept: dict[Path, int] = {}
    for path in _figures(monitor):
        with _opened(path) as file:
            known |= set(file.of_user(digest))
    for path in _figures(monitor):
        with _opened(path) as file:
            if count := len(file.known_of(known)):
                kept[path] = count
    for path in _lists(monitor):
        if count := sum(_is_of_trace(line, known) for line in _lines(path)):
            kept[path] = count
    found = UserData(digest, traces, frozenset(known), {}, kept)
    return dataclasses.replace(found, records=_records(uri, found))


def forget_user(uri: str, found: UserData, monitor: Path) -> None:
    """Delete what was found: records of datasets, traces with their files, the kept figures.

    What the rest is found by, the traces, goes last; the files give their space back.

    Raises:
        PexError: the store refuses, or a file is in use.
    """
    from mlflow.tracing.client import TracingClient

    client = connect(uri)
    with errors_of(uri, "does not delete"):
        tracing = TracingClient(uri)
        store = tracing.store
        for dataset_id, record_ids in found.records.items():
            for start in range(0, len(record_ids), _DELETED):
                store.delete_dataset_records(dataset_id, list(record_ids[start : start + _DELETED]))
    for path in _figures(monitor):
        with _opened(path) as file:
            file.drop(found.trace_ids)
            file.shrink()
    for path in _lists(monitor):
        if path in found.kept:
            seen = path.stat()
            left = [line for line in _lines(path) if not _is_of_trace(line, found.trace_ids)]
            write(path, b"".join(left), seen)
    by_experiment: dict[str, list[str]] = {}
    for trace_id, number in found.traces.items():
        by_experiment.setdefault(number, []).append(trace_id)
    with errors_of(uri, "does not delete"):
        for number, ids in by_experiment.items():
            for start in range(0, len(ids), _DELETED):
                some = ids[start : start + _DELETED]
                delete_files(uri, some)
                client.delete_traces(number, trace_ids=some)
    shrink(uri)


def _in_store(uri: str, user: str) -> dict[str, str]:
    digest = user_digest(user)
    if is_sql(uri):
        with SqlTraces(uri) as store:
            if store.is_current():
                ids = {key for key, value in store.pairs(_KEYS) if user_digest(value) == digest}
                ids |= {
                    trace_id
                    for trace_id, content in store.spans_with("user.id")  # enduser.id has it too
                    if _is_of(spans.stored_span(content), digest)
                }
                api = ApiTraces(uri)
                ids |= {
                    trace_id
                    for trace_id in store.without_spans()
                    if _raw_is_of(api.of_file(trace_id), digest)
                }
                listed, found = sorted(ids), dict[str, str]()
                for start in range(0, len(listed), IDS):
                    found |= store.experiment_of(listed[start : start + IDS])
                return found
    return _by_api(uri, digest)


def _by_api(uri: str, digest: str) -> dict[str, str]:
    from mlflow.entities import ViewType

    api, found = ApiTraces(uri), {}
    for name, number in api.experiments(ViewType.ALL).items():
        for page in api.pages(number, None, None):
            for raw in api.details(name, page):
                if _raw_is_of(raw, digest):
                    found[raw.trace_id] = number
    return found


def _raw_is_of(raw: RawTrace | None, digest: str) -> bool:
    if raw is None:
        return False
    given = [place.get(key) for place in (raw.metadata, raw.tags) for key in _KEYS]
    if any(value and user_digest(str(value)) == digest for value in given):
        return True
    return any(_is_of(spans.stored_span(*content), digest) for content in raw.contents)


def _is_of(span: spans.StoredSpan | None, digest: str) -> bool:
    values = [span.attributes.get(key) for key in _SPAN_KEYS] if span is not None else []
    return any(value not in (None, "") and user_digest(str(value)) == digest for value in values)


def _records(uri: str, found: UserData) -> dict[str, list[str]]:
    from mlflow.tracing.client import TracingClient

    client, store = connect(uri), TracingClient(uri).store
    records: dict[str, list[str]] = {}
    with errors_of(uri, "does not list its datasets"):
        for dataset_id in _datasets(client):
            token = None
            while True:
                page, token = store._load_dataset_records(
                    dataset_id, max_results=_PAGE, page_token=token
                )
                ids = [item.dataset_record_id for item in page if _is_record_of(item, found)]
                if ids:
                    records.setdefault(dataset_id, []).extend(ids)
                if not token:
                    break
    return records


def _datasets(client: MlflowClient) -> Iterator[str]:
    token = None
    while True:
        page = client.search_datasets(page_token=token)
        yield from [str(item.dataset_id) for item in page]
        token = page.token
        if not token:
            return


def _is_record_of(item: Any, found: UserData) -> bool:
    source = (item.source.source_data if item.source is not None else None) or {}
    tags = item.tags or {}
    trace_ids = {str(one) for one in (source.get("trace_id"), tags.get("origin_trace")) if one}
    return found.goes("", str(tags.get("origin_user"))) or bool(trace_ids & found.trace_ids)


def _figures(monitor: Path) -> list[Path]:
    return sorted(path for path in monitor.rglob("traces-*.sqlite") if not path.is_symlink())


def _opened(path: Path) -> contextlib.closing[KeptTraces]:
    return contextlib.closing(KeptTraces(path))


def _lists(monitor: Path) -> list[Path]:
    """The files of scores and of embeddings, with a line for each trace."""
    found = [path for name in (SCORES, f"*{SUFFIX}") for path in monitor.rglob(name)]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _lines(path: Path) -> list[bytes]:
    return jsonl.lines_in(path.read_bytes())


def _is_of_trace(line: bytes, trace_ids: Collection[str]) -> bool:
    entry = jsonl.entry_in(line)
    if entry is None:  # cut off by a kill
        return any(jsonl.mentions(line, trace_id) for trace_id in trace_ids)
    return entry.get("trace_id") in trace_ids
