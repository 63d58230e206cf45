"""Columns whose names a template cannot have: `Text body` is `{{ Text_body }}`."""

from pathlib import Path

import pandas as pd
import pytest

import pex
from pex.core.cases import Case, load_cases

ROWS = [
    {"Text body": "hello", "Größe (cm)": "3", "expected": "a"},
    {"Text body": "bye", "Größe (cm)": "4", "expected": "b"},
]


def _variants(text: str) -> list[pex.Variant]:
    return pex.grid([pex.Prompt(text, name="p")], "local/smollm2")


def _first(exp: pex.Experiment) -> str:
    return exp.variants[0].prompt.render(exp.cases[0].values)[0]["content"]


def test_a_column_with_a_space_is_reached_by_its_name_in_a_prompt(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    pd.DataFrame(ROWS).to_csv(path, index=False)
    exp = pex.Experiment("e", _variants("{{ Text_body }} {{ Größe_cm }}"), path)
    assert _first(exp) == "hello 3"
    assert "hello 3" in str(exp.preview())
    # The file's own names are kept, so the ids are those of the file.
    assert exp.cases[0].inputs == {"Text body": "hello", "Größe (cm)": "3"}
    assert [case.id for case in exp.cases] == [case.id for case in load_cases(ROWS)]


def test_columns_renames(tmp_path: Path) -> None:
    columns = {"text": "Text body"}
    exp = pex.Experiment("e", _variants("{{ text }}"), ROWS, ["exact"], columns=columns)
    assert _first(exp) == "hello"
    assert exp.cases[0].id == load_cases(ROWS)[0].id
    saved = exp.save(tmp_path / "experiment.yaml")
    again = pex.Experiment.load(saved)
    assert _first(again) == "hello"
    assert list(again.cases[0].inputs) == ["Text body", "Größe (cm)"]


@pytest.mark.parametrize(
    ("text", "rows", "columns", "message"),
    [
        ("{{ Text_bdy }}", ROWS, {}, "did you mean 'Text_body', the column 'Text body'"),
        ("{{ Text body }}", ROWS, {}, "the column 'Text body' is written {{ Text_body }}"),
        ("{{ t }}", ROWS, {"t": "Txt body"}, "no column 'Txt body'.*\n.*did you mean 'Text body'"),
        ("{{ t }}", ROWS, {"Text body": "t"}, "'Text body' cannot be the name of a variable"),
        ("{{ t }}", ROWS, {"expcted": "Text body"}, "did you mean 'expected'"),
        ("{{ t }}", ROWS, {"t": "expected"}, "'expected' is not an input"),
        ("{{ a_b }}", [{"a b": 1, "a_b": 2}], {}, "'a b' and 'a_b' are both {{ a_b }}"),
        ("{{ a_b }}", [{"a b": 1, "a/b": 2}], {}, "'a b' and 'a/b' are both {{ a_b }}"),
        ("{{ b }}", [{"a": 1, "b": 2}], {"b": "a"}, "there is a column 'b' already"),
    ],
)
def test_what_does_not_fit_is_named(text: str, rows: list, columns: dict, message: str) -> None:
    with pytest.raises(pex.PexError, match=message):
        pex.Experiment("e", _variants(text), rows, columns=columns)


def test_two_columns_of_one_name_in_a_prompt_can_be_told_apart() -> None:
    (case,) = load_cases([{"a b": 1, "a_b": 2}], {"first": "a b"})
    assert case.values["first"] == 1
    assert case.values["a_b"] == 2


def test_scorers_and_judges_have_the_same_names() -> None:
    def scorer(output: str, Text_body: str, size: str) -> bool:  # noqa: N803
        return output == Text_body + size

    columns = {"size": "Größe (cm)"}
    exp = pex.Experiment("e", _variants("{{ size }}"), ROWS, [scorer], columns=columns)
    assert exp.cases[0].values["size"] == "3"
    prompt = pex.Prompt("{{ Text_body }} {{ output }}", name="j")
    pex.Judge(prompt, "lab/m", name="j").check(exp.cases)

    def wrong(output: str, Txt_body: str) -> bool:  # noqa: N803
        return output == Txt_body

    with pytest.raises(pex.PexError, match="no case has 'Txt_body'"):
        pex.Experiment("e", _variants("{{ Text_body }}"), ROWS, [wrong])


def test_the_same_case_for_an_application() -> None:
    case = Case("1", {"Text body": "Hi"}, renamed={"text": "Text body"})
    prompt = pex.Prompt("{{ text }} {{ Text_body }}", name="p")
    assert prompt.openai(case)["messages"][0]["content"] == "Hi Hi"
