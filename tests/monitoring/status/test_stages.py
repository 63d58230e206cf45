"""The seven stages of a prompt: what is done, what is stuck, and the next step."""

import dataclasses
import datetime
from typing import Any

import pytest

from pex.core.case import Case
from pex.core.provenance import Provenance
from pex.evidence.card.data import CardData, RequirementState, ScoreLine, VersionLine
from pex.library.moves import Move
from pex.monitoring.status.deployed import Deployed
from pex.monitoring.status.stages import STAGES, PromptStatus, Stage, order, status_of
from pex.project.spec import Requirement

DAY = datetime.datetime(2026, 11, 10, 8, tzinfo=datetime.UTC)


def card(**changes: Any) -> CardData:
    """A prompt that is measured, released and has no problem."""
    version = VersionLine(2, ("champion",), "shorter", "ada", DAY, "", False, "…", None)
    score = ScoreLine("v2", "local/m", "label", 0.8, 0.7, 0.9, 60, True, DAY, "reviews", "r1")
    asked = Requirement(id="R1", text="one word", source="support", priority="must")
    move = Move(prompt="short", alias="champion", before=1, to=2, by="ada", at=DAY,
                kind="promote", verdict="better")  # fmt: skip
    whole = CardData(
        name="short", description="", shown="v2", text="…", model="", path="short.prompty",
        owner="", tags=(), category={}, intended_use="", known_failures="", inputs=(),
        requirements=(RequirementState(asked, "met"),), scores=(score,), usage=(), failures=None,
        safety=(), versions=(version,), moves=(move,), aliases={"champion": 2},
        experiments=("reviews",),
    )  # fmt: skip
    return dataclasses.replace(whole, **changes)


def deployed(**changes: Any) -> Deployed:
    whole = Deployed("experiments/reviews/monitor.yaml", 30, 40, {2: [DAY]}, 10, 1, 0, DAY)
    return dataclasses.replace(whole, **changes)


def from_trace(day: str) -> Case:
    return Case("t1", {"q": "?"}, "yes", provenance=Provenance(trace="tr-1", accepted_by="ada",
                                                              accepted_on=day))  # fmt: skip


CASES = [Case("c1", {"q": "a"}, "yes"), from_trace("2026-11-09")]


def stage(status: PromptStatus, name: str) -> Stage:
    return status.stages[STAGES.index(name)]


def test_a_prompt_without_a_problem_has_gone_round() -> None:
    status = status_of(card(), CASES, deployed())
    assert [item.state for item in status.stages] == ["good"] * 7
    assert "better when it was promoted" in stage(status, "gate").detail
    assert not status.stuck


@pytest.mark.parametrize(
    ("name", "changes", "traces", "cases", "said"),
    [
        ("requirements", {"requirements": "not met"}, {}, CASES, "R1"),
        ("cases", {"experiments": ()}, {}, [], "no experiment"),
        ("cases", {}, {}, [Case("g", {"q": 1}, provenance=Provenance("m"))], "nobody has accepted"),
        ("gate", {"scores": ()}, {}, CASES, "not been measured"),
        ("deployed", {}, {"answered": {1: [DAY + datetime.timedelta(days=1)]}}, CASES, "v1 (1)"),
        ("feedback", {}, {"untriaged": 3}, CASES, "3 negative opinions not triaged"),
        ("new cases", {}, {}, [from_trace("2026-11-12")], "not measured since"),
    ],
)
def test_what_is_stuck_says_what_to_do(
    name: str, changes: dict[str, Any], traces: dict[str, Any], cases: list[Case], said: str
) -> None:
    if "requirements" in changes:
        (item,) = card().requirements
        changes = {"requirements": (dataclasses.replace(item, state=changes["requirements"]),)}
    found = stage(status_of(card(**changes), cases, deployed(**traces), "reviews.yaml"), name)
    assert found.state == "stuck"
    assert said in found.detail
    assert found.next_step


def test_a_newer_version_waits_for_its_release() -> None:
    newer = dataclasses.replace(card().versions[0], number=3, aliases=())
    status = status_of(card(versions=(newer, *card().versions)), CASES, deployed())
    assert stage(status, "deployed").state == "waiting"
    assert "promote short" in stage(status, "deployed").next_step


def test_a_newer_version_that_scores_below_the_one_in_use_says_so() -> None:
    newer = dataclasses.replace(card().versions[0], number=3, aliases=())
    (used,) = card().scores
    worse = dataclasses.replace(used, version="v3", value=0.1, lo=0.04, hi=0.2)
    both = card(versions=(newer, *card().versions), scores=(used, worse))
    found = stage(status_of(both, CASES, deployed()), "gate")
    assert (found.state, found.figure) == ("waiting", "label 10 % (v2 80 %)")
    assert "v3 scores below v2, which is in use" in found.detail
    as_good = dataclasses.replace(both, scores=(used, dataclasses.replace(used, version="v3")))
    assert stage(status_of(as_good, CASES, deployed()), "gate").state == "good"


def test_nothing_is_said_of_traces_that_are_not_read() -> None:
    status = status_of(card(), CASES, None)
    assert stage(status, "feedback").figure == "not watched"
    assert stage(status, "deployed").state == "good"


def test_traces_of_the_minutes_after_a_release_are_no_problem() -> None:
    at = DAY + datetime.timedelta(minutes=5)
    assert not status_of(card(), CASES, deployed(answered={1: [at], 2: [at]})).stuck


def test_what_is_stuck_comes_first() -> None:
    good, stuck = status_of(card(), CASES, None), status_of(card(name="z", scores=()), CASES, None)
    assert [item.name for item in order([good, stuck])] == ["z", "short"]
