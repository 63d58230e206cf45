"""Traces of a tracking server, and those that reached it by OpenTelemetry."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import pex
from pex.core.errors import PexError
from pex.monitoring.reading import fetch_texts, read_traces, user_digest
from pex.monitoring.spec import Source
from pex.tracking.store import connect
from tests.helpers.deployed import bulk_traces
from tests.helpers.mlflow_server import MlflowServer

pytestmark = pytest.mark.soak  # it starts a server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MlflowServer, str]]:
    folder = tmp_path_factory.mktemp("server")
    running = MlflowServer(folder)
    store = f"sqlite:///{folder}/store.db"
    connect(store)
    running.start()
    yield running, store
    running.kill()


def send_span(uri: str, experiment: str, trace: bytes) -> None:
    """Post a span of another language's OpenTelemetry, which never heard of pex or MLflow."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    name = resource.resource.attributes.add()
    name.key, name.value.string_value = "service.name", "checkout"
    span = resource.scope_spans.add().spans.add()
    now = time.time_ns()
    span.trace_id, span.span_id, span.name = trace, b"12345678", "chat gpt-4.1-mini"
    span.start_time_unix_nano, span.end_time_unix_nano = now, now + 1_500_000_000
    span.status.code = 1
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4.1-mini",
        "gen_ai.input.messages": json.dumps(
            [{"role": "user", "parts": [{"type": "text", "content": "Where is my order now?"}]}]
        ),
        "gen_ai.output.messages": json.dumps(
            [
                {
                    "role": "assistant",
                    "parts": [{"type": "text", "content": "On its way."}],
                    "finish_reason": "length",
                }
            ]
        ),
        "gen_ai.prompt.name": "track",
        "gen_ai.prompt.version": "4",
        "user.id": "anna",
    }
    for key, text in said.items():
        attribute = span.attributes.add()
        attribute.key, attribute.value.string_value = key, text
    for key, number in (("gen_ai.usage.input_tokens", 1000), ("gen_ai.usage.output_tokens", 100)):
        attribute = span.attributes.add()
        attribute.key, attribute.value.int_value = key, number
    reasons = span.attributes.add()
    reasons.key = "gen_ai.response.finish_reasons"
    reasons.value.array_value.values.add().string_value = "length"
    sent = urllib.request.Request(
        f"{uri}/v1/traces",
        data=request.SerializeToString(),
        headers={"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": experiment},
    )
    urllib.request.urlopen(sent, timeout=60).close()


def test_a_trace_that_came_by_opentelemetry_reads_the_same_from_both_sides(
    server: tuple[MlflowServer, str], tmp_path: Path
) -> None:
    running, store = server
    number = connect(store).create_experiment("otel")
    send_span(running.uri, number, bytes(range(16)))
    for place, uri in enumerate((store, running.uri)):
        found = read_traces(uri, Source(experiment="otel"), tmp_path / str(place))
        row = found.frame.iloc[0]
        assert (row.model, row.finish_reason, row.prompt, row.prompt_version) == (
            "gpt-4.1-mini", "length", "track", 4,
        )  # fmt: skip
        assert (row.prompt_tokens, row.completion_tokens) == (1000, 100)
        assert row.cost_usd == pytest.approx(0.00056)
        assert (row.input_chars, row.output_chars, row.latency_s) == (22, 11, 1.5)
        assert (row.service, row.user_digest is not None) == ("checkout", True)
        texts = fetch_texts(uri, found.frame.trace_id)[row.trace_id]
        assert (texts.request, texts.response) == ("Where is my order now?", "On its way.")


def test_broken_spans_cost_one_trace_each_and_later_looks_ask_for_what_is_new(
    server: tuple[MlflowServer, str], tmp_path: Path
) -> None:
    running, store = server
    rows: list[dict[str, Any]] = [{"trace_id": f"tr-{n}", "service": "shop"} for n in range(25)]
    rows[3] |= {"spans": "broken", "feedback": [{"value": False, "comment": "No answer."}]}
    rows[17] |= {"spans": "broken", "service": "till"}
    bulk_traces(store, "broken", rows)
    source, state = Source(experiment="broken"), tmp_path / "state"
    first = read_traces(running.uri, source, state)
    assert (first.new, list(first.frame[first.frame.model.isna()].trace_id)) == (
        25, [t for t in first.frame.trace_id if t in ("tr-3", "tr-17")],
    )  # fmt: skip
    assert "2 traces with spans that cannot be read" in first.remarks
    texts = fetch_texts(running.uri, ["tr-3", "tr-gone", "tr-4"])
    assert list(texts) == ["tr-3", "tr-4"]
    assert (texts["tr-3"].request, texts["tr-3"].comments) == (None, (("user", "No answer."),))
    assert texts["tr-4"].request

    bulk_traces(store, "broken", [{"trace_id": "tr-late", "service": "shop"}])
    assert pex.feedback("tr-4", True, user="anna", comment="Thanks!", uri=running.uri, strict=True)
    pages: list[set[str]] = []
    again = read_traces(
        running.uri, source, state, on_page=lambda page: pages.append(set(page.frame.trace_id))
    )
    assert (again.new, pages) == (1, [{"tr-late", "tr-4"}])
    given = again.feedback.set_index("trace_id")
    assert (given.number["tr-4"], given.by["tr-4"]) == (1, user_digest("anna"))
    assert "2 traces with spans that cannot be read" in again.remarks

    till = Source(experiment="broken", filter="tag.service = 'till'")
    assert list(read_traces(running.uri, till, state).frame.trace_id) == ["tr-17"]
    wrong = Source(experiment="broken", filter="colour is blue")
    with pytest.raises(PexError, match="does not understand the filter"):
        read_traces(running.uri, wrong, state)
