"""Several old models, parameters and adoptions of one experiment; one that cannot be run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import pex
from pex.adoption.decide import KEEP, UNDECIDED
from pex.adoption.preview import AdoptionPreview
from pex.experiment.experiment import Experiment
from tests.helpers.adopting import NEW, OLD, experiment, models, reply
from tests.helpers.endpoint import FaultyEndpoint

THIRD = "lab/third"


@pytest.fixture
def pair(lab: FaultyEndpoint) -> FaultyEndpoint:
    models(lab)
    lab.models.append("third")
    return lab


def adopt(baseline: str | None = None, **options: Any) -> pex.Adoption:
    found = pex.adopt(NEW, baseline, show=False, record=False, **options)
    assert isinstance(found, pex.Adoption)
    return found


def on(path: Path, *names: str) -> None:
    """Let an experiment run on these models; the first is its gate's baseline."""
    text = path.read_text().replace(f"[{OLD}, lab/other]", f"[{', '.join(names)}]")
    path.write_text(text.replace(f"baseline: {OLD}", f"baseline: {names[0]}"))


def test_an_old_model_that_is_gone_silences_no_other(pair: FaultyEndpoint, project: Path) -> None:
    def dead(body: dict[str, Any], number: int) -> object:
        if body["model"] == "old":
            error = {"message": "The model 'old' does not exist", "code": "model_not_found"}
            return web.json_response({"error": error}, status=404)
        return reply(body, number)

    pair.reply = dead
    on(experiment(project, "gain", 8), OLD, NEW)
    on(experiment(project, "lose", 8), OLD, NEW)
    on(experiment(project, "same", 8), THIRD, OLD)
    found = adopt()
    rows = {row["prompt"]: row for row in found.to_json()["comparisons"]}
    assert list(found.gone) == [OLD]
    assert [text for text in found.remarks if "could not be asked" in text] == [
        f"{OLD} could not be asked ({found.gone[OLD]}): only its answers in the journal count"
    ]
    assert rows["lose"]["n_cases"] == 0
    assert f"no answer of {OLD}" in rows["lose"]["why"]
    assert rows["same"]["n_cases"] == 8
    # A prompt is compared with one old model; the others are listed.
    assert rows["same"]["old_model"] == THIRD
    [line] = found.left_out_lines
    assert line.startswith("same: ")
    assert f"compared with {THIRD} alone; it also runs on {OLD}: " in line


def test_an_experiment_that_cannot_be_run_is_listed_and_the_others_go_on(
    pair: FaultyEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = Experiment.prepare

    def broken(self: Experiment, **options: Any) -> object:
        if self.name.startswith("form"):
            raise pex.PexError("form: a file is not there")
        return prepare(self, **options)

    monkeypatch.setattr(Experiment, "prepare", broken)
    for name in ("form", "gain"):
        experiment(project, name, 20)
    found = adopt(OLD)
    assert found.verdicts == {"form": UNDECIDED, "gain": KEEP}
    assert "could not be run: form: a file is not there" in repr(found._repr_html_())
    assert found.stopped == ""
    assert found.exit_code == 5
    with pytest.raises(pex.PexError, match="a file is not there"):
        adopt(OLD, prompts="form")


def test_each_adoption_of_an_experiment_has_a_budget_of_its_own(
    pair: FaultyEndpoint, project: Path
) -> None:
    prices = "input_usd_per_million = 100\noutput_usd_per_million = 100\n"
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{pair.url}"\nmax_in_flight = 1\n'
        + "".join(f'[prices."lab/{name}"]\n{prices}' for name in ("old", "new"))
    )
    experiment(project, "gain", 10, params="params: [{max_tokens: 2}]\n")
    # Each answer costs $0.0012. Without a record, too, the cap is over all starts.
    assert adopt(OLD, budget_usd=0.016).stopped == "budget"
    calls = pair.calls
    assert adopt(OLD, budget_usd=0.016).stopped == "budget"
    assert pair.calls == calls
    assert adopt(OLD, budget_usd=0.05).spent_usd == pytest.approx(0.024)
    other = adopt(OLD, budget_usd=0.03, params={"reasoning_effort": "low"})
    assert other.stopped == ""
    assert other.spent_usd == pytest.approx(0.012)


def test_sets_of_parameters_that_the_old_side_makes_equal_stay_apart(
    pair: FaultyEndpoint, project: Path
) -> None:
    experiment(project, "same", 3, params="params: [{temperature: 0}, {temperature: 1}]\n")

    def keys(**options: Any) -> list[str]:
        sized = pex.adopt(NEW, OLD, dry_run=True, **options)
        assert isinstance(sized, AdoptionPreview)
        return [task.key for task in sized.plan.tasks]

    apart = ["same in same (temperature=0)", "same in same (temperature=1)"]
    assert keys() == apart
    assert keys(baseline_params={"temperature": 0}) == apart
    both = {"temperature": 0}
    assert keys(baseline_params=both, params=both) == ["same in same"]
