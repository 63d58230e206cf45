"""Adaptation with the old model as the reference: its answers from the journal, or asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pex
from pex.improvement.result import Improvement
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint, completion
from tests.helpers.improving import GOOD, START, Listed, answer, experiment

REPLIES = [
    "I'm sorry, I can't write prompts.",
    "",
    f"<prompt>{START} {GOOD}</prompt>",
    "<prompt>Is {{ number even?</prompt>",
]
"""What the writing model replies in turn."""


@pytest.fixture
def models(project: Path, lab: FaultyEndpoint) -> FaultyEndpoint:
    """`m1` is new and needs to be told, `m2` is old and always right, `m3` writes prompts."""
    written = iter(REPLIES)

    def reply(body: dict[str, Any], number: int) -> Any:
        text = body["messages"][-1]["content"]
        if body["model"] == "m3":
            assert "<old-answer>" in text
            return completion(next(written))
        if body["model"] == "m2":
            return completion("odd" if int(text.split()[1]) % 2 else "even")
        return answer(body, number)

    lab.reply, lab.models = reply, ["m1", "m2", "m3"]
    return lab


def run(**options: Any) -> Improvement:
    exp = experiment(100, splits={"train": 0.3, "select": 0.3, "confirm": 0.4})
    given: dict[str, Any] = {"ways": ["adaptation"], "reference": "lab/m2", **options}
    return pex.improve(
        "short", exp, writer="lab/m3", budget_usd=1, rounds=1, show=False, record=False, **given
    )


def asked(models: FaultyEndpoint, model: str) -> list[str]:
    found = [body for body in models.bodies if body["model"] == model]
    return [body["messages"][-1]["content"] for body in found]


def test_the_old_models_answers_are_asked_on_training_cases_and_replies_counted(
    models: FaultyEndpoint,
) -> None:
    result = run()
    assert result.prompt.text == f"{START} {GOOD}"
    assert result.candidates[1].way == "adaptation"
    assert "that the old model did better" in result.candidates[1].why
    numbers = {str(case.inputs["number"]) for case in result.splits.train}
    assert sorted(text.split()[1] for text in asked(models, "m2")) == sorted(numbers)
    assert len(result.left_out) == 3
    said = next(note for note in result.notes if "no proposals" in note)
    assert said.startswith("3 replies were no proposals: ")
    for kind in ("1 refused to write (“I'm sorry, I can't", "1 empty", "1 with a broken template"):
        assert kind in said
    assert "3 replies were no proposals" in result.page()
    assert not any("made no proposal" in note for note in result.notes)


def test_old_answers_that_are_in_the_journal_are_not_asked_again(models: FaultyEndpoint) -> None:
    prompt = pex.Prompt(START, name="short", params={"max_tokens": 5})
    exp = pex.Experiment("parity", pex.grid([prompt], "lab/m2"), experiment(100).cases, ["label"])
    exp.run(record=False, show=False)
    assert len(asked(models, "m2")) == 100
    run()
    assert len(asked(models, "m2")) == 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reference": None}, "way 'adaptation' needs the old model"),
        ({"ways": [Listed([f"{START} {GOOD}"])]}, "reference 'lab/m2': no way uses it"),
        ({"reference": "lab/m1"}, "is the model that 'short' is adapted to"),
        ({"reference": "m2"}, "m2"),
    ],
)
def test_mistakes_are_named_before_a_call(
    models: FaultyEndpoint, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(pex.PexError) as caught:
        run(**options)
    assert message in caught.value.message
    assert models.calls == 0


def test_the_command_that_adoption_names(project: Path, models: FaultyEndpoint) -> None:
    """The experiment runs on the old model; the new one is given."""
    splits = {"train": 0.3, "select": 0.3, "confirm": 0.4}
    old = experiment(100, model="lab/m2", splits=splits, budget_usd=1.0)
    old.save(project / "experiments/parity/experiment.yaml")
    command = ["improve", "parity", "--prompt", "short", "--model", "lab/m1", "--way", "adaptation",
               "--reference-model", "lab/m2"]  # fmt: skip
    done = pexlab(*command, "--dry-run", folder=project)
    assert "The old model's answers: 30 calls, free" in done.stdout, done.stderr
    assert models.calls == 0
    done = pexlab(*command, "--writer", "lab/m3", "--rounds", "1", "--no-record", folder=project)
    assert done.returncode == 0, done.stderr
    assert "adaptation-1" in done.stdout
    assert "3 replies were no proposals" in done.stdout
