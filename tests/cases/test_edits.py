"""Edits of a file of cases: found by id, never over another's, journalled, all or nothing."""

import getpass
import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from pex.cases import file as case_file
from pex.cases.edits import DiffersError, Edits, forget, journalled, unreadable
from pex.core.cases import Case, load_cases
from pex.core.errors import PexError

TEXT = 'case_id,review,expected\nr1,"Nice, really.",positive\nr2,Bad.,positive\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "pex.toml").touch()
    path = tmp_path / "sets" / "cases.csv"
    path.parent.mkdir()
    path.write_bytes(TEXT.encode())
    return path


def edits_of(path: Path, **columns: str) -> Edits:
    return Edits(path, columns, path.parent / ".pex")


def journal(path: Path) -> list[dict]:
    file = path.parent.parent / ".pex" / "edits.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_correction_changes_one_field_keeps_the_mode_and_is_journalled(file: Path) -> None:
    file.chmod(0o640)
    case = load_cases(file)[1]
    new = edits_of(file).correct(case, "negative")
    assert new.expected == "negative"
    assert file.read_bytes() == TEXT.replace("Bad.,positive", "Bad.,negative").encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert sorted(path.name for path in file.parent.iterdir()) == ["cases.csv"]
    (entry,) = journal(file)
    assert {key: entry[key] for key in ("file", "what", "case", "before", "after")} == {
        "file": "sets/cases.csv", "what": "corrected", "case": "r2",
        "before": "positive", "after": "negative",
    }  # fmt: skip
    assert entry["who"]
    assert entry["at"].endswith("+00:00")


def test_what_somebody_else_wrote_is_shown_and_not_written_over(file: Path) -> None:
    case = load_cases(file)[1]
    theirs = TEXT.replace("Bad.,positive", "Bad.,mixed")
    file.write_text(theirs)
    with pytest.raises(DiffersError, match="expected answer of 'r2'") as caught:
        edits_of(file).correct(case, "negative")
    assert file.read_text() == theirs
    assert caught.value.there.expected == "mixed"
    # Written again in between: what was seen is no more what is there.
    file.write_text(theirs.replace("mixed", "unclear"))
    with pytest.raises(DiffersError):
        edits_of(file).correct(case, "negative", caught.value.seen)
    file.write_text(theirs)
    edits_of(file).correct(case, "negative", caught.value.seen)
    assert load_cases(file)[1].expected == "negative"
    file.write_text(TEXT.replace("Bad.", "Quite good."))
    with pytest.raises(DiffersError, match="input of 'r2'"):
        edits_of(file).correct(case, "negative")


def test_a_new_case_has_an_id_of_its_own_and_the_inputs_of_the_other(file: Path) -> None:
    edits, case = edits_of(file), load_cases(file)[0]
    draft = edits.draft(case)
    assert (draft.new_id, draft.tags) == ("r1-2", None)
    assert edits.save(case, "negative", draft.new_id).id == "r1-2"
    assert file.read_text() == TEXT + 'r1-2,"Nice, really.",negative\n'
    assert edits.draft(case).new_id == "r1-3"
    with pytest.raises(PexError, match="already has a case 'r1-2'"):
        edits.save(case, "negative", "r1-2")
    assert [entry["what"] for entry in journal(file)] == ["added"]


def test_a_file_without_ids_takes_only_inputs_that_are_new(file: Path) -> None:
    file.write_text("review,expected\nNice.,positive\n")
    edits, (case,) = edits_of(file), load_cases(file)
    with pytest.raises(PexError, match="no id column"):
        edits.draft(case)
    other = Case("x", {"review": "Bad."}, "negative")
    assert edits.draft(other).new_id == ""
    new = edits.save(other, "negative")
    assert load_cases(file)[1] == new
    assert edits.correct(case, "").expected is None


def test_answers_that_are_no_texts_stay_what_they_are(file: Path) -> None:
    path = file.with_suffix(".jsonl")
    path.write_text('{"nr": 1, "q": "a", "out": {"n": 1}}\n{"nr": 2, "q": "b", "out": null}\n')
    edits = edits_of(path, id="nr", expected="out")
    case = load_cases(path, {"id": "nr", "expected": "out"})[1]
    with pytest.raises(PexError, match="must be JSON"):
        edits.correct(case, "two")
    assert edits.correct(case, '{"n": 2}').expected == {"n": 2}
    assert edits.draft(case) == type(edits.draft(case))("3", "")
    edits.save(case, '{"n": 3}', "3", "hard, new")
    assert json.loads(path.read_text().splitlines()[2]) == {
        "nr": 3, "q": "b", "out": {"n": 3}, "tags": ["hard", "new"],
    }  # fmt: skip


def test_a_file_that_cannot_be_written_says_why_and_gives_the_row(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits, case = edits_of(file), load_cases(file)[0]
    assert edits.row(case) == 'r1,"Nice, really.",positive'
    with monkeypatch.context() as patch:  # root may write to everything
        patch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(PexError, match="is read-only"):
            edits.correct(case, "negative")

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(PexError, match=r"sets/cases.csv cannot be written: No space left"):
            edits.correct(case, "negative")
    assert file.read_bytes() == TEXT.encode()
    assert sorted(path.name for path in file.parent.iterdir()) == ["cases.csv"]
    file.unlink()
    with pytest.raises(PexError, match="no longer exists"):
        edits.correct(case, "negative")


def test_a_spreadsheet_that_saves_in_between_is_noticed(file: Path) -> None:
    seen = file.stat()
    file.write_text(TEXT + "r3,So so.,mixed\n")
    with pytest.raises(PexError, match="changed by somebody else"):
        case_file.write(file, b"", seen)
    assert "r3" in file.read_text()


def test_the_edits_of_a_case_or_a_group_can_be_forgotten(file: Path) -> None:
    file.write_text("case_id,q,expected,group\na,1,x,g\nb,2,x,g\nc,3,x,h\n")
    for case in load_cases(file):
        edits_of(file).correct(case, "private")
    state = file.parent.parent / ".pex"
    assert (journalled(state, "a", None), journalled(state, None, "g")) == (1, 2)
    forget(state, "a", None)
    assert [entry["case"] for entry in journal(file)] == ["b", "c"]
    forget(state, None, "g")
    assert [entry["case"] for entry in journal(file)] == ["c"]
    forget(file.parent / "none", "c", None)
    assert journalled(file.parent / "none", "c", None) == 0


def test_a_link_stays_a_link(file: Path) -> None:
    link = file.with_name("link.csv")
    link.symlink_to(file)
    edits_of(link).correct(load_cases(file)[1], "negative")
    assert link.is_symlink()
    assert "Bad.,negative" in file.read_text()


def _add(path: Path, start: int) -> None:
    case = load_cases(path)[0]
    for number in range(start, start + 10):
        edits_of(path).save(case, "x", f"n{number}")


def test_two_writers_lose_nothing(file: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add, args=(file, start)) for start in (0, 100)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    ids = {case.id for case in load_cases(file)}
    assert ids == {"r1", "r2"} | {f"n{n}" for s in (0, 100) for n in range(s, s + 10)}
    assert len(journal(file)) == 20


@pytest.mark.parametrize("torn", [b'{"at": "2026', b"\x00", b'{"case": "r1", "bef'])
def test_a_line_that_was_cut_off_costs_nothing_but_itself(file: Path, torn: bytes) -> None:
    state = file.parent.parent / ".pex"
    edits_of(file).correct(load_cases(file)[1], "negative")
    whole = (state / "edits.jsonl").read_bytes()
    (state / "edits.jsonl").write_bytes(whole + torn)
    assert journalled(state, "r2", None) == 1
    assert unreadable(state) == 1
    edits_of(file).correct(load_cases(file)[1], "mixed")
    lines = (state / "edits.jsonl").read_bytes().split(b"\n")
    assert lines[:2] == [whole.rstrip(b"\n"), torn]
    assert json.loads(lines[2])["after"] == "mixed"
    forget(state, "r2", None)
    assert (state / "edits.jsonl").read_bytes() == torn + b"\n"
    forget(state, "r1", None)  # half a line may be of anybody it names
    assert (b"r1" in torn) == ((state / "edits.jsonl").read_bytes() == b"")


def test_a_user_without_a_name_edits_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    edits_of(file).correct(load_cases(file)[1], "negative")
    assert journal(file)[0]["who"] == f"uid {os.getuid()}"


def test_a_journal_that_cannot_be_written_leaves_the_file_alone(file: Path) -> None:
    before = file.read_bytes()
    (file.parent.parent / ".pex" / "edits.jsonl").mkdir(parents=True)
    with pytest.raises(PexError, match="cannot be written"):
        edits_of(file).correct(load_cases(file)[1], "negative")
    assert file.read_bytes() == before


def test_a_cell_of_any_length_and_any_mark_is_edited(file: Path) -> None:
    text = "x\u2028" * 100_000
    edits_of(file).correct(load_cases(file)[0], text)
    assert [case.expected for case in load_cases(file)] == [text, "positive"]
    edits_of(file).save(load_cases(file)[0], "y\u2028", "r3")
    assert [case.expected for case in load_cases(file)] == [text, "positive", "y\u2028"]
    assert journal_lines(file) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_nor_is_it_changed_where_the_disk_is_too_full_for_the_journal(file: Path) -> None:
    state = file.parent.parent / ".pex"
    state.mkdir()
    (state / "edits.jsonl").symlink_to("/dev/full")
    case = load_cases(file)[1]
    with pytest.raises(PexError, match="cannot be written: No space left"):
        edits_of(file).correct(case, "negative")
    assert file.read_text() == TEXT
    (state / "edits.jsonl").unlink()
    edits_of(file).correct(case, "negative")
    assert len(journal(file)) == 1


def journal_lines(file: Path) -> int:
    return (file.parent.parent / ".pex" / "edits.jsonl").read_bytes().count(b"\n")
