"""Values from Python, pandas and numpy: their JSON form, or an error that names them."""

# ruff: noqa: E501 - a line of a table is one case
from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import fractions
import pathlib
import pickle
import types
import uuid
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pex
from pex.core.canonical_json import canonical_json, digest
from pex.core.cases import Case, load_cases
from pex.core.values import WrittenFloat, WrittenInt, is_json_value, missing, to_json_value

PLUS2 = dt.timezone(dt.timedelta(hours=2))


class Color(str, enum.Enum):  # noqa: UP042 - the mixed form is what is tested
    RED = "red"


class Size(enum.IntEnum):
    BIG = 3


class Bare(enum.Enum):
    ONE = 1


@pytest.mark.parametrize(
    ("value", "made"),
    [
        (dt.date(2026, 11, 28), "2026-11-28"),
        (dt.datetime(2026, 11, 28, 9, 30), "2026-11-28T09:30:00"),
        (dt.datetime(2026, 11, 28, tzinfo=PLUS2), "2026-11-28T00:00:00+02:00"),
        (dt.time(9, 30), "09:30:00"),
        (dt.timedelta(days=1, seconds=3661.5), "P1DT1H1M1.5S"),
        (pd.Timestamp("2026-11-28", tz="UTC"), "2026-11-28T00:00:00+00:00"),
        (pd.Timedelta("1s"), "P0DT0H0M1S"),
        (np.datetime64("2026-11-28"), "2026-11-28"),
        (np.datetime64("2026-11"), "2026-11-01"),
        (np.datetime64("2026-11-28T09:30", "ns"), "2026-11-28T09:30:00"),
        (np.datetime64("2026-11-28T09:30:00.000000001"), "2026-11-28T09:30:00.000000001"),
        (np.timedelta64(90, "s"), "P0DT0H1M30S"),
        (decimal.Decimal("1.10"), 1.1), (decimal.Decimal("7"), 7), (decimal.Decimal("1E+3"), 1000),
        (decimal.Decimal("9007199254740993.00"), 9007199254740993),
        (decimal.Decimal("NaN"), None), (decimal.Decimal("0.1"), 0.1),
        (np.int64(2**60), 2**60), (np.uint8(3), 3), (np.float64(0.5), 0.5), (np.bool_(True), True),
        (np.str_("x"), "x"), (np.longdouble(1.5), 1.5), (np.array(3), 3), (np.array([[1, 2]]), [[1, 2]]),
        (np.array(["2026-11-28"], dtype="datetime64[ns]"), ["2026-11-28T00:00:00"]),
        (np.array([True]), [True]), (np.array(["a"]), ["a"]), (pd.Series([1, 2]), [1, 2]),
        (pd.Series([1.0, None]), [1.0, None]), (pd.Index(["a"]), ["a"]), (pd.Categorical(["a"]), ["a"]),
        (pd.Series(pd.to_datetime(["2026-11-28", None])), ["2026-11-28T00:00:00", None]),
        (float("nan"), None), (np.float32("nan"), None), (pd.NaT, None), (pd.NA, None),
        (np.datetime64("NaT"), None), (np.timedelta64("NaT"), None), (None, None),
        (2**53 + 1, 2**53 + 1), (2**70, 2**70), (-0.0, -0.0), (True, True),
        (Color.RED, "red"), (Size.BIG, 3),
        ((1, (2,)), [1, [2]]), (types.MappingProxyType({"a": 1}), {"a": 1}),
        (collections.OrderedDict(a=1), {"a": 1}), ({1: "x", dt.date(2026, 1, 2): 2}, {"1": "x", "2026-01-02": 2}),
        ({"a": [dt.date(2026, 1, 2), {"b": decimal.Decimal("2.5")}]}, {"a": ["2026-01-02", {"b": 2.5}]}),
        (WrittenInt(1067, "01067"), "01067"), (WrittenInt(1000, "1_000"), 1000),
        (WrittenFloat(1.1, "1.10"), 1.1), (WrittenInt(-1, "-01"), "-01"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_value_becomes_plain(value: Any, made: Any) -> None:
    found = to_json_value(value)
    assert found == made
    assert type(found) is type(made)
    assert str(found) == str(made)
    assert is_json_value(found)
    assert to_json_value(found) == found
    (case,) = load_cases([{"x": value, "id": "a"}])
    assert case.inputs["x"] == made
    (case,) = load_cases([Case("a", {"x": value}, value)])
    assert (case.inputs["x"], case.expected) == (made, made)
    assert pex.Prompt("<{{ x }}>", "p").render({"x": value}) == pex.Prompt("<{{ x }}>", "p").render(
        {"x": made}
    )


LOOP: list[Any] = []
LOOP.append(LOOP)
DEEP: Any = []
for _ in range(5_000):
    DEEP = [DEEP]

REFUSED = [
    {1, 2}, frozenset("a"), b"x", bytearray(b"x"), memoryview(b"x"), np.bytes_(b"x"), uuid.UUID(int=1),
    pathlib.Path("x"), 1j, np.complex64(1), Bare.ONE, object(), object, len, range(3), iter([1]),
    (i for i in "ab"), {"a": 1}.keys(), fractions.Fraction(1, 3), collections.deque([1]),
    types.SimpleNamespace(a=1), pd.Period("2026-11"), pd.Interval(0, 1), np.timedelta64(1, "M"),
    float("inf"), -float("inf"), np.float64("inf"), decimal.Decimal("Infinity"),
    decimal.Decimal("1E+999999"), {(1, 2): 3}, {1: "a", "1": "b"}, LOOP, DEEP,
]  # fmt: skip


@pytest.mark.parametrize("value", REFUSED, ids=[type(value).__name__ for value in REFUSED])
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"deep": [v]}])
def test_any_other_value_is_refused_by_name(value: Any, wrap: Any) -> None:
    rows = [{"id": 1, "x": "fine"}, {"id": 2, "x": wrap(value)}]
    with pytest.raises(pex.PexError, match=r"^cases, row 2, column 'x': "):
        load_cases(rows, {"id": "id"})
    with pytest.raises(pex.PexError, match=r"^case 'a', column 'x': "):
        load_cases([Case("a", {"x": wrap(value)})])
    with pytest.raises(pex.PexError, match=r"^prompt 'p': variable 'x': "):
        pex.Prompt("Say {{ x }}", "p").render({"x": wrap(value)})


def test_a_value_that_no_variable_asks_for_is_nobodys_business() -> None:
    assert pex.Prompt("{{ a }}", "p").render({"a": 1, "b": object()})[0]["content"] == "1"


def test_a_frame_with_everything() -> None:
    frame = pd.DataFrame(
        {
            "when": pd.to_datetime(["2026-11-28", None]),
            "price": [decimal.Decimal("1.50"), None],
            "n": pd.array([1, None], dtype="Int64"),
            5: ["a", "b"],
        }
    )
    first, second = load_cases(frame)
    assert first.inputs == {"when": "2026-11-28T00:00:00", "price": 1.5, "n": 1, "5": "a"}
    assert second.inputs == {"when": None, "price": None, "n": None, "5": "b"}


def test_whole_numbers_of_any_size_have_a_canonical_form() -> None:
    assert (
        canonical_json({"b": 2**80, "a": "é"}) == b'{"a":"\xc3\xa9","b":1208925819614629174706176}'
    )
    assert digest({"a": 2**80}) != digest({"a": 2**80 + 1})
    assert canonical_json({"a": 2**60}) == b'{"a":1152921504606846976}'


@pytest.mark.parametrize("value", [WrittenInt(1, "01"), WrittenFloat(1.1, "1.10")])
def test_a_written_number_survives_another_process(value: Any) -> None:
    again = pickle.loads(pickle.dumps(value))
    assert (again, again.written) == (value, value.written)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.dates() | st.datetimes() | st.times()
        | st.decimals(allow_infinity=False, allow_nan=True, places=3) | st.timedeltas()
        | st.floats(allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)  # fmt: skip
def test_plain_is_plain_and_stays_so(value: Any) -> None:
    made = to_json_value(value)
    assert is_json_value(made)
    assert to_json_value(made) == made
    assert digest(made) == digest(value)


@pytest.mark.parametrize(
    ("value", "is_none"),
    [
        (None, True), (float("nan"), True), (np.float32("nan"), True), (pd.NA, True), (pd.NaT, True),
        ("", False), (0, False), (0.0, False), (False, False), ("nan", False), ([None], False),
        (np.array([1.0, 2.0]), False), (pd.Series([1.0, 2.0]), False),
    ],
)  # fmt: skip
def test_what_stands_for_no_value(value: Any, is_none: bool) -> None:
    assert missing(value) is is_none
