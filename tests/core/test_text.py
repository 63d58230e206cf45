"""Half a character is named before anything is sent; nothing is put in its place."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import pex
from pex.core.cases import Case, load_cases

HALF = "a\ud800b"


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ([{"q": "fine"}, {"q": HALF}], r"cases, row 2, column 'q'"),
        ([{"q": {"deep": ["x", HALF]}}], r"row 1, column 'q'"),
        ([{"q": {HALF: 1}}], r"row 1, column 'q'"),
        ([{HALF: "x"}], r"cases: the name of a column"),
        ([{"q": "x", "expected": HALF}], r"row 1, column 'expected'"),
        ([{"q": "x", "expected": {"a": HALF}}], r"row 1, column 'expected'"),
        ([{"q": "x", "case_id": HALF}], r"row 1, column 'case_id'"),
        ([{"q": "x", "group": HALF}], r"row 1, column 'group'"),
        ([{"q": "x", "tags": [HALF]}], r"row 1, column 'tags'"),
        ([{"q": "x", "tags": f"a; {HALF}"}], r"row 1, column 'tags'"),
        ([Case("c", {"q": HALF})], r"case 'c', inputs"),
        ([Case(HALF, {"q": "x"})], r"case 'a\?b'"),
        ([Case("c", {"q": "x"}, HALF)], r"case 'c', expected"),
        ([Case("c", {"q": "x"}, None, HALF)], r"case 'c', group"),
        ([Case("c", {"q": "x"}, None, None, (HALF,))], r"case 'c', tags"),
        (pd.DataFrame({"q": ["x", HALF]}, dtype=object), r"row 2, column 'q'"),
        ([{"q": b"caf\xe9".decode("utf-8", "surrogateescape")}], r"\(U\+DCE9\) at position 4"),
    ],
)
def test_half_a_character_is_named(source: object, where: str) -> None:
    with pytest.raises(pex.PexError, match=where) as caught:
        load_cases(source)  # type: ignore[arg-type]
    str(caught.value).encode()


def test_two_halves_that_belong_together_are_one_character() -> None:
    (case,) = load_cases([{"q": ["\ud83d\ude00"], "expected": "\ud83d\ude00", "group": "é"}])
    assert (case.inputs, case.expected, case.group) == ({"q": ["\U0001f600"]}, "\U0001f600", "é")
    assert load_cases([Case("c", {"q": "\ud83d\ude00"})]) == [Case("c", {"q": "\U0001f600"})]


def test_half_a_character_in_a_file_of_json_names_its_line(tmp_path) -> None:
    (tmp_path / "c.jsonl").write_text('{"q": "x"}\n{"q": "\\ud800"}\n')
    with pytest.raises(pex.PexError, match="line 2: not valid JSON"):
        load_cases(tmp_path / "c.jsonl")


@pytest.mark.parametrize(
    ("options", "where"),
    [({"note": HALF}, "note: half"), ({"mlflow_tags": {"a": HALF}}, "tags: half")],
)
def test_half_a_character_in_what_is_kept_with_a_run_is_named_before_it(
    options: dict, where: str, project
) -> None:
    exp = pex.Experiment("one", pex.grid(pex.Prompt("{{ q }}", name="p"), "lab/m1"), [{"q": "x"}])
    with pytest.raises(pex.PexError, match=where):
        exp.run(show=False, **options)


@pytest.mark.parametrize(
    "make",
    [
        lambda: pex.Prompt(HALF, "p"),
        lambda: pex.Prompt([{"role": "user", "content": [{"type": "text", "text": HALF}]}], "p"),
        lambda: pex.Prompt("x", "p", description=HALF),
        lambda: pex.Prompt("x", "p", params={"stop": [HALF]}),
        lambda: pex.Variant(pex.Prompt("x", "p"), "lab/m", {"user": HALF}),
        lambda: pex.Prompt("x", "p", defaults={"v": HALF}),
        lambda: pex.Prompt("x", "p", response_schema={"type": "object", "title": HALF}),
        lambda: pex.Prompt("x {{ v }}", "p").openai(v=HALF),
    ],
)
def test_a_prompt_with_half_a_character_is_an_error(make: Callable[[], object]) -> None:
    with pytest.raises(
        pex.PexError, match=r"(prompt 'p'|parameter '\w+').*half a character \(U\+D800\)"
    ):
        make()


def test_two_halves_in_a_prompt_are_one_character(tmp_path: Path) -> None:
    prompt = pex.Prompt("\ud83d\ude00", "p")
    assert pex.Prompt.load(prompt.save(tmp_path / "p.prompty")).text == "\U0001f600"
