"""Reads traces through MLflow's public interface: from a tracking server, or with a filter."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from pex.core.errors import PexError
from pex.guard.redact import redact
from pex.monitoring.away import why_away
from pex.monitoring.trace_row import RawTrace, opinion_row
from pex.tracking.store import connect, retries

if TYPE_CHECKING:
    from mlflow.entities import Trace, TraceInfo
    from mlflow.tracing.client import TracingClient

PAGE = 500
ACTIVE = 1
"""MLflow's `ViewType.ACTIVE_ONLY`; importing it takes a second."""
_PLACE = "mlflow.trace.spansLocation"


class ApiTraces:
    """A store behind MLflow's client."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client = connect(uri)

    @contextlib.contextmanager
    def _errors(self, query: str | None) -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            first = redact(error.message.strip().partition("\n")[0])
            if error.error_code == "INVALID_PARAMETER_VALUE" and query:
                raise PexError(
                    f'MLflow does not understand the filter "{query}": {first}',
                    hint="for example: tag.service = 'reviews' AND status = 'OK'",
                ) from None
            raise PexError(f"MLflow's store {redact(self._uri)} cannot be read: {first}") from None

    def check_filter(self, experiment: str, query: str) -> None:
        """Raise a `PexError` if MLflow does not take a filter."""
        with self._errors(query):
            self._search(experiment, query, 1, None, spans=False)

    def experiments(self, view: int = ACTIVE) -> dict[str, str]:
        """The ids of the experiments by name.

        Args:
            view: one of MLflow's `ViewType`: by default not those that were deleted.
        """
        with self._errors(None):
            found, token = {}, None
            while True:
                page = self._client.search_experiments(view, 1000, page_token=token)
                found.update({item.name: str(item.experiment_id) for item in page})
                token = page.token
                if not token:
                    return found

    def _search(
        self, experiment: str, query: str | None, most: int, token: str | None, *, spans: bool
    ) -> Any:
        return self._client.search_traces(
            locations=[experiment], filter_string=query or None, max_results=most,
            order_by=["timestamp_ms ASC"], page_token=token, include_spans=spans,
        )  # fmt: skip

    def matching(self, experiment: str, query: str, first: int, last: int) -> set[str]:
        """The ids of the traces that match a filter, from one moment to another one."""
        return {
            info.trace_id for page in self.pages(experiment, query, first, last) for info in page
        }

    def pages(
        self, experiment: str, query: str | None, first: int | None, last: int | None = None
    ) -> Iterator[list[TraceInfo]]:
        """The traces from a moment on, oldest first: each page begins where the last one ended."""
        seen: set[str] = set()
        token = None
        while True:
            limits = [query] if query else []
            limits += [] if first is None else [f"timestamp_ms >= {first}"]
            limits += [] if last is None else [f"timestamp_ms <= {last}"]
            with self._errors(query):
                page = self._search(experiment, " AND ".join(limits), PAGE, token, spans=False)
            infos = [trace.info for trace in page]
            fresh = [info for info in infos if info.trace_id not in seen]
            if fresh:
                yield fresh
            if not page.token or not infos:
                return
            newest = infos[-1].request_time
            if newest == first:  # more than a page of one moment
                token = page.token
                seen |= {info.trace_id for info in infos}
            else:
                first, token = newest, None
                seen = {info.trace_id for info in infos if info.request_time == newest}

    def details(self, name: str, infos: list[TraceInfo]) -> list[RawTrace]:
        """The traces of one page with their spans, as far as there are any."""
        stored = [i.trace_id for i in infos if i.tags.get(_PLACE) == "TRACKING_STORE"]
        found, broken = self.traces(stored)
        raws = []
        for info in infos:
            trace = found.get(info.trace_id) or self.trace_of_file(info)
            raws.append(raw_trace(name, info, trace, broken=info.trace_id in broken))
        return raws

    def traces(self, trace_ids: Sequence[str]) -> tuple[dict[str, Trace], dict[str, TraceInfo]]:
        """Traces with their spans, and the infos of those whose spans cannot be read, by id.

        Those that are gone are in neither, nor are those whose file of spans cannot be read.

        A server that meets one span that it cannot read refuses all traces of a request. So the
        traces are then asked for in halves, until the broken ones are alone.

        Raises:
            PexError: the store does not answer.
        """
        if not trace_ids:
            return {}, {}
        try:
            with retries(1):
                return self._batch(trace_ids), {}
        except Exception as error:  # noqa: BLE001 - what a broken span causes depends on the store
            refused = _is_refusal(error)
        with self._errors(None):
            if not refused:  # too busy, or away: as patient as MLflow's settings say
                return self._batch(trace_ids), {}
            if len(trace_ids) == 1:
                info = self._tracing.get_trace_info(trace_ids[0])  # the store itself is well
                return {}, {info.trace_id: info}
        middle = len(trace_ids) // 2
        found, broken = self.traces(trace_ids[:middle])
        others, also = self.traces(trace_ids[middle:])
        return found | others, broken | also

    def _batch(self, trace_ids: Sequence[str]) -> dict[str, Trace]:
        found = self._tracing.batch_get_traces(list(trace_ids))
        return {trace.info.trace_id: trace for trace in found}

    @functools.cached_property
    def _tracing(self) -> TracingClient:
        from mlflow.tracing.client import TracingClient

        return TracingClient(self._uri)

    def of_file(self, trace_id: str) -> RawTrace | None:
        """A trace whose spans are a file; None if it is gone.

        Raises:
            PexError: the store, or where it keeps its files, does not answer.
        """
        info = self.info(trace_id)
        return None if info is None else raw_trace("", info, self.trace_of_file(info))

    def info(self, trace_id: str) -> TraceInfo | None:
        """What MLflow's summary says of a trace; None if it is gone.

        Raises:
            PexError: the store does not answer.
        """
        from mlflow.exceptions import MlflowException

        with self._errors(None):
            try:
                found: TraceInfo = self._tracing.get_trace_info(trace_id)
                return found
            except MlflowException as error:
                if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
                    raise
        return None

    def trace_of_file(self, info: TraceInfo) -> Trace | None:
        """A trace whose spans are a file, as earlier versions of MLflow wrote them.

        None if the file is missing or of another content.

        Raises:
            PexError: where the file is does not answer.
        """
        if info.tags.get(_PLACE) == "TRACKING_STORE":
            return None
        cause: BaseException | None = None
        for patience in (retries(1), contextlib.nullcontext()):
            try:
                with patience:
                    found: Trace = self._client.get_trace(info.trace_id, display=False)
                return found
            except Exception as error:  # noqa: BLE001 - files can be anywhere, of any content
                cause = why_away(error)
            if cause is None:
                self.info(info.trace_id)  # the store itself is well
                return None
        first = redact((str(cause).strip().splitlines() or [type(cause).__name__])[0])
        raise PexError(
            f"MLflow's store {redact(self._uri)} cannot be read: where it keeps the spans of trace "
            f"'{info.trace_id}' does not answer: {first}"
        )


def _is_refusal(error: Exception) -> bool:
    """Whether an error is about what was asked for: not a server that is away or too busy."""
    from mlflow.exceptions import MlflowException, RestException

    if isinstance(error, MlflowException) and not isinstance(error, RestException):
        return "500 error responses" in str(error)
    return not isinstance(error, OSError)


def mark_of(info: TraceInfo) -> str:
    """What changes when a trace ends, or when its assessments change."""
    given = info.assessments or []
    updated = max((item.last_update_time_ms or 0 for item in given), default=0)
    valid = sum(item.valid is not False for item in given)
    return f"{info.state.value} {info.execution_duration} {len(given)} {updated} {valid}"


def raw_trace(
    experiment: str, info: TraceInfo, trace: Trace | None, *, broken: bool = False
) -> RawTrace:
    """A trace of MLflow's client; without spans where they cannot be had.

    If it is broken, it has one span that nobody can read, as it has where a database is read.
    """
    usage, cost = info.token_usage or {}, _json(info.trace_metadata.get("mlflow.trace.cost"))
    spans = trace.data.spans if trace is not None else []
    said = [item for item in info.assessments or [] if item.valid is not False]
    return RawTrace(
        trace_id=info.trace_id,
        experiment=experiment,
        started_ms=info.request_time,
        latency_ms=info.execution_duration,
        status=info.state.value,
        name=info.tags.get("mlflow.traceName"),
        session=info.trace_metadata.get("mlflow.trace.session"),
        cost_usd=cost.get("total_cost"),
        tokens={
            "prompt_tokens": usage.get("input_tokens"),
            "completion_tokens": usage.get("output_tokens"),
            "cached_tokens": usage.get("cache_read_input_tokens"),
            "cache_write_tokens": usage.get("cache_creation_input_tokens"),
        },
        tags=dict(info.tags),
        metadata=dict(info.trace_metadata),
        contents=[
            (orjson.dumps(span.to_dict(), default=str), span.span_type)
            for span in sorted(spans, key=lambda span: span.start_time_ns)
        ]
        or [(b"", None)] * broken,
        opinions=[
            opinion_row(
                info.trace_id, item.name, item.feedback.value, item.source.source_type,
                item.source.source_id, item.last_update_time_ms or item.create_time_ms or 0,
            )
            for item in said
            if item.feedback is not None and item.error is None
        ],
        expectations=[item.name for item in said if item.expectation is not None],
        mark=mark_of(info),
    )  # fmt: skip


def _json(text: str | None) -> dict[str, Any]:
    try:
        value = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
