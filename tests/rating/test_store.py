"""Ratings as they are kept: on disk at once, changes as further lines, damage counted."""

import dataclasses
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from pex.core.errors import PexError
from pex.rating.store import FOLDER, PairRating, RatingFile, forget, parse_rating

ONE = PairRating(
    "p1", "c1", 1, "ada", "short", "strict", "left", ("clear",), "so", "2026-01-01T10:00"
)


def test_a_rating_is_there_for_the_next_reader_and_a_change_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "ratings" / "x.jsonl"
    file = RatingFile(path, parse_rating)
    other = RatingFile(path, parse_rating)  # as another kernel
    file.add([ONE])
    assert RatingFile(path, parse_rating).ratings == [ONE]
    changed = dataclasses.replace(ONE, choice="tie", at="2026-01-01T10:05")
    file.add([changed])
    assert file.ratings == RatingFile(path, parse_rating).ratings == [changed]
    assert len(path.read_text().splitlines()) == 2
    other.refresh()
    assert other.ratings == [changed]
    # Clocks go back: what was said last counts all the same.
    again = dataclasses.replace(ONE, choice="right", at="2026-01-01T09:00")
    file.add([again])
    assert RatingFile(path, parse_rating).ratings == [again]


def test_it_is_synced_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RatingFile(tmp_path / "x.jsonl", parse_rating)
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(len(file.ratings)), real(fd)))
    file.add([ONE])
    assert synced == [0]

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PexError, match=r"could not be stored \(No space left on device\)"):
        file.add([dataclasses.replace(ONE, pair="p2")])
    assert file.ratings == [ONE]


def test_a_line_cut_off_by_a_kill_is_counted_and_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    RatingFile(path, parse_rating).add([ONE])
    with path.open("ab") as file:
        file.write(b'{"pair": "p2", "case')
    assert RatingFile(path, parse_rating).ratings == [ONE]
    two = dataclasses.replace(ONE, pair="p3", at="2026-01-01T11:00")
    RatingFile(path, parse_rating).add([two])
    found = RatingFile(path, parse_rating)
    assert (found.ratings, found.damaged) == ([ONE, two], 1)


def test_merging_takes_what_is_new_or_newer(tmp_path: Path) -> None:
    file = RatingFile(tmp_path / "x.jsonl", parse_rating)
    file.add([ONE])
    older = dataclasses.replace(ONE, choice="tie", at="2026-01-01T09:00")
    assert file.merge([ONE, older]) == 0
    newer = dataclasses.replace(ONE, choice="tie", at="2026-01-02T09:00")
    assert file.merge([newer, dataclasses.replace(ONE, rater="bo")]) == 2
    assert {(r.rater, r.choice) for r in file.ratings} == {("ada", "tie"), ("bo", "left")}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"choice": "better"}, "choice is 'better'"),
        ({"chioce": "left"}, r"unknown key 'chioce'\n.*choice"),
        ({"rater": ""}, "rater: expected a string of 1 to 80"),
        ({"rater": 7}, "rater: expected a string"),
        ({"note": "x" * 4001}, "note: expected a string"),
        ({"reasons": "clear"}, "reasons: expected a list"),
        ({"at": "soon"}, "at is 'soon', expected a time"),
        ({"repeat": "1"}, "'repeat' as a number"),
    ],
)
def test_a_rating_that_is_none_names_what_is_wrong(change: dict, said: str) -> None:
    with pytest.raises(PexError, match=said):
        parse_rating({**dataclasses.asdict(ONE), **change}, "f.json, rating 2")
    with pytest.raises(PexError, match=r"f\.json: expected a rating, got list"):
        parse_rating([], "f.json")


def test_half_a_surrogate_in_a_note_cannot_spoil_a_table() -> None:
    found = parse_rating({**dataclasses.asdict(ONE), "note": "a\ud800b"}, "f")
    assert found.note == "a\ufffdb"


def test_the_data_of_a_case_or_a_group_can_be_deleted(tmp_path: Path) -> None:
    file = RatingFile(tmp_path / FOLDER / "x.jsonl", parse_rating)
    two = dataclasses.replace(ONE, pair="p2", case_id="c2", group="g")
    three = dataclasses.replace(ONE, pair="p3", case_id="c3", group="g")
    file.add([ONE, two, three, dataclasses.replace(ONE, choice="tie")])
    assert forget(tmp_path, "c1", None, go=False) == 2
    assert len(RatingFile(file.path, parse_rating).ratings) == 3
    assert forget(tmp_path, "c1", None, go=True) == 2
    assert RatingFile(file.path, parse_rating).ratings == [two, three]
    assert forget(tmp_path, "c2", "other", go=True) == 0
    assert forget(tmp_path, None, "g", go=True) == 2
    assert RatingFile(file.path, parse_rating).ratings == []
    assert forget(tmp_path / "nowhere", "c1", None, go=True) == 0


def given(**changes: Any) -> PairRating:
    return dataclasses.replace(ONE, **changes)


def _rate(path: Path, rater: str) -> None:
    file = RatingFile(path, parse_rating)
    for number in range(40):
        file.add([given(rater=rater, pair=f"{rater}{number}", case_id=f"c{number}")])


def test_two_who_rate_and_one_who_deletes_lose_nothing(tmp_path: Path) -> None:
    """A file is put in another's place only while nobody adds to it."""
    path = tmp_path / "ratings" / "short.jsonl"
    RatingFile(path, parse_rating).add([given(rater="old", pair="old", case_id="gone")])
    reader = RatingFile(path, parse_rating)
    context = multiprocessing.get_context("spawn")
    raters = [context.Process(target=_rate, args=(path, name)) for name in ("ada", "bob")]
    for process in raters:
        process.start()
    while any(process.is_alive() for process in raters):
        forget(tmp_path, "gone", None, go=True)
        RatingFile(path, parse_rating).add([given(rater="old", pair="old", case_id="gone")])
    for process in raters:
        process.join()
        assert process.exitcode == 0
    forget(tmp_path, "gone", None, go=True)
    reader.refresh()
    assert {rated.pair for rated in reader.ratings} == {
        f"{name}{number}" for name in ("ada", "bob") for number in range(40)
    }
    assert reader.damaged == 0
    assert sorted(p.name for p in path.parent.iterdir()) == [".lock", "short.jsonl"]


def test_what_somebody_deleted_is_gone_for_who_has_the_file_open(tmp_path: Path) -> None:
    path = tmp_path / "ratings" / "short.jsonl"
    mine = RatingFile(path, parse_rating)
    mine.add([given(pair="p1", case_id="c1"), given(pair="p2", case_id="c2")])
    forget(tmp_path, "c1", None, go=True)
    mine.add([given(pair="p3", case_id="c3")])
    assert [rated.pair for rated in mine.ratings] == ["p2", "p3"]


def test_a_new_file_with_the_number_of_the_old_one_is_read_from_its_beginning(
    tmp_path: Path,
) -> None:
    path = tmp_path / "short.jsonl"
    RatingFile(path, parse_rating).add([given(pair="p1"), given(pair="p2")])
    lines = path.read_bytes().splitlines(keepends=True)
    reader = RatingFile(path, parse_rating)
    # Written over, as a file system does that gives a number again.
    path.write_bytes(lines[1] + lines[0].replace(b"p1", b"p3") + lines[0].replace(b"p1", b"p4"))
    reader.refresh()
    assert {rated.pair for rated in reader.ratings} == {"p2", "p3", "p4"}
    path.write_bytes(lines[0])
    reader.refresh()
    assert {rated.pair for rated in reader.ratings} == {"p1"}


def test_a_torn_line_goes_with_the_case_or_group_it_names(tmp_path: Path) -> None:
    path = tmp_path / "ratings" / "short.jsonl"
    RatingFile(path, parse_rating).add([given(case_id="c1", group="ann")])
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"case_id": "c2", "group": "Zo\\u00eb", "no')
    assert forget(tmp_path, None, "Zoë", go=False) == 1
    assert forget(tmp_path, None, "Zoë", go=True) == 1
    assert path.read_bytes() == whole
