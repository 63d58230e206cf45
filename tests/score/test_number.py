"""How numbers are written, and what is none."""

import time

import pytest

import pex
from pex.core.cases import Case
from pex.score.build import build
from pex.score.number import find_number
from tests.helpers.scores import score, value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1 000", 1000), ("12\u00a0345,6", 12345.6), ("1’000", 1000), ("1_000", 1000),
        ("1,23,456", 123456), ("12,345,678.90", 12345678.9), ("R$ 1.234,50", 1234.5),
        ("0,500", 0.5), ("-0,125", -0.125), ("0.500", 0.5), (".5", 0.5), ("1234,567", 1234.567),
        ("-$5", -5), ("$-5", -5), ("USD5", 5), ("5€", 5), ("x=-5", -5), ("$42$", 42),
        ("**42**", 42), ("__42__", 42), ("COVID-19", 19), ("1-2", 2), ("1, 2, 3", 3), ("1,2,3", 3),
        ("v1.5", None), ("B2", None), ("GPT4", None), ("٤٢", 42), ("7²", 7), ("①", None),
        ("2 then 1e400", 2), ("1" * 400, None), ("3.14.", 3.14), ("in 2024, 500 people", 500),
    ],
)  # fmt: skip
def test_numbers(text: str, number: float | None) -> None:
    assert find_number(text) == number


def test_a_tolerance_means_what_it_says() -> None:
    assert value({"kind": "number", "tolerance": 0.1}, "3.1", 3) is True
    assert value({"kind": "number", "tolerance": 0.1}, "3.11", 3) is False
    assert value({"kind": "number", "relative": 0.1}, "110", 100) is True
    assert value("number", "3.0000001", 3) is False
    assert value("number", None, 3) is False


def test_reasons_name_both_numbers() -> None:
    assert score("number", "1234568 m", 1234567)["number"].reason == (
        "reads 1234568, expected 1234567"
    )


@pytest.mark.parametrize("expected", ["about three", True, "1e400"])
def test_an_expected_answer_without_a_number(expected: object) -> None:
    with pytest.raises(pex.PexError, match=r"case 'c' expects '.*', which has no number in it"):
        build(["number"], [Case("c", {}, expected)])


def test_a_hostile_answer_takes_no_long_time() -> None:
    begun = time.thread_time()
    for text in ("1" + ",11" * 50_000, "1" + ".111" * 50_000 + "1", "1 " * 50_000, "-" * 50_000):
        find_number(text)
    assert time.thread_time() - begun < 3
