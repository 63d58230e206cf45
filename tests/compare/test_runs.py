"""Two runs as one frame."""

from __future__ import annotations

import pytest

from pex.compare.runs import both
from pex.core.errors import PexError
from pex.results.comparison import compare_frame
from tests.helpers.frames import frame


def test_variants_of_the_same_name_belong_together() -> None:
    a = frame({"short": [0, 0, 0], "long": [1, 1, 1], "old": [1, 1, 1]})
    b = frame({"short": [1, 1, 1], "long": [1, 1, 1], "new": [1, 1, 1]})
    table, variants, notes = both(a, b)
    found = compare_frame(table, baseline="A", variants=variants)
    pairs = list(zip(found.frame["candidate"], found.frame["baseline"], strict=True))
    assert pairs == [("B: short", "A: short"), ("B: long", "A: long")]
    assert notes == ["only in A, so not compared: old", "only in B, so not compared: new"]


def test_single_variants_are_compared_whatever_they_are_called() -> None:
    table, variants, _ = both(frame({"x": [0, 1]}), frame({"y": [1, 1]}))
    found = compare_frame(table, baseline="A", variants=variants)
    assert list(found.frame["candidate"]) == ["B: y"]


def test_different_cases_and_changed_data_are_said() -> None:
    a = frame({"x": [0, 1, 1]}, **{"case.q": ["one", "two", "three"]})
    b = frame({"x": [1, 1]}, **{"case.q": ["one", "2"]})
    _, _, notes = both(a, b)
    assert notes == [
        "the runs have different cases: 1 only in A, 0 only in B; the 2 in both are compared",
        "1 case has the same id but different inputs or expected answers",
    ]


def test_nothing_in_common_is_an_error() -> None:
    a = frame({"x": [0, 1]})
    with pytest.raises(PexError, match="no case in common"):
        both(a, a.assign(case_id=a["case_id"] + "_"))
    with pytest.raises(PexError, match="no score in common"):
        both(a, frame({"x": [0, 1]}, "other"))
    with pytest.raises(PexError, match="no variant in common"):
        both(frame({"x": [1], "y": [1]}), frame({"z": [1], "w": [1]}))
