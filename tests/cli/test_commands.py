"""The command line as a person or a script meets it: exit codes, streams, messages."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from aiohttp import web

from tests.helpers.command import pexlab, pexlab_process
from tests.helpers.endpoint import FaultyEndpoint


@pytest.fixture
def folder(project: Path, lab: FaultyEndpoint) -> Path:
    (project / "e.yaml").write_text(
        "name: echo\ncases: c.csv\nprompts: [p.prompty, q.prompty]\nmodels: [lab/m1]\n"
        "scorers: [exact]\n"
    )
    (project / "c.csv").write_text("word,expected\na,a\nb,x\nc,c\n")
    (project / "p.prompty").write_text("{{ word }}")
    (project / "q.prompty").write_text("{{ word }}!")
    return project


def test_run_prints_the_table(folder: Path) -> None:
    done = pexlab_process("run", "e.yaml", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "67 % [21, 94]" in done.stdout
    assert "recorded in MLflow" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_project_is_the_experiments_own(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = pexlab("run", str(folder / "e.yaml"), folder=elsewhere)
    assert done.returncode == 0, done.stderr
    assert (folder / "mlruns/mlflow.db").is_file()
    assert list(elsewhere.iterdir()) == []


def test_json_is_one_document_on_stdout(folder: Path) -> None:
    done = pexlab_process("run", "e.yaml", "--json", "--limit", "2", "--no-record", folder=folder)
    document = json.loads(done.stdout)
    assert document["counts"]["answered"] == 4
    assert document["summary"][0]["score.exact"] == 0.5
    assert document["run_id"] is None


def test_changes_and_output_file(folder: Path) -> None:
    done = pexlab(
        "run", "e.yaml", "--set", "repeats=2", "--set", "params.temperature=0.5",
        "--set", "prompts=[p.prompty]", "--out", "t/out.parquet", folder=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    frame = pd.read_parquet(folder / "t/out.parquet")
    assert len(frame) == 6
    assert set(frame["prompt"]) == {"p"}


def test_dry_run_asks_nothing(folder: Path, lab: FaultyEndpoint) -> None:
    done = pexlab("run", "e.yaml", "--dry-run", folder=folder)
    assert done.returncode == 0
    assert "First of 6 requests to m1" in done.stdout
    assert "Cost: free" in done.stdout
    assert lab.calls == 0


def test_what_a_prompt_says_in_vain_is_said_before_a_call(folder: Path) -> None:
    (folder / "p.prompty").write_text(
        "---\nmodel: {options: {temprature: 0}}\n---\n{{ word }} {# all\nof this #}"
    )
    done = pexlab("run", "e.yaml", "--dry-run", folder=folder)
    assert done.returncode == 0
    assert "warning: p.prompty: line 2: model.options: 'temprature' is not an opt" in done.stderr
    assert "warning: p.prompty: message 1, line 1: 'all of this' is a comment" in done.stderr
    assert ".py:" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "f.yaml"], "did you mean 'e.yaml'"),
        (["run", "e.yaml", "--set", "repeat=2"], "did you mean 'repeats'"),
        (["run", "e.yaml", "--set", "models=[gpt]"], "expected provider/model"),
        (["run", "e.yaml", "--set", "models=[openai/gpt-4.1]"], "OPENAI_API_KEY is not set"),
        (["run", "e.yaml", "--set", "columns={expected: lable}"], "no column 'lable'"),
        (["run", "e.yaml", "--limit", "0"], "whole number of at least 1"),
        (["run", "e.yaml", "--budget", "-1"], "budget_usd: expected a number, 0 or more"),
        (["run", "e.yaml", "--budget", "nan"], "budget_usd: expected a number"),
        (["run", "e.yaml", "--max-in-flight", "0"], "expected a whole number of at least 1"),
        (["run", "e.yaml", "--only", "fialed"], "did you mean 'failed'"),
        (["run", "e.yaml", "--only", "failed"], "has not been run before"),
        (["run", "e.yaml", "--out", "x.xlsx"], "ends in .parquet or .csv"),
        (["report", "nope"], "there is no run 'nope'"),
        (["batch", "plan.yaml"], "no such file"),
        (["run", "e.yaml", "--limt", "2"], "No such option"),
    ],
)  # fmt: skip
def test_wrong_use_is_2_without_a_call(
    folder: Path, lab: FaultyEndpoint, arguments: list[str], message: str
) -> None:
    done = pexlab(*arguments, folder=folder)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert lab.calls == 0


def test_a_variable_that_no_case_has(folder: Path, lab: FaultyEndpoint) -> None:
    (folder / "p.prompty").write_text("{{ wrod }}")
    done = pexlab_process("run", "e.yaml", folder=folder)
    assert done.returncode == 2
    assert "no case has a value for '{{ wrod }}'\n  did you mean 'word'" in done.stderr


def test_an_endpoint_that_is_not_there(folder: Path) -> None:
    (folder / "pex.toml").write_text('[providers.lab]\nbase_url = "http://127.0.0.1:9/v1"\n')
    done = pexlab("run", "e.yaml", folder=folder)
    assert done.returncode == 2
    assert "'lab' cannot be reached" in done.stderr


def test_a_provider_error_is_5(folder: Path, lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: web.json_response({"error": "no such model"}, status=404)
    done = pexlab("run", "e.yaml", "--set", "models=[lab/m3]", folder=folder)
    assert done.returncode == 5
    assert "no such model (there is: 'm1', 'm2')" in done.stderr


def test_too_many_errors_are_5(folder: Path, lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: (
        web.json_response({"error": "context too long"}, status=400) if number == 2 else None
    )
    done = pexlab_process("run", "e.yaml", folder=folder)
    assert done.returncode == 5
    assert "1 of 6 requests ended in an error (17%, allowed 5%)" in done.stderr
    assert "echo: 5 of 6 answers, 1 error" in done.stdout


def test_the_budget_is_4(folder: Path, lab: FaultyEndpoint) -> None:
    (folder / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{lab.url}"\n'
        '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
        "[budget]\nmax_tokens = 10\n"
    )
    done = pexlab("run", "e.yaml", "--budget", "0.12", "--max-in-flight", "1", folder=folder)
    assert done.returncode == 4, done.stderr
    assert "the budget of $0.12 ended the run" in done.stderr
    assert 0 < lab.calls < 6


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_is_130_and_keeps_the_answers(
    folder: Path, lab: FaultyEndpoint, how: signal.Signals
) -> None:
    lab.latency_s = 0.5
    process = subprocess.Popen(
        [sys.executable, "-m", "pex.cli", "run", "e.yaml", "--max-in-flight", "1"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while lab.calls < 2:
        time.sleep(0.05)
    process.send_signal(how)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "2 of 6 answers, 4 not run (interrupted)" in out
    assert "interrupted: stopped after 2 of 6 answers; they are kept" in err
    assert "Traceback" not in err
    done = pexlab("report", "latest", "--out", "r.html", folder=folder)
    assert done.returncode == 0
    assert "This run did not finish: interrupted" in (folder / "r.html").read_text()


def test_only_errors_of_the_last_run(folder: Path, lab: FaultyEndpoint) -> None:
    lab.reply = lambda body, number: (
        web.json_response({"error": "too long"}, status=400) if number == 1 else None
    )
    pexlab("run", "e.yaml", "--max-in-flight", "1", folder=folder)
    before = lab.calls
    done = pexlab("run", "e.yaml", "--only", "errors", folder=folder)
    assert (done.returncode, lab.calls - before) == (0, 1)


def test_init_makes_a_project_that_runs(tmp_path: Path) -> None:
    done = pexlab("init", "my project", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    project = tmp_path / "my project"
    assert (project / "notebooks/compare.ipynb").is_file()
    assert (project / "notebooks/morning.ipynb").is_file()
    (project / "pex.toml").write_text("# mine\n")
    again = pexlab("init", "my project", folder=tmp_path)
    assert "wrote" not in again.stdout
    assert (project / "pex.toml").read_text() == "# mine\n"
    dry = pexlab("run", "experiments/review-sentiment/experiment.yaml", "--dry-run", folder=project)
    assert dry.returncode == 0, dry.stderr
    assert "895 requests" in dry.stdout


def test_a_diagnosis_leaves_nothing_behind(tmp_path: Path) -> None:
    done = pexlab_process("doctor", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mlflow.db (created by the first run)" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_doctor(folder: Path) -> None:
    done = pexlab("doctor", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    found = {item["what"]: item for item in json.loads(done.stdout)["findings"]}
    assert found["lab"]["state"] == "ok"
    assert found["lab"]["found"].endswith("2 models")
    assert found["openai"] == {
        "what": "openai",
        "state": "missing",
        "found": "OPENAI_API_KEY is not set",
    }
    assert found["record"]["state"] == "ok"
    assert found["local/smollm2"]["state"] == "ok"


def test_help_and_version(tmp_path: Path) -> None:
    done = pexlab_process("--help", folder=tmp_path)
    for command in ("demo", "init", "run", "batch", "report", "model", "lab", "ui", "doctor"):
        assert command in done.stdout
    assert "Exit codes" in done.stdout
    assert pexlab_process("--version", folder=tmp_path).stdout.startswith("pexlab ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "health"), [(["lab", "--", "--no-browser"], "/api"), (["ui"], "/health")]
)
def test_the_servers_come_up(tmp_path: Path, command: list[str], health: str) -> None:
    from tests.helpers.browser import free_port, serving

    (tmp_path / "pex.toml").touch()
    port = free_port()
    option = f"--port={port}"
    arguments = [*command, option] if command[0] == "lab" else [*command, "--port", str(port)]
    with serving(["pex.cli", *arguments], tmp_path, f"http://127.0.0.1:{port}{health}"):
        pass


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('[prices."lab/m1"]\ninput_usd = 1\n', "did you mean 'input_usd_per_million'?"),
        (
            '[prices."lab/m1"]\ninput_usd_per_million = -1\noutput_usd_per_million = 1\n',
            "greater than or equal to 0, got -1",
        ),
        (
            "[prices.m1]\ninput_usd_per_million = 1\noutput_usd_per_million = 1\n",
            "'m1' is not a model: expected [prices.\"provider/model\"]",
        ),
        ("[budget]\nusd_per_run = nan\n", "budget.usd_per_run: input should be a finite number"),
        ('[budget]\nusd_per_run = "much"\n', "budget.usd_per_run"),
        ("[providers.lab]\nmax_in_flight = 0\n", "providers.lab.max_in_flight"),
    ],
)
def test_bad_settings_cost_nothing(
    folder: Path, lab: FaultyEndpoint, toml: str, message: str
) -> None:
    (folder / "pex.toml").write_text(toml)
    done = pexlab("run", "e.yaml", folder=folder)
    assert done.returncode == 2
    assert "pex.toml" in done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert lab.calls == 0


@pytest.mark.parametrize(
    "options", [("--budget", "-1"), ("--budget", "nan"), ("--max-in-flight", "0")]
)
def test_bad_numbers_cost_nothing(
    folder: Path, lab: FaultyEndpoint, options: tuple[str, str]
) -> None:
    done = pexlab("run", "e.yaml", *options, folder=folder)
    assert done.returncode == 2
    assert options[0].strip("-").split("-")[0] in done.stderr
    assert lab.calls == 0


def test_spend(folder: Path) -> None:
    assert "No model has been called yet" in pexlab("spend", folder=folder).stdout
    assert not (folder / ".pex").exists()
    pexlab("run", "e.yaml", "--no-record", folder=folder)
    lines = pexlab("spend", "--by", "model", folder=folder).stdout.splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["lab/m1", "6", "60", "0", "12", "0.0000"],
        ["total", "6", "60", "0", "12", "0.0000"],
    ]
    document = json.loads(pexlab("spend", "--json", folder=folder).stdout)
    assert document["rows"][0]["experiment"] == "echo"
    assert document["total"]["calls"] == 6
    wrong = pexlab("spend", "--by", "modle", folder=folder)
    assert (wrong.returncode, "did you mean 'model'" in wrong.stderr) == (2, True)
