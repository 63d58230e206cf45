"""The word difference: what differs, what is common, and when there is none to show."""

from __future__ import annotations

import random

import pytest

from pex.report.word_difference import MAX_WORDS, MIN_SIMILARITY, word_difference


def numbered(count: int, start: int = 0) -> str:
    return " ".join(f"w{n}" for n in range(start, start + count))


@pytest.mark.parametrize(
    ("new", "old", "pieces"),
    [
        ("", "", []),
        ("same", "same", [("same", "same")]),
        ("a b", "", [("new", "a b")]),
        ("", "a b", [("gone", "a b")]),
        ("a a", "a a a", [("same", "a a"), ("gone", " a")]),
        # A single space between two changed words does not cut the change in two …
        ("the red fox", "the big dog", [("same", "the "), ("gone", "big dog"), ("new", "red fox")]),
        # … but one at the end is common to both.
        ("red ", "big ", [("gone", "big"), ("new", "red"), ("same", " ")]),
        ("a\nb", "a b", [("same", "a"), ("gone", " "), ("new", "\n"), ("same", "b")]),
    ],
)
def test_pieces(new: str, old: str, pieces: list[tuple[str, str]]) -> None:
    assert word_difference(new, old) == pieces


def test_the_pieces_hold_both_texts_whole() -> None:
    dice = random.Random(7)
    for _ in range(300):
        new, old = (
            "".join(
                dice.choice(("a", "b", "cc", " ", "  ", "\n")) for _ in range(dice.randrange(30))
            )
            for _ in range(2)
        )
        pieces = word_difference(new, old)
        assert pieces is not None
        assert "".join(text for kind, text in pieces if kind != "gone") == new
        assert "".join(text for kind, text in pieces if kind != "new") == old
        assert all(text for _, text in pieces)


def test_a_small_change_in_a_long_text_is_found() -> None:
    before, after = numbered(50_000), numbered(50_000, 60_000)
    pieces = word_difference(f"{before} new {after}", f"{before} old {after}")
    assert pieces is not None
    assert pieces[1:3] == [("gone", "old"), ("new", "new")]
    assert len(pieces) == 4


def test_the_limit_is_on_the_part_that_differs() -> None:
    most = MAX_WORDS // 2  # each word has a space beside it
    common = numbered(10_000)
    assert word_difference(f"{common} {numbered(most, 20_000)}", common) is not None
    assert word_difference(f"{common} {numbered(most + 1, 20_000)}", common) is None
    assert word_difference(common, f"{common} {numbered(most + 1, 20_000)}") is None


def test_texts_with_too_little_in_common_have_no_difference() -> None:
    new, old = "El servicio sin nada", "This review is negative"
    assert word_difference(new, old, min_similarity=MIN_SIMILARITY) is None
    assert word_difference(new, old) is not None
    assert word_difference("the red fox", "the blue fox", min_similarity=MIN_SIMILARITY) is not None
    assert word_difference("", "", min_similarity=MIN_SIMILARITY) == []
