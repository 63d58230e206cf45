"""Bodies of every form, and JSON that a strict reader refuses."""

import json
from typing import Any

import pytest

from pex.run.errors import CallError
from pex.run.reading import read_answer
from tests.helpers.endpoint import completion

CALL = {"id": None, "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
BODIES: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"content": [{"type": "text", "text": {"value": "Yes"}}]}, "Yes", []),
    ({"content": {"text": "Yes"}}, "Yes", []),
    ({"content": {"content": [{"text": "Yes"}]}}, "Yes", []),
    ({"content": ["Y", ["es"]]}, "Yes", []),
    ({"content": {"label": "Yes"}}, '{"label":"Yes"}', []),
    ({"content": {"type": "object", "x": 1}}, '{"type":"object","x":1}', []),
    ({"content": True}, "true", ["read_leniently"]),
    ({"content": [{"type": "text", "text": "Yes"}, {"type": "image_url"}]}, "Yes",
     ["read_leniently"]),
    ({"content": "Yes", "refusal": [1]}, "Yes", ["read_leniently"]),
    ({"content": None, "tool_calls": [CALL]}, json.dumps([CALL], separators=(",", ":")), []),
    ({"content": None, "tool_calls": {"name": "f", "arguments": {"a": 1}}},
     json.dumps([CALL], separators=(",", ":")), []),
    ({"content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
     json.dumps([CALL], separators=(",", ":")), []),
]  # fmt: skip


@pytest.mark.parametrize(("message", "output", "remarks"), BODIES, ids=str)
def test_content_of_any_form_is_read(
    message: dict[str, Any], output: str, remarks: list[str]
) -> None:
    body = completion("")
    body["choices"][0]["message"] = message
    answer = read_answer(json.dumps(body).encode())
    assert (answer.output, answer.remarks) == (output, remarks)


def test_choices_of_any_form_are_read() -> None:
    choice = completion("Yes")["choices"][0]
    for body in (
        {"choices": choice},
        {"choices": {"0": choice}},
        {"choices": [None, choice]},
        {"choices": [{"text": "Yes"}]},
        {"choices": [{"delta": {"content": "Yes"}}]},
        {"choices": [{"message": "Yes"}]},
        [{"choices": [choice]}],
        {"data": {"choices": [choice]}},
        {"message": {"role": "assistant", "content": "Yes"}, "done": True},
        {"result": {"response": "Yes"}, "success": True},
        {"role": "assistant", "content": [{"type": "text", "text": "Yes"}]},
    ):
        assert read_answer(json.dumps(body).encode()).output == "Yes", body


LENIENT = [
    ('{"x": NaN, ', "utf-8"),
    ('{"x": -Infinity, ', "utf-8"),
    ('{"x": "\\ud83d", ', "utf-8"),
    ('{"x": "a\x01\n", ', "utf-8"),
    ('{"x": 1e999, ', "utf-8"),
    ("{", "utf-8-sig"),
    ("{", "utf-16"),
    ("{", "utf-32"),
]


@pytest.mark.parametrize(("begin", "encoding"), LENIENT, ids=str)
def test_json_that_a_strict_reader_refuses(begin: str, encoding: str) -> None:
    raw = (begin + json.dumps(completion("Grüße"))[1:]).encode(encoding)
    answer = read_answer(raw)
    assert (answer.output, answer.remarks, answer.prompt_tokens) == (
        "Grüße",
        ["read_leniently"],
        10,
    )
    assert answer.raw_body is not None


def test_bytes_that_are_not_utf8_and_something_after_the_value() -> None:
    raw = json.dumps(completion("caf?")).encode()
    assert read_answer(raw.replace(b"?", b"\xe9")).output == "caf�"
    assert read_answer(raw + b"\x00\n{}").output == "caf?"
    assert "\\xe9" in str(read_answer(raw.replace(b"?", b"\xe9")).raw_body)


def test_a_key_in_a_body_that_is_kept_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_API_KEY", "very-secret-key-1")
    answer = read_answer(json.dumps(completion("Yes", refusal=["very-secret-key-1"])).encode())
    assert "very-secret" not in str(answer.raw_body)
    with pytest.raises(CallError) as caught:
        read_answer(b"<html>very-secret-key-1</html>")
    assert "very-secret" not in str(caught.value.raw_body)
