"""Structured answers from the prompt to the page, on the built-in model."""

import datetime
from pathlib import Path
from typing import Annotated, Literal

import pydantic
import pytest

import pex
from pex.widgets.cell_details import cell_details
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.model import share


class Contact(pydantic.BaseModel):
    name: str
    kind: Literal["customer", "supplier"]
    since: datetime.date
    debt: Annotated[float, pex.field_rule("number", tolerance=0.01, weight=2)]


ASK = pex.Prompt("The contact as JSON: {{ text }}", "ask", response_model=Contact)
CASES = [
    {"case_id": "ann", "text": "Ann Lee, a customer since May 1, 2024, owes 12.50.",
     "expected": {"name": "Ann Lee", "kind": "customer", "since": "2024-05-01", "debt": 12.5}},
    {"case_id": "bo", "text": "Bo Fisher, a supplier since May 15, 2022, owes 3.00.",
     "expected": {"name": "Bo Fisher", "kind": "supplier", "since": "2022-05-15", "debt": 3}},
]  # fmt: skip


@pytest.mark.model
def test_the_class_of_a_prompt_brings_its_rules_to_the_real_model(project: Path) -> None:
    share(project)
    variants = pex.grid([ASK], "local/smollm2", {"temperature": 0, "max_tokens": 60})
    exp = pex.Experiment("contacts", variants, CASES, ["fields"])
    said = "fields: rules of Contact: name: text, kind: exact, since: date, debt: number (weight 2"
    assert said in repr(exp)
    results = exp.run(show=False)
    table = results.fields().frame
    assert table["field"].tolist() == ["name", "kind", "since", "debt"]
    assert (table[["right", "wrong", "missing", "too_much"]].sum(axis=1) == len(CASES)).all()
    loaded = pex.load_run(str(results.run_id))
    assert loaded.fields().frame.equals(table)
    assert '<h2 id="fields">Fields</h2>' in loaded.page()
    saved = pex.Experiment.load(exp.save(project / "saved" / "experiment.yaml"))
    assert saved.dumped_scorers(project)[0][0]["fields"]["debt"] == {
        "rule": "number", "tolerance": 0.01, "weight": 2,
    }  # fmt: skip


def test_what_differs_is_in_the_opened_cell_and_in_the_page(lab: FaultyEndpoint) -> None:
    given = '{"name": "ann lee", "kind": "customer", "since": "1 May 2024", "debt": "12,40 <b>"}'
    lab.reply = lambda body, number: completion(given)
    exp = pex.Experiment("contacts", pex.grid([ASK], "lab/m1"), CASES[:1], ["fields"])
    results = exp.run(show=False)
    assert results.frame["score.fields"].tolist() == [3 / 5]
    details = cell_details(results.show()._sheet, 0, 0, None)
    assert details["fields"] == [
        {
            "scorer": "fields",
            "said": "3 of 4 values right",
            "rows": [["✗", "wrong", "debt", "12,40 <b>", "12.5", "0.1 off"]],
        }
    ]
    assert "12,40 &lt;b&gt;" in results.page()
    assert results.fields().confusion("debt")["given"].tolist() == ["12,40 <b>"]
    with pytest.raises(pex.PexError, match="did you mean 'debt'"):
        results.fields().confusion("dept")
    rescored = results.rescore(
        [{"kind": "fields", "name": "some", "fields": ["name"]}], record=False
    )
    assert set(rescored.fields().frame["scorer"]) == {"fields", "some"}
