"""A prompt has no scores on the cases that it shows as examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pex
from tests.helpers.endpoint import FaultyEndpoint, completion

CASES = [{"case_id": str(n), "word": f"w{n}", "expected": f"W{n}"} for n in range(8)]
SHOWN = ["2", "5"]
PLAIN = pex.Prompt("Upper case: {{ word }}", name="plain")
FEW = pex.Prompt(
    "Upper case, as w2 → W2, w5 → W5: {{ word }}", name="few", examples=[*SHOWN, "gone"]
)


def right(output: str, expected: str) -> dict[str, bool]:
    return {"all": output == expected, "long": len(output) > 1}


def test_its_scores_are_left_out_counted_and_shown(project: Path, lab: FaultyEndpoint) -> None:
    def reply(body: dict[str, Any], number: int) -> dict[str, Any]:
        text = str(body["messages"][-1]["content"])
        if "output" in text:
            return completion('{"reason": "r", "winner": "first"}')
        return completion(text.rpartition(" ")[2].upper())

    lab.reply = reply
    judge = pex.Judge(
        pex.Prompt("output {{ first }} or {{ second }}", name="nicer"),
        "lab/m1",
        kind="pairwise",
        baseline="plain",
    )
    experiment = pex.Experiment(
        "upper",
        pex.grid(prompts=[PLAIN, FEW], models=["lab/m1"]),
        CASES,
        ["exact", right, judge],
    )
    results = experiment.run(show=False)
    frame = results.frame
    own = (frame["variant"] == "few") & frame["case_id"].isin(SHOWN)
    for name in ("exact", "right.all", "right.long", "nicer"):
        assert list(frame["case_id"][frame[f"score.{name}"].isna()]) == SHOWN, name
        assert frame[f"score_error.{name}"].isna().all()
    assert set(frame.loc[own, "reason.exact"]) == {"the prompt shows this case as an example"}
    assert [list(words) for words in frame["remarks"]] == [["example"] if it else [] for it in own]

    summary = results.summary().set_index("variant")
    assert list(summary["score.exact.n"]) == [8, 6]
    verdict = results.compare("plain").frame.set_index("metric").loc["exact"]
    assert (verdict["n_cases"], verdict["dropped"]) == (6, 2)
    said = "2 of 8 answers of 'few' were left out of the scores: the prompt shows the case"
    assert any(said in warning for warning in verdict["warnings"])
    assert said in results.report(project / "report.html").read_text().replace("&#x27;", "'")

    # The answer in the journal has no remark: the same request of another prompt is scored.
    calls = lab.calls
    other = FEW.changed(name="other", examples=[])
    both = pex.Experiment(
        "two", pex.grid(prompts=[FEW, other], models=["lab/m1"]), CASES, ["exact"]
    )
    frame = both.run(show=False, record=False).frame
    assert lab.calls == calls
    assert list(frame["case_id"][frame["score.exact"].isna()]) == SHOWN
    assert set(frame["variant"][frame["score.exact"].isna()]) == {"few"}

    # They stay left out when scored later, also from the record alone.
    read = pex.load_run(results.about.run_id)
    again = read.rescore([{"name": "later", "kind": "exact"}, right]).frame
    for name in ("later", "right.all", "exact"):
        assert list(again["case_id"][again[f"score.{name}"].isna()]) == SHOWN
