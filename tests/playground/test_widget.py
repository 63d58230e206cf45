"""The Playground's view without a browser: what is sent, and what is left without a kernel."""

import contextlib
import itertools
import json
import random
import shutil
import subprocess
import threading
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

import pex
from pex.core.errors import PexError
from pex.playground.draft import Draft
from pex.playground.draft_view import changes, document
from pex.playground.history import History
from pex.playground.shown import MAX_CHARS, STATIC_BYTES, Shown, differences, shown, static_draft
from pex.playground.widget import PlaygroundView
from pex.widgets.cell import Cell, Mark
from tests.helpers.made import HOSTILE

ACTS = ["edit"] * 4 + ["edit_case"] * 4 + [
    "add_variant", "duplicate", "remove_variant", "move", "add_message", "remove_message",
    "add_case", "add_case", "remove_case", "baseline",
]  # fmt: skip


def doc(variants: int = 2, cases: int = 1, text: str = "{{ text }}") -> Shown:
    return {
        "variants": [
            {"id": f"v{n}", "name": f"p{n}", "model": "lab/m1", "params": {"seed": n},
             "messages": [{"role": "user", "text": text}]}
            for n in range(variants)
        ],
        "cases": [{"id": f"c{n}", "key": f"k{n}", "inputs": {"text": text}} for n in range(cases)],
    }  # fmt: skip


def answered(text: str, number: int = 1, **facts: object) -> Shown:
    return shown(Cell("answered", text, facts=facts), number)


class FakeSession:
    """What a view asks, what it is told, and what it sends."""

    def __init__(self) -> None:
        self.answers: dict[str, Shown] = {}
        self.calls: list[object] = []
        self.sent: list[tuple[float, dict]] = []
        self.running = False
        self.doc = doc()
        self.view = PlaygroundView(self)  # type: ignore[arg-type]
        self.view.send = self.send  # type: ignore[method-assign]

    def document(self) -> Shown:
        return self.doc

    def cells(self, keys: object = None) -> dict[str, Shown]:
        return {k: v for k, v in self.answers.items() if keys is None or k in keys}  # type: ignore[operator]

    def status(self) -> Shown:
        return {"running": self.running}

    def stop(self) -> None:
        self.calls.append("stop")

    def edit(self, act: object) -> None:
        self.calls.append(act)
        raise RuntimeError("no")

    def fail(self, error: Exception) -> None:
        self.calls.append(str(error))

    def send(self, content: dict, buffers: object = None) -> None:
        self.sent.append((time.monotonic(), content))


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


def idle() -> bool:
    return not [t for t in threading.enumerate() if t.name == "pex-play-view"]


def settle() -> None:
    deadline = time.monotonic() + 300
    while not idle():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_answers_that_grow_go_out_together_at_most_twenty_times_a_second(
    session: FakeSession,
) -> None:
    begun = time.monotonic()
    for n in range(2000):
        session.answers["v0|c0"] = answered("word " * n)
        session.view.touch(["v0|c0"])
        time.sleep(0.0002)
    took = time.monotonic() - begun
    settle()
    assert 1 < len(session.sent) <= took / 0.05 + 2
    assert session.sent[-1][1]["cells"]["v0|c0"]["text"] == "word " * 1999
    gaps = [b[0] - a[0] for a, b in zip(session.sent, session.sent[1:], strict=False)]
    assert min(gaps) > 0.045


def test_only_what_has_changed_is_sent_and_the_thread_ends(session: FakeSession) -> None:
    session.answers = {"v0|c0": answered("a"), "v1|c0": answered("b")}
    session.view.touch(["v1|c0"])
    settle()
    assert [list(message["cells"]) for _, message in session.sent] == [["v1|c0"]]
    session.running = True
    session.view.touch()
    settle()
    assert session.view._status == {"running": True}
    assert len(session.sent) == 1


def test_messages_become_calls_and_what_is_no_message_does_not(session: FakeSession) -> None:
    act = {"kind": "act", "act": "edit", "view": "b", "mine": 3}
    for content in ({"kind": "stop"}, "stop", None, [1], {"kind": []}, act):
        session.view._on_message(None, content, [])
    assert session.calls == ["stop", act, "no"]
    assert session.view.acked == {"b": 3}


def test_a_change_is_sent_without_the_rest(
    session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = list[dict]()
    monkeypatch.setattr(session.view, "_send", lambda message, buffers=None: sent.append(message))
    new = doc(cases=50)
    session.view.set_doc(new)
    session.view.set_doc(new)
    assert len(sent) == 1  # nothing has changed since
    edited = {**new, "variants": [{**new["variants"][0], "name": "q"}, new["variants"][1]]}
    session.view.set_doc(edited)
    assert sent[1]["state"] == {
        "_change": {"from": 1, "rev": 2, "lists": {"variants": {"items": {"v0": {"name": "q"}}}}}
    }
    # A page that is opened now, or has missed a change, gets all of it.
    assert session.view.get_state("_doc")["_doc"] == {**edited, "acked": {}, "rev": 2}
    session.view._on_message(None, {"kind": "document"}, [])
    assert sent[2]["state"]["_doc"]["rev"] == 2


needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def in_node(script: str) -> object:
    """What a script prints, which has the exports of document.js."""
    module = (Path(pex.__file__).parent / "playground/document.js").as_posix()
    whole = f"""import {{ readFileSync }} from "node:fs";
        const {{ changed, followDocument }} = await import("data:text/javascript," +
          encodeURIComponent(readFileSync({json.dumps(module)}, "utf8")));
        {script}"""
    done = subprocess.run(
        ["node", "--input-type=module", "-"],
        input=whole, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


@needs_node
def test_a_browser_makes_of_each_change_the_same_document() -> None:
    chance = random.Random(4)
    history, docs, sent = History(Draft()), list[dict](), list[dict]()
    for _ in range(300):
        draft = history.draft
        act: dict[str, object] = {"act": chance.choice(ACTS), "by": chance.choice([-1, 1])}
        act |= {"index": 0, "value": chance.choice(["", "a {{ b }}", "{{ c }}", "1", "true", "é"])}
        act["variant"] = chance.choice(draft.columns).id if draft.columns else None
        act["case"] = chance.choice(draft.entries).id if draft.entries else None
        act["field"] = chance.choice(["name", "model", "params", "message", "role"])
        if act["field"] == "params":
            act["index"] = chance.choice(["temperature", "seed"])
        if act["act"] == "edit_case":
            act["field"] = chance.choice(["b", "c", "expected"])
        with contextlib.suppress(PexError):
            history.undo() if chance.random() < 0.1 else history.do(act)
        docs.append({**document(history.draft, None, {}), "rev": len(docs)})
    for before, after in itertools.pairwise(docs):
        sent.append(json.loads(json.dumps({"rev": after["rev"], **changes(before, after)})))
    assert any("order" in part for change in sent for part in change.get("lists", {}).values())
    script = f"""let [doc, ...sent] = {json.dumps([docs[0], *sent])};
        console.log(JSON.stringify(sent.map((change) => (doc = changed(doc, change)))));"""
    assert in_node(script) == docs[1:]


@needs_node
@pytest.mark.parametrize(
    ("had", "change", "rev", "asked"),
    [(1, {"from": 1, "rev": 2}, 2, 0), (0, {"from": 1, "rev": 2}, 0, 1),
     (2, {"from": 1, "rev": 2}, 2, 0), (0, {}, 0, 0)],
)  # fmt: skip
@pytest.mark.parametrize("early", [True, False])
def test_a_browser_notices_a_change_that_it_missed(
    had: int, change: dict, rev: int, asked: int, early: bool
) -> None:
    script = f"""const state = {{ _doc: {{ rev: {had} }}, _change: {{}} }}, sent = [], told = [];
        const model = {{
          get: (name) => state[name], set: (name, value) => (state[name] = value),
          on: (_, act) => told.push(act), off: () => 0, send: (content) => sent.push(content.kind),
        }};
        const come = () => {{
          state._change = {json.dumps(change)};
          told.forEach((act) => act());
        }};
        if ({json.dumps(early)}) come();
        followDocument(model);
        if (!{json.dumps(early)}) come();
        console.log(JSON.stringify([state._doc.rev, sent]));"""
    assert in_node(script) == [rev, ["document"] * asked]


def test_an_old_view_goes_on_saying_that_a_newer_one_is_used(session: FakeSession) -> None:
    session.view.close_view("opened again")
    assert session.view._status["gone"] == "opened again"
    session.view._on_message(None, {"kind": "ready"}, [])  # its page is scrolled to once more
    session.view.touch()
    settle()
    assert session.view._status == {"running": False, "gone": "opened again"}


def test_what_an_old_view_carries_out_late_is_not_sent_again(session: FakeSession) -> None:
    newer = PlaygroundView(session, session.view.acked)  # type: ignore[arg-type]
    session.view._on_message(None, {"kind": "act", "act": "edit", "view": "b", "mine": 7}, [])
    newer.set_doc(doc())
    assert newer._doc["acked"] == {"b": 7}


def test_the_facts_of_an_answer_in_one_line() -> None:
    cell = Cell("answered", "Hi", 1.234, 0.0123, (Mark("label", "good", 1.0, "why"),), {
        "ttft_s": 0.21, "prompt_tokens": 1040, "completion_tokens": 8, "finish_reason": "length",
        "from_journal": True,
    })  # fmt: skip
    found = shown(cell, 3)
    assert found["facts"] == (
        "210 ms to first token · 1.2 s · 1,040 + 8 tokens · $0.0123 · cut off at max_tokens · "
        "reused"
    )
    assert found["marks"] == [["good", "✓ label", "why", "label", 1.0]]
    assert (found["seconds"], found["usd"], found["short"]) == (1.234, 0.0123, True)
    assert (found["journal"], found["run"], found["state"]) == (True, 3, "answered")


def test_a_wait_for_another_attempt_is_a_fact_and_no_answer() -> None:
    assert shown(Cell("asked", "running…"), 1)["facts"] == ""
    found = shown(Cell("asked", "rate_limit, retrying in 2.0 s"), 1)
    assert (found["state"], found["text"]) == ("running", "")
    assert found["facts"] == "rate_limit, retrying in 2.0 s"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_answers_are_bounded_and_can_be_sent(text: str) -> None:
    found = answered(text)
    found["text"].encode()
    assert len(found["text"]) <= MAX_CHARS
    assert found["cut"] == (len(text) > MAX_CHARS)
    assert not set(found["text"]) & set("\x00\x1b\u202e")


def test_differences_are_word_by_word_or_say_why_not() -> None:
    cells = {
        "v0|c0": answered("It was fine."),
        "v1|c0": answered("It is fine."),
        "v0|c1": answered("same"),
        "v1|c1": answered("same"),
        "v1|c2": answered("alone"),
        "v0|c3": answered("w " * 3000),
        "v1|c3": answered("x " * 3000),
        "v1|c4": {**answered("grows"), "state": "running"},
    }
    found = differences(cells, "v0")
    assert found["v1|c0"] == [("same", "It "), ("gone", "was"), ("new", "is"), ("same", " fine.")]
    assert found["v1|c1"] == "the same answer"
    assert found["v1|c2"] == "there is no answer to compare with"
    assert found["v1|c3"] == "too long and too different to compare word by word"
    assert set(found) == {"v1|c0", "v1|c1", "v1|c2", "v1|c3"}


class Tags(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_static_table_is_escaped_bounded_and_says_what_is_left_out() -> None:
    for text in HOSTILE:
        page = static_draft(doc(text=text[:1000]), {"v0|c0": answered(text)})
        page.encode()
        assert not {"script", "img", "a"} & set(Tags(page).tags)
    big = doc(24, 200, "x" * 10_000)
    cells = {f"v{v}|c{c}": answered("word " * 4000) for v in range(24) for c in range(200)}
    page = static_draft(big, cells)
    assert len(page) < STATIC_BYTES + 100_000
    assert "more cases are not shown here" in page


def test_the_static_table_has_prompts_answers_and_their_state() -> None:
    cells = {
        "v0|c0": {**answered("fine", latency_s=1.0), "stale": True},
        "v1|c0": shown(Cell("error", "server: no"), 1),
    }
    said = " ".join(Tags(static_draft(doc(3), cells)).texts)
    for part in ("user: {{ text }}", "lab/m1 · seed=0", "fine", "out of date", "server: no",
                 "error", "not run"):  # fmt: skip
        assert part in said
