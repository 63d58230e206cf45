"""The Playground's view without a browser: what is sent, and what is left without a kernel."""

import threading
import time
from html.parser import HTMLParser

import pytest

from pex.playground.shown import MAX_CHARS, STATIC_BYTES, Shown, differences, shown, static_draft
from pex.playground.widget import PlaygroundView
from pex.widgets.sheet import Cell, Mark
from tests.helpers.made import HOSTILE


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


class Desk:
    """What a view asks, and what it is told."""

    def __init__(self) -> None:
        self.cells: dict[str, Shown] = {}
        self.heard: list[dict] = []
        self.sent: list[tuple[float, dict]] = []
        self.running = False
        self.view = PlaygroundView(doc(), self.read, self.status, self.heard.append)  # type: ignore[arg-type]
        self.view.send = self.send  # type: ignore[method-assign]

    def read(self, keys: object) -> dict[str, Shown]:
        return {k: v for k, v in self.cells.items() if keys is None or k in keys}  # type: ignore[operator]

    def status(self) -> Shown:
        return {"running": self.running}

    def send(self, content: dict, buffers: object = None) -> None:
        self.sent.append((time.monotonic(), content))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def idle() -> bool:
    return not [t for t in threading.enumerate() if t.name == "pex-view"]


def settle() -> None:
    deadline = time.monotonic() + 300
    while not idle():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_answers_that_grow_go_out_together_at_most_twenty_times_a_second(desk: Desk) -> None:
    begun = time.monotonic()
    for n in range(2000):
        desk.cells["v0|c0"] = answered("word " * n)
        desk.view.touch(["v0|c0"])
        time.sleep(0.0002)
    took = time.monotonic() - begun
    settle()
    assert 1 < len(desk.sent) <= took / 0.05 + 2
    assert desk.sent[-1][1]["cells"]["v0|c0"]["text"] == "word " * 1999
    gaps = [b[0] - a[0] for a, b in zip(desk.sent, desk.sent[1:], strict=False)]
    assert min(gaps) > 0.045


def test_only_what_has_changed_is_sent_and_the_thread_ends(desk: Desk) -> None:
    desk.cells = {"v0|c0": answered("a"), "v1|c0": answered("b")}
    desk.view.touch(["v1|c0"])
    settle()
    assert [list(message["cells"]) for _, message in desk.sent] == [["v1|c0"]]
    desk.running = True
    desk.view.touch()
    settle()
    assert desk.view._status == {"running": True}
    assert len(desk.sent) == 1


def test_what_somebody_does_is_handed_on_and_what_is_no_message_is_not(desk: Desk) -> None:
    for content in ({"kind": "stop"}, "stop", None, [1]):
        desk.view._on_message(None, content, [])
    assert desk.heard == [{"kind": "stop"}]


def test_an_old_view_says_that_it_is_of_no_use(desk: Desk) -> None:
    desk.view.close_view("opened again")
    assert desk.view._status["gone"] == "opened again"


def test_the_facts_of_an_answer_in_one_line() -> None:
    cell = Cell("answered", "Hi", 1.234, 0.0123, (Mark("label", "good", 1.0, "why"),), {
        "ttft_s": 0.21, "prompt_tokens": 1040, "completion_tokens": 8, "finish_reason": "length",
        "from_journal": True,
    })  # fmt: skip
    found = shown(cell, 3)
    assert found["facts"] == (
        "210 ms to first token · 1.2 s · 1,040 + 8 tokens · $0.0123 · cut off at max_tokens · "
        "from the journal"
    )
    assert found["marks"] == [["good", "✓ label", "why"]]
    assert (found["journal"], found["run"], found["state"]) == (True, 3, "answered")


def test_a_wait_for_another_attempt_is_a_fact_and_no_answer() -> None:
    assert shown(Cell("asked", "asking…"), 1)["facts"] == ""
    found = shown(Cell("asked", "rate_limit, again in 2.0 s"), 1)
    assert (found["state"], found["text"]) == ("running", "")
    assert found["facts"] == "rate_limit, again in 2.0 s"


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
    for part in ("user: {{ text }}", "lab/m1 · seed=0", "fine", "has changed since", "server: no",
                 "error", "not asked"):  # fmt: skip
        assert part in said
