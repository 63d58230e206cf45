"""What the canary and the fingerprints say of a changed model, prompt, data, and of none."""

from __future__ import annotations

import datetime
import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pex
from pex.batch.night.answer_drift import measure_drift
from pex.batch.night.judge_night import judge_night
from pex.batch.night.night import JudgedNight
from pex.batch.plan import load_plan
from pex.batch.result import BatchResult
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.lab_nights import UNHAPPY, Model, lay_out

pytestmark = pytest.mark.night

GATE = "gate: {baseline: pinned, metric: label, margin: 0.1}\n"


class Nights:
    """Nights of a plan without their notebooks: what these would run is run here."""

    def __init__(self, project: Path, lab: FaultyEndpoint) -> None:
        self.model = Model(lab)
        self.file = lay_out(project, GATE)
        self.folder = self.file.parent
        self._uri = f"sqlite:///{project}/mlruns/mlflow.db"
        self._numbers = itertools.count(1)

    def night(self) -> JudgedNight:
        plan = load_plan(self.file)
        name = f"night-{next(self._numbers)}"
        tags = {
            "pex.plan": plan.name,
            "pex.plan_folder": plan.place,
            "pex.batch_id": name,
            "pex.job_id": "compare",
        }
        begun = datetime.datetime.now(datetime.UTC)
        experiment = pex.Experiment.load(self.folder / "experiment.yaml")
        experiment.run(journal="fresh", show=False, traces="none", mlflow_tags=tags)
        return judge_night(BatchResult(name, plan, plan.outputs / name, []), begun, self._uri)

    def accept(self, name: str) -> None:
        done = pexlab("batch", "accept", name, folder=self.folder)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def nights(project: Path, lab: FaultyEndpoint) -> Nights:
    return Nights(project, lab)


def change_prompt(nights: Nights) -> None:
    for name in ("short", "long"):
        (nights.folder / f"prompts/{name}.prompty").write_text("Answer briefly. {{ word }}")


def change_model(nights: Nights) -> None:
    """Another model that calls itself by the old name."""
    nights.model.polite, nights.model.wrong = "Hi!", set(UNHAPPY[:8])


def change_data(nights: Nights) -> None:
    path = nights.folder / "cases.csv"
    text = path.read_text()
    for word in UNHAPPY[:8]:
        text = text.replace(f"{word},negative", f"{word},positive")
    path.write_text(text)


@pytest.mark.parametrize(
    ("changed", "kinds", "cause"),
    [
        ([change_prompt], {"prompt"}, "Only the prompt changed"),
        ([change_model], {"answers"}, "Only the model changed"),
        ([change_data], {"data"}, "Only the data changed"),
        (
            [change_prompt, change_model],
            {"prompt", "answers"},
            "The prompt and the model changed at once",
        ),
    ],
)
def test_each_change_is_told_from_the_others(
    nights: Nights, changed: list[Callable[[Nights], None]], kinds: set[str], cause: str
) -> None:
    nights.night()
    nights.accept("night-1")
    for change in changed:
        change(nights)
    (subject,) = nights.night().subjects
    assert {item.kind for item in subject.since_last} == kinds
    lost = [item for item in subject.judged if item.cause]
    assert lost
    assert all(item.cause.startswith(cause) for item in lost)
    # The night after, everything is as last night; since the baseline it is still that change.
    (subject,) = nights.night().subjects
    assert subject.since_last == []
    assert {item.kind for item in subject.since_accepted} == kinds
    assert all(item.cause.startswith(cause) for item in subject.judged if item.cause)


def test_a_model_that_never_repeats_itself_is_not_called_another_one(
    nights: Nights, lab: FaultyEndpoint
) -> None:
    answer = lab.reply
    numbers = itertools.count()

    def reply(body: dict[str, Any], number: int) -> Any:
        nights.model.polite = f"Hello number {next(numbers)}."
        return answer(body, number)

    lab.reply = reply
    nights.night()
    nights.accept("night-1")
    for _ in range(2):
        night = nights.night()
        (subject,) = night.subjects
        assert subject.since_last == []
        assert subject.since_accepted == []
        assert night.exit_code == 0


def rows(answers: dict[str, list[str]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            ("v", key, number, f"{key} {number}", text, None)
            for key, texts in answers.items()
            for number, text in enumerate(texts)
        ],
        columns=["variant", "case_id", "repeat", "request_key", "output", "error"],
    )


def night_of(dice: random.Random, sides: list[list[str]], repeats: int = 3) -> pd.DataFrame:
    return rows({f"q{n}": dice.choices(texts, k=repeats) for n, texts in enumerate(sides)})


def test_three_steady_questions_that_all_turned_are_enough() -> None:
    before = rows({f"q{n}": ["a"] * 3 for n in range(3)})
    after = rows({f"q{n}": ["b"] * 3 for n in range(3)})
    seen = measure_drift(after, before)
    assert (seen.asked, seen.other) == (3, 3)
    assert seen.chance == pytest.approx(0.1**3)  # 2 of 20 ways to deal each out
    assert seen.confident
    assert measure_drift(before, before).chance == 1
    assert not measure_drift(before, before).drifted
    assert measure_drift(rows({"q9": ["a"]}), before).asked == 0


@pytest.mark.parametrize("sides", [["a", "b"], ["a", "b", "c", "d", "e"], list("abcdefghijklmno")])
@pytest.mark.parametrize("questions", [3, 10])
def test_flicker_of_any_width_is_hardly_ever_taken_for_another_model(
    sides: list[str], questions: int
) -> None:
    dice = random.Random(1)
    kinds = [sides] * questions
    assert not any(
        measure_drift(night_of(dice, kinds), night_of(dice, kinds)).confident for _ in range(100)
    )


def test_another_model_that_flickers_too_is_found_with_a_few_more_questions() -> None:
    dice = random.Random(1)
    old, new = [["a", "b"]] * 10, [["c", "d"]] * 10
    assert all(measure_drift(night_of(dice, new), night_of(dice, old)).confident for _ in range(50))
