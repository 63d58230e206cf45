"""Traces of a tracking server, and those that reached it by OpenTelemetry."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pex.monitoring.reading import fetch_texts, read_traces
from pex.monitoring.spec import Source
from pex.tracking.store import connect
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
