"""The family of an adoption: Holm over all prompts, with intervals that agree."""

from __future__ import annotations

import pandas as pd
import pytest

from pex.adoption.decide import WAIT, Sides, decide, has_too_many_errors
from pex.adoption.family import Finding, Subject, judge_family
from pex.core.about import VariantInfo
from pex.core.provenance import STATE
from pex.stats.multiple import holm
from pex.stats.paired import mcnemar, newcombe_paired, tango

NEW, OLD = VariantInfo("new", "p", model="lab/new"), VariantInfo("old", "p", model="lab/old")


def subject(losses: int, wins: int, n: int = 60, margin: float | None = None) -> Subject:
    """Yes/no scores of `n` cases, of which the new model loses and wins some."""
    rows = []
    for case in range(n):
        new = float(case >= losses)
        old = float(not losses <= case < losses + wins)
        for name, value in (("new", new), ("old", old)):
            rows.append({"variant": name, "case_id": f"c{case}", "repeat": 1, "score.ok": value,
                         "output": f"{name} {value}", "error": None, "group": None})  # fmt: skip
    return Subject(pd.DataFrame(rows), NEW, OLD, "ok", margin)


def table(losses: int, wins: int, n: int) -> tuple[int, int, int, int]:
    return n - losses - wins, wins, losses, 0


def test_p_is_holms_and_each_interval_is_at_the_level_that_it_is_compared_with() -> None:
    sizes = [(12, 0), (0, 9), (6, 0), (3, 2)]
    found = judge_family([subject(*size) for size in sizes])
    p = [mcnemar(wins, losses).mid for losses, wins in sizes]
    assert [item.row["p_adjusted"] for item in found] == pytest.approx(list(holm(p)))
    assert [item.word for item in found] == ["worse", "better", "worse", "undecided"]
    # Three are rejected, one after the other; the last one stops the procedure at its own level.
    for item, (losses, wins), part in zip(found, sizes, (4, 3, 2, 1), strict=True):
        ends = newcombe_paired(*table(losses, wins, 60), confidence=1 - 0.05 / part)
        assert (item.row["lo"], item.row["hi"]) == pytest.approx(ends)


def test_what_is_significant_alone_is_undecided_among_many() -> None:
    alone = judge_family([subject(6, 0)])[0]
    among = judge_family([subject(6, 0), *[subject(1, 1) for _ in range(9)]])[0]
    assert alone.word == "worse"
    assert among.word == "undecided"
    assert among.row["lo"] < 0 < among.row["hi"]
    assert among.row["p_adjusted"] >= 0.05
    assert among.more_cases is not None


def test_no_worse_is_corrected_too_and_its_bound_agrees() -> None:
    def word(others: int) -> tuple[Finding, list[Finding]]:
        found = judge_family([subject(0, 0, 60, 0.06)] + [subject(9, 9, 60, 0.06)] * others)
        return found[0], found[1:]

    alone, _ = word(0)
    bound = tango(60, 0, 0, 0, confidence=0.9)[0]
    assert alone.word == "no worse"
    assert alone.row["bound"] == pytest.approx(bound)
    among, others = word(7)
    assert among.word == "undecided"
    assert among.row["bound"] < -0.06
    assert among.p_no_worse is not None
    assert among.p_no_worse > 0.05
    assert all(item.word == "undecided" for item in others)
    # So many more cases without a difference would indeed suffice, and one fewer would not.
    more = among.more_cases
    assert more is not None
    for n, said in ((60 + more, "no worse"), (59 + more, "undecided")):
        again = judge_family([subject(0, 0, n, 0.06)] + [subject(9, 9, 60, 0.06)] * 7)[0]
        assert again.word == said


def test_equal_differences_of_a_few_cases_do_not_make_a_whole_family_no_worse() -> None:
    """Their interval has no width at any level; 60 of them support p = 0.95^60, not for 40."""
    rows = [
        {"variant": name, "case_id": f"c{case}", "repeat": 1, "score.j": 3.0 + case % 3 / 2,
         "output": f"{name} {case}", "error": None, "group": None}
        for name in ("new", "old") for case in range(60)
    ]  # fmt: skip
    numbers = Subject(pd.DataFrame(rows), NEW, OLD, "j", 0.1)
    [alone] = judge_family([numbers])
    assert alone.word == "no worse"
    assert alone.p_no_worse == pytest.approx(0.95**60)
    among = judge_family([numbers] * 40)
    assert {item.word for item in among} == {"undecided"}
    more = among[0].more_cases
    assert more is not None
    assert 0.95 ** (60 + more) <= 0.05 / 40 < 0.95 ** (59 + more)
    shared = numbers.frame.assign(
        group=[f"g{min(case, 58)}" for case in range(60)] * 2,
        **{"score.j": True},
    )
    grouped = Subject(shared, NEW, OLD, "j", 0.02)
    assert [item.word for item in judge_family([grouped])] == ["no worse"]
    assert {item.word for item in judge_family([grouped] * 5)} == {"undecided"}


def test_what_is_no_worse_only_without_its_errors_does_not_stay() -> None:
    made = subject(0, 0, 1000, 0.02)
    failed = (made.frame["variant"] == "new") & (made.frame["case_id"].str[1:].astype(int) < 45)
    frame = made.frame.assign(error_kind=None).astype({"score.ok": object})
    frame.loc[failed, ["error", "error_kind", "score.ok"]] = ["HTTP 500", "server", None]
    [found] = judge_family([Subject(frame, NEW, OLD, "ok", 0.02)])
    assert (found.word, found.row["verdict_errors_as_worst"]) == ("no worse", "worse")
    sides = Sides("new", "old", "lab/new", "lab/old")
    told = decide(frame, sides, found, 0.05, 0.02)
    assert told.verdict == WAIT
    assert told.why == "no worse by the margin, but with errors counted as failures: worse"
    # The errors of generated cases that nobody has accepted do not count.
    assert has_too_many_errors(frame, "new", 0.04)
    state = ["generated" if error else None for error in frame["error"]]
    assert not has_too_many_errors(frame.assign(**{STATE: state}), "new", 0.04)


def test_a_family_of_equal_models_is_rarely_wrong_about_any() -> None:
    """The chance of any claim is about that of Holm's level, not that of each comparison."""
    import numpy as np

    random = np.random.default_rng(20_260_101)
    claims = 0
    for _ in range(60):
        sizes = [tuple(random.multinomial(40, [0.1, 0.1, 0.8])[:2]) for _ in range(5)]
        found = judge_family([subject(int(a), int(b), 40) for a, b in sizes])
        claims += any(item.word in ("better", "worse") for item in found)
    assert claims <= 7  # 60 * 0.05 = 3; more than 7 has a chance below 2 %


def test_without_a_pair_there_is_no_verdict() -> None:
    none = subject(1, 0, 3)
    lonely = Subject(none.frame[none.frame["variant"] == "new"], NEW, OLD, "ok")
    [found] = judge_family([lonely])
    assert found.word == "undecided"
    assert "no case" in found.problem
