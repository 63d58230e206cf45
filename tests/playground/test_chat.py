"""Conversations by hand without a browser: the made endpoint, tools, budget, a restart, a case."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import pex
from pex.core.errors import PexError
from pex.playground.chat.opened import chat_session
from pex.playground.draft_files import forget
from pex.playground.shown import static_draft
from pex.results.results import Results
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.playing import View, column, entry, restarted, until
from tests.helpers.tool_paths import playing, tool

pytestmark = pytest.mark.usefixtures("new_kernel")

LOOKUP = tool("lookup", "order_id", order_id="string")
REFUND = tool("refund", "order_id", order_id="string")
HOSTILE = "</textarea><img src=x onerror=alert(1)> {{ 7 * 7 }} \u202eevil"


class Talk:
    """A conversation in a Playground without a view."""

    def __init__(self, play: pex.Playground, number: int = 0) -> None:
        self.play, self.session = play, play._session
        self.variant = column(play, number)
        self.do("open")

    def do(self, act: str, **rest: Any) -> None:
        self.session.chats.act({"do": act, "variant": self.variant, **rest})
        until(lambda: not self.session.runs.running and not self.session.chats._tools)

    @property
    def shown(self) -> dict[str, Any]:
        chats = self.session.document()["chats"]
        return next(chat for chat in chats if chat["variant"] == self.variant)

    @property
    def answers(self) -> list[dict[str, Any]]:
        cells = self.session.cells()
        steps = [step["id"] for turn in self.shown["turns"] for step in turn["steps"]]
        return [cells[f"chat|{step}"] for step in steps]

    @property
    def texts(self) -> list[str]:
        return [answer["text"] for answer in self.answers]

    def reply(self, call: int, text: str, **rest: Any) -> None:
        step = self.shown["turns"][-1]["steps"][-1]["id"]
        self.do("reply", step=step, call=call, text=text, **rest)

    def run_tool(self, call: int, **rest: Any) -> None:
        step = self.shown["turns"][-1]["steps"][-1]["id"]
        self.do("run_tool", step=step, call=call, **rest)


def desk(
    tools: dict[str, Any] | None = None, offered: Any = None, **options: Any
) -> pex.Experiment:
    prompt = pex.Prompt(
        [
            {"role": "system", "content": "You are the desk of {{ shop }}."},
            {"role": "user", "content": "{{ question }}"},
        ],
        "desk",
        tools=offered,
    )
    cases = [
        {"case_id": "c1", "shop": "Ada", "question": "Where is A1?"},
        {"case_id": "c2", "shop": "Bob", "question": ["Hello.", "And B2?"]},
    ]
    return pex.Experiment("desk", pex.grid(prompt, "lab/m1"), cases, tools=tools, **options)


def talk(experiment: pex.Experiment | pex.Prompt, **options: Any) -> Talk:
    return Talk(pex.Playground(experiment, record=False, **options))


def test_a_conversation_goes_through_the_journal_and_sends_all_that_was_said(
    lab: FaultyEndpoint,
) -> None:
    chat = talk(desk())
    shown = chat.shown
    assert [(m["role"], m["text"]) for m in shown["messages"]] == [
        ("system", "You are the desk of Ada.")
    ]
    assert shown["opening"] == "Where is A1?"
    chat.do("send", text="Where is A1?")
    chat.do("send", text=HOSTILE)
    assert [m["content"] for m in lab.bodies[-1]["messages"]] == [
        "You are the desk of Ada.", "Where is A1?", "Where is A1?", HOSTILE,
    ]  # fmt: skip
    assert [m["role"] for m in lab.bodies[-1]["messages"]] == [
        "system", "user", "assistant", "user",
    ]  # fmt: skip
    assert [answer["state"] for answer in chat.answers] == ["answered", "answered"]
    assert "10 + 2 tokens · free" in chat.answers[0]["facts"]
    # It is no result of the Playground, and has no place in its grid.
    assert chat.play.results is None
    assert chat.session.status()["error"] == ""
    # Said again, it is reused; retried, it is not.
    chat.do("clear")
    chat.do("send", text="Where is A1?")
    assert lab.calls == 2
    assert "reused" in chat.answers[0]["facts"]
    chat.do("retry")
    assert lab.calls == 3


@pytest.mark.model
def test_the_built_in_model_answers_piece_by_piece(lab: FaultyEndpoint) -> None:
    messages = [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": "{{ q }}"},
    ]
    params = {"temperature": 0, "max_tokens": 12}
    chat = talk(pex.Prompt(messages, "p", model="local/smollm2", params=params))
    assert not chat.session.document()["can_undo"]  # to open it is no step
    view = View(chat.session)
    for text in ("Name three colours.", "And three animals."):
        chat.do("send", text=text)
    assert [answer["state"] for answer in chat.answers] == ["answered", "answered"]
    assert all("free" in answer["facts"] for answer in chat.answers)
    growing = [cell for cells in view.seen for cell in cells.values()
               if cell["state"] == "running" and cell["text"]]  # fmt: skip
    assert growing, "no answer was seen while it grew"


def test_the_chosen_case_fills_the_prompt_and_answers_before_it_are_marked(
    lab: FaultyEndpoint,
) -> None:
    chat = talk(desk())
    chat.do("send", text="Hi")
    chat.do("open", case=entry(chat.play, 1))
    assert chat.shown["messages"][0]["text"] == "You are the desk of Bob."
    assert chat.shown["opening"] == "Hello."
    assert chat.answers[0]["stale"]
    chat.session.undo()
    assert not chat.answers[0]["stale"]


def test_an_earlier_turn_is_edited_and_undo_brings_back_what_followed(lab: FaultyEndpoint) -> None:
    chat = talk(desk())
    for text in ("one", "two", "three"):
        chat.do("send", text=text)
    chat.do("edit", turn=chat.shown["turns"][1]["id"], text="2")
    assert chat.texts == ["one", "2"]
    assert [m["content"] for m in lab.bodies[-1]["messages"][1:]] == ["one", "one", "2"]
    chat.session.undo()
    assert chat.texts == ["one", "two", "three"]
    chat.session.redo()
    assert chat.texts == ["one", "2"]
    chat.do("clear")
    assert chat.shown["turns"] == []
    chat.session.undo()
    assert chat.texts == ["one", "2"]


def test_a_prompt_that_asks_by_itself_is_answered_first(lab: FaultyEndpoint) -> None:
    chat = talk(pex.Prompt("Tell me of {{ thing }}.", "tell", model="lab/m1"))
    assert chat.shown["asks_itself"]
    chat.do("send", text="")
    assert chat.shown["turns"][0]["text"] is None
    assert chat.texts == ["Tell me of ."]
    chat.do("send", text="More.")
    assert [m["role"] for m in lab.bodies[-1]["messages"]] == ["user", "assistant", "user"]
    assert "{{ question }}" in chat.shown["unsaved"]
    with pytest.raises(PexError, match="cannot be a case: in a case"):
        chat.do("save")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ({"do": "sned"}, "did you mean 'send'"),
        ({"do": "send", "text": "  "}, "nothing to send"),
        ({"do": "send", "text": 3}, "expected a string"),
        ({"do": "retry"}, "nothing to retry"),
        ({"do": "edit", "turn": "x", "text": "y"}, "turn is no longer there"),
        ({"do": "reply", "step": "x", "call": 0, "text": "y"}, "call is no longer there"),
        ({"do": "open", "case": "x"}, "case is no longer there"),
        ({"do": "save"}, "it has no last answer yet"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    lab: FaultyEndpoint, act: dict[str, Any], said: str
) -> None:
    chat = talk(desk())
    before = chat.session.draft
    with pytest.raises(PexError) as error:
        chat.session.chats.act({"variant": chat.variant, **act})
    assert said in str(error.value)
    assert chat.session.draft is before
    assert lab.calls == 0


def test_an_answer_that_failed_is_retried_and_nothing_is_sent_after_it(lab: FaultyEndpoint) -> None:
    chat = talk(desk())
    lab.reply = lambda body, number: web.json_response({"error": {"message": "no"}}, status=400)
    chat.do("send", text="one")
    assert chat.answers[0]["state"] == "error"
    with pytest.raises(PexError, match="last turn has no answer"):
        chat.do("send", text="two")
    lab.reply = lambda body, number: None
    chat.do("retry")
    assert chat.texts == ["one"]


def test_stop_ends_only_the_conversation_and_keeps_what_was_said(lab: FaultyEndpoint) -> None:
    chat = talk(desk())
    lab.reply = lambda body, number: "hang"
    chat.session.chats.act({"do": "send", "variant": chat.variant, "text": "one"})
    until(lambda: lab.calls > 0)
    with pytest.raises(PexError, match="is answering"):
        chat.session.chats.act({"do": "send", "variant": chat.variant, "text": "two"})
    chat.do("stop")
    assert chat.answers[0]["state"] == "stopped"
    assert chat.shown["turns"][0]["text"] == "one"


def test_a_conversation_keeps_to_the_budget_of_a_run(lab: FaultyEndpoint, project: Path) -> None:
    text = (project / "pex.toml").read_text().replace("free = true\n", "")
    prices = '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 100000\n'
    (project / "pex.toml").write_text(text + prices)
    experiment = desk(budget_usd=1)
    experiment.variants[0].params["max_tokens"] = 4
    chat = talk(experiment)
    chat.do("send", text="one")
    spent, cap = chat.session.status()["chat_usd"][chat.variant]
    assert (spent, cap) == (pytest.approx(0.01 + 0.2), 1)
    for _ in range(4):  # what is retried is paid too
        chat.do("retry")
    assert lab.calls == 2
    assert "is used up in this conversation" in chat.session.status()["error"]
    chat.do("clear")
    chat.do("send", text="two")
    assert lab.calls == 3


def test_tools_are_answered_by_hand_and_the_conversation_goes_on(lab: FaultyEndpoint) -> None:
    chat = talk(desk(offered=[LOOKUP, REFUND]))
    lab.reply = playing(
        [("lookup", {"order_id": "A1"}), ("refund", {"id": 7}), ("cancel", "{")], "It comes."
    )
    chat.do("send", text="Where is A1?")
    calls = chat.answers[0]["calls"]
    assert [call["name"] for call in calls] == ["lookup", "refund", "cancel"]
    assert json.loads(calls[0]["arguments"]) == {"order_id": "A1"}
    assert [bool(call["problem"]) for call in calls] == [False, True, True]
    assert "there is no tool 'cancel', only: lookup, refund" in calls[2]["problem"]
    assert not any(call["how"] for call in calls)
    with pytest.raises(PexError, match="waits for the replies"):
        chat.do("send", text="Well?")
    chat.run_tool(0)
    assert "no implementation" in chat.session.status()["error"]
    chat.reply(0, '{"state": "sent"}')
    chat.reply(1, "no such order", error=True)
    assert lab.calls == 1
    chat.reply(2, HOSTILE)
    assert chat.texts[-1] == "It comes."
    sent = lab.bodies[-1]["messages"]
    assert [m["role"] for m in sent[-4:]] == ["assistant", "tool", "tool", "tool"]
    assert [m["content"] for m in sent[-3:]] == [
        '{"state": "sent"}', '{"error":"no such order"}', HOSTILE,
    ]  # fmt: skip
    assert [m["tool_call_id"] for m in sent[-3:]] == [c["id"] for c in sent[-4]["tool_calls"]]


def test_a_tool_runs_at_a_press_and_one_with_effects_only_where_that_was_said(
    lab: FaultyEndpoint,
) -> None:
    ran: list[str] = []

    def lookup(order_id: str, world: dict[str, Any]) -> dict[str, Any]:
        world["seen"] = order_id
        return {"state": "sent"}

    def refund(order_id: str, world: dict[str, Any]) -> str:
        ran.append(order_id)
        return f"refunded {order_id}, seen {world['seen']}"

    tools = {
        "lookup": {"kind": "function", "function": lookup},
        "refund": {"kind": "function", "function": refund, "effects": True},
    }
    chat = talk(desk(tools, [LOOKUP, REFUND]))
    lab.reply = playing([("lookup", {"order_id": "A1"})], [("refund", {"order_id": "A1"})], "Done.")
    chat.do("send", text="Refund A1.")
    assert ran == []
    assert not chat.answers[0]["calls"][0]["effects"]
    chat.run_tool(0)
    call = chat.answers[1]["calls"][0]
    assert call["effects"]
    chat.run_tool(0)
    assert "has effects" in chat.session.status()["error"]
    assert ran == []
    chat.run_tool(0, effects=True)
    assert ran == ["A1"]
    assert lab.bodies[-1]["messages"][-1]["content"] == "refunded A1, seen A1"
    assert chat.texts[-1] == "Done."
    assert lab.calls == 3


def test_it_is_there_after_a_restart_and_without_a_kernel(lab: FaultyEndpoint) -> None:
    chat = talk(desk(offered=[LOOKUP]), name="kept")
    lab.reply = playing([("lookup", {"order_id": "A1"})], HOSTILE)
    chat.do("send", text="one")
    chat.reply(0, "sent")
    before = (chat.shown, chat.answers)
    restarted()
    again = Talk(pex.Playground(desk(offered=[LOOKUP]), name="kept", record=False))
    assert (again.shown, again.answers) == before
    calls = lab.calls
    again.do("send", text="two")
    assert lab.calls == calls + 1
    assert [m["role"] for m in lab.bodies[-1]["messages"]] == [
        "system", "user", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip
    html = static_draft(again.session.document(), again.session.cells())
    assert "Conversation with desk" in html
    assert "<img" not in html
    assert "&lt;img src=x" in html


def test_a_forgotten_case_takes_its_conversations_with_it(
    lab: FaultyEndpoint, project: Path
) -> None:
    chat = talk(desk(), name="kept")
    chat.do("send", text="My name is Ada Lovelace.")
    chat.session.flush()
    (file,) = (project / ".pex/drafts").glob("*.json")
    assert "Lovelace" in file.read_text()
    assert forget(file.parent, "c1", None, delete=True) == 1
    assert "Lovelace" not in file.read_text()


def test_a_saved_conversation_is_a_case_that_a_run_replays(
    lab: FaultyEndpoint, project: Path
) -> None:
    chat = talk(desk(offered=[LOOKUP]))
    answers = playing([("lookup", {"order_id": "A1"})], "It comes.", "You are welcome.")
    lab.reply = answers
    chat.do("send", text="Where is A1?")
    chat.reply(0, '{"state": "sent"}')
    chat.do("send", text="Thanks.")
    chat.do("save", expected="You are welcome.")
    case = chat.session.draft.entries[-1].base
    assert case is not None
    assert case.inputs == {
        "shop": "Ada",
        "question": ["Where is A1?", "Thanks."],
        "expected_calls": [{"name": "lookup", "arguments": {"order_id": "A1"}}],
        "tool_replies": [
            {"name": "lookup", "arguments": {"order_id": "A1"}, "reply": '{"state": "sent"}'}
        ],
    }
    with pytest.raises(PexError, match="as a case already"):
        chat.do("save")
    chat.session.undo()
    assert len(chat.session.draft.entries) == 2
    chat.session.redo()
    for _ in (0, 1):
        chat.session.edit({"act": "remove_case", "case": entry(chat.play, 0)})
    chat.play.save(project / "experiments/desk/experiment.yaml")
    results: Results = pex.Experiment.load("experiments/desk/experiment.yaml").run(record=False)
    (row,) = results.frame.to_dict("records")
    assert row["output"] == "You are welcome."
    assert row["score.tool_calls"] == 1
    assert [m["role"] for m in row["conversation"]] == [
        "assistant", "tool", "assistant", "user", "assistant",
    ]  # fmt: skip


def test_a_prompt_without_a_place_for_turns_gets_one_when_its_conversation_is_saved(
    lab: FaultyEndpoint,
) -> None:
    prompt = pex.Prompt([{"role": "system", "content": "Be brief."}], "brief", model="lab/m1")
    chat = talk(prompt)
    chat.do("send", text="one")
    chat.do("send", text="two")
    chat.do("save")
    typed = chat.session.draft.columns[0].messages
    assert [(m.role, m.text) for m in typed] == [("system", "Be brief."), ("user", "{{ turns }}")]
    case = chat.session.draft.entries[-1].base
    assert case is not None
    assert case.inputs["turns"] == ["one", "two"]
    chat.session.undo()
    assert len(chat.session.draft.columns[0].messages) == 1


def test_the_conversation_of_a_cell_goes_on_when_its_prompt_changes(
    lab: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pex.playground.draft_files.current_cell", lambda: ("1", "cell"))
    monkeypatch.setattr("pex.playground.draft_files._in_cell", Counter())

    def opened(text: str, cell: str) -> Talk:
        monkeypatch.setattr("pex.playground.draft_files.current_cell", lambda: (cell, "cell"))
        messages = [
            {"role": "system", "content": text},
            {"role": "user", "content": "{{ q }}"},
        ]
        prompt = pex.Prompt(messages, "desk")
        given = pex.Experiment("desk", pex.grid(prompt, "lab/m1"), [{"case_id": "1", "q": ""}])
        session = chat_session(given, False)
        assert session.document()["chat_alone"] == session.draft.columns[0].id
        chat = Talk.__new__(Talk)
        chat.session, chat.variant = session, session.draft.columns[0].id
        return chat

    opened("Be kind.", "1").do("send", text="one")
    chat = opened("Be brief.", "2")
    assert chat.texts == ["one"]
    assert chat.answers[0]["stale"]
    chat.do("send", text="two")
    assert [m["content"] for m in lab.bodies[-1]["messages"]] == ["Be brief.", "one", "one", "two"]


def test_the_view_is_told_of_answers_as_of_those_in_cells(lab: FaultyEndpoint) -> None:
    chat = talk(desk())
    view = View(chat.session)
    view.do("chat", do="send", variant=chat.variant, text="one")
    view.wait()
    assert view.docs[-1]["chats"][0]["turns"][0]["text"] == "one"
    seen = [key for cells in view.seen for key in cells]
    assert any(key.startswith("chat|") for key in seen)
    step = f"chat|{chat.shown['turns'][0]['steps'][0]['id']}"
    view.do("undo")
    view.seen.clear()
    view.do("redo")
    assert any(cells.get(step, {}).get("text") == "one" for cells in view.seen)
    view.do("chat", do="nothing", variant=chat.variant)
    assert "no act 'nothing'" in chat.session.status()["error"]
