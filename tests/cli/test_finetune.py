"""`pexlab finetune`, as a user types it; and the tuned model in the next comparison."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    assert pexlab("finetune", "cancel", "ftjob-9", folder=project).returncode == 2
    _compares(project, facts["tuned_ref"])


def _is_in_mlflow(uri: str, run_id: str) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    run = client.get_run(run_id)
    assert run.data.tags["pex.kind"] == "finetune"
    assert len(run.data.tags["pex.dataset_sha256"]) == 64
    assert run.data.params["model"] == "lab/m1"
    curve = client.get_metric_history(run_id, "train_loss")
    assert [(metric.step, metric.value) for metric in curve] == [
        (1, 2.0), (2, 1.0), (3, 0.6667), (4, 0.5)
    ]  # fmt: skip
    assert run.data.metrics["trained_tokens"] == 1234


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
