"""One prompt that cannot be asked for does not hold up the others."""

import functools
import threading
from collections.abc import Callable, Iterator

import pytest

import pex
from pex.core.errors import PexError
from pex.library import prompt_refresh, served_prompt
from pex.library.reference import NotThereError
from pex.library.registry_answer import RefusedError
from pex.tracking.store import connect
from tests.helpers.served import forget, until

load = functools.partial(pex.library.load, timeout_s=60.0, ttl_s=0.5)


@pytest.fixture(autouse=True)
def new_process() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def saved(uri: str) -> str:
    for number in (1, 2):
        pex.library.save(pex.Prompt(f"{{{{ word }}}}, version {number}.", "hi"), alias="champion")
    forget()
    return uri


def asks(
    monkeypatch: pytest.MonkeyPatch, name: str, instead: Callable[[], object]
) -> dict[str, int]:
    """Let the questions for some prompts do something else; counts them."""
    plain, counts = served_prompt.ServedPrompt._asked, dict.fromkeys(("hi", "ho", "hu"), 0)

    def asked(served: served_prompt.ServedPrompt, end: float) -> object:
        counts[served.name] += 1
        if served.name in name.split():
            instead()
        return plain(served, end)

    monkeypatch.setattr(served_prompt.ServedPrompt, "_asked", asked)
    return counts


def raises(error: Exception) -> Callable[[], object]:
    def instead() -> object:
        raise error

    return instead


@pytest.mark.parametrize("error", [NotThereError("no such prompt"), RefusedError("refused: 403")])
def test_one_that_is_not_there_or_is_refused_leaves_the_others_in_time(
    saved: str, monkeypatch: pytest.MonkeyPatch, error: PexError
) -> None:
    monkeypatch.setattr(served_prompt, "_FIRST_RETRY_S", 1.0)  # longer than `ttl_s`
    monkeypatch.setattr(served_prompt, "_LONGEST_RETRY_S", 1.0)
    counts = asks(monkeypatch, "hu", raises(error))
    assert load("hu@champion", fallback="x").source == "fallback"
    assert load("hi@champion").origin == "hi/2"
    until(lambda: counts["hu"] >= 3)
    connect(saved).set_prompt_alias("hi", "champion", 1)
    until(lambda: load("hi@champion").origin == "hi/1")


def test_while_others_fail_one_that_does_not_is_still_asked_for(
    saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_prompt, "_FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(served_prompt, "_LONGEST_RETRY_S", 0.2)
    counts = asks(monkeypatch, "ho hu", raises(PexError("down")))
    for name in ("ho", "hu"):
        assert load(f"{name}@champion", fallback="x").source == "fallback"
    assert load("hi@champion").origin == "hi/2"
    until(lambda: min(counts["ho"], counts["hu"]) >= 3)
    connect(saved).set_prompt_alias("hi", "champion", 1)
    until(lambda: load("hi@champion").origin == "hi/1")
    before = dict(counts)
    until(lambda: all(counts[name] > before[name] for name in counts))


def test_a_question_that_hangs_leaves_the_others_in_time(
    saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = threading.Event()
    monkeypatch.setattr(prompt_refresh, "_HANGS_S", 0.1)
    monkeypatch.setattr(served_prompt, "_FIRST_RETRY_S", 0.5)
    asks(monkeypatch, "hu", lambda: ends.wait(120))
    try:
        assert load("hu@champion", fallback="x", timeout_s=0.1).source == "fallback"
        assert load("hi@champion").origin == "hi/2"
        connect(saved).set_prompt_alias("hi", "champion", 1)
        until(lambda: load("hi@champion").origin == "hi/1")
        (line,) = [line for line in pex.library.status() if line.reference == "hu@champion"]
        assert "did not answer within" in str(line.problem)
    finally:
        ends.set()
