"""The Responses API: asked, read, streamed, continued, and in provider batches."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from aiohttp import web

import pex
from pex.core.call import Answer
from pex.core.responses import responses_body
from pex.project.settings import Settings, load_settings
from pex.run.channel import Call, open_channels
from pex.run.endpoint import connect
from pex.run.errors import CallError
from pex.run.reading import answer_of
from pex.run.request import next_body, requests
from pex.run.response_stream import ResponseStream
from pex.run.responses import chat_form, response_id
from tests.helpers.endpoint import completion
from tests.helpers.responses_endpoint import ResponsesEndpoint, response, said

TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}


@pytest.fixture
def served(project: Path) -> Iterator[ResponsesEndpoint]:
    server = ResponsesEndpoint()
    with server.running():
        (project / "pex.toml").write_text(
            f'[providers.lab]\nbase_url = "{server.url}"\napi = "responses"\n'
            '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
            "cached_input_usd_per_million = 0\n"
        )
        yield server


def experiment(count: int = 3, model: Any = "lab/m1", **params: Any) -> pex.Experiment:
    prompt = pex.Prompt(
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{ word }}"}],
        name="echo",
    )
    cases = [{"case_id": f"c{i}", "word": f"w{i}", "expected": f"w{i}"} for i in range(count)]
    variants = pex.grid(prompt, models=[model], params=[{"max_tokens": 20, **params}])
    return pex.Experiment("page", variants, cases, ["exact"], budget_usd=50)


def talk(turns: list[str], **params: Any) -> pex.Experiment:
    prompt = pex.Prompt(
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{ turns }}"}],
        name="talk",
    )
    variants = pex.grid(prompt, "lab/m1", [{"max_tokens": 20, **params}])
    return pex.Experiment("talk", variants, [{"case_id": "c", "turns": turns}], budget_usd=50)


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    return exp.run(**{"record": False, "show": False, **options})


# -- what is sent


@pytest.mark.parametrize(
    ("chat", "sent"),
    [
        ({"max_completion_tokens": 9}, {"max_output_tokens": 9}),
        ({"max_tokens": 9, "temperature": 0, "top_p": 1}, {"max_output_tokens": 9, "temperature": 0, "top_p": 1}),
        ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
        ({"reasoning_effort": "low", "reasoning": {"summary": "auto"}}, {"reasoning": {"effort": "low", "summary": "auto"}}),
        ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
        ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": {}}}, "verbosity": "high"},
            {"text": {"format": {"type": "json_schema", "name": "a", "strict": True, "schema": {}}, "verbosity": "high"}},
        ),
        ({"tools": [TOOL]}, {"tools": [{"type": "function", "strict": False, "parameters": {"type": "object"}, "name": "find"}]}),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]},
            {"tools": [{"type": "function", "strict": True, "parameters": {"type": "object", "properties": {}}, "name": "f"}]},
        ),
        ({"tool_choice": {"type": "function", "function": {"name": "find"}}}, {"tool_choice": {"type": "function", "name": "find"}}),
        ({"tool_choice": "required", "parallel_tool_calls": False}, {"tool_choice": "required", "parallel_tool_calls": False}),
        ({"logprobs": True, "top_logprobs": 2}, {"include": ["message.output_text.logprobs"], "top_logprobs": 2}),
        ({"stop": ["x"], "seed": 1, "store": False}, {"stop": ["x"], "seed": 1, "store": False}),
    ],
)  # fmt: skip
def test_parameters_have_the_names_of_the_other_page(
    chat: dict[str, Any], sent: dict[str, Any]
) -> None:
    body = responses_body({"model": "m", "messages": [{"role": "user", "content": "x"}], **chat})
    assert body == {"model": "m", "input": [{"role": "user", "content": "x"}], **sent}


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        ([{"role": "developer", "content": "D"}, {"role": "user", "content": "u"}], {"instructions": "D", "input": [{"role": "user", "content": "u"}]}),
        (
            [{"role": "user", "content": "u"}, {"role": "system", "content": "late"}],
            {"input": [{"role": "user", "content": "u"}, {"role": "system", "content": "late"}]},
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}}]}],
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "t"}, {"type": "input_image", "image_url": "data:x", "detail": "low"}]}]},
        ),
        (
            [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}],
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        ),
        (
            [{"role": "assistant", "content": [{"type": "text", "text": "t"}]}],
            {"input": [{"role": "assistant", "content": [{"type": "output_text", "text": "t"}]}]},
        ),
        (
            [
                {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "1", "content": "found"},
            ],
            {"input": [{"type": "function_call", "call_id": "1", "name": "find", "arguments": "{}"}, {"type": "function_call_output", "call_id": "1", "output": "found"}]},
        ),
    ],
)  # fmt: skip
def test_messages_are_input_items(messages: list[dict[str, Any]], sent: dict[str, Any]) -> None:
    assert responses_body({"model": "m", "messages": messages}) == {"model": "m", **sent}


def test_the_page_of_the_endpoint_and_of_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "a-key-of-azure")
    toml: dict[str, Any] = {
        "providers": {
            "lab": {"base_url": "https://lab.example/v1"},
            "azure": {"base_url": "https://a.example", "api": "responses"},
        },
        "models": {"lab/new": {"api": "responses"}},
    }
    settings = Settings.model_validate(toml)
    urls = [connect(ref, settings, Path()).url for ref in ("lab/new", "lab/old", "azure/d")]
    assert urls[:2] == [
        "https://lab.example/v1/responses",
        "https://lab.example/v1/chat/completions",
    ]
    assert urls[2].startswith("https://a.example/openai/responses?api-version=")


def test_the_key_names_the_page(project: Path) -> None:
    exp = experiment(1)
    ask = (exp.variants, exp.cases, 1)
    chat, other = next(requests(*ask)), next(requests(*ask, api_of=lambda ref: "responses"))
    assert chat.body == other.body
    assert chat.key != other.key
    assert chat.key == "df4824af7ba41ba3fd7dff86f707bb43d1ef89f350b4ecc8538e03ac5e58d21b"


# -- a whole run


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_run_is_asked_and_read_as_any_other(served: ResponsesEndpoint, stream: bool) -> None:
    results = run(experiment(), stream=stream)
    frame = results.frame
    assert frame["error"].isna().all(), frame["error"].tolist()
    assert frame["score.exact"].eq(1).all()
    assert set(served.paths) == {"/v1/responses", "/v1/models"}
    assert served.bodies[0]["instructions"] == "Be brief."
    assert served.bodies[0]["max_output_tokens"] == 20
    first = frame.iloc[0]
    assert (first["prompt_tokens"], first["completion_tokens"]) == (10, 5)
    assert (first["cached_tokens"], first["reasoning_tokens"]) == (4, 3)
    assert first["cost_usd"] == pytest.approx(0.011)
    assert first["resolved_model"] == "m1-2026-01-01"
    assert first["finish_reason"] == "stop"
    if stream:
        assert frame["ttft_s"].notna().all()
    assert run(experiment()).about["counts"]["replayed"] == 3


@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_through_a_client_of_the_users(served: ResponsesEndpoint, kind: Any, stream: bool) -> None:
    model = pex.Model(kind(base_url=served.url, api_key="a-key-of-mine"), "m1")
    frame = run(experiment(model=model), stream=stream).frame
    assert frame["score.exact"].eq(1).all(), frame["error"].tolist()
    assert "/v1/responses" in served.paths


@pytest.mark.parametrize("kind", [openai.AzureOpenAI, openai.AsyncAzureOpenAI])
def test_through_a_client_for_azure(served: ResponsesEndpoint, project: Path, kind: Any) -> None:
    (project / "pex.toml").write_text('[providers.azure]\napi = "responses"\nfree = true\n')
    client = kind(
        azure_endpoint=served.url.removesuffix("/v1"), api_key="a-key-of-mine", api_version="v"
    )
    frame = run(experiment(model=pex.Model(client, "m1"))).frame
    assert frame["score.exact"].eq(1).all(), frame["error"].tolist()
    assert set(served.paths) == {"/openai/responses"}
    assert served.bodies[0]["model"] == "m1"


def test_tools_and_refusals(served: ResponsesEndpoint) -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "find", "arguments": '{"x": 1}'}  # fmt: skip
    no = {"type": "message", "content": [{"type": "refusal", "refusal": "I cannot."}]}
    served.reply = lambda body, number: response("", output=[call if said(body) == "w0" else no])
    frame = run(experiment(2, tools=[TOOL])).frame.sort_values("case_id")
    assert frame["finish_reason"].tolist() == ["tool_calls", "refusal"]
    assert frame["tool_calls"].iloc[0][0]["function"] == {"name": "find", "arguments": '{"x": 1}'}
    assert frame["output"].iloc[1] == "I cannot."


# -- what comes back


def test_every_item_of_an_answer_has_its_place() -> None:
    items = [
        {"type": "reasoning", "summary": [{"text": "First."}, {"text": "Second."}], "content": None},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Third."}]},
        {"type": "web_search_call", "id": "ws"},
        {"type": "message", "phase": "commentary", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "message", "phase": "final_answer", "content": [
            {"type": "output_text", "text": "A", "logprobs": [{"token": "A", "logprob": 0.0}]},
            {"type": "output_text", "text": "B"}]},
    ]  # fmt: skip
    choice = chat_form(response("", output=items))["choices"][0]
    assert choice["message"]["content"] == "AB"
    assert choice["message"]["reasoning_content"] == "First.\n\nSecond.\n\nThird.\n\nI look."
    assert choice["logprobs"] == {"content": [{"token": "A", "logprob": 0.0}]}


@pytest.mark.parametrize(
    ("fields", "finish"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": None}, "incomplete"),
        ({"status": None}, "stop"),
        ({}, "stop"),
    ],
)  # fmt: skip
def test_how_it_ended(fields: dict[str, Any], finish: str) -> None:
    assert answer_of(chat_form(response("half", **fields))).finish_reason == finish


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "server_error", "message": "x"}, "server"),
        ({"code": "rate_limit_exceeded", "message": "your quota of tokens per minute"}, "rate_limit"),
        ({"code": "insufficient_quota", "message": "x"}, "quota"),
        ({"code": "invalid_prompt", "message": "x"}, "content_filter"),
        ({"code": "bio_policy", "message": "x"}, "content_filter"),
        ({"code": "image_content_policy_violation", "message": None}, "content_filter"),
        ({"code": "vector_store_timeout", "message": "x"}, "timeout"),
        ({"type": "server_error", "code": None, "message": "x"}, "server"),
        ({"message": "x"}, "server"),
        ("out of order", "server"),
        (None, "server"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("streamed", [False, True])
def test_a_response_that_failed_says_what_kind_of_failure(
    error: Any, kind: str, streamed: bool
) -> None:
    body = response("", status="failed", output=[], error=error)
    event = {"type": "error", "error": error} if error else {"type": "response.failed", "response": body}  # fmt: skip
    with pytest.raises(CallError) as caught:
        chat_form(streamed_whole(event) if streamed else body)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "body", [completion("hi"), {"error": {"message": "no"}}, {"detail": "x"}, [1], "x", None]
)
def test_what_is_not_a_response_is_left_to_the_reader_of_chat(body: Any) -> None:
    assert chat_form(body) is body


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_response_that_is_not_ready_is_no_answer(status: str) -> None:
    with pytest.raises(CallError, match=status):
        chat_form(response("", status=status, output=[]))


@pytest.mark.parametrize("name", ["background", "previous_response_id"])
def test_what_pex_sees_to_itself_is_no_parameter(name: str) -> None:
    with pytest.raises(pex.PexError, match=f"'{name}' is not a parameter"):
        experiment(**{name: True})


def streamed_whole(*events: Any) -> Answer:
    stream = ResponseStream(lambda text: None)
    for event in events:
        stream.feed(b"data: " + json.dumps(event).encode() + b"\n\n")
    return stream.answer()


def test_a_stream_in_any_cut_is_the_same_answer() -> None:
    events = [
        {"type": "response.created", "response": response("", status="in_progress")},
        {"type": "response.output_text.delta", "delta": "Hé"},
        {"type": "response.output_text.delta", "delta": "llo"},
        {"type": "response.completed", "response": response("Héllo")},
    ]
    raw = b"".join(
        b"event: %b\r\ndata: %b\r\n\r\n" % (str(e["type"]).encode(), orjson.dumps(e))
        for e in events
    )
    for size in (1, 2, 7, 100, len(raw)):
        heard: list[str] = []
        stream = ResponseStream(heard.append)
        for start in range(0, len(raw), size):
            stream.feed(raw[start : start + size])
        assert stream.text_came
        assert stream.answer().output == "".join(heard) == "Héllo"


@pytest.mark.parametrize("left_out", ["output", "output, items"])
def test_a_last_event_without_the_output_is_made_whole(left_out: str) -> None:
    item = {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}
    events: list[dict[str, Any]] = [{"type": "response.output_text.delta", "delta": "Hello"}]
    if left_out == "output":
        events.append({"type": "response.output_item.done", "item": item})
    events.append({"type": "response.completed", "response": {"id": "r", "output": []}})
    assert streamed_whole(*events).output == "Hello"


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'data: {"type": "response.output_text.delta", "delta": "Hel"}\n\n', "connection"),
        (b"", "bad_body"),
        (b"data: {half\n\n", "bad_body"),
        (b"data: [1]\n\n", "bad_body"),
        (b"data: [DONE]\n\n", "bad_body"),
        (b'data: {"choices": [{"delta": {"content": "Hel"}}]}\n\n', "bad_body"),
        (b"<html>Sign in</html>", "bad_body"),
        (b"event: error\ndata: Unauthorized\n\n", "auth"),
        (b'data: {"error": {"code": 401, "message": "no"}}\n\n', "auth"),
    ],
)
def test_a_stream_that_broke_is_no_answer(raw: bytes, kind: str) -> None:
    def read() -> None:
        stream = ResponseStream(lambda text: None)
        stream.feed(raw)
        stream.answer()

    with pytest.raises(CallError) as caught:
        read()
    assert caught.value.kind == kind
    assert bool(raw) is bool(caught.value.raw_body)


DELTA = b'{"type": "response.output_text.delta", "delta": "Hello"}'
LAST = orjson.dumps({"type": "response.completed", "response": response("Hello")})


@pytest.mark.parametrize(
    "raw",
    [
        b'data: {"type": "resp\n\ndata: %b\n\n' % LAST,
        b"data: 3\n\ndata: %b\n\n" % LAST,
        b"data: ping\n\ndata: %b\n\n" % LAST,
        b'data: {"type": "response.output_text.delta", "delta": "\\ud83d"}\n\ndata: %b\n\n' % LAST,
        b'data: {"type": "x", "logprobs": [NaN]}\n\ndata: %b\n\n' % LAST,
        b"data:%b\r\rdata:%b\r\r" % (DELTA, LAST),
        b"\xef\xbb\xbfdata: %b" % LAST,
        b"%b\n%b\n" % (DELTA, LAST),
        b"data: %b\n\ndata: [DONE]\n\n" % DELTA,
        b"data: %b\n\ndata: {half" % LAST,
        b'data: %b\n\nevent: error\ndata: {"code": 500, "message": "late"}\n\n' % LAST,
        b"".join(b"data: %b\n" % line for line in orjson.dumps(
            orjson.loads(LAST), option=orjson.OPT_INDENT_2).splitlines()) + b"\n",
        orjson.dumps(response("Hello")),
        orjson.dumps(response("Hello"), option=orjson.OPT_INDENT_2),
    ],
)  # fmt: skip
def test_no_answer_is_lost_for_an_odd_piece(raw: bytes) -> None:
    for size in (7, len(raw)):
        stream = ResponseStream(lambda text: None)
        for start in range(0, len(raw), size):
            stream.feed(raw[start : start + size])
        assert stream.answer().output == "Hello"


def test_what_had_begun_is_charged() -> None:
    for last in (
        {"type": "error", "code": "server_error", "message": "boom"},
        {"type": "response.failed", "response": {"status": "failed", "error": {"message": "boom"}}},
    ):
        with pytest.raises(CallError) as caught:
            streamed_whole({"type": "response.output_text.delta", "delta": "Hel"}, last)
        assert (caught.value.kind, caught.value.charged) == ("server", True)


ODD = [None, True, 0, -1, 1.5, "", "x", [], [1], {}, {"a": 1}, [[]], [{"type": "message"}], 10**30]


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()  # fmt: skip
    for key, item in items:
        yield from nodes(item, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    made = value.copy()
    made[path[0]] = replaced(value[path[0]], path[1:], new)
    return made


RICH = response(
    "",
    output=[
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Well."}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "message", "content": [{"type": "output_text", "text": "A", "logprobs": [{}]}]},
    ],
)


def test_no_odd_body_raises_but_by_name() -> None:
    bodies = [replaced(RICH, path, odd) for path in nodes(RICH) for odd in ODD]
    assert len(bodies) >= 400
    for body in bodies:
        with contextlib.suppress(CallError):
            chat_form(body)
        with contextlib.suppress(CallError):
            response_id(body, "resp_0")


def test_no_odd_stream_raises_but_by_name() -> None:
    events: list[Any] = [
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.output_text.delta", "delta": "A", "item_id": "i"},
        {"type": "response.output_item.done", "item": RICH["output"][2]},
        {"type": "response.completed", "response": RICH},
    ]
    streams = [replaced(events, path, odd) for path in list(nodes(events))[1:] for odd in ODD]
    assert len(streams) >= 400
    for odd_events in streams:
        with contextlib.suppress(CallError):
            streamed_whole(*odd_events)


# -- conversations


def test_a_conversation_goes_on_from_the_response_before(served: ResponsesEndpoint) -> None:
    results = run(talk(["one", "two", "three"]))
    assert results.frame["output"].tolist() == ["three"]
    assert [body.get("previous_response_id") for body in served.bodies] == [
        None,
        "resp_1",
        "resp_2",
    ]
    assert all(body["instructions"] == "Be brief." for body in served.bodies)
    assert all(len(body["input"]) == 1 for body in served.bodies)
    assert served.kept["resp_3"] == ["one", "two", "three"]
    assert [m["content"] for m in results.frame["conversation"].iloc[0]] == [
        "one", "two", "two", "three", "three"
    ]  # fmt: skip
    assert run(talk(["one", "two", "three"])).about["counts"]["replayed"] == 1


def test_replies_of_tools_go_on_from_the_response_before(served: ResponsesEndpoint) -> None:
    calls = [
        {"type": "function_call", "call_id": f"call_{n}", "name": "find", "arguments": '{"x": 1}'}
        for n in (1, 2)
    ]

    def reply(body: dict[str, Any], number: int) -> Any:
        return response("Found.", id="resp_2") if number == 2 else response("", output=calls)

    served.reply = reply
    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
    prompt = pex.Prompt("Find it.", name="p", tools=[tool])
    tools = {"find": {"kind": "made", "reply": "found {x}"}}
    exp = pex.Experiment("find", pex.grid(prompt, "lab/m1"), [{"n": 1}], tools=tools)
    row = run(exp, budget_usd=50).frame.iloc[0]
    assert (row["output"], len(row["steps"])) == ("Found.", 2)
    assert served.bodies[1]["previous_response_id"] == "resp_1"
    assert served.bodies[1]["input"] == [
        {"type": "function_call_output", "call_id": f"call_{n}", "output": "found 1"}
        for n in (1, 2)
    ]


def not_found(body: dict[str, Any], number: int) -> Any:
    if body.get("previous_response_id") is None:
        return None
    error = {"message": "Previous response not found.", "code": "previous_response_not_found"}
    return web.json_response({"error": error}, status=400)


def ignored(body: dict[str, Any], number: int) -> Any:
    return response(said(body), id=f"resp_{number}", previous_response_id=None)


def not_stored(body: dict[str, Any], number: int) -> Any:
    return response(said(body), id=f"resp_{number}", store=False)


@pytest.mark.parametrize(
    ("reply", "calls"), [(not_found, 4), (ignored, 4), (not_stored, 3)],
)  # fmt: skip
def test_where_an_endpoint_keeps_no_responses_all_is_sent(
    served: ResponsesEndpoint, reply: Any, calls: int
) -> None:
    served.reply = reply
    results = run(talk(["one", "two", "three"]))
    assert results.frame["output"].tolist() == ["three"]
    assert served.calls == calls
    assert [item["content"] for item in served.bodies[-1]["input"]] == [
        "one", "one", "two", "two", "three"
    ]  # fmt: skip
    assert served.bodies[-1].get("previous_response_id") is None


def test_without_storing_nothing_is_gone_on_from(served: ResponsesEndpoint) -> None:
    run(talk(["one", "two"], store=False))
    assert [body.get("previous_response_id") for body in served.bodies] == [None, None]
    assert served.bodies[1]["store"] is False


def test_a_conversation_that_was_cut_off_goes_on_from_the_journal(
    served: ResponsesEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(body: dict[str, Any], number: int) -> Any:
        if body.get("previous_response_id") or len(body["input"]) > 1:
            return web.json_response({"error": {"message": "no"}}, status=401)
        return None

    served.reply = fails
    with pytest.raises(pex.ProviderError):
        run(talk(["one", "two"]))
    served.reply = lambda body, number: None
    before = served.calls
    assert run(talk(["one", "two"])).frame["output"].tolist() == ["two"]
    assert served.calls == before + 1
    assert served.bodies[-1]["previous_response_id"] == "resp_1"


def test_what_is_not_sent_again_is_reserved_all_the_same(served: ResponsesEndpoint) -> None:
    settings = load_settings(Path())
    channel = open_channels(["lab/m1"], settings, Path(".pex"))["lab/m1"]
    exp = talk(["x" * 3000, "two"])
    request = next(requests(exp.variants, exp.cases, 1, api_of=settings.api_of))
    earlier = [Answer(output="ok", response_id="resp_1", reasoning_tokens=7)]
    call = Call([request], channel, next_body(request, earlier), earlier=earlier)
    part = call.payload()
    assert orjson.loads(part)["previous_response_id"] == "resp_1"
    assert len(part) < 1000
    going_on = call.worst_usd(len(part))
    channel.stateless = True
    whole = call.payload()
    assert orjson.loads(whole).get("previous_response_id") is None
    assert going_on == pytest.approx(call.worst_usd(len(whole)) + 0.007)


# -- provider batches


def test_a_provider_batch_of_responses(
    served: ResponsesEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pex.run import provider_batch

    monkeypatch.setattr(provider_batch, "FIRST_POLL_S", 0.02)
    served.page = "/v1/responses"
    served.line = lambda item, number: {
        "response": {"status_code": 200, "body": response(said(item["body"]))},
        "error": None,
    }
    results = run(experiment(), provider_batch=True)
    assert results.frame["score.exact"].eq(1).all(), results.frame["error"].tolist()
    lines = next(iter(served.batches.values()))["lines"]
    assert {line["url"] for line in lines} == {"/v1/responses"}
    assert lines[0]["body"]["max_output_tokens"] == 20
