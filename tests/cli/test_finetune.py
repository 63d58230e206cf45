"""`pexlab finetune`, as a user types it; and the tuned model in the next comparison."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pex.core.errors import PexError
from tests.helpers.command import pexlab
from tests.helpers.finetune_endpoint import FinetuneEndpoint
from tests.training.test_jobs import write_data


@pytest.fixture
def server(uri: str, project: Path) -> Iterator[FinetuneEndpoint]:
    """The endpoint as the provider `lab`, free to ask, and an empty store."""
    endpoint = FinetuneEndpoint()
    with endpoint.running():
        (project / "pex.toml").write_text(
            f'[providers.lab]\nbase_url = "{endpoint.url}"\nfree = true\n'
        )
        write_data(project / "train.jsonl")
        yield endpoint


START = ("finetune", "start", "train.jsonl", "--model", "lab/m1")


def test_check_counts_prices_and_names_the_line(server: FinetuneEndpoint, project: Path) -> None:
    done = pexlab("finetune", "check", "train.jsonl", "--price", "8", "--json", folder=project)
    facts = json.loads(done.stdout)
    assert (done.returncode, facts["rows"]) == (0, 12)
    assert facts["usd"] == pytest.approx(facts["tokens"] * 3 * 8 / 1e6)
    bad = project / "bad.jsonl"
    bad.write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n')
    done = pexlab("finetune", "check", "bad.jsonl", folder=project)
    assert done.returncode == 1
    assert "bad.jsonl:1: messages[0]" in done.stderr
    done = pexlab(*START[:2], "bad.jsonl", *START[3:], "--budget", "1", "--price", "8",
                  folder=project)  # fmt: skip
    assert done.returncode == 2
    assert server.uploads == 0


def test_no_start_without_a_price_or_above_the_budget(
    server: FinetuneEndpoint, project: Path
) -> None:
    done = pexlab(*START, "--budget", "1", folder=project)
    assert done.returncode == 2
    assert "training_usd_per_million" in done.stderr
    done = pexlab(*START, "--budget", "0.0001", "--price", "8", folder=project)
    assert done.returncode == 4
    assert "nothing was sent" in done.stderr
    done = pexlab(*START[:-1], "openai/gpt-4.1-mini", "--budget", "1", "--price", "8",
                  folder=project)  # fmt: skip
    assert "OPENAI_API_KEY is not set" in done.stderr
    assert server.uploads == server.creations == 0


def test_a_job_from_start_to_the_comparison_with_its_model(
    server: FinetuneEndpoint, project: Path, uri: str
) -> None:
    priced = ("--budget", "1", "--price", "8", "--suffix", "shop")
    done = pexlab(*START, *priced, folder=project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ftjob-1")
    for _ in range(2):  # following again adds nothing
        done = pexlab("finetune", "follow", "--every", "0.05", "--json", folder=project)
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
    assert facts["tuned_ref"] == "lab/ft:m1:org:shop:1"
    assert "step 2/4  train_loss 1" in done.stderr
    _is_in_mlflow(uri, facts["mlflow_run_id"])
    assert "ftjob-1" in pexlab("finetune", "list", folder=project).stdout
    done = pexlab(*START, *priced, folder=project)
    assert "--again makes another" in done.stderr
    assert server.creations == 1
    done = pexlab(*START, *priced, "--again", folder=project)
    assert done.stdout.startswith("ftjob-2")
    done = pexlab("finetune", "cancel", "ftjob-2", folder=project)
    assert "cancelled" in done.stdout
    _is_closed_in_mlflow(uri, "ftjob-2")
    assert pexlab("finetune", "cancel", "ftjob-9", folder=project).returncode == 2
    _compares(project, facts["tuned_ref"])


def _is_in_mlflow(uri: str, run_id: str) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    run = client.get_run(run_id)
    assert run.data.tags["pex.kind"] == "finetune"
    assert len(run.data.tags["pex.dataset_sha256"]) == 64
    assert run.data.params["model"] == "lab/m1"
    assert "the tuned model is lab/ft:m1" in run.data.tags["mlflow.note.content"]
    curve = client.get_metric_history(run_id, "train_loss")
    assert [(metric.step, metric.value) for metric in curve] == [
        (1, 2.0), (2, 1.0), (3, 0.6667), (4, 0.5)
    ]  # fmt: skip
    assert run.data.metrics["trained_tokens"] == 1234


def _is_closed_in_mlflow(uri: str, job: str) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    places = [item.experiment_id for item in client.search_experiments()]
    (run,) = client.search_runs(places, f"tags.`pex.job` = '{job}'")
    assert (run.info.status, run.data.tags["pex.job_status"]) == ("KILLED", "cancelled")
    assert run.data.tags["mlflow.note.content"].endswith("train.jsonl: cancelled")


def _compares(project: Path, tuned: str) -> None:
    """The printed command, on an experiment of the project."""
    (project / "short.prompty").write_text("---\nname: short\n---\nuser:\n{{ text }}\n")
    (project / "cases.csv").write_text("case_id,text,expected\na,yes,yes\nb,no,no\n")
    (project / "experiment.yaml").write_text(
        "name: reviews\ncases: cases.csv\nprompts: [short.prompty]\nmodels: [lab/m1]\n"
        "scorers: [exact]\n"
    )
    chosen = f'models=["lab/m1", "{tuned}"]'
    done = pexlab("run", "experiment.yaml", "--set", chosen, "--json", folder=project)
    assert done.returncode == 0, done.stderr
    assert "ft:m1:org:shop:1" in done.stdout
    done = pexlab("report", "latest", folder=project)
    assert done.returncode == 0, done.stderr


def test_a_failed_job_has_the_exit_code_its_reason_and_the_next_step(
    server: FinetuneEndpoint, project: Path
) -> None:
    server.fails = "the machine went away"
    pexlab(*START, "--budget", "1", "--price", "8", folder=project)
    done = pexlab("finetune", "follow", "--every", "0.05", "--no-record", folder=project)
    assert done.returncode == 5
    assert "the machine went away" in done.stderr
    assert "1,234 trained tokens" in done.stderr
    assert "pexlab finetune check" in done.stderr


@pytest.mark.parametrize("when", ["while it follows", "while MLflow is opened"])
def test_ctrl_c_ends_the_following_and_not_the_job(
    server: FinetuneEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    pexlab(*START, "--budget", "1", "--price", "8", folder=project)
    server.states = ["queued", "queued", "queued", "succeeded"]

    def at_the_third_look(request: object) -> bool:
        if server.looks == 2:
            server.down = lambda request: False
            os.kill(os.getpid(), signal.SIGINT)
        return False

    def at_once(*_: object) -> object:
        raise KeyboardInterrupt

    options = ["--no-record"]
    if when == "while it follows":
        server.down = at_the_third_look
    else:
        options = []
        monkeypatch.setattr("pex.cli.finetune._run", at_once)
    done = pexlab("finetune", "follow", "--every", "0.05", *options, folder=project)
    assert done.returncode == 130
    told = "the job goes on; come back with: pexlab finetune follow ftjob-1"
    assert done.stderr.endswith(told + "\n")
    assert server.jobs["ftjob-1"]["status"] in ("validating_files", "queued")
    done = pexlab("finetune", "follow", "--every", "0.05", "--no-record", folder=project)
    assert (done.returncode, server.creations) == (0, 1)


def test_preferences_and_validation_are_uploaded_and_named_in_the_job(
    server: FinetuneEndpoint, project: Path
) -> None:
    for name, count in (("train", 12), ("valid", 2)):
        rows = [
            {
                "input": {"messages": [{"role": "user", "content": f"{name} {number}"}],
                          "tools": [], "parallel_tool_calls": True},
                "preferred_output": [{"role": "assistant", "content": "Gladly."}],
                "non_preferred_output": [{"role": "assistant", "content": "No."}],
            }
            for number in range(count)
        ]  # fmt: skip
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (project / f"dpo-{name}.jsonl").write_text(text)
    start = ("finetune", "start", "dpo-train.jsonl", "--model", "lab/m1", "--budget", "1",
             "--price", "8", "--epochs", "2", "--method")  # fmt: skip
    done = pexlab(*start, "dpo", "--validation", "train.jsonl", folder=project)
    assert done.returncode == 2
    assert "train.jsonl:1" in done.stderr  # the other method's rows
    assert pexlab(*start, "dppo", folder=project).returncode == 2
    assert server.uploads == 0
    for _ in range(2):
        done = pexlab(*start, "dpo", "--validation", "dpo-valid.jsonl", folder=project)
        assert done.returncode == 0, done.stderr
    assert (server.uploads, server.creations) == (2, 1)
    body = server.bodies[0]
    assert body["method"] == {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 2}}}
    for key, name in (("training_file", "train"), ("validation_file", "valid")):
        assert server.contents[body[key]] == (project / f"dpo-{name}.jsonl").read_bytes()


def test_a_job_is_cancelled_although_the_store_does_not_answer(
    server: FinetuneEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> object:
        raise PexError("the store does not answer")

    pexlab(*START, "--budget", "1", "--price", "8", folder=project)
    monkeypatch.setattr("pex.cli.finetune._run", refuse)
    done = pexlab("finetune", "cancel", folder=project)
    assert (done.returncode, server.jobs["ftjob-1"]["status"]) == (0, "cancelled")
    assert "its run in MLflow is not closed: the store does not answer" in done.stderr
    assert "pexlab finetune follow ftjob-1" in done.stderr
