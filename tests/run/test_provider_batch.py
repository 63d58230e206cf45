"""Provider batches against a server that speaks OpenAI's files and batches pages."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.run import provider_batch
from tests.helpers.batch_endpoint import BatchEndpoint, answered
from tests.helpers.odd import changed, deep, paths


@pytest.fixture
def away(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchEndpoint]:
    monkeypatch.setattr(provider_batch, "FIRST_POLL_S", 0.02)
    monkeypatch.setattr(provider_batch, "LONGEST_POLL_S", 0.05)
    server = BatchEndpoint()
    with server.running():
        (project / "pex.toml").write_text(
            f'[providers.lab]\nbase_url = "{server.url}"\n'
            '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
            '[prices."lab/m2"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
        )
        yield server


def experiment(count: int = 6, models: Any = "lab/m1") -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"case_id": f"c{i}", "word": f"w{i}", "expected": f"w{i}"} for i in range(count)]
    return pex.Experiment("away", pex.grid(prompt, models, {"max_tokens": 2}), cases, ["exact"])


def run(exp: pex.Experiment, **options: Any) -> pex.Results:
    return exp.run(**{"record": False, "show": False, "provider_batch": True, **options})


def ledger(project: Path) -> tuple[float, int]:
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        total, count = connection.execute("SELECT sum(usd), count(*) FROM ledger").fetchone()
    return total or 0.0, count


def test_answers_come_back_at_half_the_price(away: BatchEndpoint, project: Path) -> None:
    exp = experiment(models=["lab/m1", "lab/m2"])
    full, half = exp.preview(), exp.preview(provider_batch=True)
    assert half.cost_usd == pytest.approx(full.cost_usd / 2)
    results = run(exp)
    assert results.status == "finished"
    assert away.calls == 0
    assert len(away.batches) == 2
    assert results.frame["score.exact"].eq(1).all()
    assert results.frame["cost_usd"].tolist() == pytest.approx([0.006] * 12)
    assert results.frame["resolved_model"].eq("m1-2026-01-01").all()
    assert results.frame["latency_s"].isna().all()
    assert results.about["spent_usd"] == pytest.approx(0.072)
    assert ledger(project) == (pytest.approx(0.072), 12)
    again = run(exp)
    assert again.about["counts"]["replayed"] == 12
    assert len(away.batches) == 2


def test_at_azure_files_and_batches_are_beside_the_deployments(
    away: BatchEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "a-key-of-azure")
    (project / "pex.toml").write_text(
        f'[providers.azure]\nbase_url = "{away.url.removesuffix("/v1")}"\nfree = true\n'
        'api_version = "2024-10-21"\n'
    )
    results = run(experiment(models="azure/m1"))
    assert results.frame["output"].tolist() == [f"w{i}" for i in range(6)]
    assert away.upload_queries == ["api-version=2024-10-21"]


def test_every_line_is_accounted_for(away: BatchEndpoint, project: Path) -> None:
    def line(item: dict[str, Any], number: int) -> dict[str, Any] | None:
        bad = {"message": "the model's context length is 8 tokens"}
        return {
            1: {"response": {"status_code": 400, "body": {"error": bad}}, "error": None},
            2: {"response": None, "error": {"code": "expired", "message": "not in time"}},
            3: None,
            4: {"response": {"status_code": 200, "body": {"choices": []}}, "error": None},
        }.get(number, answered(item, number))

    away.line = line
    frame = run(experiment()).frame.set_index("case_id")
    assert frame["error_kind"].dropna().to_dict() == {
        "c1": "too_long",
        "c2": "server",
        "c3": "server",
        "c4": "empty",
    }
    assert "not in its files" in frame.loc["c3", "error"]
    # c4 came with status 200: nobody says what it cost, so at most its worst case is booked.
    assert ledger(project) == (pytest.approx(0.012), 3)
    away.line = answered
    assert run(experiment()).about["counts"]["answered"] == 6


def test_an_odd_line_loses_only_itself(
    away: BatchEndpoint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every node of a line, the line itself, and bytes that are not JSON."""
    good = json.dumps(
        {"custom_id": "KEY", **(answered({"body": {"messages": [{"content": "x"}]}}, 0) or {})}
    )
    whole = json.loads(good)
    odd: list[bytes] = [
        json.dumps(changed(whole, path, value)).encode()
        for path in paths(whole)
        for value in (None, "", [], {}, 10.5, 10**19, float("inf"), "a \ud83d", [None], deep(300))
    ]
    nested = b'{"a": ' * 400 + b"1" + b"}" * 400
    odd += [
        b'{"custom_id": "KEY", "response": {"status_code": 400, "body": %b}}' % nested,
        b'{"custom_id": "KEY", "error": %b}' % nested,
        b"half of a li",
        b"\xff\xfe",
        b'{"custom_id": "KEY", "response": {"status_co',
        b"[1]",
        b"null",
    ]
    odd += [good.encode() + b"\x00", b"\xef\xbb\xbf" + good.encode(), good.encode()[:-40]]

    def finish(batch: dict[str, Any]) -> None:
        batch["status"] = "completed"
        keys = [item["custom_id"] for item in batch["lines"]]
        lines = [line.replace(b"KEY", key.encode()) for line, key in zip(odd, keys, strict=False)]
        lines += [good.replace("KEY", key).encode() for key in keys[len(odd) :]]
        away.files["out"] = b"\n".join(lines) + b"\n"
        batch["output_file_id"] = "out"

    monkeypatch.setattr(away, "_finish", finish)
    frame = run(experiment(len(odd) + 3), budget_usd=1000).frame
    assert len(frame) == len(odd) + 3
    assert frame["output"].tolist()[len(odd) :] == ["x"] * 3
    assert frame["output"].tolist()[len(odd) - 2] == "x"
    assert frame["error"].notna().eq(frame["output"].isna()).all()
    named = frame["error_kind"].tolist()[len(odd) - 1]
    assert named == "bad_body"  # cut off, but its key is there
    again = run(experiment(len(odd) + 3), budget_usd=1000, limit=3)
    assert again.status == "finished"


def test_a_refused_parameter_is_left_out_of_the_next_batch(away: BatchEndpoint) -> None:
    def line(item: dict[str, Any], number: int) -> dict[str, Any] | None:
        if "seed" not in item["body"]:
            return answered(item, number)
        body = {"error": {"message": "Unsupported parameter: 'seed'", "param": "seed"}}
        return {"response": {"status_code": 400, "body": body}, "error": None} | {
            "custom_id": item["custom_id"]
        }

    away.line = line
    exp = experiment(3)
    variants = pex.grid(exp.variants[0].prompt, "lab/m1", {"max_tokens": 2, "seed": 1})
    exp = pex.Experiment("away", variants, exp.cases, ["exact"])
    with pytest.raises(pex.ProviderError, match="it will be sent without it"):
        run(exp)
    assert exp.results.frame["error"].str.contains("it will be sent without it").all()
    results = run(exp)
    assert results.about["counts"]["answered"] == 3
    assert results.frame["remarks"].tolist() == [["parameter_dropped", "dropped:seed"]] * 3


@pytest.mark.parametrize("ends", ["failed", "expired", "cancelled"])
def test_a_batch_that_does_not_end_well(away: BatchEndpoint, ends: str) -> None:
    away.ends = ends
    away.line = lambda item, number: answered(item, number) if number < 2 else None
    results = run(experiment())
    assert results.about["counts"]["answered"] == 2
    assert results.frame["error"].dropna().str.contains(f"is {ends}").all()


def test_an_interrupted_wait_goes_on(away: BatchEndpoint, project: Path) -> None:
    away.ready = False
    execution = experiment().start(record=False, provider_batch=True)
    while away.looks < 3:
        time.sleep(0.01)
    execution.cancel()
    assert execution.wait().status == "interrupted"
    with pytest.raises(pex.PexError, match="pending in the provider batch batch_1"):
        run(experiment(), provider_batch=False)
    away.ready = True
    assert run(experiment()).about["counts"]["answered"] == 6
    assert len(away.batches) == 1
    assert ledger(project) == (pytest.approx(0.036), 6)


SCRIPT = textwrap.dedent(
    """
    import sys, pex
    from tests.run.test_provider_batch import experiment
    from pex.run import provider_batch
    provider_batch.FIRST_POLL_S = provider_batch.LONGEST_POLL_S = 0.05
    results = experiment(200).run(record=False, show=False, provider_batch=True, budget_usd=99)
    print(results.about["counts"]["answered"])
    """
)


def test_killed_processes_find_their_batch_again(away: BatchEndpoint, project: Path) -> None:
    root = Path(__file__).parents[2]
    away.ready = False
    for round_ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            text=True,
        )
        looks = away.looks
        if round_ == 3:
            break
        # Before the upload, around it, and while it waits.
        while process.poll() is None and away.looks == looks and round_:
            time.sleep(0.002)
        time.sleep(0.3 if round_ == 0 else 0.1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    away.ready = True
    out, _ = process.communicate(timeout=300)
    assert out.split() == ["200"]
    assert len(away.batches) == 1
    assert ledger(project) == (pytest.approx(200 * 0.006), 200)


def test_a_batch_that_was_made_unheard_is_found(away: BatchEndpoint) -> None:
    away.fail_next = [("batches", 500)]
    with pytest.raises(pex.ProviderError, match="provider batch, lab/m1, batches: HTTP 500"):
        run(experiment())
    assert run(experiment()).about["counts"]["answered"] == 6
    assert len(away.batches) == 1


def test_an_upload_that_failed_is_made_again(away: BatchEndpoint) -> None:
    away.fail_next = [("files", 500)]
    with pytest.raises(pex.ProviderError, match="files: HTTP 500"):
        run(experiment())
    away.fail_next = [("look", 500), ("look", 503)]
    assert run(experiment()).about["counts"]["answered"] == 6
    assert len(away.batches) == 1


def test_only_what_fits_the_budget_is_uploaded(away: BatchEndpoint, project: Path) -> None:
    # The worst case of a call is a token a byte and two out, at half the price: about $0.036.
    results = run(experiment(), budget_usd=0.15)
    assert results.status == "budget"
    assert len(next(iter(away.batches.values()))["lines"]) == 4
    assert results.about["counts"]["answered"] == 4
    assert ledger(project)[0] <= 0.15


def test_the_budget_of_a_batch_of_notebooks(
    away: BatchEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEX_BATCH_ID", "night")
    monkeypatch.setenv("PEX_BATCH_BUDGET_USD", "0.15")
    results = run(experiment())
    assert results.status == "budget"
    assert results.about["counts"]["answered"] == 4


def test_what_a_provider_batch_cannot_do(away: BatchEndpoint, project: Path) -> None:
    prompt = pex.Prompt("{{ turns }}", name="chat")
    exp = pex.Experiment("chat", pex.grid(prompt, "lab/m1"), [{"turns": ["a", "b"]}])
    with pytest.raises(pex.PexError, match="is a conversation"):
        run(exp, record=True)
    assert not (project / ".pex").exists()
    assert not (project / "mlruns").exists()
    with pytest.raises(pex.PexError, match="cannot be streamed"):
        run(experiment(), stream=True)


def test_a_provider_without_a_batch_api(project: Path, lab: Any) -> None:
    with pytest.raises(pex.ProviderError, match="does it have a Batch API"):
        run(experiment())
    assert lab.calls == 0


def test_large_files_are_cut(away: BatchEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_batch, "MOST_REQUESTS", 4)
    assert run(experiment(10)).about["counts"]["answered"] == 10
    assert [len(batch["lines"]) for batch in away.batches.values()] == [4, 4, 2]


def test_the_command_line(away: BatchEndpoint, project: Path) -> None:
    (project / "e.yaml").write_text(
        "name: away\ncases: c.csv\nprompts: [p.prompty]\nmodels: [lab/m1]\nscorers: [exact]\n"
        "params: [{max_tokens: 2}]\n"
    )
    (project / "c.csv").write_text("word,expected\na,a\nb,b\n")
    (project / "p.prompty").write_text("{{ word }}")
    command = [sys.executable, "-m", "pex.cli", "run", "e.yaml", "--provider-batch", "--no-record"]
    away.ready = False
    process = subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True)
    while away.looks < 1:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "the provider batch continues, and the same call fetches it" in said
    refused = subprocess.run(command[:5], cwd=project, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "pending in the provider batch batch_1" in refused.stderr
    away.ready = True
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "$0.012" in done.stdout
