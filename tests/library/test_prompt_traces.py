"""Traces of an application say which version of a prompt was sent."""

import json
from collections.abc import Iterator
from typing import Any

import mlflow
import openai
import pytest
from opentelemetry import trace as telemetry
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import pex
from pex.library import prompt_traces
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.served import forget

pytestmark = pytest.mark.traces

HI = pex.Prompt("Say {{ word }}.", "hi", model="openai/m")
HO = pex.Prompt(
    [{"role": "system", "content": "Sing."}, {"role": "user", "content": "{{ w }}"}], "ho"
)


@pytest.fixture(autouse=True)
def saved(uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store with two prompts, in which the traces are, too."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("app")
    for prompt in (HI, HO):
        pex.library.save(prompt, alias="champion")
    forget()
    yield uri
    mlflow.openai.autolog(disable=True)
    mlflow.tracing.reset()
    mlflow.tracing.configure(span_processors=[])
    forget()


def traces() -> list[Any]:
    mlflow.flush_trace_async_logging()
    return mlflow.search_traces(return_type="list")


def linked(found: Any) -> list[tuple[str, str]]:
    told = json.loads(found.info.tags.get("mlflow.linkedPrompts", "[]"))
    return [(item["name"], item["version"]) for item in told]


def test_autolog_alone_needs_no_further_line(endpoint: FaultyEndpoint) -> None:
    mlflow.openai.autolog()
    client = openai.OpenAI(base_url=endpoint.url, api_key="none")
    hi, ho = pex.library.load("hi@champion"), pex.library.load("ho@champion")
    client.chat.completions.create(**hi.openai(word="a"))
    client.chat.completions.create(model="m", messages=ho.messages(w="b"))  # type: ignore[call-overload]
    more = [
        *ho.messages(w="c"),
        {"role": "assistant", "content": "d"},
        {"role": "user", "content": "e"},
    ]
    client.chat.completions.create(model="m", messages=more)  # type: ignore[call-overload]
    client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "of no prompt"}]
    )
    found = sorted(traces(), key=lambda item: item.info.request_time)
    assert [linked(item) for item in found] == [[("hi", "1")], [("ho", "1")], [("ho", "1")], []]
    span = found[0].data.spans[0]
    assert (span.attributes["gen_ai.prompt.name"], span.attributes["gen_ai.prompt.version"]) == (
        "hi", "1",
    )  # fmt: skip


def test_what_others_have_configured_stays(endpoint: FaultyEndpoint) -> None:
    seen: list[str] = []

    def mine(span: Any) -> None:
        seen.append(span.name)
        span.set_inputs({"messages": "hidden"})

    mlflow.tracing.configure(span_processors=[mine])
    mlflow.openai.autolog()
    client = openai.OpenAI(base_url=endpoint.url, api_key="none")
    client.chat.completions.create(**pex.library.load("hi@champion").openai(word="a"))
    (found,) = traces()
    assert seen == ["Completions"]
    assert found.data.spans[0].inputs == {"messages": "hidden"}
    assert linked(found) == [("hi", "1")]


def test_an_active_trace_gets_every_prompt_that_was_used_in_it() -> None:
    @mlflow.trace
    def answer(word: str) -> str:
        for _ in range(2):
            pex.library.load("hi@champion").messages(word=word)
        pex.library.load("ho@champion").messages(w=word)
        return word

    answer("a")
    (found,) = traces()
    assert linked(found) == [("hi", "1"), ("ho", "1")]
    assert mlflow.search_traces(filter_string="prompt = 'hi/1'", return_type="list")


def test_the_current_span_of_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("app").start_as_current_span("chat"):
        assert telemetry.get_current_span().is_recording()
        pex.library.load("hi@champion").openai(word="a")
    (span,) = exporter.get_finished_spans()
    attributes = span.attributes or {}
    assert (attributes["gen_ai.prompt.name"], attributes["gen_ai.prompt.version"]) == ("hi", "1")


def test_without_a_trace_and_for_prompts_of_no_library_nothing_happens() -> None:
    assert HI.messages(word="a")
    assert pex.library.load("hi@champion").messages(word="a")
    assert traces() == []
    prompt_traces.show_version("not a version", [{"role": "user"}])
