"""A judge as a check: made, run after the answers, counted in the estimate, changed, saved."""

import json
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.core.errors import PexError
from pex.playground.judges import judge_of, new_judge, rubric
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.judges import is_judge, verdict
from tests.helpers.playing import CASES, View, experiment, restarted

pytestmark = pytest.mark.usefixtures("new_kernel")


def judged(lab: FaultyEndpoint) -> list[str]:
    """What judges were asked."""
    return [body["messages"][0]["content"] for body in lab.bodies if is_judge(body)]


def asked(view: View, **content: Any) -> dict:
    given = {
        "value": "It is polite.",
        "model": "lab/m2",
        "scale": False,
        "name": "",
        "replaces": "",
    }
    view.message({"kind": "judge", "view": "v", "taken": ["label"], **given, **content})
    return view.wait_sent("judge")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"criteria": "  "}, "say what a good answer is"),
        ({"model": ""}, "no model is given"),
        ({"model": "gpt-4.1"}, "expected provider/model"),
        ({"criteria": "Polite?\n{{ output"}, "the criteria, line 2"),
        ({"name": "two words"}, "two words"),
        ({"name": "label"}, "another check has the name 'label' too"),
    ],
)
def test_what_cannot_judge_is_said(given: dict[str, Any], message: str) -> None:
    whole: dict[str, Any] = {
        "criteria": "Polite?",
        "model": "lab/m2",
        "scale": False,
        "name": "",
        **given,
    }
    with pytest.raises(PexError, match=message):
        new_judge(**whole, taken=("label",))


def test_its_prompt_has_criteria_inputs_and_answer_or_is_the_criteria() -> None:
    check = new_judge("Polite?", "lab/m2", True, "polite", ())
    judge = judge_of(check, ["review", "output"])
    assert judge.scale == (1, 5)
    assert judge.prompt.variables == ("output", "review")
    assert "from 1 (not at all) to 5 (fully)" in judge.prompt.text
    assert rubric("Is {{ output }} kind to {{ name }}?", ["review"]) == (
        "Is {{ output }} kind to {{ name }}?"
    )


def test_it_judges_answers_that_are_there_and_its_score_joins_the_others(
    lab: FaultyEndpoint,
) -> None:
    lab.reply = lambda body, number: (
        verdict("yes" if "love" in body["messages"][0]["content"] else "no")
        if is_judge(body)
        else completion("positive")
    )
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    play.run().wait()
    calls = lab.calls
    assert asked(view)["ok"]
    doc = play._session.document()
    assert doc["checks"] == ["It-is-polite"]
    assert doc["judges"][0]["about"] == "lab/m2 says yes or no: It is polite."
    play._session.check()
    assert play._session.document()["estimate"].startswith("3 answers and judgements, free")
    frame = play.run().wait().frame
    assert lab.calls - calls == len(frame)  # the answers are reused, each is judged
    assert frame["score.It-is-polite"].tolist() == [1.0, 0.0, 0.0]
    assert "review: I love it." in judged(lab)[0]
    assert judged(lab)[0].endswith("Answer:\npositive")
    cell = next(iter(play._session.cells().values()))
    assert {mark[3] for mark in cell["marks"]} == {"label", "It-is-polite"}
    # All of it is reused from now on, and it is there in another kernel.
    restarted()
    calls = lab.calls
    play.run().wait()
    assert lab.calls == calls


def test_it_is_changed_undone_and_kept_with_the_draft(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}"), name="d", record=False)
    view = View(play._session)
    assert asked(view, name="polite")["ok"]
    assert asked(view, name="polite") == {
        "kind": "judge", "view": "v", "ok": False,
        "text": "another check has the name 'polite' too",
    }  # fmt: skip
    assert asked(view, name="polite", replaces="polite", value="It is kind.", scale=True)["ok"]
    (judge,) = play._session.document()["judges"]
    assert (judge["criteria"], judge["scale"]) == ("It is kind.", [1, 5])
    restarted()
    play = pex.Playground(experiment("a {{ review }}"), name="d", record=False)
    assert play._session.document()["judges"] == [judge]
    assert [scorer.name for scorer in play.experiment.judges] == ["polite"]


def test_what_its_endpoint_refuses_is_said_and_the_answers_stay(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    asked(view, model="openai/gpt-4.1-mini")
    play._session.check()
    assert "OPENAI_API_KEY" in play._session.document()["estimate"]
    view.press()
    assert "OPENAI_API_KEY" in view.wait()["error"]
    view.do("remove_check", name="It-is-polite")
    assert asked(view, value="Is {{ output }} {{ kind }}?")["ok"]
    play._session.check()
    assert "no case has a value for '{{ kind }}'" in play._session.document()["estimate"]
    view.do("undo")
    lab.reply = lambda body, number: completion("maybe" if is_judge(body) else "positive")
    asked(view)
    play.run(cases=["c1"]).wait()
    (cell,) = [cell for cell in play._session.cells().values() if cell["state"] == "answered"]
    (mark,) = [mark for mark in cell["marks"] if mark[3] == "It-is-polite"]
    assert mark[0] == "failed"
    assert "no valid verdict" in mark[2]


@pytest.mark.parametrize("base", [True, False])
def test_a_saved_experiment_has_its_prompt_as_a_file_and_code_makes_it_too(
    lab: FaultyEndpoint, base: bool
) -> None:
    lab.reply = lambda body, number: verdict(4) if is_judge(body) else completion("ok")
    prompt = pex.Prompt("b {{ review }}", "p", model="lab/m1")
    play = (
        pex.Playground(experiment("a {{ review }}"), record=False)
        if base
        else pex.Playground(prompt, cases=CASES, record=False)
    )
    view = View(play._session)
    asked(view, name="polite", scale=True, value='It is "polite".\nAnd kind.')
    file = play.save("experiments/mine/experiment.yaml")
    assert Path("experiments/mine/judges/polite.prompty").is_file()
    (saved,) = pex.Experiment.load(file).judges
    (here,) = play.experiment.judges
    assert (saved.identity, saved.scale) == (here.identity, (1, 5))
    space: dict[str, Any] = {}
    exec(play.code().replace("exp.run()", ""), space)  # noqa: S102 - it is what the code is for
    (made,) = space["exp"].judges
    assert json.dumps(made.identity) == json.dumps(here.identity)
    frame = space["exp"].run(record=False).frame
    assert frame["score.polite"].tolist() == [4.0] * len(frame)
