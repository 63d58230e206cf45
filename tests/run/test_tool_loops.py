"""Tools that run between a model's requests, and what a run that was cut off pays again."""

import collections
import importlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

import pex
from pex.core.events import Delta
from pex.run.runner import queue_next
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.tool_paths import calling, playing, tool

LOOKUP = tool("lookup", "order_id", order_id="string")
REFUND = tool("refund", "order_id", order_id="string")
PROMPT = pex.Prompt("Where is my order? {{ q }}", name="desk", tools=[LOOKUP, REFUND])
MADE = {"kind": "made", "reply": "Order {order_id} is on its way."}


@pytest.fixture
def paid(project: Path, endpoint: FaultyEndpoint) -> FaultyEndpoint:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\n'
        '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
    )
    return endpoint


def desk(tools: Any, cases: Any = ({"case_id": "1", "q": "A1"},), **more: Any) -> pex.Experiment:
    return pex.Experiment("desk", pex.grid(PROMPT, "lab/m1"), list(cases), tools=tools, **more)


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    return exp.run(**{"record": False, "show": False, **options})


def test_a_path_is_one_answer_and_each_step_is_paid(paid: FaultyEndpoint, project: Path) -> None:
    paid.reply = playing([("lookup", {"order_id": "A1"})], "It is on its way.")
    row = run(desk({"lookup": MADE, "refund": MADE})).frame.iloc[0]
    assert (paid.calls, row["output"]) == (2, "It is on its way.")
    assert row["conversation"] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "lookup-1",
                    "type": "function",
                    "function": {"name": "lookup", "arguments": '{"order_id": "A1"}'},
                }
            ],
        },
        {
            "role": "tool",
            "tool_call_id": "lookup-1",
            "name": "lookup",
            "content": "Order A1 is on its way.",
        },
        {"role": "assistant", "content": "It is on its way."},
    ]
    assert paid.bodies[1]["messages"][1:] == row["conversation"][:2]
    assert [call["function"]["name"] for call in row["tool_calls"]] == ["lookup"]
    first, last = row["steps"]
    assert (first["step"], first["finish_reason"], last["tools"]) == (1, "tool_calls", [])
    assert first["tools"][0] | {"latency_s": 0} == {
        "id": "lookup-1",
        "name": "lookup",
        "arguments": {"order_id": "A1"},
        "reply": "Order A1 is on its way.",
        "error": None,
        "latency_s": 0,
        "from_journal": False,
    }
    assert row["cost_usd"] == pytest.approx(0.024)
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        booked = connection.execute("SELECT sum(usd), count(*) FROM ledger").fetchone()
    assert booked == (pytest.approx(0.024), 2)
    assert run(desk({"lookup": MADE, "refund": MADE})).about["counts"]["replayed"] == 1
    assert paid.calls == 2


def test_without_an_implementation_the_calls_are_the_answer(paid: FaultyEndpoint) -> None:
    paid.reply = playing([("lookup", {"order_id": "A1"})], "never")
    row = run(desk(None)).frame.iloc[0]
    assert (paid.calls, row["tool_calls"][0]["function"]["name"]) == (1, "lookup")
    assert "steps" not in row


def test_it_stops_after_max_steps(paid: FaultyEndpoint) -> None:
    paid.reply = playing([("lookup", {"order_id": "A1"})])
    exp = desk({"lookup": MADE, "refund": MADE}, max_steps=3)
    preview = exp.preview()
    assert (preview.max_steps, preview.most_calls) == (3, 3)
    assert "3 at most (up to 3 for each answer whose tools run)" in str(preview)
    row = run(exp).frame.iloc[0]
    assert (paid.calls, row["output"], row["remarks"]) == (3, "", ["max_steps"])
    assert [step["tools"][0]["error"] for step in row["steps"]] == [None, None, "not_run"]
    assert [message["role"] for message in row["conversation"]][-2:] == ["tool", "assistant"]


def test_what_goes_wrong_is_a_reply_and_counted(paid: FaultyEndpoint) -> None:
    def lookup(order_id: str) -> Any:
        if order_id == "exit":
            sys.exit(3)
        return {"big": "x" * 2000, "odd": object(), "other": {1, 2}}.get(order_id)

    paid.reply = playing(
        [
            ("lookup", {"order_id": "big"}),
            ("lookup", {"order_id": "odd"}),
            ("lookup", {"order_id": "exit"}),
            ("lookup", "{not json"),
            ("lookup", {"order_id": 7}),
            ("refund", {"order_id": "A1"}),
            ("cancel", {}),
            ("lookup", {"order_id": "other"}),
        ],
        "Done.",
    )
    tools = {
        "lookup": {"kind": "function", "function": lookup, "max_chars": 1000},
        "refund": {"kind": "function", "function": lookup, "effects": True},
    }
    exp = desk(tools)
    assert "refund: function" in str(exp.preview())
    assert "has effects: not run (allow_effects=True runs it)" in str(exp.preview())
    row = run(exp).frame.iloc[0]
    ran = row["steps"][0]["tools"]
    assert [call["error"] for call in ran] == [
        "too_long", "no_json", "raised", "arguments", "arguments", "not_allowed", "unknown", None,
    ]  # fmt: skip
    assert ran[0]["reply"] == '{"error":"the reply has 2,000 characters, 1,000 are allowed"}'
    assert "7 is not of type 'string'" in ran[4]["reply"]
    assert ran[6]["reply"] == '{"error":"there is no tool \'cancel\', only: lookup, refund"}'
    assert (ran[7]["reply"], row["output"]) == ("[1,2]", "Done.")
    allowed = run(desk(tools), allow_effects=["refund"]).frame.iloc[0]["steps"][0]["tools"]
    assert [call["error"] for call in allowed][5] is None


def test_a_tool_that_hangs_does_not_hold_the_others(paid: FaultyEndpoint) -> None:
    free = threading.Event()

    def lookup(order_id: str) -> str:
        return "late" if free.wait(20) and order_id == "slow" else "soon"

    def refund(order_id: str) -> str:
        free.set()
        return "refunded"

    # The second tool of the step ends the first one: they run at once, in one of the endpoint's
    # places at most.
    paid.reply = playing(
        [("lookup", {"order_id": "slow"}), ("refund", {"order_id": "A1"})], "Done."
    )
    row = run(desk([lookup, refund]), max_in_flight=1).frame.iloc[0]
    assert [call["reply"] for call in row["steps"][0]["tools"]] == ["late", "refunded"]

    free.clear()
    paid.reply = playing([("lookup", {"order_id": "slow"})], "Done.")
    tools = {"lookup": {"function": lookup, "timeout_s": 0.05}, "refund": MADE}
    row = run(desk(tools)).frame.iloc[0]
    free.set()
    call = row["steps"][0]["tools"][0]
    assert (call["error"], call["reply"]) == ("timeout", '{"error":"no reply within 0.05 s"}')


def test_each_answer_has_its_own_copy_of_the_world(paid: FaultyEndpoint) -> None:
    def lookup(order_id: str, world: dict[str, Any]) -> Any:
        return world["orders"].get(order_id, "no such order")

    def refund(order_id: str, world: dict[str, Any]) -> str:
        world["orders"][order_id] = "refunded"
        if order_id == "B2":
            raise RuntimeError("the till is closed")
        return "done"

    paid.reply = playing(
        [("refund", {"order_id": "A1"}), ("lookup", {"order_id": "A1"})],
        [("refund", {"order_id": "B2"})],
        "Refunded.",
    )
    cases = [{"case_id": "1", "q": "A1", "world": '{"orders": {"A1": "sent", "B2": "sent"}}'}]
    frame = run(desk([lookup, refund], cases), repeats=2).frame
    for row in frame.to_dict("records"):
        assert [call["reply"] for call in row["steps"][0]["tools"]] == ["done", "refunded"]
        # What fails changes nothing.
        assert row["world"] == {"orders": {"A1": "refunded", "B2": "sent"}}


def test_variants_see_the_same_recorded_replies(paid: FaultyEndpoint) -> None:
    recorded = [
        {"name": "lookup", "arguments": {"order_id": "A1"}, "reply": {"status": "sent"}},
        {"name": "lookup", "arguments": {"order_id": "B2"}, "reply": "lost"},
    ]
    cases = [{"case_id": "1", "q": "A1", "tool_replies": recorded}]
    paths = {
        "one": playing([("lookup", {"order_id": "B2"})], [("lookup", {"order_id": "A1"})], "x"),
        "two": playing([("lookup", {"order_id": "C3"}), ("lookup", {"order_id": "C3"})],
                       [("lookup", {"order_id": "D4"})], "x"),
    }  # fmt: skip
    paid.reply = lambda body, number: paths[body["messages"][0]["content"]](body, number)
    prompts = [pex.Prompt(name, name=name, tools=[LOOKUP]) for name in paths]
    tools = {"lookup": {"kind": "recorded"}}
    exp = pex.Experiment("desk", pex.grid(prompts, "lab/m1"), cases, tools=tools)
    rows = run(exp).frame.to_dict("records")
    replies = [
        [(call["reply"], call["error"]) for step in row["steps"] for call in step["tools"]]
        for row in rows
    ]
    missing = ('{"error":"no reply was recorded for this call"}', "not_recorded")
    assert replies == [
        [("lost", None), ('{"status":"sent"}', None)],
        [('{"status":"sent"}', None), ("lost", None), missing],
    ]


def test_turns_of_a_user_with_tools_between(paid: FaultyEndpoint) -> None:
    def reply(body: dict[str, Any], number: int) -> Any:
        last = body["messages"][-1]
        if last["role"] == "tool":
            return completion(f"I found: {last['content']}")
        return calling(("lookup", {"order_id": last["content"]}))

    paid.reply = reply
    prompt = pex.Prompt("{{ turns }}", name="talk", tools=[LOOKUP])
    exp = pex.Experiment(
        "talk", pex.grid(prompt, "lab/m1"), [{"turns": ["A1", "B2"]}], tools={"lookup": MADE}
    )
    row = run(exp).frame.iloc[0]
    said = [(m["role"], m["content"]) for m in row["conversation"] if m["role"] != "tool"]
    assert [text for role, text in said if role == "user"] == ["B2"]
    assert row["output"] == "I found: Order B2 is on its way."
    assert len(row["steps"]) == 4


def test_an_error_in_the_middle_keeps_the_path_and_goes_on(
    paid: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pex.run.retry.FIRST_WAIT_S", 0.01)
    ran: list[str] = []

    def lookup(order_id: str) -> str:
        ran.append(order_id)
        return "sent"

    path = playing([("lookup", {"order_id": "A1"})], [("lookup", {"order_id": "B2"})], "Sent.")
    broken = True

    def reply(body: dict[str, Any], number: int) -> Any:
        return "drop" if broken and len(body["messages"]) > 3 else path(body, number)

    paid.reply = reply
    exp = desk({"lookup": lookup, "refund": MADE})
    row = run(exp, budget_usd=100).frame.iloc[0]
    assert (row["error_kind"], len(row["steps"]), ran) == ("connection", 2, ["A1", "B2"])
    broken, before = False, paid.calls
    row = run(exp, budget_usd=100).frame.iloc[0]
    assert (row["output"], paid.calls, ran) == ("Sent.", before + 1, ["A1", "B2"])
    assert [step["from_journal"] for step in row["steps"]] == [True, True, False]
    assert row["steps"][0]["tools"][0]["from_journal"]


def test_a_changed_tool_runs_again_and_pays_only_for_what_is_different(
    paid: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(project))
    file = project / "desk_tools.py"
    paid.reply = playing([("lookup", {"order_id": "A1"})], "Sent.")
    tools = {"lookup": "desk_tools:lookup", "refund": MADE}

    def with_code(text: str) -> pex.Results:
        file.write_text(text)
        sys.modules.pop("desk_tools", None)
        return run(desk(tools))

    assert with_code("def lookup(order_id): return 'sent'\n").about["counts"]["replayed"] == 0
    assert paid.calls == 2
    again = with_code("# the same reply\ndef lookup(order_id): return 'sent'\n")
    assert (paid.calls, again.about["counts"]["replayed"]) == (2, 1)
    other = with_code("def lookup(order_id): return 'another reply'\n")
    assert paid.calls == 3
    assert other.frame.iloc[0]["steps"][0]["tools"][0]["reply"] == "another reply"


def test_a_budget_ends_a_path_in_the_middle_and_more_money_goes_on(paid: FaultyEndpoint) -> None:
    paid.reply = playing([("lookup", {"order_id": "A1"})], [("lookup", {"order_id": "B2"})], "x")
    prompt = pex.Prompt("{{ q }}", name="desk", tools=[LOOKUP], params={"max_tokens": 2})
    exp = pex.Experiment("desk", pex.grid(prompt, "lab/m1"), [{"q": "A1"}], tools={"lookup": MADE})
    at_most = exp.preview().at_most_usd
    assert at_most is not None
    assert run(exp, budget_usd=1.6).about["status"] == "budget"
    before = paid.calls
    assert 0 < before < 3
    assert run(exp, budget_usd=100).frame.iloc[0]["output"] == "x"
    assert paid.calls == 3


KILLED = """
import pex
from tests.helpers.tool_paths import tool

def lookup(order_id: str, world) -> str:
    with open("ran.txt", "a") as file:
        file.write(order_id + "\\n")
    world["seen"].append(order_id)
    return "sent"

def go():
    tools = [tool("lookup", "order_id", order_id="string")]
    prompt = pex.Prompt("{{ q }}", name="desk", tools=tools)
    cases = [{"case_id": "1", "q": "go", "world": {"seen": []}}]
    exp = pex.Experiment("desk", pex.grid(prompt, "lab/m1"), cases, tools=[lookup])
    return exp.run(record=False, show=False).frame.iloc[0]
"""


def test_killed_in_mid_path_it_runs_no_tool_again(
    paid: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"A{number}" for number in range(5)]
    path = playing(*([("lookup", {"order_id": name})] for name in names), "All sent.")
    (project / "killed.py").write_text(KILLED)
    here = str(Path(__file__).parents[2])
    started: list[subprocess.Popen[bytes]] = []

    def reply(body: dict[str, Any], number: int) -> Any:
        if number == 4:  # three tools have run, and the fourth request is in flight
            os.kill(started[0].pid, signal.SIGKILL)
            return "hang"
        return path(body, number)

    paid.reply = reply
    command = [sys.executable, "-c", "import killed; killed.go()"]
    started.append(
        subprocess.Popen(
            command, cwd=project, env={**os.environ, "PYTHONPATH": f"{project}:{here}"}
        )
    )
    assert started[0].wait(60) == -signal.SIGKILL
    assert (project / "ran.txt").read_text().split() == names[:3]
    monkeypatch.syspath_prepend(str(project))
    row = importlib.import_module("killed").go()
    assert (row["output"], len(row["steps"])) == ("All sent.", 6)
    assert row["world"] == {"seen": names}
    assert (project / "ran.txt").read_text().split() == names
    assert paid.calls == 3 + 1 + 3  # only the request in flight is paid again


def test_calls_of_the_world_say_that_they_waited_for_each_other(paid: FaultyEndpoint) -> None:
    def lookup(order_id: str, world: dict[str, Any]) -> str:
        return "sent"

    def refund(order_id: str) -> str:
        return "done"

    paid.reply = playing([("lookup", {"order_id": "A1"}), ("refund", {"order_id": "A1"})], "Done.")
    cases = [{"case_id": "1", "q": "A1", "world": {"orders": {}}}]
    looked, refunded = run(desk([lookup, refund], cases)).frame.iloc[0]["steps"][0]["tools"]
    assert looked["in_order"]
    assert "in_order" not in refunded


@pytest.mark.parametrize(("new", "order"), [("cde", "acde"), ("c", "ca")])
def test_a_path_goes_on_at_once_and_the_last_ones_take_turns(new: str, order: str) -> None:
    lane = SimpleNamespace(waiting=collections.deque(new), limiter=SimpleNamespace(share=2))
    call: Any = SimpleNamespace(channel=SimpleNamespace(lane=lane))
    queue_next(call)
    assert ["a" if item is call else item for item in lane.waiting] == list(order)


async def streamed(request: web.Request) -> web.StreamResponse:
    """The calls of a tool in pieces, then the last answer in pieces."""
    body = await request.json()
    reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await reply.prepare(request)
    if body["messages"][-1]["role"] == "tool":
        deltas: list[dict[str, Any]] = [{"content": text} for text in ("It is ", "on its ", "way.")]
    else:
        first = {"index": 0, "id": "c1", "type": "function"}
        pieces = ['{"order', '_id": ', '"A1"}']
        deltas = [{"content": "Let me see."}]
        deltas.append({"tool_calls": [{**first, "function": {"name": "lookup", "arguments": ""}}]})
        deltas += [
            {"tool_calls": [{"index": 0, "function": {"arguments": text}}]} for text in pieces
        ]
    reason = "stop" if "content" in deltas[-1] else "tool_calls"
    chunks = [{"index": 0, "delta": delta} for delta in deltas]
    chunks.append({"index": 0, "delta": {}, "finish_reason": reason})
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    for piece in [*({"choices": [chunk]} for chunk in chunks), {"choices": [], "usage": usage}]:
        await reply.write(f"data: {json.dumps({'model': 'm1', **piece})}\n\n".encode())
    await reply.write(b"data: [DONE]\n\n")
    return reply


def test_a_path_that_is_streamed_is_the_same_path(paid: FaultyEndpoint) -> None:
    paid.reply = lambda body, number: streamed
    pieces: list[str] = []
    execution = desk({"lookup": MADE, "refund": MADE}).start(record=False, stream=True)
    execution.listen(lambda event: pieces.append(event.text) if isinstance(event, Delta) else None)
    row = execution.wait().frame.iloc[0]
    assert row["output"] == "It is on its way."
    assert [message["role"] for message in row["conversation"]] == [
        "assistant",
        "tool",
        "assistant",
    ]
    (call,) = row["steps"][0]["tools"]
    assert (call["arguments"], call["reply"]) == ({"order_id": "A1"}, "Order A1 is on its way.")
    assert row["steps"][0]["ttft_s"] is not None
    assert paid.bodies[1]["messages"][1]["content"] == "Let me see."
    assert "".join(pieces) == "Let me see.It is on its way."


def test_stopped_while_a_tool_runs_it_loses_nothing(paid: FaultyEndpoint) -> None:
    running, free, ran = threading.Event(), threading.Event(), []

    def lookup(order_id: str) -> str:
        ran.append(order_id)
        running.set()
        assert free.wait(60)
        return "sent"

    paid.reply = playing([("lookup", {"order_id": "A1"})], "It is sent.")
    execution = desk({"lookup": lookup, "refund": MADE}).start(record=False)
    assert running.wait(60)
    execution.cancel()
    free.set()
    stopped = execution.wait()
    assert (stopped.status, paid.calls) == ("interrupted", 1)
    row = run(desk({"lookup": lookup, "refund": MADE})).frame.iloc[0]
    assert (row["output"], row["steps"][0]["tools"][0]["reply"]) == ("It is sent.", "sent")
    assert (ran, paid.calls) == (["A1"], 2)
