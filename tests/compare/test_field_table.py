"""Which fields fail, by variant, with intervals by case, and what comes instead."""

import json
from typing import Any

import pandas as pd
import pytest

from pex.compare.field_table import field_table
from pex.report.fields import answer_differences, fields_html, fields_text
from pex.score.field_outcomes import field_scorers
from pex.stats import intervals

WANTED = {"city": "Bonn", "n": 1}


def frame(outputs: dict[str, list[Any]], expected: Any = WANTED, repeats: int = 1) -> pd.DataFrame:
    rows = [
        {
            "variant": variant,
            "case_id": f"c{number // repeats}",
            "repeat": number % repeats + 1,
            "output": output if isinstance(output, str) else json.dumps(output),
            "expected": expected,
            "error": None,
            "finish_reason": "stop",
            "remarks": [],
        }
        for variant, given in outputs.items()
        for number, output in enumerate(given)
    ]
    return pd.DataFrame(rows)


def test_fields_are_counted_by_variant_with_an_interval_by_case() -> None:
    right, wrong = {"city": "Bonn", "n": 1}, {"city": "Bern", "n": 1}
    given = {"a": [right, wrong, wrong, {"n": 1}], "b": [right, right, right, right]}
    found = field_table(frame(given, repeats=2), [{"kind": "fields"}])
    assert found is not None
    rows = {(row["variant"], row["field"]): row for row in found.table.to_dict("records")}
    city = rows["a", "city"]
    assert [city[name] for name in ("right", "wrong", "missing", "too_much", "cases")] == [
        1, 2, 1, 0, 2,
    ]  # fmt: skip
    assert (city["share"], city["lo"], city["hi"]) == (0.25, *intervals.wilson(0.5, 2))
    assert rows["b", "city"]["share"] == 1
    assert found.confusion.to_dict("records")[0] == {
        "scorer": "fields", "variant": "a", "field": "city", "outcome": "wrong",
        "expected": "Bonn", "given": "Bern", "count": 2,
    }  # fmt: skip
    assert "city   a" in fields_text(found)


def test_an_answer_that_cannot_be_read_is_missing_and_said() -> None:
    found = field_table(frame({"a": ["sorry", WANTED]}), ["label", "fields"])
    assert found is not None
    assert found.table["missing"].tolist() == [1, 1]
    assert found.confusion.empty
    assert found.notes() == [
        "a: 1 answer could not be read by 'fields'; every field that was expected counts as missing"
    ]


def test_records_and_several_scorers() -> None:
    wanted = [{"x": 1, "y": 1}, {"x": 2, "y": 2}]
    given = [{"x": 1, "y": 3}, {"x": 9, "y": 9}]
    options = ["records", {"kind": "records", "name": "by_x", "match_by": "x"}]
    found = field_table(frame({"a": [given]}, wanted), options)
    assert found is not None
    rows = found.table[found.table["scorer"] == "by_x"].set_index("field")
    assert rows.loc["y", ["right", "wrong", "missing", "too_much"]].tolist() == [0, 1, 1, 1]
    assert fields_html(found).count("<h3>") == 2


def test_no_field_scorer_no_table() -> None:
    assert field_table(frame({"a": [WANTED]}), ["label", {"kind": "length"}]) is None


@pytest.mark.parametrize("value", ["<img src=x onerror=alert(1)>", "\u202eevil", "a" * 5000])
def test_hostile_values_are_harmless_in_html(value: str) -> None:
    given = {"a": [{"city": value, "n": 1}]}
    found = field_table(frame(given), ["fields"])
    assert found is not None
    row = frame(given).to_dict("records")[0]
    html = fields_html(found) + answer_differences(row, field_scorers(["fields"]))
    assert "<img" not in html
    assert "\u202e" not in html
    assert len(html) < 4000
