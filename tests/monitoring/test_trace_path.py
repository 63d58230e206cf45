"""The path of a trace, in every form in which applications record one."""

import json
from typing import Any

import pytest

from pex.core.paths import PathCall
from pex.monitoring.spans import StoredSpan
from pex.monitoring.trace_path import path_columns, path_of_spans

USER = {"role": "user", "content": "Cancel A7."}
LOOK, CANCEL = ("look_up", {"id": "A7"}, '{"status": "open"}'), ("cancel", {"id": "A7"}, "done")


def _chat(name: str, arguments: dict[str, Any], reply: str) -> list[dict[str, Any]]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": name, "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": name, "content": reply},
    ]


def _parts(name: str, arguments: dict[str, Any], reply: str) -> list[dict[str, Any]]:
    call = {"type": "tool_call", "id": name, "name": name, "arguments": arguments}
    answer = {"type": "tool_call_response", "id": name, "response": reply}
    return [{"role": "assistant", "parts": [call]}, {"role": "tool", "parts": [answer]}]


def _blocks(name: str, arguments: dict[str, Any], reply: str) -> list[dict[str, Any]]:
    call = {"type": "tool_use", "id": name, "name": name, "input": arguments}
    answer = {"type": "tool_result", "tool_use_id": name, "content": reply}
    return [{"role": "assistant", "content": [call]}, {"role": "user", "content": [answer]}]


def _items(name: str, arguments: dict[str, Any], reply: str) -> list[dict[str, Any]]:
    call = {"type": "function_call", "call_id": name, "name": name}
    answer = {"type": "function_call_output", "call_id": name, "output": reply}
    return [{**call, "arguments": json.dumps(arguments)}, answer]


def _model(name: str, given: Any, said: Any = None) -> StoredSpan:
    attributes = {name: given, "gen_ai.request.model": "m"}
    attributes |= {} if said is None else {"mlflow.spanOutputs": said}
    return StoredSpan("chat", "root", "CHAT_MODEL", "OK", attributes)


@pytest.mark.parametrize("form", [_chat, _parts, _blocks, _items])
@pytest.mark.parametrize("name", ["mlflow.spanInputs", "gen_ai.input.messages"])
def test_messages_of_the_last_call_have_the_path(form: Any, name: str) -> None:
    earlier = [*form("look_up", {"id": "B1"}, "an earlier turn"), USER]
    whole = [*earlier, *form(*LOOK), *form(*CANCEL)]
    wrap = {"messages": whole} if name.startswith("mlflow") else whole
    calls = path_of_spans([_model(name, earlier), _model(name, wrap)])
    assert [(c.name, c.arguments, c.reply) for c in calls] == [LOOK, CANCEL]


def test_tools_that_ran_are_the_path_or_have_its_replies() -> None:
    ran = StoredSpan(
        "execute_tool look_up", "root", "", "ERROR",
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look_up",
         "gen_ai.tool.call.arguments": '{"id": "A7"}'}, message="no such order",
    )  # fmt: skip
    mine = StoredSpan("cancel", "root", "TOOL", "OK", {
        "mlflow.spanInputs": {"id": "A7"}, "mlflow.spanOutputs": {"ok": True}})  # fmt: skip
    calls = path_of_spans([ran, mine])
    assert [(c.name, c.reply, c.error) for c in calls] == [
        ("look_up", '{"error": "no such order"}', "raised"), ("cancel", '{"ok": true}', None)
    ]  # fmt: skip
    choices = {"choices": [{"message": _chat(*LOOK)[0]}]}
    (call,) = path_of_spans([_model("mlflow.spanInputs", {"messages": [USER]}, choices), ran])
    assert call.reply == '{"error": "no such order"}'


@pytest.mark.parametrize(
    "value",
    [None, 7, "text", [3], {"messages": 1}, [{"parts": [None]}],
     [{"role": "assistant", "tool_calls": [None, {"function": 1}]}]],
)  # fmt: skip
def test_what_is_not_a_path_is_none(value: Any) -> None:
    assert path_of_spans([_model("mlflow.spanInputs", value, value)]) == []


def test_a_reply_that_is_not_known_is_not_recorded() -> None:
    found = path_columns([PathCall("f", {"a": 1}), PathCall("g", reply="")])
    assert found["expected_calls"] == [{"name": "f", "arguments": {"a": 1}},
                                       {"name": "g", "arguments": {}}]  # fmt: skip
    assert found["tool_replies"] == [{"name": "g", "arguments": {}, "reply": ""}]
