"""What a scorer checks: in a file, in Python, and saved."""

from pathlib import Path

import pytest

import pex
from pex.core.cases import Case
from pex.score.build import build, dump
from pex.score.requirements import check_known, checks_of

CASES = [Case("a", {"q": "x"}, "yes"), Case("b", {"q": "y"}, "no")]


def calm(output: str) -> bool:
    return "!" not in output


def checks(items: list[object], base: Path | None = None) -> dict[str, tuple[object, bool]]:
    found = checks_of(items, build(items, CASES, base), base)
    return {check.score: (tuple(check.requirements), check.compares) for check in found}


def test_every_kind_of_scorer_can_say_what_it_checks(tmp_path: Path) -> None:
    (tmp_path / "polite.prompty").write_text("Is it polite? {{ output }}")
    items: list[object] = [
        "exact",
        {"kind": "label", "checks": ["R1", "R1", "R2"]},
        {"kind": "contains", "value": "x", "checks": "R3"},
        {"kind": "json", "checks": []},
        {"kind": "function", "function": calm, "checks": ["R4"]},
        {"kind": "function", "function": "house.rules:kind", "checks": "R4"},
        {"kind": "judge", "prompt": "polite.prompty", "model": "lab/m1", "checks": ["R5"]},
        pex.Judge(pex.Prompt("{{ output }}", name="own"), "lab/m1", checks="R6"),
    ]
    assert checks(items, tmp_path) == {
        "exact": ((), True),
        "label": (("R1", "R2"), True),
        "contains": (("R3",), False),
        "json": ((), False),
        "calm": (("R4",), False),
        "kind": (("R4",), False),
        "polite": (("R5",), False),
        "own": (("R6",), False),
    }


def test_a_number_as_an_id_is_a_string() -> None:
    assert checks([{"kind": "label", "checks": 3}])["label"][0] == ("3",)


def test_a_function_with_options_is_written_by_its_name() -> None:
    (found,) = dump([{"kind": "function", "function": calm, "checks": ["R4"]}])
    assert found == {
        "kind": "function",
        "function": "tests.score.test_requirements:calm",
        "checks": ["R4"],
    }
    with pytest.raises(pex.PexError, match="cannot be saved"):
        dump([{"kind": "function", "function": lambda output: True, "name": "x"}])
    named = {"kind": "function", "function": lambda output: True, "name": "x"}
    assert build([named], CASES)[0].name == "x"


def test_what_a_judge_checks_is_written_and_no_part_of_its_identity() -> None:
    prompt = pex.Prompt("{{ output }}", name="own")
    one, two = pex.Judge(prompt, "lab/m1"), pex.Judge(prompt, "lab/m1", checks=["R1"])
    assert one.identity == two.identity  # its calibration stays valid
    assert "checks" not in one.to_dict()
    assert two.to_dict()["checks"] == ["R1"]


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"kind": "label", "checks": {"R1": 1}}, "checks: input should be a valid list"),
        ({"kind": "label", "check": ["R1"]}, "unknown key 'check'"),
    ],
)
def test_a_mistake_in_checks_names_the_scorer(item: dict[str, object], said: str) -> None:
    with pytest.raises(pex.PexError, match="scorer 'label'") as raised:
        build([item], CASES)
    assert said in str(raised.value)


def test_an_unknown_id_is_an_error_with_the_nearest_one() -> None:
    items = [{"kind": "label", "checks": ["refunds"]}]
    found = checks_of(items, build(items, CASES))
    with pytest.raises(pex.PexError, match="did you mean 'refund'") as raised:
        check_known(found, ["polite", "refund"])
    assert "scorer 'label': checks: there is no requirement 'refunds'" in str(raised.value)
    with pytest.raises(pex.PexError, match=r"requirements: \[\{id: refunds, text: …\}\]"):
        check_known(found, [])


def test_a_definition_changes_with_the_scorer_and_not_with_its_name(tmp_path: Path) -> None:
    def definition(item: object) -> str:
        return checks_of([item], build([item], CASES, tmp_path), tmp_path)[0].definition

    one = definition({"kind": "length", "max_words": 3})
    assert one == definition({"kind": "length", "max_words": 3, "name": "short", "checks": "R1"})
    assert one != definition({"kind": "length", "max_words": 4})
    (tmp_path / "s.json").write_text('{"type": "object"}')
    two = definition({"kind": "json", "schema": "s.json"})
    (tmp_path / "s.json").write_text('{"type": "array"}')
    assert two != definition({"kind": "json", "schema": "s.json"})
    item = {"kind": "json", "schema": "s.json"}
    built = build([item], CASES, tmp_path)
    (tmp_path / "s.json").unlink()
    assert checks_of([item], built, tmp_path)[0].score == "json"


def test_which_scorers_are_known_to_give_numbers() -> None:
    rubric = pex.Prompt("How polite is it? {{ output }}", name="polite")
    marks = {"type": "integer", "minimum": 1, "maximum": 5}
    schema = {"type": "object", "properties": {"verdict": marks}, "required": ["verdict"]}
    items = [
        "similarity",
        {"kind": "length", "name": "words"},
        {"kind": "length", "name": "short", "max_words": 0},
        {"kind": "latency", "name": "seconds"},
        {"kind": "latency", "name": "quick", "max_s": 2},
        "exact",
        pex.Judge(rubric, "lab/m1", name="yes"),
        pex.Judge(rubric, "lab/m1", name="scale", scale=(1, 5)),
        pex.Judge(rubric, "lab/m1", name="bits", scale=(0, 1)),
        pex.Judge(rubric.changed(response_schema=schema), "lab/m1", name="bounds"),
    ]
    found = checks_of(items, build(items, [Case("a", {}, "yes")]))
    numbers = [check.score for check in found if check.numbers]
    assert numbers == ["similarity", "words", "seconds", "scale", "bounds"]
