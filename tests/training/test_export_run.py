"""Training data of a run: passed answers, blind ratings, a judge's verdicts, thumbs."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.core.errors import PexError
from pex.rating.order import find_pairs
from pex.rating.preference import now
from pex.rating.store import FOLDER, PairRating, RatingFile, parse_rating
from pex.record import assessments
from pex.results.results import Results
from pex.score.judge.judge import Judge
from pex.training.export import export
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.processes import traces_are_written

COUNT = 16


def text(number: int) -> str:
    dice = random.Random(number)
    return " ".join("".join(dice.choices("abcdefghijklmnoprstuvw", k=6)) for _ in range(8))


def reply(body: dict[str, Any], number: int) -> Any:
    """`kind` thanks, `curt` does not; the judge prefers thanks wherever they stand."""
    said = body["messages"][-1]["content"]
    if body["model"] == "judge":
        first = said.partition("SECOND")[0]
        return completion(json.dumps({"verdict": "first" if "Thanks" in first else "second"}))
    kind = "Be kind." in said
    return completion(f"{'Thanks. ' * kind}Reply to {said[-50:]}")


@pytest.fixture
def results(lab: FaultyEndpoint, project: Path) -> Results:
    lab.reply = reply
    kind = pex.Prompt("Be kind. {{ q }}", name="kind")
    curt = pex.Prompt("Be curt. {{ q }}", name="curt")
    rubric = pex.Prompt("Which is kinder? FIRST {{ first }} SECOND {{ second }}", name="kinder")
    exp = pex.Experiment(
        "replies",
        variants=pex.grid([curt, kind], "lab/m1"),
        cases=[{"case_id": f"c{n}", "q": text(n), "group": f"g{n // 2}"} for n in range(COUNT)],
        scorers=[
            {"name": "thanks", "kind": "contains", "value": "Thanks"},
            Judge(rubric, "lab/judge", name="kinder", baseline="curt"),
        ],
    )
    run = exp.run(traces="all", budget_usd=1)
    traces_are_written()
    return run


def lines(project: Path, folder: str) -> list[dict[str, Any]]:
    files = sorted((project / folder).glob("*.jsonl"))
    return [
        json.loads(line)
        for path in files
        if path.name != "rows.jsonl"
        for line in path.read_text().splitlines()
    ]


def about(project: Path, folder: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in (project / folder / "rows.jsonl").read_text().splitlines()]


def rate(project: Path, results: Results, choices: dict[str, dict[str, str]]) -> None:
    """Ratings as the widget stores them: the better variant by case and rater."""
    pairs = find_pairs(results.frame, ("curt", "kind")).different
    file = RatingFile(project / ".pex" / FOLDER / "replies-0.jsonl", parse_rating)
    file.add(
        [
            PairRating(
                pair.id, pair.case_id, 1, rater, "kind", "curt",
                {"kind": "left", "curt": "right"}.get(better, "tie"), at=now(),
            )
            for pair in pairs
            for rater, better in choices.get(pair.case_id, {}).items()
        ]
    )  # fmt: skip


@pytest.mark.traces
def test_a_run_becomes_each_kind_of_training_data(results: Results, project: Path) -> None:
    run = str(results.run_id)
    if results.traces is not None:
        results.traces.wait()

    # Answers that passed a score, with the prompt of the trained model.
    found = export(run, "openai-chat", "passed", sources=["passed"], score="thanks", prompt="curt")
    assert found.sources == {"passed": COUNT}
    assert found.left_out == {"failed 'thanks'": COUNT}
    for row in lines(project, "passed"):
        question, answer = row["messages"]
        assert question["content"].startswith("Be curt. ")
        assert answer["content"].startswith("Thanks. ")
    facts = about(project, "passed")[0]
    assert (facts["variant"], facts["score"], facts["value"]) == ("kind", "thanks", 1.0)
    assert facts["trace_id"].startswith("tr-")

    # Blind ratings: what most raters preferred; ties and too few raters are counted.
    with pytest.raises(PexError, match="nobody has rated"):
        export(run, "trl-preference", "rated", prompt="curt")
    sure = {"ada": "kind", "bo": "kind", "cy": "curt"}
    rate(
        project, results,
        {
            **{f"c{n}": sure for n in range(12)}, "c12": {"ada": "tie", "bo": "tie"},
            "c13": {"ada": "kind", "bo": "curt"}, "c14": {"ada": "kind"},
        },
    )  # fmt: skip
    found = export(run, "trl-preference", "rated", prompt="curt", raters=2)
    assert found.sources == {"ratings": 12}
    assert found.left_out == {"a tie": 1, "raters disagree": 1, "fewer than 2 raters": 1}
    assert all(row["chosen"][0]["content"].startswith("Thanks") for row in lines(project, "rated"))
    assert (about(project, "rated")[0]["raters"], about(project, "rated")[0]["agreement"]) == (
        3, 0.667,
    )  # fmt: skip
    card = (project / "rated" / "README.md").read_text()
    assert "- 3 raters: 12" in card
    # As a word: the ids of traces have letters too.
    assert not re.search(r"\bada\b", card + (project / "rated" / "rows.jsonl").read_text())

    # A pairwise judge, marked as a model's opinion.
    found = export(run, "openai-dpo", "judged", sources=["judge"], prompt="kind")
    assert found.sources == {"judge": COUNT}
    assert all(
        "Thanks" in row["preferred_output"][0]["content"]
        and "Thanks" not in row["non_preferred_output"][0]["content"]
        for row in lines(project, "judged")
    )
    assert about(project, "judged")[0]["judge_model"] == "lab/judge"
    assert "not of people" in (project / "judged" / "README.md").read_text()
    assert found.findings == []

    # Thumbs on single answers, and scores as labels.
    frame = results.frame
    traces = {row.case_id: row.trace_id for row in frame[frame["variant"] == "kind"].itertuples()}
    uri = str(results.about.tracking_uri)
    for case_id, value in (("c0", True), ("c1", False), ("c2", True)):
        assessments.add(uri, traces[case_id], "helpful", value, rater="ann")
    assessments.add(uri, traces["c2"], "helpful", False, rater="ben")
    found = export(run, "trl-unpaired", "thumbs", prompt="kind", validation=0)
    assert [row["label"] for row in lines(project, "thumbs")] == [True, False]
    assert found.left_out == {"raters disagree": 1}
    found = export(
        run, "trl-unpaired", "labels", sources=["passed"], score="thanks", prompt="kind"
    )  # fmt: skip
    labels = [row["label"] for row in lines(project, "labels")]
    assert (labels.count(True), labels.count(False)) == (COUNT, COUNT)

    with pytest.raises(PexError, match="several prompts: curt, kind"):
        export(run, "openai-chat", "none", sources=["passed"], score="thanks")
    with pytest.raises(PexError, match="no score 'thank'"):
        export(run, "openai-chat", "none", sources=["passed"], score="thank", prompt="kind")
