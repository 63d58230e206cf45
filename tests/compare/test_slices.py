"""Where a candidate loses: slices by tag, group, length and columns."""

from __future__ import annotations

import pytest

from pex.compare.slices import cut, slices
from pex.compare.verdict import Options
from pex.core.errors import PexError
from tests.helpers.frames import frame


def table(n: int = 40) -> object:
    a = [1] * n
    b = [1] * (n // 2) + [0] * (n // 2)
    return frame(
        {"a": a, "b": b},
        tags=[["easy"] if i < n // 2 else ["hard", "late"] for i in range(n)],
        **{
            "case.text": ["x" * (i + 1) for i in range(n)],
            "case.kind": ["one" if i % 2 else "two" for i in range(n)],
            "case.size": [float(i) for i in range(n)],
        },
    )


def test_slices_by_tag_say_where_it_loses() -> None:
    found = slices(table(), "tags", "a").set_index("slice")
    assert list(found.index) == ["easy", "hard", "late"]
    assert found.loc["hard", "verdict"] == "worse"
    assert found.loc["easy", "verdict"] == "undecided"
    assert found.loc["hard", "n_cases"] == 20
    # All three were looked at.
    assert set(found["family"]) == {3}


def test_numbers_and_lengths_are_cut_in_four() -> None:
    for by in ("size", "case.size", "length"):
        found = slices(table(), by, "a")
        assert len(found) == 4
        assert set(found["n_cases"]) == {10}
    assert next(iter(dict(cut(table(), "length")))) == "7 to 16 characters"


def test_columns_with_few_values_are_slices_of_their_own() -> None:
    assert list(slices(table(), "kind", "a")["slice"]) == ["one", "two"]


def test_small_slices_are_marked() -> None:
    found = slices(table(12), "tags", "a")
    assert found["small"].all()
    assert set(found["verdict"]) == {"undecided"}
    assert set(found["family"]) == {0}
    assert all(any("with 6 cases" in note for note in notes) for notes in found["warnings"])


def test_a_slice_without_one_of_the_variants_says_so() -> None:
    whole = table()
    part = whole[~((whole["variant"] == "b") & (whole["case.kind"] == "one"))]
    found = slices(part, "kind", "a").set_index("slice")
    assert found.loc["one", "n_cases"] == 0
    assert found.loc["one", "verdict"] == "undecided"
    assert found.loc["two", "n_cases"] == 20


def test_the_margin_applies_to_slices_too() -> None:
    found = slices(table(400), "tags", "a", options=Options(margin=0.05)).set_index("slice")
    assert found.loc["easy", "verdict"] == "no worse"


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("tag", "the cases have no such column"),
        ("text", "too many for slices"),
        ("group", "no case has a value for it"),
    ],
)
def test_what_is_no_slice_is_named(by: str, message: str) -> None:
    with pytest.raises(PexError, match=message):
        slices(table(), by, "a")
