"""What the library browser shows and does, without a browser."""

import dataclasses
import datetime
import json
import threading
import time
from typing import Any

import pytest

import pex
from pex.browser.scores import VersionScore, score_for_view, trends
from pex.browser.versions import (
    MAX_PIECES,
    PromptRow,
    Version,
    prompt_difference,
    prompt_facts,
    prompt_for_view,
    row_for_view,
    template_pieces,
)
from pex.browser.widget import LibraryBrowser, Listing
from pex.core.safe_text import clean
from tests.helpers.made import HOSTILE

NOW = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)
OLD = pex.Prompt("Is {{ text }} good?", "ask", params={"temperature": 0})
NEW = pex.Prompt("Is {{ text }} bad?", "ask", params={"temperature": 1}, model="lab/m1")


def scored(version: int, value: float, **changes: Any) -> VersionScore:
    fields = {
        "version": version, "experiment": "trial", "variant": "ask", "model": "lab/m1",
        "score": "label", "value": value, "lo": value - 0.1, "hi": value + 0.1, "n": 1200,
        "yes_no": True, "when": NOW, "verdict": "better", "baseline": "short",
        "run_id": "0123456789abcdef", "url": "",
    }  # fmt: skip
    return VersionScore(**{**fields, **changes})


class Shelf:
    """Two versions and a file of one prompt; a gate holds back what is read."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.read: list[str] = []
        self.problem: pex.PexError | Exception | None = None

    def listing(self) -> Listing:
        self.gate.wait(60)
        if self.problem is not None:
            raise self.problem
        names = ("ask", "other", "third")
        rows = [PromptRow(n, 2, {"champion": 1}, ["trial"], NOW, "About", "", []) for n in names]
        return Listing(rows, "sqlite:///x.db")

    def versions(self, name: str) -> list[Version]:
        self.gate.wait(60)
        self.read.append(name)
        return [
            Version("file:a.prompty", "a.prompty", (), {}, NOW, "", "", "file differs"),
            Version("2", "version 2", (), {}, NOW, "ada", "shorter", ""),
            Version("1", "version 1", ("champion",), {"champion": "set"}, NOW, "ada", "", ""),
        ]

    def prompt(self, name: str, key: str) -> pex.Prompt:
        return {"1": OLD, "2": NEW, "file:a.prompty": NEW}[key]

    def scores(self, name: str) -> list[VersionScore]:
        return [scored(2, 0.8), scored(1, 0.6)]

    def card(self, name: str) -> str:
        if name == "third":
            raise pex.PexError("the store does not answer", hint="start it")
        return f"<h3>{name}</h3>"

    def set_alias(self, name: str, alias: str, version: int, seen: int | None) -> str:
        if alias == "latest":
            raise pex.PexError("alias 'latest': MLflow reserves this name")
        return f"{name} {alias} {version} {seen}"

    def save_file(self, prompt: pex.Prompt) -> str:
        return f"Saved {prompt.name}."

    def save_to_library(self, prompt: pex.Prompt) -> str:
        raise pex.PexError("no", hint="why")

    def code(self, name: str, version: Version) -> str:
        return f'pex.library.load("{name}/{version.key}")'


def settle(browser: LibraryBrowser) -> None:
    browser._wait(5)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def browser(shelf: Shelf) -> LibraryBrowser:
    made = LibraryBrowser(shelf, lambda prompt: prompt.name)
    settle(made)
    return made


def tell(browser: LibraryBrowser, **message: Any) -> None:
    browser._on_message(browser, message, [])
    settle(browser)


def test_the_list_comes_first_and_a_prompt_when_it_is_chosen(
    shelf: Shelf, browser: LibraryBrowser
) -> None:
    assert [row["name"] for row in browser._list["rows"]] == ["ask", "other", "third"]
    assert (shelf.read, browser.selected, browser._prompt) == ([], None, {})
    tell(browser, kind="choose", name="ask")
    assert browser.selected == NEW
    assert (browser._prompt["key"], browser._prompt["code"]) == ("2", 'pex.library.load("ask/2")')
    assert browser._difference["against"] == "1"
    assert ["same", "Is {{ text }} "] in browser._difference["text"]
    assert [row["value"] for row in browser._scores["rows"]] == ["80 %", "60 %"]
    tell(browser, kind="choose", name="ask", key="1")
    assert (browser.selected, browser._difference) == (OLD, {})
    tell(browser, kind="against", key="file:a.prompty")
    assert browser._difference["against"] == "file:a.prompty"
    assert repr(browser) == "Library browser: 3 prompts, ask chosen"


def test_the_description_is_that_of_the_version_shown(shelf: Shelf) -> None:
    rows = shelf.listing().rows

    class Described(Shelf):
        def listing(self) -> Listing:
            return Listing([dataclasses.replace(row, about="Of version 1.") for row in rows], "")

        def prompt(self, name: str, key: str) -> pex.Prompt:
            about = "Of version 1." if key == "1" else ""
            return pex.Prompt("{{ text }}", "ask", description=about)

    browser = LibraryBrowser(Described(), print)
    settle(browser)
    tell(browser, kind="choose", name="ask")
    assert (browser._prompt["key"], browser._prompt["about"]) == ("2", "")
    tell(browser, kind="choose", name="ask", key="1")
    assert browser._prompt["about"] == "Of version 1."


def test_a_prompt_that_was_left_meanwhile_is_not_read(shelf: Shelf) -> None:
    browser = LibraryBrowser(shelf, print)
    settle(browser)
    shelf.gate.clear()
    for name in ("ask", "other", "third"):
        browser._on_message(browser, {"kind": "choose", "name": name}, [])
    assert browser._prompt == {}
    shelf.gate.set()
    settle(browser)
    assert browser._prompt["name"] == "third"
    assert "other" not in shelf.read


def test_the_view_is_told_at_once_that_the_list_is_being_read(shelf: Shelf) -> None:
    shelf.gate.clear()
    browser = LibraryBrowser(shelf, print)  # the list cannot be read yet
    assert browser._list["state"] == "loading"
    assert "Reading the library" in browser.html
    shelf.gate.set()
    settle(browser)
    assert browser._list["state"] == "ready"


def test_an_alias_a_file_and_a_failure_say_what_came_of_them(browser: LibraryBrowser) -> None:
    tell(browser, kind="choose", name="ask")
    tell(browser, kind="alias", alias=" champion ", seen=1)
    assert (browser._said["text"], browser._said["of"]) == ("ask champion 2 1", "alias")
    tell(browser, kind="alias", alias="latest", seen=None)
    assert browser._said["error"]
    assert "MLflow reserves this name" in browser._said["text"]
    tell(browser, kind="file")
    assert (browser._said["text"], browser._said["error"]) == ("Saved ask.", False)
    tell(browser, kind="keep")
    assert (browser._said["text"], browser._said["hint"]) == ("no", "why")
    assert browser.selected == NEW


def test_an_alias_is_for_versions_only(browser: LibraryBrowser) -> None:
    tell(browser, kind="choose", name="ask")
    tell(browser, kind="choose", name="ask", key="file:a.prompty")
    tell(browser, kind="alias", alias="champion", seen=1)
    assert browser._said == {}


def test_a_library_that_does_not_answer_is_said_and_asked_again(shelf: Shelf) -> None:
    shelf.problem = pex.PexError("MLflow's store x does not answer", hint="start it")
    browser = LibraryBrowser(shelf, print)
    settle(browser)
    assert (browser._list["state"], browser._list["hint"]) == ("failed", "start it")
    assert "does not answer" in browser.html
    shelf.problem = None
    tell(browser, kind="refresh")
    assert (browser._list["state"], len(browser._list["rows"])) == ("ready", 3)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_after_an_error_of_our_own_nobody_waits_for_ever(shelf: Shelf) -> None:
    shelf.problem = ValueError("surprise")
    browser = LibraryBrowser(shelf, print)
    settle(browser)
    assert browser._said["text"] == "ValueError: surprise"
    assert (browser._list["state"], browser._list["problem"]) == ("failed", "ValueError: surprise")
    shelf.problem = None
    tell(browser, kind="refresh")
    assert len(browser._list["rows"]) == 3


def test_nonsense_from_a_page_is_no_act(browser: LibraryBrowser) -> None:
    for message in ("x", None, {"kind": "choose"}, {"kind": "against"}, {"kind": "alias"},
                    {"kind": "file"}, {"kind": "play"}, {"kind": "copy"}):  # fmt: skip
        browser._on_message(browser, message, [])
    settle(browser)
    assert (browser._said, browser.selected) == ({}, None)


def test_what_can_be_filled_in_is_marked_and_hostile_texts_are_shown() -> None:
    assert template_pieces("{% if a %}x{% endif %}{# no #}") == [
        ["place", "{% if a %}"], ["text", "x"], ["place", "{% endif %}"], ["place", "{# no #}"],
    ]  # fmt: skip
    assert template_pieces("") == [["text", ""]]
    assert len(template_pieces("{{ a }}" * 50_000)) == MAX_PIECES + 1
    for text in HOSTILE:
        for _, piece in template_pieces(text):
            assert clean(piece) == piece
        assert len(json.dumps(template_pieces(text))) < 1_300_000


def test_a_difference_is_of_the_text_and_of_what_belongs_to_it() -> None:
    found = prompt_difference(NEW, OLD)
    assert found["text"] == [
        ["same", "Is {{ text }} "], ["gone", "good?"], ["new", "bad?"],
    ]  # fmt: skip
    assert found["facts"] == [["temperature", "0", "1"], ["model", "", "lab/m1"]]
    assert prompt_difference(OLD, OLD) == {"text": "The text is the same.", "facts": []}
    chat = pex.Prompt([{"role": "system", "content": "Be kind."}], "ask")
    assert "".join(
        t for kind, t in prompt_difference(chat, OLD)["text"] if kind != "gone"
    ).startswith("system:\nBe kind.")


def test_long_texts_are_compared_where_they_differ_and_never_for_minutes() -> None:
    words = " ".join(f"word{n}" for n in range(20_000))
    long, other = (pex.Prompt(f"{words} {end} {words}", "ask") for end in ("one", "two"))
    found = prompt_difference(long, other)["text"]
    assert [kind for kind, _ in found] == ["same", "gone", "new", "same"]
    turned = pex.Prompt(" ".join(reversed(words.split())), "ask")
    begun = time.thread_time()
    assert "too different" in prompt_difference(turned, pex.Prompt(words, "ask"))["text"]
    assert time.thread_time() - begun < 2


@pytest.mark.parametrize(
    ("one", "other"), [("a b a b", "a b"), ("a a a", "a a"), ("x", "y"), ("a  b", "a b")]
)
def test_the_pieces_make_both_texts(one: str, other: str) -> None:
    found = prompt_difference(pex.Prompt(one, "p"), pex.Prompt(other, "p"))["text"]
    assert "".join(text for kind, text in found if kind != "gone") == one
    assert "".join(text for kind, text in found if kind != "new") == other


def test_a_prompt_with_images_tools_and_a_schema_is_shown_whole() -> None:
    image = {"type": "image_url", "image_url": {"url": "{{ photo }}"}}
    prompt = pex.Prompt(
        [{"role": "user", "content": [{"type": "text", "text": "See {{ what }}"}, image]}],
        "see",
        response_schema={"type": "object"},
        tools=[{"type": "function", "function": {"name": "look", "parameters": {}}}],
        defaults={"what": "this"},
    )
    shown = prompt_for_view(prompt)
    assert [piece[0] for piece in shown["messages"][0]["pieces"]].count("place") == 2
    assert set(prompt_facts(prompt)) == {"variables", "default of what", "response schema", "tools"}


def test_a_search_looks_at_all_that_a_row_says() -> None:
    row = PromptRow(
        "Ask", None, {"champion": 1}, ["Trial"], None, "What\nfor", "lab/m1", ["file only"]
    )
    assert row_for_view(row)["find"] == "ask champion trial what\nfor lab/m1 file only"
    assert row_for_view(row)["changed"] == ""


def test_a_trend_needs_two_versions_of_one_score_and_model() -> None:
    assert trends([scored(1, 0.5), scored(2, 0.5, model="lab/m2"), scored(2, 0.5, score="x")]) == []
    older = scored(1, 0.1, when=NOW - datetime.timedelta(days=1))
    (found,) = trends([scored(1, 0.5), older, scored(3, 0.75)])
    assert found["label"] == (
        "label, lab/m1, in trial: version 1 50 % [40, 60]; version 3 75 % [65, 85]"
    )
    assert [mark["kind"] for mark in found["marks"]].count("dot") == 2
    (flat,) = trends([scored(v, 7.0, lo=float("nan"), hi=float("nan"), yes_no=False)
                      for v in (1, 2)])  # fmt: skip
    json.dumps(flat, allow_nan=False)


def test_a_score_says_against_what_its_verdict_is_and_links_only_to_pages() -> None:
    shown = score_for_view(scored(1, 0.5))
    assert (shown["said"], shown["n"], shown["run"]) == ("better than short", "1,200", "01234567")
    assert (
        score_for_view(scored(1, 0.5, verdict="undecided"))["said"]
        == "undecided compared with short"
    )
    assert score_for_view(scored(1, 0.5, verdict="", baseline=""))["said"] == ""
    assert score_for_view(scored(1, 0.5, url="javascript:1"))["url"] == ""


def test_the_static_table_is_escaped_and_bounded() -> None:
    class Many(Shelf):
        def listing(self) -> Listing:
            rows = [PromptRow(f"p{n}", 1, {}, ["<b>x</b>"], NOW, "", "", []) for n in range(500)]
            return Listing(rows, "")

    browser = LibraryBrowser(Many(), print)
    settle(browser)
    assert "<b>x" not in browser.html
    assert "300 more prompts are not shown" in browser.html


def test_a_card_is_read_when_it_is_asked_for(browser: LibraryBrowser) -> None:
    tell(browser, kind="choose", name="ask")
    assert browser._card == {}
    tell(browser, kind="card", name="ask")
    assert browser._card == {"name": "ask", "ready": True, "html": "<h3>ask</h3>", "problem": ""}
    tell(browser, kind="card", name="other")  # it is not the one that is shown
    assert browser._card["name"] == "ask"
    tell(browser, kind="choose", name="third")
    tell(browser, kind="card", name="third")
    assert browser._card["problem"] == "the store does not answer: start it"
