"""The state of each requirement, from a frame alone."""

import math
from typing import Any

import pandas as pd
import pytest
from scipy.stats import binom

from pex.compare.requirements import counted, orphans, states
from pex.core.about import CheckInfo, RequirementInfo
from tests.helpers.frames import frame


def state_of(
    scores: list[Any], at_least: float | None = None, compares: bool = False, **columns: Any
) -> dict[str, Any]:
    made = frame({"a": scores}, **columns)
    asked = [RequirementInfo("R1", "It holds.", at_least=at_least)]
    found = states(made, asked, [CheckInfo("ok", ["R1"], compares)])
    assert len(found) == 1
    return found.to_dict("records")[0]


@pytest.mark.parametrize(
    ("passed", "n", "at_least", "state"),
    [
        (40, 41, 0.9, "undecided"),  # the exact lower end is 0.889
        (59, 60, 0.9, "met"),
        (50, 60, 0.95, "not met"),
        (30, 40, 0.9, "not met"),
        (38, 40, 0.95, "undecided"),
        (39, 40, None, "not met"),  # no exception is allowed, and one was seen
    ],
)
def test_met_and_not_met_are_said_only_with_confidence(
    passed: int, n: int, at_least: float | None, state: str
) -> None:
    found = state_of([1.0] * passed + [0.0] * (n - passed), at_least)
    assert found["state"] == state
    assert found["lo"] < passed / n < found["hi"]


def test_the_ends_are_exact_one_sided_ones() -> None:
    found = state_of([1.0] * 36 + [0.0] * 4, 0.8)
    # By definition: at the lower end so many passes, at the upper end so few, come once in twenty.
    assert binom.sf(35, 40, found["lo"]) == pytest.approx(0.05)
    assert binom.cdf(36, 40, found["hi"]) == pytest.approx(0.05)
    # All of 40: 0.05^(1/40).
    found = state_of([1.0] * 40)
    assert found["lo"] == pytest.approx(0.05 ** (1 / 40))


def test_all_passed_is_met_with_the_rate_that_it_shows_if_something_can_fail() -> None:
    one = frame({"a": [1.0] * 40, "b": [1.0] * 39 + [0.0]})
    found = states(one, [RequirementInfo("R1", "x")], [CheckInfo("ok", ["R1"])])
    assert list(found["state"]) == ["met", "not met"]
    assert found["sentence"][0] == "all 40 cases passed, which shows a rate of at least 92 %"
    assert found["sentence"][1] == "39 of 40 cases passed (98 %); every case was asked to pass"
    assert found["failing"][1] == ["c39"]


def test_what_nothing_has_ever_failed_is_not_met_but_never_failed() -> None:
    found = state_of([1.0] * 20)
    assert found["state"] == "never failed"
    assert "no case has made it fail" in found["sentence"]
    made = frame({"a": [1.0] * 20})
    before = CheckInfo("ok", ["R1"], failed_before=True)
    assert states(made, [RequirementInfo("R1", "x")], [before])["state"][0] == "met"


def test_different_expected_answers_can_make_a_comparison_fail() -> None:
    both = ["yes", "no"] * 10
    assert state_of([1.0] * 20, compares=True, expected=both)["state"] == "met"
    assert state_of([1.0] * 20, compares=True, expected=["yes"] * 20)["state"] == "never failed"
    # A scorer that does not look at what is expected is not shown to fail by it.
    assert state_of([1.0] * 20, compares=False, expected=both)["state"] == "never failed"


def test_untested_and_orphans() -> None:
    made = frame({"a": [1.0, 0.0]})
    asked = [RequirementInfo("R1", "x"), RequirementInfo("R2", "y", source="Legal")]
    checks = [CheckInfo("ok", ["R1"]), CheckInfo("other")]
    found = states(made, asked, checks)
    assert list(found["state"]) == ["not met", "untested"]
    assert found["sentence"][1] == "no scorer checks it"
    assert orphans(checks, asked) == ["other"]
    assert orphans(checks, []) == []
    assert counted(found) == "1 not met, 1 untested"


def test_a_case_passes_only_if_every_scorer_of_the_requirement_passes() -> None:
    made = frame({"a": [1.0] * 30 + [0.0] * 2}, name="one")
    made["score.two"] = [0.0] * 3 + [1.0] * 29
    checks = [CheckInfo("one", ["R1"]), CheckInfo("two", ["R1"])]
    found = states(made, [RequirementInfo("R1", "x", at_least=0.9)], checks)
    assert (found["n"][0], found["failed"][0], found["scores"][0]) == (32, 5, "one, two")
    assert found["value"][0] == pytest.approx(27 / 32)


def test_errors_are_counted_and_never_passed_or_failed() -> None:
    made = frame({"a": ["error", None, 1.0, 0.0]})
    made["score_error.ok"] = None
    found = states(made, [RequirementInfo("R1", "x")], [CheckInfo("ok", ["R1"])])
    assert (found["n"][0], found["not_scored"][0]) == (2, 1)  # None: the scorer does not apply
    assert found["sentence"][0].endswith("; 1 case could not be scored")
    made = frame({"a": [1.0, 1.0]}, name="one")
    made["score.two"], made["score_error.two"] = [1.0, math.nan], [None, "KeyError"]
    found = states(
        made,
        [RequirementInfo("R1", "x")],
        [CheckInfo("one", ["R1"], failed_before=True), CheckInfo("two", ["R1"])],
    )
    # Half of what checks it is not known: the case has not passed.
    assert (found["n"][0], found["not_scored"][0]) == (1, 1)
    nothing = frame({"a": ["error"]})
    found = states(nothing, [RequirementInfo("R1", "x")], [CheckInfo("ok", ["R1"])])
    assert (found["state"][0], found["n"][0]) == ("undecided", 0)


def test_a_case_passes_only_if_all_of_its_repeats_pass() -> None:
    found = state_of([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    assert (found["n"], found["failed"], found["state"]) == (3, 1, "not met")
    assert found["value"] == pytest.approx(2 / 3)
    assert found["sentence"].startswith("2 of 3 cases passed (67 %)")
    # What the repeats of one case disagree about, other cases do not decide.
    found = state_of([[1.0, 0.0]] * 3 + [[1.0, 1.0]] * 30, 0.95)
    assert (found["state"], found["more_cases"]) == ("undecided", None)
    assert "would decide" not in found["sentence"]


def test_a_repeat_that_is_lost_leaves_its_case_unknown() -> None:
    able = {"compares": True, "expected": ["a", "b", "b"]}
    found = state_of([[1.0, "error"], [1.0, 1.0], [1.0, 1.0]], **able)
    assert (found["n"], found["failed"], found["not_scored"]) == (2, 0, 1)
    assert found["state"] == "undecided"  # every case has to pass, and of one it is not known
    assert found["sentence"].endswith("; 1 case could not be scored")
    found = state_of([[0.0, "error"], [1.0, 1.0], [1.0, 1.0]], **able)
    assert (found["n"], found["failed"], found["not_scored"]) == (3, 1, 0)
    assert found["state"] == "not met"


def test_the_worst_mark_everywhere_is_a_number_and_not_all_passed() -> None:
    made = frame({"a": [1.0] * 60})

    def state(at_least: float | None, numbers: bool) -> str:
        asked = [RequirementInfo("R1", "It holds.", at_least=at_least)]
        check = CheckInfo("ok", ["R1"], failed_before=True, numbers=numbers)
        return str(states(made, asked, [check])["state"][0])

    assert state(4.0, numbers=True) == "not met"
    assert state(None, numbers=True) == "undecided"
    assert state(0.9, numbers=False) == "met"
    assert state(4.0, numbers=False) == "not met"  # no share is above 1


def test_cases_that_belong_together_count_as_their_groups() -> None:
    groups = [f"g{number // 10}" for number in range(60)]
    alone = state_of([1.0] * 59 + [0.0], 0.9)
    together = state_of([1.0] * 59 + [0.0], 0.9, group=groups)
    assert alone["state"] == "met"
    assert together["lo"] <= alone["lo"]
    # One bad group of six: what looks like 60 independent cases is much less.
    scores = [0.0] * 10 + [1.0] * 50
    assert state_of(scores, 0.5, group=groups)["lo"] < state_of(scores, 0.5)["lo"] - 0.1
    # All passed: what six groups show, not what sixty cases would.
    found = state_of([1.0] * 60, 0.9, compares=True, expected=["a", "b"] * 30, group=groups)
    assert (found["state"], found["lo"]) == ("undecided", pytest.approx(0.05 ** (1 / 6)))


@pytest.mark.parametrize("failing", [1, 2, 3, 5, 19, 20, 21, 50])
def test_cases_that_fail_never_make_groups_surer_than_if_all_were_alike(failing: int) -> None:
    groups = [f"g{number // 20}" for number in range(100)]
    alike = state_of([1.0] * 100, 0.9, group=groups)
    some = state_of([0.0] * failing + [1.0] * (100 - failing), 0.9, group=groups)
    assert some["lo"] <= alike["lo"] == pytest.approx(0.05 ** (1 / 5))
    assert some["state"] != "met"
    assert some["hi"] >= 1 - 0.05 ** (1 / 5)
    assert (
        state_of([0.0] * (100 - failing) + [1.0] * failing, 0.9, group=groups)["hi"]
        >= (state_of([0.0] * 100, 0.9, group=groups)["hi"])
    )


def test_the_mean_of_a_number_is_as_sure_as_its_groups_make_it() -> None:
    values = [5.0] * 20 + [4.0] * 20 + [5.0] * 20 + [3.9] * 20
    groups = [f"g{number // 20}" for number in range(80)]
    assert state_of(values, 4.3)["state"] == "met"
    found = state_of(values, 4.3, group=groups)
    assert found["state"] == "undecided"
    assert found["sentence"] == "the mean is 4.47 on 80 cases in 4 groups; at least 4.3 is required"
    one = state_of(values, 4.3, group=["g"] * 80)
    assert (one["state"], one["sentence"]) == ("undecided", "too few groups to conclude from")


def test_a_number_is_compared_by_its_mean_and_needs_a_threshold() -> None:
    values = [3.0, 4.0, 5.0, 5.0, 4.0, 5.0, 4.0, 5.0, 5.0, 5.0]
    assert state_of(values, 4.0)["state"] == "met"
    assert state_of(values, 4.95)["state"] == "not met"
    assert state_of(values, 4.4)["state"] == "undecided"
    found = state_of(values)
    assert (found["state"], found["share"]) == ("undecided", False)
    assert "at_least" in found["sentence"]
    assert state_of([5.0, 5.0, 5.0], 4.0)["state"] == "undecided"  # no spread to judge by


def test_a_scorer_of_several_scores_is_judged_by_its_yes_no_parts() -> None:
    made = frame({"a": [1.0, 1.0, 0.0]}, name="tone.polite")
    made["score.tone.words"] = [3.0, 4.0, 5.0]
    found = states(made, [RequirementInfo("R1", "x")], [CheckInfo("tone", ["R1"])])
    assert (found["n"][0], found["failed"][0], found["state"][0]) == (3, 1, "not met")


def test_undecided_says_about_how_many_more_cases_would_decide() -> None:
    found = state_of([1.0] * 39 + [0.0], 0.9)
    assert found["state"] == "undecided"
    assert found["more_cases"] > 0
    more = found["more_cases"]
    whole = round(39 / 40 * (40 + more))
    assert state_of([1.0] * whole + [0.0] * (40 + more - whole), 0.9)["state"] == "met"


def test_no_requirements_no_rows() -> None:
    found = states(frame({"a": [1.0]}), [], [CheckInfo("ok")])
    assert isinstance(found, pd.DataFrame)
    assert not len(found)
    assert "state" in found
