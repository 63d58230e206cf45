"""Streams as servers really send them."""

import json
from typing import Any

import pytest

from pex.run.errors import CallError
from pex.run.event_stream import looks_like_stream
from pex.run.stream import Stream
from tests.helpers.endpoint import completion


def read(raw: bytes, size: int = 7) -> tuple[Any, list[str]]:
    shown: list[str] = []
    stream = Stream(shown.append)
    for start in range(0, len(raw), size):
        stream.feed(raw[start : start + size])
    return stream.answer(), shown


def chunk(content: str | None = None, finish: str | None = None, **delta: Any) -> str:
    delta = {**({} if content is None else {"content": content}), **delta}
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def events(*chunks: str, form: str = "data: {}\n\n") -> bytes:
    return "".join(form.replace("{}", text, 1) for text in chunks).encode()


GOOD = (chunk("Hel"), chunk("lo"), chunk(finish="stop"))
FORMS = {
    "LF": events(*GOOD),
    "CRLF": events(*GOOD, form="data: {}\r\n\r\n"),
    "CR": events(*GOOD, form="data: {}\r\r"),
    "no space": events(*GOOD, form="data:{}\n\n"),
    "no empty line": events(*GOOD, form="data: {}\n"),
    "byte order mark": b"\xef\xbb\xbf" + events(*GOOD),
    "comments": b": OPENROUTER PROCESSING\n\n" + events(*GOOD, form=": ping\n\ndata: {}\n\n"),
    "named events": events(*GOOD, form="event: message\nid: 1\nretry: 9\ndata: {}\n\n"),
    "the mark at the end": events(*GOOD, "[DONE]"),
    "only the mark": events(*GOOD[:2], "[DONE]"),
    "no end of line": events(*GOOD).rstrip(b"\n"),
    "signs of life": events("ping", GOOD[0], "keep-alive", *GOOD[1:]),
    "signs of life without empty lines": events("ping", *GOOD, form="data: {}\n"),
    "JSON lines": events(*GOOD, form="{}\n"),
    "several lines of data": b"".join(
        b"".join(b"data: " + line.encode() + b"\n" for line in part.splitlines()) + b"\n"
        for part in (json.dumps(json.loads(text), indent=1) for text in GOOD)
    ),
    "Ollama's own": events(
        *(
            json.dumps({"message": {"role": "assistant", "content": text}, "done": text == "lo",
                        **({"done_reason": "stop"} if text == "lo" else {})})
            for text in ("Hel", "lo")
        ), form="{}\n"),
    "one body": json.dumps(completion("Hello")).encode(),
    "one body over lines": json.dumps(completion("Hello"), indent=2).encode(),
    "a body as an event": events(json.dumps(completion("Hello"))),
    "the whole so far": events(*(
        json.dumps({"choices": [{"message": {"content": text}, "finish_reason": end}]})
        for text, end in (("Hel", None), ("Hello", "stop"))
    )),
    "text as a list": events(chunk(content=None), *(  # type: ignore[arg-type]
        json.dumps({"choices": [{"delta": {"content": [{"type": "text", "text": text}]},
                                 "finish_reason": end}]})
        for text, end in (("Hel", None), ("lo", "stop"))
    )),
    "another choice": events(GOOD[0], json.dumps(
        {"choices": [{"index": 1, "delta": {"content": "XX"}}]}), *GOOD[1:]),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_stream_in_any_form_is_read(form: str, size: int) -> None:
    answer, shown = read(FORMS[form], size)
    assert answer.output == "Hello"
    assert answer.remarks == []
    assert "".join(shown) in ("Hello", "")
    assert answer.finish_reason == ("stop" if form != "only the mark" else None)


BROKEN = {
    "nothing": (b"", "bad_body"),
    "only the mark": (b"data: [DONE]\n\n", "bad_body"),
    "HTML": (b"<html><body>Bad gateway</body></html>", "bad_body"),
    "words": (b"data: hello\n\ndata: world\n\n", "bad_body"),
    "another API": (events('{"type": "content_block_delta"}'), "bad_body"),
    "half a piece in the middle": (events(GOOD[0], GOOD[1][:20], GOOD[2]), "bad_body"),
    "half a JSON line": (events(GOOD[0], GOOD[1][:20], GOOD[2], form="{}\n"), "bad_body"),
    "broken off": (events(*GOOD[:2]), "connection"),
    "only usage": (events('{"choices": [], "usage": {"prompt_tokens": 1}}'), "empty"),
    "an error in the middle": (
        events(GOOD[0], '{"error": {"message": "x", "type": "overloaded_error"}}'),
        "server",
    ),
    "a JSON line with an error": (events(GOOD[0], '{"error": "x"}', form="{}\n"), "server"),
    "an error as words": (b"event: error\ndata: rate limit reached\n\n", "rate_limit"),
    "Groq's error": (events(GOOD[0], '{"x_groq": {"error": "overloaded"}}'), "server"),
    "the body of an error": (b'{"error": {"code": 401, "message": "no"}}', "auth"),
    "deltas of no kind": (events('{"choices": [{"delta": 5, "finish_reason": "stop"}]}'),
                          "bad_body"),
    "filtered before a word": (events(chunk("", finish="content_filter")), "content_filter"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_stream_that_is_no_answer_is_named(name: str) -> None:
    raw, kind = BROKEN[name]
    with pytest.raises(CallError) as caught:
        read(raw)
    assert caught.value.kind == kind
    assert caught.value.raw_body == raw.decode()


def test_an_error_after_the_first_word_may_be_charged() -> None:
    with pytest.raises(CallError) as before:
        read(events('{"error": {"code": 503, "message": "x"}}'))
    with pytest.raises(CallError) as after:
        read(events(GOOD[0], '{"error": {"code": 503, "message": "x"}}'))
    assert (before.value.charged, after.value.charged) == (False, True)
    assert after.value.busy


LATE = {
    "an error": events(*GOOD, '{"error": {"message": "no usage", "code": 500}}'),
    "half a piece": events(*GOOD, '{"choices": [{"del'),
    "half a JSON line": events(*GOOD, '{"usage": {"prom', form="{}\n"),
    "words of an error": events(*GOOD) + b"event: error\ndata: unavailable\n\n",
}


@pytest.mark.parametrize("name", LATE)
def test_what_goes_wrong_after_the_end_loses_no_answer(name: str) -> None:
    answer, _ = read(LATE[name])
    assert (answer.output, answer.finish_reason) == ("Hello", "stop")
    assert answer.remarks == ["read_leniently"]
    assert answer.prompt_tokens is None  # so the ledger has the worst case


def test_an_answer_that_was_held_back_at_its_end_is_not_whole() -> None:
    with pytest.raises(CallError) as caught:
        read(events(GOOD[0], chunk(finish="error"), '{"error": {"message": "x", "code": 429}}'))
    assert caught.value.kind == "rate_limit"


def test_the_mark_at_the_end_in_small_letters_and_an_error_in_a_delta() -> None:
    assert read(events(*GOOD[:2], "[done]"))[0].output == "Hello"
    with pytest.raises(CallError) as caught:
        read(events('{"choices": [{"delta": {"error": {"code": 429, "message": "x"}}}]}'))
    assert (caught.value.kind, caught.value.charged) == ("rate_limit", False)


def test_the_first_word_is_not_an_empty_one() -> None:
    stream = Stream()
    stream.feed(events(chunk("", role="assistant")))
    assert not stream.text_came
    stream.feed(events(chunk("Hi")))
    assert stream.text_came


def test_half_an_answer_that_was_filtered_is_kept() -> None:
    answer, _ = read(events(chunk("Half an ans"), chunk(finish="content_filter")))
    assert (answer.output, answer.remarks) == ("Half an ans", ["filtered"])


def test_a_character_that_was_cut_in_two_is_put_together() -> None:
    first, second = chunk("a \ud83d"), chunk("\ude00 b")
    answer, shown = read(events(first, second, GOOD[2]))
    assert (answer.output, answer.remarks) == ("a 😀 b", [])
    assert all(text.encode() for text in shown)
    alone, _ = read(events(first, GOOD[2]))
    assert (alone.output, alone.remarks) == ("a �", ["read_leniently"])
    assert alone.raw_body


def calls(*pieces: dict[str, Any]) -> list[tuple[str | None, str, str]]:
    answer, _ = read(events(*(chunk(tool_calls=[piece]) for piece in pieces), GOOD[2]))
    return [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in answer.tool_calls or []
    ]


def piece(name: str | None = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    said = {"name": name, "arguments": arguments}
    return {**more, "function": {key: value for key, value in said.items() if value is not None}}


TWO = [("a", "f", '{"x": 1}'), ("b", "g", "{}")]
TOOLS = {
    "OpenAI": [piece("f", "", index=0, id="a"), piece(None, '{"x": ', index=0),
               piece(None, "1}", index=0), piece("g", "{}", index=1, id="b")],
    "no index": [piece("f", "", id="a"), piece(None, '{"x": 1}'), piece("g", "{}", id="b")],
    "null index": [piece("f", '{"x": ', index=None, id="a"), piece(None, "1}", index=None),
                   piece("g", "{}", index=None, id="b")],
    "index as text": [piece("f", '{"x": 1}', index="0", id="a"),
                      piece("g", "{}", index="1", id="b")],
    "the id each time": [piece("f", '{"x": ', index=0, id="a"), piece(None, "1}", index=0, id="a"),
                         piece("g", "{}", index=1, id="b")],
    "the id without an index": [piece("f", '{"x": ', id="a"), piece("g", "{}", id="b"),
                                piece(None, "1}", id="a")],
    "all numbered 0": [piece("f", '{"x": 1}', index=0, id="a"), piece("g", "{}", index=0, id="b")],
    "the name each time": [piece("f", "", index=0, id="a"), piece("f", '{"x": 1}', index=0),
                           piece("g", "", index=1, id="b"), piece("g", "{}", index=1)],
    "out of order": [piece("g", "{}", index=1, id="b"), piece("f", '{"x": 1}', index=0, id="a")],
    "the id later": [piece("f", "", index=0), piece(None, '{"x": 1}', index=0, id="a"),
                     piece("g", "{}", index=1, id="b")],
}  # fmt: skip


@pytest.mark.parametrize("form", TOOLS)
def test_tool_calls_in_pieces_of_any_form(form: str) -> None:
    assert calls(*TOOLS[form]) == TWO


def test_a_name_in_pieces_arguments_as_an_object_and_the_older_form() -> None:
    assert calls(piece("get_", "", index=0, id="a"), piece("weather", "{}", index=0)) == [
        ("a", "get_weather", "{}")
    ]
    assert calls(piece("f", {"x": 1}, index=0, id="a")) == [("a", "f", '{"x":1}')]
    older = [{"name": "f", "arguments": ""}, {"arguments": '{"x": 1}'}]
    answer, _ = read(events(*(chunk(function_call=one) for one in older), GOOD[2]))
    assert answer.tool_calls == [
        {"id": None, "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    ]


def test_what_looks_like_a_stream() -> None:
    assert looks_like_stream(b"\xef\xbb\xbfdata: {}")
    assert looks_like_stream(b"\n\nevent: x")
    assert not looks_like_stream(b'{"data": 1}')
    assert not looks_like_stream(b"<html>")
