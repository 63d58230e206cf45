"""Ratings: from pex to MLflow's traces, back again, and held against a judge."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import pex
from pex.record import assessments
from pex.record.traces import complete
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.judges import likes

pytestmark = pytest.mark.traces


def experiment() -> pex.Experiment:
    prompts = [pex.Prompt("{{ word }}", name="plain"), pex.Prompt("{{ word }} please", name="kind")]
    cases = [{"word": f"w{i}", "expected": f"w{i}"} for i in range(6)]
    rubric = pex.Prompt("Is this polite?\n{{ output }}", name="polite")
    scorers = ["exact", pex.Judge(rubric, "lab/m2")]
    return pex.Experiment("rated", pex.grid(prompts, "lab/m1"), cases, scorers)


def test_ratings_come_back_and_calibrate_the_judge(project: Path, lab: FaultyEndpoint) -> None:
    lab.reply = likes("please")
    results = experiment().run(show=False)
    assert results.traces is not None
    assert results.traces.wait()
    uri = results.about["tracking_uri"]
    # A person agrees but for one answer of each variant.
    for row in results.frame.itertuples():
        polite = row.variant == "kind"
        value = polite != row.case_id.endswith(results.frame["case_id"].iloc[0][-4:])
        assessments.add(uri, row.trace_id, "polite", value, "my own view", "ada")
    loaded = pex.load_run(results.run_id)
    ratings = loaded.ratings()
    assert len(ratings) == 12
    assert set(ratings["rater"]) == {"ada"}
    found = loaded.calibrate("polite")
    assert found.n == 12
    assert found.agreement.value == pytest.approx(10 / 12)
    assert len(found.disagreements) == 2
    assert found.raters == ("ada",)
    # The scores of the judge itself are not taken for ratings.
    assert not (ratings["rationale"] == "So.").any()


def test_ratings_may_be_a_table(project: Path, lab: FaultyEndpoint) -> None:
    lab.reply = likes("please")
    results = experiment().run(show=False, record=False)
    ids = list(dict.fromkeys(results.frame["case_id"]))
    table = pd.DataFrame({"case_id": ids, "variant": "kind", "value": ["yes"] * 5 + ["no"]})
    found = results.calibrate("polite", table)
    assert (found.n, found.unrated) == (6, 6)
    assert found.disagreements[0].place == ("kind", ids[5], 1)
    with pytest.raises(pex.PexError, match="no column 'case_id'"):
        results.calibrate("polite", table.drop(columns="case_id"))
    with pytest.raises(pex.PexError, match="rating 'perhaps': expected yes or no"):
        results.calibrate("polite", table.assign(value="perhaps"))
    with pytest.raises(pex.PexError, match="there is no judge 'polit'"):
        results.calibrate("polit", table)


def test_an_uncalibrated_judge_is_marked_everywhere_and_passes_nobody(
    project: Path, lab: FaultyEndpoint
) -> None:
    lab.reply = likes("please")
    results = experiment().run(show=False)
    comparison = results.compare("plain", "polite", margin=0.1)
    assert comparison.verdicts == {"kind": "better"}
    assert "(uncalibrated judge)" in repr(comparison)
    assert comparison.gate().outcome == "undecided"
    assert "is not calibrated against people" in results.page()
    assert results.about["judges"][0]["calls"] == 12


def test_a_judge_scores_answers_that_are_there(project: Path, lab: FaultyEndpoint) -> None:
    lab.reply = likes("please")
    exp = experiment()
    plain = pex.Experiment("rated", exp.variants, exp.cases, ["exact"]).run(show=False)
    asked = lab.calls
    again = plain.rescore(exp._scorers[1])
    assert lab.calls == asked + 12
    assert again.summary().set_index("variant").loc["kind", "score.polite"] == 1.0
    assert again.about["judges"][0]["name"] == "polite"
    assert pex.load_run(plain.run_id).about["judges"][0]["model"] == "lab/m2"
    # The journal knows the verdicts: the same again asks nobody.
    plain.rescore(exp._scorers[1])
    assert lab.calls == asked + 12


def rate_all(rating: pex.Rating, rater: str, better: str) -> None:
    """One rater finds one variant's answer better wherever it stands."""
    session = rating._open_session(rater)
    for number, shown in enumerate(session.order):
        first_is_left = not shown.swapped
        left = (better == rating.variants[0]) == first_is_left
        session.rate(number, "left" if left else "right", ["tone"])


def test_ratings_by_hand_are_assessments_that_calibrate_a_pairwise_judge(
    project: Path, lab: FaultyEndpoint
) -> None:
    exp = experiment()
    results = pex.Experiment("rated", exp.variants, exp.cases, ["exact"]).run(show=False)
    rating = results.rate()
    assert rating.variants == ("plain", "kind")
    rate_all(rating, "ada", "kind")
    assert rating.record() == "MLflow has 12 of 12 ratings of answers."
    loaded = pex.load_run(results.run_id)
    found = loaded.ratings()
    assert len(found) == 12
    values = dict(found.groupby("variant")["value"].agg(set))
    assert values == {"plain": {0.0}, "kind": {1.0}}
    assert set(found["rationale"]) == {"better than 'plain'; tone", "not as good as 'kind'; tone"}
    # Again adds nothing; a mind that was changed takes the place of what was said before.
    rating.record()
    assert len(loaded.ratings()) == 12
    changed = rating._open_session("ada")
    changed.rate(0, "both bad")
    rating.record()
    found = loaded.ratings()
    assert len(found) == 12
    assert sorted(found["value"])[5:7] == [0.5, 0.5]
    # In another session the ratings are there, and their summary.
    again = loaded.rate()
    assert again.summary().loc[0, "ratings"] == 6
    # What people said is what a judge is held against.
    judge = {"name": "preferred", "identity": {}, "calibrated": False}
    judged = pex.Results(
        loaded.frame.assign(**{"score.preferred": (loaded.frame["variant"] == "kind") * 1.0}),
        {**loaded.about, "judges": [judge]},
    )
    calibration = judged.calibrate("preferred")
    assert (calibration.n, len(calibration.disagreements)) == (12, 2)
    assert calibration.raters == ("ada",)


def test_a_run_without_traces_keeps_its_ratings_until_there_are_some(
    project: Path, lab: FaultyEndpoint
) -> None:
    exp = experiment()
    plain = pex.Experiment("rated", exp.variants, exp.cases, ["exact"])
    results = plain.run(show=False, traces="none")
    rating = results.rate()
    rate_all(rating, "ada", "kind")
    said = rating.record()
    assert said.startswith("MLflow has 0 of 12 ratings of answers; 12 are for answers without")
    assert f"pexlab record {results.run_id} --traces all" in said
    complete(results.about["tracking_uri"], str(results.run_id), "all")
    assert rating.record() == "MLflow has 12 of 12 ratings of answers."
    assert len(results.ratings()) == 12
    unrecorded = plain.run(show=False, record=False).rate()
    # The answers are the same, so what was said of them holds.
    assert unrecorded.summary().loc[0, "ratings"] == 6
    assert "not in MLflow; the ratings are kept in .pex" in unrecorded.record()
