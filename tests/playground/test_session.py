"""What a Playground works on: drafts that are kept, cases that are chosen, hostile texts."""

import json
from pathlib import Path

import pytest

import pex
from pex.playground import draft_files
from pex.playground import session as sessions
from pex.playground.session import Session
from tests.helpers.effort import calls_of
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.playing import View, column, entry, experiment, restarted, typed, until

pytestmark = pytest.mark.usefixtures("new_kernel")


def test_a_draft_is_there_again_after_a_restart_with_its_answers(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}", "b {{ review }}"), name="mine", record=False)
    view = View(play._session)
    typed(play, "changed {{ review }} \ud800", 1)
    view.do("add_case")
    view.do("edit_case", case=entry(play, 3), field="review", value="typed")
    view.press()
    view.wait()
    before, cells = play._session.document(), play._session.cells()
    restarted()
    again = pex.Playground(
        experiment("a {{ review }}", "b {{ review }}"), name="mine", record=False
    )
    now = again._session.document()
    for part in ("variants", "cases", "baseline", "variables", "notice"):
        assert now[part] == before[part] or part == "notice"
    assert now["notice"].startswith("Your draft of ")
    assert now["notice"].endswith(" was restored.")
    assert now["can_reset"]
    assert again._session.cells() == cells
    assert len(cells) == 8
    typed(again, "else {{ review }}", 0)
    assert sum(cell["stale"] for cell in again._session.cells().values()) == 4
    calls = lab.calls
    again.run(["p1"], ["c1"]).wait()
    until(lambda: not again._session.runs.running)
    assert lab.calls == calls
    assert "�" in again._session.cells()[f"{column(again, 1)}|{entry(again)}"]["text"]


def test_a_draft_of_an_experiment_that_has_changed_since_wins_and_says_so(
    lab: FaultyEndpoint,
) -> None:
    play = pex.Playground(experiment("a {{ review }}"), name="mine", record=False)
    typed(play, "mine {{ review }}")
    restarted()
    again = pex.Playground(experiment("b {{ review }}"), name="mine", record=False)
    view = View(again._session)
    doc = again._session.document()
    assert doc["variants"][0]["messages"][0]["text"] == "mine {{ review }}"
    assert "has changed since" in doc["notice"]
    assert doc["can_reset"]
    doc = view.do("reset")
    assert doc["variants"][0]["messages"][0]["text"] == "b {{ review }}"
    assert "changed" not in doc["notice"]
    assert view.do("undo")["variants"][0]["messages"][0]["text"] == "mine {{ review }}"


def test_a_cell_that_is_run_again_goes_on_with_the_same_draft_and_run(
    lab: FaultyEndpoint,
) -> None:
    lab.latency_s = 0.3
    play = pex.Playground(experiment("a {{ review }}"), name="mine", record=False)
    view = View(play._session)
    typed(play, "mine {{ review }}")
    view.press()
    again = pex.Playground(experiment("a {{ review }}"), name="mine", record=False)
    assert again._session is play._session
    view.wait()
    assert {cell["state"] for cell in again._session.cells().values()} == {"answered"}


def test_two_playgrounds_of_one_notebook_have_drafts_of_their_own(
    lab: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = ["run-1", "cell-1"]
    monkeypatch.setattr(draft_files, "current_cell", lambda: tuple(cell))
    monkeypatch.setenv("JPY_SESSION_NAME", str(project / "My notebook.ipynb"))
    one, two = pex.Playground(record=False), pex.Playground(record=False)
    cell[:] = ["run-2", "cell-2"]
    three = pex.Playground(record=False)
    cell[:] = ["run-3", "cell-1"]
    again = pex.Playground(record=False)
    keys = [play._session.key for play in (one, two, three, again)]
    assert keys[0] == keys[3]
    assert len(set(keys)) == 3
    assert keys[0].startswith("My-notebook-")
    typed(one, "one")
    assert two._session.draft.columns[0].messages[0].text == "{{ text }}"
    restarted()
    monkeypatch.setenv("JPY_SESSION_NAME", str(project / "Other.ipynb"))
    cell[:] = ["run-4", "cell-1"]
    assert pex.Playground(record=False)._session.key not in keys


def test_what_is_said_of_the_first_cases_goes_when_somebody_chooses(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    assert not play._session.document()["can_reset"]
    doc = view.do("edit", variant=column(play), field="name", value="other")
    assert doc["notice"].startswith("Showing the first 3 of 4 cases")
    assert doc["can_reset"]
    assert view.do("remove_case", case=entry(play))["notice"] == ""
    doc = view.do("reset")
    assert doc["notice"].startswith("Showing")
    assert not doc["can_reset"]


def test_outside_of_a_notebook_nothing_is_kept(project: Path) -> None:
    play = pex.Playground(record=False)
    typed(play, "script")
    play._session.flush()
    assert not (project / ".pex" / "drafts").exists()


def test_two_kernels_with_one_draft_lose_nothing(lab: FaultyEndpoint, project: Path) -> None:
    exp = experiment("a {{ review }}")
    one, two = Session("mine", exp, False), Session("mine", exp, False)
    views = [View(one), View(two)]
    for session, view, text in zip((one, two), views, ("one", "two"), strict=True):
        view.do("edit", variant=session.draft.columns[0].id, field="message", index=0, value=text)
        session.flush()
    said = two.status()["error"]
    assert "another kernel" in said
    name = said.split('name="')[1].split('"')[0]
    files = sorted((project / ".pex/drafts").glob("*.json"))
    assert [file.name for file in files] == sorted([f"{name}.json", "mine.json"])
    sessions._sessions.clear()
    assert pex.Playground(name="mine")._session.draft.columns[0].messages[0].text == "two"
    assert pex.Playground(name=name)._session.draft.columns[0].messages[0].text == "one"


def test_a_damaged_draft_is_put_aside(project: Path) -> None:
    folder = project / ".pex/drafts"
    folder.mkdir(parents=True)
    for number, text in enumerate(["{", "[]", '{"version": 9}', '{"version": 1, "draft": {}}',
                                   '{"version": 1, "draft": {"columns": [], "entries": [], '
                                   '"baseline": ""}, "cells": {}}']):  # fmt: skip
        (folder / f"d{number}.json").write_text(text)
        play = pex.Playground(name=f"d{number}")
        assert "could not be read" in play._session.status()["error"]
        assert (folder / f"d{number}.damaged.json").read_text() == text
        typed(play, "goes on")
        play._session.flush()
        assert "goes on" in (folder / f"d{number}.json").read_text()


def test_the_draft_is_written_without_being_asked(project: Path) -> None:
    play = pex.Playground(name="soon", record=False)
    typed(play, "quick")
    file = project / ".pex/drafts/soon.json"
    until(file.exists, 20)
    assert "quick" in file.read_text()


def test_acts_are_quick_with_8_variants_and_20_cases(lab: FaultyEndpoint) -> None:
    prompts = [pex.Prompt("words " * 200 + "{{ review }}", f"p{n}") for n in range(8)]
    cases = [{"review": f"{n} " + "text " * 50} for n in range(20)]
    exp = pex.Experiment("big", pex.grid(prompts, "lab/m1"), cases, [])
    play = pex.Playground(exp, record=False)
    view = View(play._session)
    for _ in range(4):
        view.do("duplicate", variant=column(play))
    view.do("add_case", **{"from": "first", "value": 17})
    until(lambda: len(play._session.draft.entries) == 20)
    assert len(play._session.draft.columns) == 8
    typed(play, "0 {{ review }}", 3)
    effort = calls_of(lambda: typed(play, "1 {{ review }}", 3))
    assert effort < 20_000, effort


def test_cases_are_chosen_by_id_in_order_at_random_and_by_failure(lab: FaultyEndpoint) -> None:
    exp = experiment("{{ review }}")
    exp.run(record=False)  # the answer is the review: no label is named, so every case fails
    play = pex.Playground(exp, record=False)
    view = View(play._session)
    for _ in range(3):
        view.do("remove_case", case=entry(play))

    def add(how: str, value: object, count: int) -> list[str]:
        view.message({"kind": "act", "act": "add_case", "from": how, "value": value})
        until(
            lambda: (
                len(play._session.draft.entries) == count or play._session.status()["error"] != ""
            )
        )
        return [e.base.id for e in play._session.draft.entries if e.base is not None]

    assert add("id", "c3", 1) == ["c3"]
    assert add("first", 2, 3) == ["c3", "c1", "c2"]
    assert add("random", 5, 4) == ["c3", "c1", "c2", "c4"]
    assert len(add("failures", 1, 5)) == 4
    assert "all failed cases of the last run are here" in play._session.status()["error"]
    view.do("remove_case", case=entry(play))
    assert add("failures", 3, 4)[-1] == "c3"
    add("id", "c9", 9)
    assert "no case has the id 'c9'" in play._session.status()["error"]


def test_messages_that_make_no_sense_break_nothing(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("{{ review }}"), record=False)
    view = View(play._session)
    before = play._session.draft
    for message in (
        {},
        {"kind": "act"},
        {"kind": "act", "act": "edit", "variant": 3, "mine": "x"},
        {"kind": "act", "act": "add_case", "from": "elsewhere", "value": 1},
        {"kind": "act", "act": "add_case", "from": "first", "value": "many"},
        {"kind": "run", "variants": "all", "cases": [None]},
        {"kind": "run", "variants": ["gone"]},
        {"kind": "difference", "view": "v"},
        {"kind": "save", "view": "v", "to": "moon"},
        {"kind": "what"},
    ):
        view.message(message)
    assert view.wait_sent("saved")["ok"] is False
    assert play._session.draft == before
    view.wait()


def test_hostile_texts_are_shown_sent_and_kept(lab: FaultyEndpoint) -> None:
    hostile = "<script>x</script>\x00\x1b[31m \ud800 \u202e {{ '{{' }}" + "long " * 10_000
    play = pex.Playground(name="h", record=False)
    view = View(play._session)
    view.do("edit", variant=column(play), field="model", value="lab/m1")
    typed(play, hostile + "{{ text }}")
    view.do("edit_case", case=entry(play), field="text", value="half \udfff")
    view.do("edit_case", case=entry(play), field="expected", value="\x00")
    view.press()
    assert view.wait()["error"] == ""
    (cell,) = play._session.cells().values()
    assert cell["cut"]
    assert len(cell["text"]) == 20_000
    assert "\x00" not in cell["text"]
    assert "\x1b" not in cell["text"]
    json.dumps(play._session.document(), ensure_ascii=False).encode()
    restarted()
    again = pex.Playground(name="h", record=False)._session.document()
    assert again["variants"][0]["messages"][0]["text"].startswith(
        "<script>x</script>\x00\x1b[31m �"
    )


def test_the_data_of_a_case_can_be_deleted_from_drafts_too(
    lab: FaultyEndpoint, project: Path
) -> None:
    play = pex.Playground(experiment("a {{ review }}"), name="mine", record=False)
    view = View(play._session)
    view.do("edit_case", case=entry(play, 1), field="review", value="a copy of c2")
    view.press()
    view.wait()
    restarted()
    folder = project / ".pex/drafts"
    (folder / "bad.json").write_text("{")
    assert draft_files.forget(folder, "c2", None, delete=False) == 1
    assert "a copy of c2" in (folder / "mine.json").read_text()
    assert draft_files.forget(folder, "c2", None, delete=True) == 1
    assert "a copy of c2" not in (folder / "mine.json").read_text()
    assert draft_files.forget(folder, None, "nobody", delete=True) == 0
    again = pex.Playground(experiment("a {{ review }}"), name="mine", record=False)
    assert [e.base.id for e in again._session.draft.entries if e.base] == ["c1", "c3"]
    assert len(again._session.cells()) == 2


def test_markdown_is_a_switch_that_the_draft_remembers_and_renders_what_is_complete(
    lab: FaultyEndpoint,
) -> None:
    play = pex.Playground(experiment("![i](http://e.invalid/a.png)**{{ review }}**"), name="mine",
                          record=False)  # fmt: skip
    view = View(play._session)
    assert play._session.status()["markdown"] is False
    view.press()
    view.wait()
    view.do("markdown", value=True)
    assert play._session.status()["markdown"] is True
    cells = play._session.cells()
    view.message({"kind": "markdown", "view": "v", "cells": [*cells, "gone|gone"]})
    html = view.wait_sent("markdown")["html"]
    assert html.keys() == cells.keys()
    key = f"{column(play)}|{entry(play)}"
    assert html[key] == (cells[key]["id"], "<p><strong>I love it.</strong></p>\n")
    assert "html" not in cells[key]
    restarted()
    again = pex.Playground(experiment("other {{ review }}"), name="mine", record=False)
    assert again._session.status()["markdown"] is True
    assert again._session.cells()[key]["id"] == cells[key]["id"]
