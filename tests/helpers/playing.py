"""A Playground for tests without a browser: what a view would send and get."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pex
from pex.playground import session as sessions
from pex.playground.session import Session
from pex.playground.widget import PlaygroundView
from pex.run.request import requests

CASES = [
    {"case_id": "c1", "review": "I love it.", "expected": "positive"},
    {"case_id": "c2", "review": "I hate it.", "expected": "negative"},
    {"case_id": "c3", "review": "It broke at once.", "expected": "negative"},
    {"case_id": "c4", "review": "Great.", "expected": "positive"},
]


class View(PlaygroundView):
    """The view without a browser: what it is sent, and what a browser would send it."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.docs: list[dict] = []
        self.seen: list[dict] = []
        self.sent: list[dict] = []
        session._view = self

    def set_doc(self, doc: dict) -> None:
        super().set_doc(doc)
        self.docs.append(json.loads(json.dumps(self._doc, ensure_ascii=False).encode()))

    def touch(self, keys: Any = ()) -> None:
        self.seen.append(json.loads(json.dumps(self.session.cells(keys), ensure_ascii=False)))

    def settle(self) -> None:
        self.touch(None)

    def send(self, message: dict, buffers: Any = None) -> None:
        self.sent.append(message)

    def message(self, content: Any) -> None:
        """As if a browser had sent it."""
        self._on_message(None, content, [])

    def do(self, act: str, **rest: Any) -> dict:
        self.message({"kind": "act", "view": "v", "mine": len(self.docs), "act": act, **rest})
        return self.docs[-1]

    def press(self, variants: list[str] | None = None, cases: list[str] | None = None) -> None:
        self.message({"kind": "run", "view": "v", "variants": variants, "cases": cases})

    def wait(self) -> dict:
        until(lambda: not self.session.runs.running)
        return self.session.status()

    def wait_sent(self, kind: str) -> dict:
        until(lambda: any(message["kind"] == kind for message in self.sent))
        found = [message for message in self.sent if message["kind"] == kind][-1]
        self.sent.clear()
        return found


def until(there: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def new_kernel() -> Iterator[None]:
    """Each test begins as a new kernel does, and no thread of it goes on."""
    sessions._sessions.clear()
    yield
    for session in sessions._sessions.values():
        session.runs.stop()
    sessions._sessions.clear()
    until(lambda: not [t for t in threading.enumerate() if t.name in ("pex-play", "pex-run")])


def restarted() -> None:
    """As if the kernel were another one."""
    for session in sessions._sessions.values():
        session.flush()
    sessions._sessions.clear()


def experiment(*texts: str, model: str = "lab/m1", scorers: Any = ("label",)) -> pex.Experiment:
    prompts = [pex.Prompt(text, f"p{n}") for n, text in enumerate(texts or ("{{ review }}",))]
    return pex.Experiment("reviews", pex.grid(prompts, model), CASES, list(scorers))


def column(play: pex.Playground, number: int = 0) -> str:
    return play._session.draft.columns[number].id


def entry(play: pex.Playground, number: int = 0) -> str:
    return play._session.draft.entries[number].id


def typed(play: pex.Playground, text: str, number: int = 0) -> None:
    act = {"act": "edit", "variant": column(play, number), "field": "message", "index": 0}
    play._session.edit({**act, "value": text})


def keys_of(exp: pex.Experiment) -> list[str]:
    return [request.key for request in requests(exp.variants, exp.cases, 1, 1024)]
