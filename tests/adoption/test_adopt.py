"""Every prompt on a new model: verdicts, one budget, resuming, the old model gone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

import pex
from pex.adoption.decide import KEEP, REWRITE, UNDECIDED, WAIT
from tests.helpers.adopting import NEW, OLD, asked, experiment, models, reply
from tests.helpers.endpoint import FaultyEndpoint, completion


@pytest.fixture
def pair(lab: FaultyEndpoint) -> FaultyEndpoint:
    models(lab)
    return lab


def adopt(**options: object) -> pex.Adoption:
    found = pex.adopt(NEW, OLD, show=False, **options)  # type: ignore[arg-type]
    assert isinstance(found, pex.Adoption)
    return found


def test_each_prompt_gets_its_verdict_on_its_own_cases_in_one_run(
    pair: FaultyEndpoint, project: Path
) -> None:
    for name in ("same", "gain", "lose"):
        experiment(project, name)
    experiment(project, "form", scorer="exact")
    experiment(project, "mix", 24)
    (project / "prompts").mkdir()
    (project / "prompts" / "alone.prompty").write_text("---\nname: alone\n---\nuser:\nHi {{ q }}\n")
    broken = project / "experiments" / "broken"
    broken.mkdir()
    (broken / "experiment.yaml").write_text("name: broken\ncasse: x.csv\n")
    found = adopt()
    assert found.verdicts == {
        "form": REWRITE, "gain": KEEP, "lose": WAIT, "mix": UNDECIDED, "same": UNDECIDED
    }  # fmt: skip
    said = "\n".join(found.left_out_lines)
    assert "alone: no cases" in said
    assert "broken" in said
    assert "casse" in said
    rows = {row["prompt"]: row for row in found.to_json()["comparisons"]}
    assert rows["gain"]["comparison"] == "better"
    assert rows["lose"]["diff"] == -1.0
    assert rows["mix"]["more_cases"] > 0
    assert "40 of 40 lost cases" in rows["form"]["why"]
    assert "with the right answer inside other words" in rows["form"]["why"]
    # Only one run is recorded, whatever the number of prompts.
    client = mlflow.MlflowClient(f"sqlite:///{project / 'mlruns' / 'mlflow.db'}")
    [place] = [item for item in client.search_experiments() if item.name == "adoption"]
    [run] = client.search_runs([place.experiment_id])
    assert run.info.run_id == found.run_id
    assert run.info.status == "FINISHED"
    assert run.data.metrics["keep_as_it_is"] == 1.0
    assert run.data.metrics["comparisons"] == 5.0
    assert {item.path for item in client.list_artifacts(run.info.run_id)} >= {
        "adoption.html", "adoption.json"
    }  # fmt: skip
    assert "lose" in run.data.tags["mlflow.note.content"]
    page = found.page()
    assert "<b>The</b>" not in page
    assert "&lt;b&gt;The&lt;/b&gt;" in page
    assert "pexlab improve form --prompt form --model lab/new --way adaptation" in repr(found)


def test_a_second_time_everything_comes_from_the_journal(
    pair: FaultyEndpoint, project: Path
) -> None:
    experiment(project, "same", 80)
    assert adopt(record=False).verdicts == {"same": KEEP}
    calls = pair.calls
    again = adopt(record=False)
    assert pair.calls == calls
    assert again.calls == 0
    assert again.spent_usd == 0


def test_a_budget_over_all_ends_in_the_middle_and_the_same_call_continues(
    pair: FaultyEndpoint, project: Path
) -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{pair.url}"\nmax_in_flight = 1\n'
        + "".join(
            f'[prices."lab/{name}"]\ninput_usd_per_million = 100\noutput_usd_per_million = 100\n'
            for name in ("old", "new")
        )
    )
    params = "params: [{max_tokens: 2}]\n"
    for name in ("gain", "lose"):
        experiment(project, name, 20, params=params)
    # Each answer costs 12 tokens: 20 cases of one prompt on both models take $0.048.
    first = adopt(budget_usd=0.07)
    assert first.stopped == "budget"
    assert first.exit_code == 4
    assert first.spent_usd <= 0.07
    assert first.verdicts["gain"] == KEEP
    assert first.verdicts["lose"] == UNDECIDED
    calls = pair.calls
    second = adopt(budget_usd=0.2)
    assert second.run_id == first.run_id
    assert second.stopped == ""
    assert second.verdicts == {"gain": KEEP, "lose": WAIT}
    assert pair.calls == 80
    assert calls < 80
    # What was spent is that of both starts together, and so is the cap.
    assert second.spent_usd == pytest.approx(0.096)


def test_a_parameter_that_the_new_model_refuses_is_dropped_and_shown(
    pair: FaultyEndpoint, project: Path
) -> None:
    def picky(body: dict[str, object], number: int) -> object:
        if body["model"] == "new" and "temperature" in body:
            from aiohttp import web

            error = {"message": "Unsupported parameter: 'temperature'", "param": "temperature"}
            return web.json_response({"error": error}, status=400)
        return reply(body, number)

    pair.reply = picky
    experiment(project, "gain", 30, params="params: [{temperature: 0}]\n")
    found = adopt(record=False)
    assert found.verdicts == {"gain": KEEP}
    [row] = found.to_json()["comparisons"]
    assert any("temperature" in text for text in row["parameters"])
    assert "temperature" in found.page()


def test_too_many_errors_keep_a_prompt_where_it_is_and_are_counted(
    pair: FaultyEndpoint, project: Path
) -> None:
    from aiohttp import web

    def failing(body: dict[str, object], number: int) -> object:
        text = str(body["messages"][-1]["content"])  # type: ignore[index]
        if body["model"] == "new" and int(text.split()[1]) % 4 == 0:
            error = {"message": "this text is not allowed", "code": "content_filter"}
            return web.json_response({"error": error}, status=400)
        return completion("yes")

    pair.reply = failing
    experiment(project, "same", 40)
    found = adopt(record=False)
    [row] = found.to_json()["comparisons"]
    assert row["verdict"] == WAIT
    assert row["errors_new"] == 10
    assert row["n_cases"] == 30
    assert "10 of 40" in row["why"]
    assert found.exit_code == 5


def test_it_works_when_the_old_model_is_gone_with_what_the_journal_has(
    pair: FaultyEndpoint, project: Path
) -> None:
    path = experiment(project, "gain", 40)
    pex.Experiment.load(path).run(record=False, show=False, limit=30)

    def dead(body: dict[str, object], number: int) -> object:
        if body["model"] == "old":
            from aiohttp import web

            error = {"message": "The model 'old' does not exist", "code": "model_not_found"}
            return web.json_response({"error": error}, status=404)
        return completion("yes")

    pair.reply = dead
    experiment(project, "lose", 10)
    found = adopt(record=False)
    rows = {row["prompt"]: row for row in found.to_json()["comparisons"]}
    assert rows["gain"]["n_cases"] == 30
    assert rows["gain"]["missing_old"] == 10
    assert rows["gain"]["verdict"] == KEEP
    assert any("10 cases are missing" in text for text in rows["gain"]["remarks"])
    assert rows["lose"]["verdict"] == UNDECIDED
    assert rows["lose"]["n_cases"] == 0
    assert found.gone


def test_recording_asks_each_case_once_more_and_says_how_the_model_differs_from_itself(
    pair: FaultyEndpoint, project: Path
) -> None:
    from pex.adoption.recording import record_model

    path = experiment(project, "same", 10)
    pex.Experiment.load(path).run(record=False, show=False)
    pair.reply = lambda body, number: completion("no" if number % 2 else "yes")
    pair.bodies.clear()
    kept = record_model(OLD, show=False)
    assert asked(pair) == ["old"] * 10
    [row] = kept.rows
    assert row["asked"] == 10
    assert row["answers"] == 20
    assert row["missing"] == 0
    assert row["differs"] == pytest.approx(0.5)
    assert record_model(OLD, show=False, record=False).rows[0]["asked"] == 0
    found = adopt(record=False)
    [row] = found.to_json()["comparisons"]
    assert row["old_noise"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"new": "lba/new"}, "did you mean 'lab'"),
        ({"baseline": "lab/odl"}, "did you mean 'lab/old'"),
        ({"new": OLD}, "compared with itself"),
        ({"prompts": "smae"}, "did you mean 'same'"),
        ({"params": {"temprature": None, "max_tokens": "many"}}, "max_tokens"),
        ({"budget_usd": -1}, "budget_usd"),
        ({"margin": -0.1}, "margin: expected a number, 0 or more"),
        ({"confidence": 95}, "use confidence=0.95"),
    ],
)
def test_mistakes_are_named_before_a_call(
    pair: FaultyEndpoint, project: Path, options: dict[str, object], message: str
) -> None:
    experiment(project, "same", 3)
    with pytest.raises(pex.PexError, match=message):
        pex.adopt(**{"new": NEW, "baseline": OLD, "show": False, **options})  # type: ignore[arg-type]
    assert pair.calls == 0


def test_an_unknown_price_stops_it_before_a_call(pair: FaultyEndpoint, project: Path) -> None:
    (project / "pex.toml").write_text(f'[providers.lab]\nbase_url = "{pair.url}"\n')
    experiment(project, "same", 3)
    with pytest.raises(pex.PexError, match="no price is known"):
        pex.adopt(NEW, OLD, show=False)
    assert pair.calls == 0


def test_a_dry_run_says_what_would_be_asked(pair: FaultyEndpoint, project: Path) -> None:
    path = experiment(project, "same", 12)
    pex.Experiment.load(path).run(record=False, show=False)
    calls = pair.calls
    sized = pex.adopt(NEW, OLD, dry_run=True)
    assert "12 calls, 12 answers reused" in str(sized)
    assert pair.calls == calls


def test_a_project_without_prompts_is_a_mistake(pair: FaultyEndpoint) -> None:
    with pytest.raises(pex.PexError, match="no prompts"):
        pex.adopt(NEW, OLD)


def test_a_tuned_model_is_adopted_by_its_name(pair: FaultyEndpoint, project: Path) -> None:
    tuned = "ft:new:org:shop:1"
    pair.models = ["old", tuned]
    experiment(project, "gain")
    command = [sys.executable, "-m", "pex.cli", "adopt", f"lab/{tuned}", "--baseline", OLD,
               "--no-record", "--json"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout)["comparisons"]
    assert row["prompt"] == "gain"
    assert row["comparison"] == "better"
    assert asked(pair).count(tuned) == 40
