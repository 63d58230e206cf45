"""A judge asks by a schema, reads its answer strictly, and says how far it can be trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.core.call import Answer
from pex.core.cases import Case
from pex.score.build import build, dump, parted
from pex.score.judge.calibration import calibrate
from pex.score.judge.judge import Judge
from pex.score.judge.questions import Verdicts, self_preference

CASES = [Case("c1", {"ask": "Where is my parcel?"}, "kind")]


def rubric(text: str = "Is it polite? {{ output }}", **options: Any) -> pex.Prompt:
    return pex.Prompt(text, name="polite", **options)


def said(**answer: Any) -> Answer:
    return Answer(output=json.dumps(answer))


def schema(**verdict: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"verdict": verdict}, "required": ["verdict"]}


def test_the_default_question_asks_for_a_reason_before_the_verdict() -> None:
    judge = Judge(rubric(), "lab/judge")
    asked = judge.variant.prompt
    assert list(asked.response_schema["properties"]) == ["reason", "verdict"]
    assert asked.response_schema["properties"]["verdict"]["enum"] == ["yes", "no"]
    assert asked.params == {"temperature": 0}
    assert judge.name == "polite"
    assert repr(judge) == "Judge 'polite': pointwise, lab/judge"


def test_a_given_temperature_stays_and_none_is_not_sent() -> None:
    warm = Judge(rubric(params={"temperature": 0.7}), "lab/judge", params={"seed": 1})
    assert warm.variant.prompt.params == {"temperature": 0.7, "seed": 1}
    assert Judge(rubric(), "lab/j", params={"temperature": None}).variant.prompt.params == {}


def test_the_answer_wins_over_a_column_of_its_name() -> None:
    case = Case("c1", {"output": "an input", "ask": "Hi"}, "kind", "g", ("a",))
    judge = Judge(rubric("{{ output }} {{ ask }} {{ expected }} {{ case_id }} {{ tags }}"), "lab/j")
    shown = judge.question(case, Answer(output="{{ ask }}"))
    (message,) = judge.variant.prompt.render(shown.inputs)
    assert message["content"] == '{{ ask }} Hi kind c1 ["a"]'


def test_tool_calls_are_shown_where_there_is_no_text() -> None:
    answer = Answer(tool_calls=[{"name": "refund"}])
    assert Judge(rubric(), "lab/j").question(CASES[0], answer).inputs["output"] == (
        '[{"name": "refund"}]'
    )


@pytest.mark.parametrize(("verdict", "value"), [("yes", True), ("no", False)], ids=["yes", "no"])
def test_yes_and_no_are_read(verdict: str, value: bool) -> None:
    read = Judge(rubric(), "lab/j").read(said(reason="So.", verdict=verdict))
    assert (read.value, read.reason, read.error) == (value, "So.", None)


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ("yes", True), ("No.", False), ("YES", True), ("**Yes**", True), ("true", True),
        ("1", True), ("0", False), ('"no"', False), ("Verdict: yes", True),
        ("**Verdict:** No", False), ("The verdict is yes.", True), ("pass", True),
        ("Yes. It says please.", True), ("It says please.\n\nYes", True), ("`no`", False),
        ("Reason: It says please.\nVerdict: **YES**", True), (r"\boxed{yes}", True),
        ('{"verdict": "yes"}', True), ('{"reason": "So.", "verdict": true}', True),
        ('{"reason": "So.", "verdict": "NO"}', False), ('{"Verdict": " Yes "}', True),
        ('{"reason": "So.", "verdict": "yes", "score": 3}', True), ('{"verdict": 0}', False),
        ('{"reason": "So.", "verdict": "yes"} I hope that helps!', True),
        ('Sure: {"verdict": "no", "reason": "So."}', False), ('{"verdict": "Yes."}', True),
        ('```json\n{"verdict": "yes"}\n```', True), ('So\n~~~\n{"VERDICT": "no"}\n~~~', False),
        ('{"result": {"verdict": "no"}}', False), ('{"verdict": "true"}', True),
        ('{"verdict": "yes"}\n{"verdict": "yes"}', True), ("Yes, it is polite.", True),
        ("No, it is rude", False), ("No — it is rude.", False), ("Yes (it says please)", True),
        ("Yes because it says please", True), ('{"verdict": "no, because it is rude"}', False),
        ("Verdict: yes - it says please", True), ("<verdict>yes</verdict>", True),
        ("The answer is polite.\nVerdict: yes", True), ("**Yes** – polite", True),
    ],
)  # fmt: skip
def test_a_verdict_is_read_where_it_is_clear(output: str, value: bool) -> None:
    read = Judge(rubric(), "lab/j").read(Answer(output=output))
    assert (read.value, read.error) == (value, None)


@pytest.mark.parametrize(
    "output",
    [
        None,
        "",
        "Yes, mostly",
        "Yes, but only just",
        "Yes, no",
        "No problem: it is polite",
        "Verdict: yes, or no",
        "<b>yes</b><b>no</b>",
        '{"verdict": NaN}',
        '{"verdict": 1e999}',
        "verdict: yes, " * 1000 + "no",
        "yes or no",
        "Yes and no.",
        "Yes. But no.",
        "Yes\nNo",
        "maybe",
        "2",
        "Score: 4/5",
        "The reply says no more than yes.",
        "Verdict: yes\nVerdict: no",
        '{"reason": "So.", "verdict": "Yes, mostly"}',
        '{"reason": "So.", "verdict": null}',
        '{"reason": "So.", "verdict": 0.5}',
        '{"reason": "So.", "verdict": ["yes"]}',
        '{"verdict": "yes"}\n{"verdict": "no"}',
        '{"reason": "So.", "verd',
        '{"reason": "yes"}',
        '["yes"]',
        "null",
        "[" * 50_000,
        "{" * 10_000,
        "verdict: " * 2000,
    ],
)
def test_anything_else_is_an_error_and_never_a_no(output: str | None) -> None:
    read = Judge(rubric(), "lab/j").read(Answer(output=output))
    assert read.value is None
    assert read.error.startswith("no valid verdict: ")
    assert "it said: " in read.error


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ("4", 4), ("Score: 4/5", 4), ("**4/5**", 4), ("4 out of 5", 4), ("Rating: 4.0", 4),
        ('{"verdict": "4"}', 4), ('{"verdict": 4.0}', 4), ('{"verdict": "4/5"}', 4),
        ("It is polite.\nScore: **2**", 2), ("4 - it is polite", 4), ('{"verdict": "4 (good)"}', 4),
        ("Score: 4 (good)", 4), ("1, because it is rude", 1), ("1", 1),
        ('{"verdict": 3, "reason": "So.", "more": 1}', 3),
    ],
)  # fmt: skip
def test_a_number_on_a_scale_is_read_where_it_is_clear(output: str, value: int) -> None:
    read = Judge(rubric(), "lab/j", scale=(1, 5)).read(Answer(output=output))
    assert (read.value, read.error) == (value, None)


@pytest.mark.parametrize(
    "output",
    [
        "4/10",
        "6",
        "4.5",
        "true",
        "yes",
        "3-4",
        "4 or 5",
        "0/5",
        "1. It is polite.",
        "4, not 3",
        "Score: 4, but nearly 5",
    ],
)
def test_a_number_beside_the_scale_is_an_error(output: str) -> None:
    assert Judge(rubric(), "lab/j", scale=(1, 5)).read(Answer(output=output)).error


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ("First", "first"), ("**second**", "second"), ("The first answer", "first"),
        ("Verdict: tie", "tie"), ("a draw", "tie"), ('{"verdict": "SECOND"}', "second"),
        ('{"verdict": "first answer", "reason": "So."}', "first"), ("first or second", None),
        ("First, it is polite.", None), ("First: it is polite.", None),
        ("First. It is polite.", "first"),
        ("Second – it is polite", "second"), ("first, not second", None),
        ("1", None), ("The first answer is longer, the second is better.", None),
    ],
)  # fmt: skip
def test_a_side_is_read_where_it_is_clear(output: str, value: str | None) -> None:
    judge = Judge(rubric("{{ first }} {{ second }}"), "lab/j", baseline="a")
    read = judge.read(Answer(output=output))
    assert read.value == value
    assert (read.error is None) == (value is not None)


def test_half_a_verdict_is_not_read() -> None:
    read = Judge(rubric(), "lab/j").read(Answer(output="Yes", finish_reason="length"))
    assert read.error.startswith("no valid verdict (cut off")


def test_a_pattern_in_its_schema_that_backtracks_is_an_error() -> None:
    own = schema(type="boolean") | {"patternProperties": {"^(a|aa)+$": {}}}
    judge = Judge(rubric(response_schema=own), "lab/j")
    read = judge.read(said(verdict=True, **{"a" * 5000 + "!": 1}))
    assert "was stopped after 1 s" in read.error


def test_an_answer_that_was_cut_off_says_so() -> None:
    read = Judge(rubric(), "lab/j").read(Answer(output='{"rea', finish_reason="length"))
    assert "max_tokens" in read.error


def test_a_call_that_failed_is_an_error() -> None:
    read = Judge(rubric(), "lab/j").read(Answer(error="HTTP 500: no", error_kind="server"))
    assert read.error == "the judge gave no answer: HTTP 500: no"


def test_a_scale_is_whole_numbers_within_it() -> None:
    judge = Judge(rubric(), "lab/j", scale=(1, 5))
    assert judge.read(said(reason="So.", verdict=4)).value == 4
    for wrong in (0, 6, 4.5, "four", True):
        assert judge.read(said(reason="So.", verdict=wrong)).error, wrong


@pytest.mark.parametrize(
    ("verdict", "given", "value"),
    [
        ({"enum": ["pass", "fail"]}, "fail", False),
        ({"type": "boolean"}, True, True),
        ({"type": "number", "minimum": 0, "maximum": 1}, 0.25, 0.25),
        ({"enum": [0, 1, 2]}, 2, 2),
    ],
)
def test_a_schema_of_ones_own(verdict: dict[str, Any], given: Any, value: Any) -> None:
    judge = Judge(rubric(response_schema=schema(**verdict)), "lab/j")
    read = judge.read(said(verdict=given))
    assert (read.value, read.error) == (value, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"text": "Is it polite?"},
            r"its prompt does not show the answer: '{{ output }}' is missing",
        ),
        ({"baseline": "short"}, r"'{{ first }}' is missing\n.*without a baseline"),
        ({"kind": "pairwise"}, "a pairwise judge needs a baseline"),
        ({"kind": "pairwize"}, "did you mean 'pairwise'"),
        ({"kind": "pointwise", "baseline": "a"}, "has no baseline"),
        ({"scale": [5, 1]}, "scale: expected two whole numbers"),
        ({"scale": [0, 0.5]}, "scale: expected two whole numbers"),
        ({"schema": schema(type="string")}, "the verdict must be yes or no"),
        ({"schema": schema(enum=["good", "bad"])}, "the verdict must be yes or no"),
        ({"schema": {"type": "object", "properties": {}}}, "required property 'verdict'"),
        ({"schema": schema(type="boolean"), "scale": [1, 5]}, "already defines the verdict"),
        ({"name": "how polite"}, "score name 'how polite'"),
        ({"model": None}, "no model is given"),
        ({"params": {"n": 2}}, "'n' is not a parameter"),
    ],
)
def test_what_cannot_judge_is_refused(options: dict[str, Any], message: str) -> None:
    text = options.pop("text", "Is it polite? {{ output }}")
    prompt = rubric(text, response_schema=options.pop("schema", None))
    with pytest.raises(pex.PexError, match=message):
        Judge(prompt, options.pop("model", "lab/j"), **options)


def test_a_variable_that_no_case_has_names_the_nearest() -> None:
    with pytest.raises(pex.PexError, match=r"'{{ outpt }}'\n.*did you mean 'output'"):
        build([Judge(rubric("{{ output }} {{ outpt }}"), "lab/j")], CASES)


def test_a_judge_that_shows_the_expected_answer_needs_one() -> None:
    judge = Judge(rubric("{{ output }} {{ expected }}"), "lab/j")
    with pytest.raises(pex.PexError, match="no case has one"):
        build([judge], [Case("c1", {"ask": "Hi"})])


def test_two_scores_of_one_name_are_refused_also_for_judges() -> None:
    with pytest.raises(pex.PexError, match="two scorers are called 'polite'"):
        build([Judge(rubric(), "lab/j"), {"kind": "length", "name": "polite"}], CASES)


def test_a_judge_from_yaml_and_back(tmp_path: Path) -> None:
    rubric().save(tmp_path / "judges" / "polite.prompty")
    item = {
        "name": "manners",
        "kind": "judge",
        "prompt": "judges/polite.prompty",
        "model": "lab/judge",
        "params": {"max_tokens": 99},
        "scale": [1, 5],
    }
    scorers, (judge,) = parted(build(["exact", item], CASES, tmp_path))
    assert [scorer.name for scorer in scorers] == ["exact"]
    assert (judge.name, judge.model, judge.scale) == ("manners", "lab/judge", (1, 5))
    assert judge.variant.prompt.params == {"temperature": 0, "max_tokens": 99}
    path = str(tmp_path / "judges" / "polite.prompty")
    assert dump([judge]) == [{**item, "prompt": path}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": "judges/polit.prompty"}, r"no such file\n.*did you mean 'polite.prompty'"),
        ({"modle": "lab/j"}, r"unknown key 'modle'\n.*did you mean 'model'"),
        ({"scale": ["1", 5]}, "scale.0"),
    ],
)
def test_a_wrong_judge_in_yaml(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    rubric().save(tmp_path / "judges" / "polite.prompty")
    item = {"kind": "judge", "prompt": "judges/polite.prompty", "model": "lab/j", **change}
    with pytest.raises(pex.PexError, match=message):
        build([item], CASES, tmp_path)


# -- questions and scores


def verdicts(judge: Judge, outputs: dict[str, str | None], rivals: Any = None) -> Verdicts:
    answers = {
        (variant, "c1", 1): Answer(output=output, error=None if output else "HTTP 500")
        for variant, output in outputs.items()
    }
    return Verdicts([judge], rivals or {}, answers, CASES, 100, Path())


PAIR = pex.Prompt("Which is kinder?\nA: {{ first }}\nB: {{ second }}", name="kinder")
AGAINST_A = {"kinder": {"b": "a"}}


def pairwise(order: str, swapped: str) -> Any:
    judge = Judge(PAIR, "lab/j", baseline="a")
    asked = verdicts(judge, {"a": "hey", "b": "hello"}, AGAINST_A)
    first, second = asked.requests
    assert asked.take(first.place, said(reason="R1.", verdict=order)) is None
    place, scores = asked.take(second.place, said(reason="R2.", verdict=swapped))
    assert place == ("b", "c1", 1)
    assert asked.settled == {
        ("a", "c1", 1): {"kinder": pex.Score(0.5, reason="the baseline itself")}
    }
    return scores["kinder"], asked.about(judge)["positions"]


def test_errors_are_not_judged_and_equal_answers_are_judged_once() -> None:
    asked = verdicts(Judge(rubric(), "lab/j"), {"a": "hey", "b": "hey", "c": None})
    one, two = asked.requests
    assert one.key == two.key
    assert one.place != two.place
    assert one.body["response_format"]["type"] == "json_schema"
    assert one.body["max_tokens"] == 100


def test_the_two_answers_change_places() -> None:
    asked = verdicts(Judge(PAIR, "lab/j", baseline="a"), {"a": "hey", "b": "hello"}, AGAINST_A)
    texts = [request.body["messages"][0]["content"] for request in asked.requests]
    assert texts == ["Which is kinder?\nA: hey\nB: hello", "Which is kinder?\nA: hello\nB: hey"]


@pytest.mark.parametrize(
    ("order", "swapped", "value", "reason"),
    [
        ("second", "first", 1.0, "first: b, swapped: b. R1. / R2."),
        ("first", "second", 0.0, "first: a, swapped: a. R1. / R2."),
        ("first", "first", 0.5, "first: a, swapped: b. R1. / R2."),
        ("tie", "tie", 0.5, "first: tie, swapped: tie. R1. / R2."),
        ("tie", "first", 0.5, "first: tie, swapped: b. R1. / R2."),
    ],
)
def test_only_a_winner_in_both_orders_wins(
    order: str, swapped: str, value: float, reason: str
) -> None:
    score, _ = pairwise(order, swapped)
    assert (score.value, score.reason) == (value, reason)


def test_a_pair_with_one_bad_verdict_is_an_error() -> None:
    score, positions = pairwise("first", "both")
    assert score.value is None
    assert "no valid verdict" in score.error
    assert positions["pairs"] == 0


def test_nobody_is_asked_about_equal_answers_and_a_missing_one_is_an_error() -> None:
    judge = Judge(PAIR, "lab/j", baseline="a")
    equal = verdicts(judge, {"a": "hey", "b": "hey"}, AGAINST_A)
    assert equal.requests == []
    assert equal.settled["b", "c1", 1]["kinder"] == pex.Score(0.5, reason="the same answer")
    missing = verdicts(judge, {"a": None, "b": "hey"}, AGAINST_A)
    assert missing.requests == []
    assert missing.settled["b", "c1", 1]["kinder"].error == "'a' has no answer here"


def test_a_template_that_fails_on_an_answer_is_an_error_of_that_row() -> None:
    judge = Judge(rubric("{{ 10 // (output | int) }}"), "lab/j")
    asked = verdicts(judge, {"a": "5", "b": "zero"})
    assert len(asked.requests) == 1
    assert "the template failed" in asked.settled["b", "c1", 1]["polite"].error


def test_a_case_without_an_expected_answer_is_not_judged_by_it() -> None:
    judge = Judge(rubric("{{ output }} {{ expected }}"), "lab/j")
    answers = {("a", "c1", 1): Answer(output="x"), ("a", "c2", 1): Answer(output="y")}
    asked = Verdicts([judge], {}, answers, [*CASES, Case("c2", {})], 100, Path())
    assert [request.case_id for request in asked.requests] == ["c1"]
    assert asked.settled["a", "c2", 1]["polite"] == pex.Score(None, reason="no expected answer")


def test_a_judge_of_the_same_family_gets_a_note() -> None:
    judge = Judge(rubric(), "openai/gpt-4.1-mini")
    assert self_preference(judge, ["local/smollm2"]) is None
    assert "azure/gpt-5" in str(self_preference(judge, ["local/smollm2", "azure/gpt-5"]))


# -- trust


def rated(judge: Judge, wrong: int, n: int = 40) -> None:
    places = [("a", f"c{number}", 1) for number in range(n)]
    people = {place: number % 2 == 0 for number, place in enumerate(places)}
    judged = {p: v if i >= wrong else not v for i, (p, v) in enumerate(people.items())}
    calibrate(judged, people, judge.identity, raters=["ann"]).save(judge.calibration_path)


@pytest.fixture
def filed(tmp_path: Path) -> Path:
    return rubric().save(tmp_path / "polite.prompty")


def test_a_judge_without_ratings_is_uncalibrated(filed: Path) -> None:
    assert Judge(rubric(), "lab/j").calibrated() == (False, "uncalibrated: no human ratings")
    assert Judge(filed, "lab/j").calibrated() == (False, "uncalibrated: no human ratings")


def test_a_judge_that_agrees_is_calibrated(filed: Path) -> None:
    judge = Judge(filed, "lab/j")
    rated(judge, wrong=2)
    assert judge.calibration_path == filed.parent / "polite.calibration.json"
    assert judge.calibration.kappa == pytest.approx(0.9)
    assert judge.calibrated() == (True, "kappa 0.90 [0.76, 1.00] over 40 rated answers")
    assert judge.calibrated(min_kappa=0.95)[1] == "kappa 0.90 [0.76, 1.00] is below 0.95"


def test_agreement_on_few_answers_may_be_chance(filed: Path) -> None:
    judge = Judge(filed, "lab/j")
    rated(judge, wrong=0, n=2)
    calibrated, why = judge.calibrated()
    assert not calibrated
    assert "could be chance: 2 rated answers are too few" in why


def test_a_changed_judge_is_uncalibrated_again(filed: Path) -> None:
    rated(Judge(filed, "lab/j"), wrong=0)
    assert Judge(filed, "lab/j").calibrated()[0]
    other = Judge(filed, "lab/k")
    assert other.calibration is None
    assert other.calibrated() == (False, "uncalibrated: the model has changed since")
    warm = Judge(filed, "lab/j", params={"temperature": 1})
    assert warm.calibrated() == (False, "uncalibrated: the parameters have changed since")
    filed.write_text(filed.read_text() + "\nBe strict.\n")
    changed = Judge(filed, "lab/j")
    assert changed.calibrated() == (False, "uncalibrated: the prompt has changed since")


def test_a_new_name_is_no_new_judge(filed: Path) -> None:
    assert Judge(filed, "lab/j", name="manners").digest == Judge(filed, "lab/j").digest
