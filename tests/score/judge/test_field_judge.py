"""A judge for a single field: the second wave, the share, files, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.core.errors import PexError
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.judges import is_judge, verdict
from tests.helpers.scores import score

SAME = pex.Prompt("Given: {{ output }}\nExpected: {{ expected }}\nThe same?", name="same")
RULE = pex.field_rule("judge", prompt=SAME, model="lab/judge", weight=3)
CASES = [
    {"case_id": "good", "text": '{"total": 5, "why": "late post"}',
     "expected": {"total": 5, "why": "the post was late"}},
    {"case_id": "bad", "text": '{"total": 5, "why": "a strike"}',
     "expected": {"total": 5, "why": "the post was late"}},
    {"case_id": "gone", "text": '{"total": 5}', "expected": {"total": 5, "why": "rain"}},
    {"case_id": "prose", "text": "No idea.", "expected": {"total": 5, "why": "rain"}},
]  # fmt: skip


def says(body: dict[str, Any], number: int) -> Any:
    if not is_judge(body):
        return None
    shown = body["messages"][0]["content"]
    return verdict("yes" if "late post" in shown else "no", "As it says.")


def experiment(*fields: Any, **options: Any) -> pex.Experiment:
    rules = {"kind": "fields", "fields": {"total": "number", "why": RULE}}
    return pex.Experiment(
        "judged-fields",
        pex.grid([pex.Prompt("{{ text }}", name="echo")], "lab/m1"),
        CASES,
        [*fields] or [rules],
        **options,
    )


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    return exp.run(show=False, **{"record": False, **options})


def test_a_field_is_judged_after_the_first_wave_and_counts_by_its_weight(
    lab: FaultyEndpoint, project: Path
) -> None:
    lab.reply = says
    exp = experiment()
    assert exp.preview().calls == 8  # each answer may turn out to have the field
    results = run(exp)
    asked = [body["messages"][0]["content"] for body in lab.bodies if is_judge(body)]
    # It sees the field, not the answer; what is not there is wrong without it.
    assert sorted(asked) == [
        f"Given: {given}\nExpected: the post was late\nThe same?"
        for given in ("a strike", "late post")
    ]
    frame = results.frame.set_index("case_id")
    assert frame["score.fields.why"].to_dict() == {"good": 1, "bad": 0, "gone": 0, "prose": 0}
    assert frame["score.fields"].to_dict() == {"good": 1, "bad": 0.25, "gone": 0.25, "prose": 0}
    assert frame["reason.fields.why"].to_dict() == {
        "good": "As it says.", "bad": "As it says.", "gone": "missing: \"rain\"",
        "prose": "not valid JSON",
    }  # fmt: skip
    table = results.fields().frame.set_index("field").loc["why"]
    assert (table["right"], table["wrong"], table["missing"]) == (1, 1, 2)
    assert "a strike" in set(results.fields().confusion("why")["given"])
    (judge,) = results.about.judges
    assert (judge.name, judge.model, judge.calls) == ("fields.why", "lab/judge", 2)
    calls = lab.calls
    again = run(experiment())
    assert lab.calls == calls
    assert again.frame["score.fields"].equals(results.frame["score.fields"])


def test_a_judge_that_gives_no_verdict_leaves_no_share_behind(lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: verdict("perhaps") if is_judge(body) else None
    frame = run(experiment()).frame.set_index("case_id")
    assert frame["score.fields"].isna().to_dict() == {
        "good": True, "bad": True, "gone": False, "prose": False
    }  # fmt: skip
    assert frame["score_error.fields"]["good"].startswith("why: no valid verdict")


def test_it_is_saved_recorded_and_run_from_the_file(
    lab: FaultyEndpoint, project: Path, tmp_path: Path
) -> None:
    lab.reply = says
    exp = experiment()
    first = run(exp, record=True)
    file = exp.save(project / "desk" / "experiment.yaml")
    assert (project / "desk" / "judges" / "same.prompty").is_file()
    assert "prompt: judges/same.prompty" in file.read_text("utf-8")
    calls = lab.calls
    saved = pex.Experiment.load(file)
    results = run(saved)
    assert lab.calls == calls
    assert list(results.frame["score.fields"]) == list(first.frame["score.fields"])
    ratings = results.frame.assign(value=["yes", "no", "no", "no"])[["case_id", "value"]]
    (judge,) = saved.judges
    results.calibrate("fields.why", ratings).save(judge.calibration_path)
    assert judge.calibrated()[1] != "uncalibrated: no human ratings"
    assert saved.judges[0].calibration.n == 4
    recorded = pex.load_run(first.about.run_id)
    assert str(recorded.fields()) == str(first.fields())
    unjudged = pex.Experiment("plain", exp.variants, CASES)
    rescored = run(unjudged).rescore([{"kind": "fields", "fields": {"why": RULE}}])
    assert list(rescored.frame["score.fields"]) == [1, 0, 0, 0]
    assert lab.calls == calls


def test_a_rubric_without_an_expected_value_is_asked_in_every_case(lab: FaultyEndpoint) -> None:
    lab.reply = says
    rubric = pex.Prompt("Of the case: {{ text }}\nIs this so? {{ output }}", name="so")
    rule = {"rule": "judge", "prompt": rubric, "model": "lab/judge"}
    cases = [{"case_id": c["case_id"], "text": c["text"]} for c in CASES]
    exp = pex.Experiment("so", experiment().variants, cases,
                         [{"kind": "fields", "fields": {"why": rule}}])  # fmt: skip
    frame = run(exp).frame.set_index("case_id")
    assert frame["score.fields.why"].fillna(-1).to_dict() == {
        "good": 1, "bad": 0, "gone": -1, "prose": -1
    }  # fmt: skip


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"fields": {"items[].a": RULE}}, "not for records"),
        ({"fields": {"*": RULE}}, "a field that is named"),
        ({"fields": {"a": {"rule": "list", "items": RULE}}}, "'items' cannot have"),
        ({"fields": {"a": {"rule": "judge"}}}, "the key 'prompt' is missing"),
        ({"fields": {"a": {"rule": "judge", "prompt": 7}}}, "path of a prompt"),
        ({"fields": {"a": {"rule": "judge", "prompt": "gone.prompty"}}}, "gone.prompty"),
        ({"fields": {"a": RULE}, "turns": "each"}, "sees the last answer only"),
        ({"kind": "records", "fields": {"a": RULE}}, "'a' cannot have the rule 'judge'"),
        ({"kind": "tool_calls", "calls": [{"name": "f", "arguments": {"a": 1}}],
          "rules": {"a": RULE}}, "'a' cannot have the rule 'judge'"),
    ],
)  # fmt: skip
def test_where_no_judge_can_be_asked_it_is_refused(item: dict[str, Any], said: str) -> None:
    with pytest.raises(PexError, match=said):
        score({"kind": "fields", **item}, json.dumps({"a": 1}), {"a": 1, "items": [{"a": 2}]})


def test_marks_are_refused() -> None:
    marks = pex.Prompt("How alike are {{ output }} and {{ expected }}?", name="alike",
                       response_schema={"type": "object", "required": ["verdict"], "properties":
                                        {"verdict": {"type": "integer"}}})  # fmt: skip
    rule = pex.field_rule("judge", prompt=marks, model="lab/judge")
    with pytest.raises(PexError, match="gives numbers"):
        score({"kind": "fields", "fields": {"a": rule}}, "{}", {"a": 1})
