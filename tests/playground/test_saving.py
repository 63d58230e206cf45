"""From a Playground to files, the library and code."""

from typing import Any

import pytest

import pex
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.playing import CASES, View, column, entry, experiment, keys_of, typed

pytestmark = pytest.mark.usefixtures("new_kernel")


def test_the_code_makes_the_same_requests_in_a_fresh_namespace(lab: FaultyEndpoint) -> None:
    experiment("a {{ review }}", "b {{ review }}\nMore: 'one' \"two\" \\").save(
        "experiments/reviews/experiment.yaml"
    )
    play = pex.Playground("reviews", record=False)
    view = View(play._session)
    view.do("edit", variant=column(play), field="params", index="temperature", value="0.5")
    typed(play, "system text, 日本\n{{ review }}", 1)
    view.do("edit", variant=column(play, 1), field="system", value="Be kind.\n\n")
    view.do("edit_case", case=entry(play), field="review", value='new "quoted" \n\x07 text')
    view.message({"kind": "code", "view": "v"})
    text = view.wait_sent("code")["text"]
    assert text == play.code()
    assert 'pex.Prompt.load("experiments/reviews/prompts/p0.prompty")' in text
    space: dict[str, Any] = {}
    exec(text.replace("exp.run()", ""), space)  # noqa: S102 - it is what the code is for
    assert keys_of(space["exp"]) == keys_of(play.experiment)
    assert space["exp"].run(record=False).frame["error"].isna().all()


def test_what_stands_there_is_saved_as_an_experiment_and_nothing_is_overwritten(
    lab: FaultyEndpoint,
) -> None:
    play = pex.Playground(experiment("a {{ review }}", "b {{ review }}"), record=False)
    view = View(play._session)
    typed(play, "changed {{ review }}")
    file = play.save("experiments/mine/experiment.yaml")
    saved = pex.Experiment.load(file)
    assert keys_of(saved) == keys_of(play.experiment)
    assert [scorer.name for scorer in saved._built] == ["label"]
    typed(play, "again {{ review }}")
    view.message({"kind": "save", "view": "v", "to": "experiment", "path": str(file)})
    answer = view.wait_sent("saved")
    assert not answer["ok"]
    assert "already" in answer["text"]
    assert "tick overwrite" in answer["text"]
    view.message(
        {"kind": "save", "view": "v", "to": "experiment", "path": str(file), "overwrite": True}
    )
    assert view.wait_sent("saved")["ok"]
    assert keys_of(pex.Experiment.load(file)) == keys_of(play.experiment)


def test_a_gate_that_does_not_fit_is_left_out_and_said(lab: FaultyEndpoint) -> None:
    prompts = [pex.Prompt(f"{n} {{{{ review }}}}", n) for n in ("short", "long")]
    gate = {"baseline": "short", "metric": "label", "margin": 0.1}
    exp = pex.Experiment("g", pex.grid(prompts, "lab/m1"), CASES, ["label"], gate=gate)
    play = pex.Playground(exp, record=False)
    view = View(play._session)
    assert play.save("one/experiment.yaml")
    assert pex.Experiment.load("one/experiment.yaml")._spec.gate is not None
    view.do("remove_variant", variant=column(play))
    view.message({"kind": "save", "view": "v", "to": "experiment", "path": "two/e.yaml"})
    answer = view.wait_sent("saved")
    assert answer["ok"]
    assert "without its gate" in answer["text"]
    assert pex.Experiment.load("two/e.yaml")._spec.gate is None


def test_a_prompt_is_saved_as_a_file_with_its_model_and_parameters(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    typed(play, "mine {{ review }}")
    view.do("edit", variant=column(play), field="params", index="seed", value="3")

    def save(**rest: Any) -> dict:
        view.message(
            {"kind": "save", "view": "v", "to": "prompty", "variant": column(play), **rest}
        )
        return view.wait_sent("saved")

    assert save(path="") == {
        "kind": "saved", "view": "v", "ok": True, "text": "saved as prompts/p0.prompty",
    }  # fmt: skip
    prompt = pex.Prompt.load("prompts/p0.prompty")
    assert (prompt.text, prompt.model, prompt.params) == (
        "mine {{ review }}",
        "lab/m1",
        {"seed": 3},
    )
    assert play._session.document()["variants"][0]["origin"] == "prompts/p0.prompty"
    typed(play, "other {{ review }}")
    assert play._session.document()["variants"][0]["origin"] == "prompts/p0.prompty, changed"
    assert not save(path="prompts/p0.prompty")["ok"]
    assert pex.Prompt.load("prompts/p0.prompty") == prompt
    assert save(path="prompts/p0.prompty", overwrite=True)["ok"]
    assert pex.Prompt.load("prompts/p0.prompty").text == "other {{ review }}"
    assert "must end with .prompty" in save(path="p.txt")["text"]


@pytest.mark.parametrize("to", ["library", "prompty"])
def test_saving_leaves_the_answers_up_to_date(lab: FaultyEndpoint, to: str) -> None:
    play = pex.Playground(record=False)
    view = View(play._session)
    typed(play, "Topic of {{ review }}")
    view.do("edit", variant=column(play), field="model", value="lab/m1")
    view.do("edit_case", case=entry(play), field="review", value="Nice.")
    view.press()
    view.wait()
    view.message({"kind": "save", "view": "v", "to": to, "variant": column(play)})
    answer = view.wait_sent("saved")
    assert answer["ok"], answer["text"]
    assert [cell["stale"] for cell in play._session.cells().values()] == [False]


def test_a_prompt_is_saved_to_the_library_with_alias_and_note(lab: FaultyEndpoint) -> None:
    play = pex.Playground(experiment("a {{ review }}"), record=False)
    view = View(play._session)
    typed(play, "champion {{ review }}")
    to = {"kind": "save", "view": "v", "to": "library", "variant": column(play)}
    view.message(to | {"name": "reviews", "alias": "champion", "message": "shorter"})
    answer = view.wait_sent("saved")
    assert answer["ok"], answer["text"]
    assert pex.library.load("reviews@champion").text == "champion {{ review }}"
    assert play._session.document()["variants"][0]["origin"] == "reviews/1"
    assert pex.library.versions("reviews")["note"].tolist() == ["shorter"]
    view.message(to | {"name": "reviews", "alias": "", "message": "and kinder"})
    assert view.wait_sent("saved")["text"] == (
        "reviews/1 already has this text; your message was added to it"
    )
    assert pex.library.versions("reviews")["note"].tolist() == ["shorter\nand kinder"]
    view.message(to | {"name": "two words", "alias": "", "message": ""})
    answer = view.wait_sent("saved")
    assert not answer["ok"]
    assert "two-words" in answer["text"]
