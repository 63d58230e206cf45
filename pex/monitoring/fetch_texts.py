"""The texts of chosen traces, fetched when they are shown or scored and never kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from pex.monitoring import spans
from pex.monitoring.api_traces import ApiTraces, raw_trace
from pex.monitoring.spans import INPUTS, StoredSpan
from pex.monitoring.sql_traces import IDS, SqlTraces, is_sql
from pex.monitoring.trace_row import EXPECTED, linked_prompts
from pex.monitoring.user_text import user_text


@dataclasses.dataclass(frozen=True, slots=True)
class TraceTexts:
    """What was said in one trace.

    Args:
        request: what the user said, without the prompt around it; see `user_text`.
        response: what the application answered.
        messages: those that the last call sent.
        tool_calls: those that replies asked for, and the tools that ran.
        variables: the inputs of the application's span, if the trace is linked to a prompt of
            the library and they are named.
        comments: the rationales of its assessments, as (name, text).
        expectations: MLflow's expectations by name.
        spans: all spans that can be read, in the order in which they began.
    """

    request: str | None = None
    response: str | None = None
    messages: tuple[dict[str, Any], ...] = ()
    tool_calls: tuple[dict[str, Any], ...] = ()
    variables: Mapping[str, Any] | None = None
    comments: tuple[tuple[str, str], ...] = ()
    expectations: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    spans: tuple[StoredSpan, ...] = ()

    @property
    def expected(self) -> Any:
        """The expected answer that somebody gave it: the first expectation of `EXPECTED`."""
        given = (self.expectations.get(name) for name in EXPECTED)
        return next((value for value in given if value is not None), None)


def fetch_texts(uri: str, trace_ids: Iterable[str]) -> dict[str, TraceTexts]:
    """The texts of traces by their ids, in the order given; traces that are gone are left out.

    A trace without spans has None for its texts; one with spans that cannot be read has what the
    others say.

    Args:
        uri: MLflow's store.
        trace_ids: any number; they are fetched 500 at a time.

    Raises:
        PexError: the store does not answer.
    """
    ids = list(dict.fromkeys(trace_ids))
    found: dict[str, TraceTexts] = {}
    if is_sql(uri):
        with SqlTraces(uri) as store:
            if store.is_current():
                for start in range(0, len(ids), IDS):
                    found |= _from_sql(store, ids[start : start + IDS])
                return {key: found[key] for key in ids if key in found}
    return _from_api(uri, ids)


def _from_sql(store: SqlTraces, ids: Sequence[str]) -> dict[str, TraceTexts]:
    comments: dict[str, list[tuple[str, str]]] = {}
    expected: dict[str, dict[str, Any]] = {}
    for row in store.assessments(ids):
        if row.rationale:
            comments.setdefault(row.trace_id, []).append((row.name, row.rationale))
        if row.assessment_type == "expectation":
            try:
                expected.setdefault(row.trace_id, {})[row.name] = orjson.loads(row.value)
            except orjson.JSONDecodeError:
                continue
    return {
        raw.trace_id: _texts(raw, comments.get(raw.trace_id, ()), expected.get(raw.trace_id, {}))
        for raw in store.details("", ids)
    }


def _from_api(uri: str, ids: Sequence[str]) -> dict[str, TraceTexts]:
    api, texts = ApiTraces(uri), {}
    for start in range(0, len(ids), IDS):
        found, broken = api.traces(ids[start : start + IDS])
        infos = broken | {trace_id: trace.info for trace_id, trace in found.items()}
        for trace_id in set(ids[start : start + IDS]) - infos.keys():
            if (info := api.info(trace_id)) is not None:  # it is there, its file could not be read
                infos[trace_id] = info
                if (trace := api.trace_of_file(info)) is not None:
                    found[trace_id] = trace
        for trace_id, info in infos.items():
            raw = raw_trace("", info, found.get(trace_id), broken=trace_id in broken)
            said = [item for item in info.assessments or [] if item.valid is not False]
            given = [(item.name, item.rationale) for item in said if item.rationale]
            expected = {item.name: item.expectation.value for item in said if item.expectation}
            texts[trace_id] = _texts(raw, given, expected)
    return {key: texts[key] for key in ids if key in texts}


def _texts(
    raw: Any, comments: Sequence[tuple[str, str]], expected: Mapping[str, Any]
) -> TraceTexts:
    read = (spans.stored_span(content, kind) for content, kind in raw.contents)
    whole = [span for span in read if span is not None]
    root = spans.root_of(whole)
    variables = None
    if root is not None and linked_prompts(raw, whole):
        given = root.attributes.get(INPUTS)
        if isinstance(given, dict) and "messages" not in given:
            variables = given
    return TraceTexts(
        request=user_text(whole),
        response=spans.reply_of(whole),
        messages=tuple(spans.messages_of(whole)),
        tool_calls=tuple(spans.tool_calls_of(whole)),
        variables=variables,
        comments=tuple(comments),
        expectations=dict(expected),
        spans=tuple(whole),
    )
