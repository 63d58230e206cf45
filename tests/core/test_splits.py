"""Cases are divided so that nothing that was seen can confirm anything."""

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.splits import SETS, split_cases


def made(count: int, label: str = "", groups: int = 0) -> list[Case]:
    return [
        Case(
            f"{label}{n}",
            {"n": n},
            expected="yes" if n % 4 else "no",
            group=f"g{n % groups}" if groups else None,
        )
        for n in range(count)
    ]


def test_every_set_has_its_share_of_every_answer() -> None:
    found = split_cases(made(200))
    for name, share in (("train", 0.5), ("select", 0.25), ("confirm", 0.25)):
        cases = getattr(found, name)
        assert len(cases) == pytest.approx(200 * share, abs=2)
        no = sum(case.expected == "no" for case in cases)
        assert no == pytest.approx(50 * share, abs=1)


def test_membership_does_not_depend_on_the_order_of_the_file() -> None:
    cases = made(60)
    assert split_cases(cases).membership() == split_cases(cases[::-1]).membership()


def test_a_case_stays_where_it_was_when_others_are_added() -> None:
    first = split_cases(made(60)).membership()
    later = split_cases([*made(25, "new"), *made(60)], known=first).membership()
    assert {case_id: later[case_id] for case_id in first} == first
    counts = collections.Counter(later.values())
    assert counts["train"] == pytest.approx(42, abs=2)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["yes", "no", "other"])), min_size=3),
    st.integers(1, 9),
)
def test_no_group_is_in_two_sets(rows: list[tuple[int, str]], groups: int) -> None:
    cases = [
        Case(str(n), {"n": n}, expected=answer, group=str(group % groups))
        for n, (group, answer) in enumerate(rows)
    ]
    found = split_cases(cases)
    where: dict[str, set[str]] = collections.defaultdict(set)
    for name in SETS:
        for case in getattr(found, name):
            where[str(case.group)].add(name)
    assert all(len(sets) == 1 for sets in where.values())
    assert sum(len(getattr(found, name)) for name in SETS) == len(cases)


def test_cases_without_a_group_can_be_kept_together() -> None:
    cases = made(40)
    found = split_cases(cases, together={"0": "same", "1": "same", "2": "same"}).membership()
    assert found["0"] == found["1"] == found["2"]


def test_a_group_that_was_divided_before_it_was_one_counts_as_seen() -> None:
    known = {"0": "confirm", "1": "train"}
    found = split_cases(made(8, groups=1), known=known).membership()
    assert set(found.values()) == {"train"}


def test_a_column_decides() -> None:
    cases = [Case(str(n), {"split": SETS[n % 3]}) for n in range(6)]
    assert [len(getattr(split_cases(cases), name)) for name in SETS] == [2, 2, 2]


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ([Case("a", {"split": "train"}), Case("b", {"split": "trian"})], "case 'b': split"),
        (
            [
                Case("a", {"split": "train"}, group="g"),
                Case("b", {"split": "confirm"}, group="g"),
            ],
            "belong together",
        ),
    ],
)
def test_a_column_that_does_not_fit_is_refused(cases: list[Case], said: str) -> None:
    with pytest.raises(PexError, match=said):
        split_cases(cases)


@pytest.mark.parametrize(
    "shares",
    [
        {"train": 0.5},
        {"train": 0.5, "select": 0.25, "confirm": 0.5},
        {"train": 1, "select": 0, "confirm": 0},
        {"train": 0.5, "select": 0.25, "confrim": 0.25},
    ],
)
def test_shares_that_do_not_fit_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(PexError, match="splits"):
        split_cases(made(9), shares)
