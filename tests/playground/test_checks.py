"""Checks that are added in the Playground: scorers beside the experiment's own."""

import pytest

import pex
from pex.core.errors import PexError
from pex.playground.checks import new_check
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.playing import View, column, experiment

pytestmark = pytest.mark.usefixtures("new_kernel")


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("regexp", "a", "there is no check 'regexp'"),
        ("contains", " ", "needs a value"),
        ("regex", "(", "regex"),
        ("length", "ten", "expected a whole number"),
    ],
)
def test_what_cannot_be_checked_is_said(kind: str, value: str, message: str) -> None:
    with pytest.raises(PexError, match=message):
        new_check(kind, value, ())


def test_names_are_free_and_can_be_the_names_of_scores() -> None:
    names: list[str] = []
    for kind, value in [("contains", "a b!"), ("contains", "a b?"), ("regex", "^…$"), ("json", "")]:
        names.append(new_check(kind, value, names)["name"])
    assert names == ["contains-a-b", "contains-a-b-2", "regex", "json"]


def test_checks_score_beside_the_experiments_scorers_and_are_saved_with_it(
    lab: FaultyEndpoint,
) -> None:
    lab.reply = lambda body, number: completion("positive, I think")
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    play.run().wait()
    asked = lab.calls
    view.do("add_check", check="contains", value="think", taken=["label"])
    doc = view.do("add_check", check="length", value="2", taken=["label"])
    assert (doc["scorers"], doc["checks"]) == (["label"], ["contains-think", "max-2-words"])
    frame = play.run().wait().frame
    assert lab.calls == asked  # the answers are reused
    assert frame["score.contains-think"].tolist() == [1.0] * len(frame)
    assert frame["score.max-2-words"].tolist() == [0.0] * len(frame)
    assert "score.label" in frame
    file = play.save("experiments/mine/experiment.yaml")
    assert pex.Experiment.load(file).score_names == ["label", "contains-think", "max-2-words"]
    doc = view.do("remove_check", name="max-2-words")
    assert doc["checks"] == ["contains-think"]
    assert view.do("undo")["checks"] == ["contains-think", "max-2-words"]
    assert column(play) in {variant["id"] for variant in doc["variants"]}


def test_without_an_experiment_they_take_the_place_of_the_usual_one(lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: completion('{"a": 1}')
    play = pex.Playground(pex.Prompt("{{ text }}", "echo", model="lab/m1"), record=False)
    view = View(play._session)
    (case,) = play._session.document()["cases"]
    view.do("edit_case", case=case["id"], field="text", value="x")
    view.do("add_check", check="json")
    assert play.run().wait().frame["score.json"].tolist() == [1.0]
