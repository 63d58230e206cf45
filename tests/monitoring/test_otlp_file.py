"""Traces in files of OpenTelemetry become cases with recorded paths."""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from pex.core.cases import load_cases
from pex.core.errors import PexError
from pex.core.paths import PathCall
from pex.monitoring.otlp_file import is_otlp, read_otlp, tools_in
from pex.monitoring.trace_path import path_of_spans
from pex.monitoring.user_text import user_text
from tests.helpers.command import pexlab

ASKED = "Cancel A7, I am ann@example.com."
PATH = [
    PathCall("look_up", {"id": "A7"}, '{"status": "open"}', None, 1),
    PathCall("cancel", {"id": "A7"}, "done", None, 2),
]
TOOLS = [{"type": "function", "name": "look_up", "parameters": {"type": "object"}}]


def any_value(value: Any) -> common_pb2.AnyValue:
    if isinstance(value, dict):
        pairs = [common_pb2.KeyValue(key=k, value=any_value(v)) for k, v in value.items()]
        return common_pb2.AnyValue(kvlist_value=common_pb2.KeyValueList(values=pairs))
    if isinstance(value, list):
        values = common_pb2.ArrayValue(values=[any_value(item) for item in value])
        return common_pb2.AnyValue(array_value=values)
    if isinstance(value, int):
        return common_pb2.AnyValue(int_value=value)
    return common_pb2.AnyValue(string_value=value)


def attributes(given: dict[str, Any]) -> list[common_pb2.KeyValue]:
    return [common_pb2.KeyValue(key=key, value=any_value(value)) for key, value in given.items()]


def span(number: int, parent: int, name: str, about: dict[str, Any], events: Any = (),
         trace: int = 7) -> trace_pb2.Span:  # fmt: skip
    made = trace_pb2.Span(
        trace_id=trace.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name=name,
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        start_time_unix_nano=1_700_000_000_000_000_000 + number, attributes=attributes(about),
    )  # fmt: skip
    for event, given in events:
        made.events.append(trace_pb2.Span.Event(name=event, attributes=attributes(given)))
    return made


def as_otlp(*groups: list[trace_pb2.Span]) -> dict[str, Any]:
    """As OTLP's JSON: that of protobuf, with ids in hexadecimal digits."""
    data = trace_pb2.TracesData()
    for spans in groups:
        data.resource_spans.add().scope_spans.add().spans.extend(spans)
    found = MessageToDict(data)
    for group in found["resourceSpans"]:
        for item in group["scopeSpans"][0]["spans"]:
            for key in {"traceId", "spanId", "parentSpanId"} & item.keys():
                item[key] = base64.b64decode(item[key]).hex()
    return found


def call(name: str, number: int) -> dict[str, Any]:
    return {"type": "tool_call", "id": f"c{number}", "name": name, "arguments": {"id": "A7"}}


def reply(number: int, said: Any) -> dict[str, Any]:
    part = {"type": "tool_call_response", "id": f"c{number}", "response": said}
    return {"role": "tool", "parts": [part]}


USER = {"role": "user", "parts": [{"type": "text", "content": ASKED}]}
FIRST = {"role": "assistant", "parts": [call("look_up", 1)], "finish_reason": "tool_call"}
SECOND = {"role": "assistant", "parts": [call("cancel", 2)], "finish_reason": "tool_call"}
DONE = {"role": "assistant", "parts": [{"type": "text", "content": "Done."}]}
SENT = [
    [USER],
    [USER, FIRST, reply(1, {"status": "open"})],
    [USER, FIRST, reply(1, {"status": "open"}), SECOND, reply(2, "done")],
]


def current(texts: bool) -> list[trace_pb2.Span]:
    """Messages in attributes, as structures or as JSON in strings."""
    as_value = json.dumps if texts else copy.copy
    spans = [span(1, 0, "invoke_agent desk", {"gen_ai.operation.name": "invoke_agent"})]
    for number, (sent, said) in enumerate(zip(SENT, (FIRST, SECOND, DONE), strict=True)):
        about = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m",
                 "gen_ai.request.max_tokens": 50, "gen_ai.tool.definitions": as_value(TOOLS),
                 "gen_ai.input.messages": as_value(sent),
                 "gen_ai.output.messages": as_value([said])}  # fmt: skip
        spans.append(span(10 * number + 2, 1, "chat m", about))
    return spans


def of_tools() -> list[trace_pb2.Span]:
    """Spans of the tools, and models of which only the question is known."""
    about = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m",
             "gen_ai.input.messages": [USER]}  # fmt: skip
    spans = [span(1, 0, "chat m", about)]
    for number, item in enumerate(PATH, 2):
        given = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": item.name,
                 "gen_ai.tool.call.arguments": json.dumps(item.arguments),
                 "gen_ai.tool.call.result": item.reply}  # fmt: skip
        spans.append(span(number, 1, f"execute_tool {item.name}", given))
    return spans


def function(name: str, number: int) -> dict[str, Any]:
    called = {"name": name, "arguments": '{"id": "A7"}'}
    return {"id": f"c{number}", "type": "function", "function": called}


OLD = [
    ("gen_ai.user.message", {"content": ASKED}),
    ("gen_ai.assistant.message", {"tool_calls": [function("look_up", 1)]}),
    ("gen_ai.tool.message", {"id": "c1", "content": '{"status": "open"}'}),
    ("gen_ai.assistant.message", {"tool_calls": [function("cancel", 2)]}),
    ("gen_ai.tool.message", {"id": "c2", "content": "done"}),
    ("gen_ai.choice", {"index": 0, "message": {"content": "Done."}, "finish_reason": "stop"}),
]
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "m"}


def events(form: str) -> list[trace_pb2.Span]:
    """An event of the span for each message: several attributes, or one with all of it."""
    told = [
        (name, body if form == "attributes" else {"gen_ai.event.content": json.dumps(body)})
        for name, body in OLD
    ]
    return [span(1, 0, "chat m", CHAT, told)]


def content_events() -> list[trace_pb2.Span]:
    """Two events with everything that was sent and said."""
    sent = [{"role": name.split(".")[1], **body, "tool_call_id": body.get("id")}
            for name, body in OLD[:-1]]  # fmt: skip
    said = '[{"content": "Done."}]'
    told = [
        ("gen_ai.content.prompt", {"gen_ai.prompt": json.dumps(sent)}),
        ("gen_ai.content.completion", {"gen_ai.completion": said}),
    ]
    return [span(1, 0, "chat m", CHAT, told)]


def logs() -> list[dict[str, Any]]:
    """The same as log records, in a document of their own."""
    records = [
        {"traceId": (7).to_bytes(16, "big").hex(), "spanId": (1).to_bytes(8, "big").hex(),
         "eventName": name, "body": MessageToDict(any_value(body))}
        for name, body in OLD
    ]  # fmt: skip
    whole = as_otlp([span(1, 0, "chat m", CHAT)])
    return [{"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}, whole]


FORMS = {
    "attributes": [as_otlp(current(texts=False))],
    "json in attributes": [as_otlp(current(texts=True))],
    "in several resources": [as_otlp(*([item] for item in reversed(current(texts=True))))],
    "a span on each line": [as_otlp([item]) for item in reversed(current(texts=True))],
    "tools that ran": [as_otlp(of_tools())],
    "events": [as_otlp(events("attributes"))],
    "events in one attribute": [as_otlp(events("one"))],
    "content events": [as_otlp(content_events())],
    "log records": logs(),
}


def written(path: Path, documents: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(item)}\n" for item in documents), "utf-8")
    return path


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_path_is_read(form: str, tmp_path: Path) -> None:
    file = written(tmp_path / "traces.jsonl", FORMS[form])
    assert is_otlp(file)
    ((trace_id, spans),) = read_otlp(file).items()
    assert trace_id == "7".zfill(32)
    calls = path_of_spans(spans)
    assert [(c.name, c.arguments, c.reply) for c in calls] == [
        (c.name, c.arguments, c.reply) for c in PATH
    ]
    assert user_text(spans) == ASKED
    if form.startswith("json"):
        (tool,) = tools_in(spans)
        assert tool["function"]["name"] == "look_up"


def test_a_document_over_several_lines(tmp_path: Path) -> None:
    file = tmp_path / "traces.json"
    file.write_text(json.dumps(FORMS["events"][0], indent=2), "utf-8")
    assert len(read_otlp(file)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"resourceSpans": []}\n{"resourceSpans": [}\n', "line 2: expected traces of OpenTelem"),
        ('{"resourceSpans": []}\n[1]\n', "line 2: expected traces .* it has no 'resourceSpans'"),
        ('{"resourceSpans": [7]}', "resourceSpans: expected a list of objects"),
        ('{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "a"}]}]}]}', "no traceId"),
    ],
)  # fmt: skip
def test_what_is_broken_is_named_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "traces.jsonl"
    file.write_text(text, "utf-8")
    with pytest.raises(PexError, match=said):
        read_otlp(file)


def test_a_file_becomes_cases_that_replay(project: Path) -> None:
    desk = project / "experiments" / "desk"
    desk.mkdir(parents=True)
    (desk / "desk.prompty").write_text("---\nname: desk\n---\nuser:\n{{ question }}\n", "utf-8")
    (desk / "cases.jsonl").write_text('{"case_id": "c1", "question": "Hello?"}\n', "utf-8")
    (desk / "experiment.yaml").write_text(
        "name: desk\nprompts: [desk.prompty]\nmodels: [local/smollm2]\n"
        "cases: {file: cases.jsonl}\n", "utf-8",
    )  # fmt: skip
    silent = [span(1, 0, "chat m", {**CHAT, "gen_ai.input.messages": [USER]}, trace=8)]
    file = written(project / "traces.jsonl", [*FORMS["json in attributes"], as_otlp(silent)])
    command = ("import", str(file), "--to", str(desk / "experiment.yaml"))
    done = pexlab(*command, folder=project)
    assert done.returncode == 0, done.stderr
    assert 'look_up(id="A7"), cancel(id="A7")' in done.stdout
    assert done.stderr.splitlines()[1:] == [
        "1 trace calls no tool: left out",
        "tools that the models were offered: look_up; --json has their definitions",
    ]
    first, case = load_cases(desk / "cases.jsonl")
    assert (first.id, first.inputs["question"]) == ("c1", "Hello?")
    assert case.inputs["question"].startswith("Cancel A7, I am ")
    assert "ann@example.com" not in (desk / "cases.jsonl").read_text("utf-8")
    assert case.inputs["expected_calls"] == [
        {"name": c.name, "arguments": c.arguments} for c in PATH
    ]
    assert [item["reply"] for item in case.inputs["tool_replies"]] == [c.reply for c in PATH]
    assert case.provenance is not None
    assert case.provenance.trace == "7".zfill(32)
    before = (desk / "cases.jsonl").read_bytes()
    again = json.loads(pexlab(*command, "--json", folder=project).stdout)
    assert (again["cases"][0]["id"], len(again["tools"])) == (case.id, 1)
    assert (desk / "cases.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [((), "these are traces"), (("--to", "experiment.yaml"), "1 trace, none with calls of tools")],
)
def test_what_cannot_become_a_case_says_so(
    options: tuple[str, ...], said: str, project: Path
) -> None:
    written(project / "traces.jsonl", [as_otlp([span(1, 0, "chat m", CHAT)])])
    done = pexlab("import", "traces.jsonl", *options, folder=project)
    assert done.returncode != 0
    assert said in done.stderr
