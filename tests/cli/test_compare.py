"""`pexlab compare`, `pexlab score`, and the gate of `pexlab run`: streams and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pex
from pex.tracking.store import connect
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint

GATE = "gate: {baseline: echo, metric: exact, margin: 0.1, on_undecided: fail}\n"


@pytest.fixture
def folder(project: Path, lab: FaultyEndpoint) -> Path:
    (project / "e.yaml").write_text(
        "name: echo\ncases: c.jsonl\nprompts: [echo.prompty, shout.prompty]\nmodels: [lab/m1]\n"
        "scorers: [exact]\n"
    )
    lines = [{"word": f"w{n}", "expected": f"w{n}", "tags": ["all"]} for n in range(30)]
    (project / "c.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (project / "echo.prompty").write_text("{{ word }}")
    (project / "shout.prompty").write_text("{{ word }}!")
    return project


def test_run_prints_the_verdict_and_a_failed_gate_ends_with_1(folder: Path) -> None:
    (folder / "e.yaml").write_text((folder / "e.yaml").read_text() + GATE)
    done = pexlab("run", "e.yaml", "--no-record", folder=folder)
    assert done.returncode == 1, done.stderr
    assert "−100 points" in done.stdout
    assert "▼ worse" in done.stdout
    assert "gate: fail" in done.stderr
    assert "Traceback" not in done.stderr
    # Two cases cannot decide; the gate asks for that to fail too, with a code of its own.
    done = pexlab("run", "e.yaml", "--no-record", "--limit", "2", "--json", folder=folder)
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert document["gate"] == "undecided"
    assert document["comparison"][0]["verdict"] == "undecided"
    assert document["comparison"][0]["n_cases"] == 2


def test_an_undecided_gate_may_ask_for_more_cases(folder: Path, lab: FaultyEndpoint) -> None:
    gate = "gate: {baseline: echo, metric: exact, margin: 0.1, on_undecided: extend}\n"
    (folder / "e.yaml").write_text((folder / "e.yaml").read_text() + gate)
    done = pexlab("run", "e.yaml", "--limit", "3", folder=folder)
    # Three cases cannot decide, six can; nothing is asked twice.
    assert done.returncode == 1, done.stderr
    assert "undecided; continuing with limit 6" in done.stderr
    assert "limit 12" not in done.stderr
    assert "▼ worse" in done.stdout
    assert lab.calls == 12


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("{baseline: ecko, metric: exact, margin: 0}", "did you mean 'echo'"),
        ("{baseline: echo, metric: exakt, margin: 0}", "did you mean 'exact'"),
        ("{baseline: echo, metric: exact, margin: -1}", "gate.margin"),
        ("{baseline: echo, metric: exact, marge: 1}", "did you mean 'margin'"),
    ],
)
def test_a_gate_that_does_not_fit_is_an_error_before_any_call(
    folder: Path, lab: FaultyEndpoint, gate: str, message: str
) -> None:
    (folder / "e.yaml").write_text((folder / "e.yaml").read_text() + f"gate: {gate}\n")
    done = pexlab("run", "e.yaml", folder=folder)
    assert done.returncode == 2
    assert message in done.stderr
    assert lab.calls == 0


def test_two_runs(folder: Path) -> None:
    first, second = (
        json.loads(pexlab("run", "e.yaml", "--json", *more, folder=folder).stdout)["run_id"]
        for more in ((), ("--limit", "20"))
    )
    done = pexlab("compare", first, second, folder=folder)
    assert done.returncode == 0, done.stderr
    assert "10 only in A" in done.stdout
    assert "identical on every case" in done.stdout
    done = pexlab("compare", first, second, "--metric", "exact", "--margin", "0.2", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "gate: pass" in done.stdout
    done = pexlab(
        "compare", first, second, "--metric", "exact", "--margin", "0.01", "--fail-undecided",
        "--json", folder=folder,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert document["gate"] == "undecided"
    assert [row["candidate"] for row in document["comparison"]] == ["B: echo", "B: shout"]
    for arguments, message in (
        ((first, "nope"), "there is no run 'nope'"),
        ((first, second, "--metric", "exakt"), "did you mean 'exact'"),
        ((first, second, "--margin", "5", "--metric", "exact"), "margin=0.05"),
    ):
        done = pexlab("compare", *arguments, folder=folder)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_score_adds_to_the_record_and_asks_nobody(folder: Path, lab: FaultyEndpoint) -> None:
    pexlab("run", "e.yaml", folder=folder)
    asked = lab.calls
    done = pexlab(
        "score", "latest", "--scorer", "{kind: length, max_chars: 2}", "--scorer", "contains",
        folder=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "length" in done.stdout
    assert lab.calls == asked
    (run,) = [line for line in done.stderr.splitlines() if "has the new scores" in line]
    loaded = pex.load_run(run.split()[4])
    assert loaded.scores == ["exact", "length", "contains"]
    for arguments, message in (
        (("latest",), "no scorer is named"),
        (("latest", "--scorer", "lenght"), "did you mean 'length'"),
        (("nope", "--scorer", "exact"), "there is no run 'nope'"),
    ):
        done = pexlab("score", *arguments, folder=folder)
        assert done.returncode == 2
        assert message in done.stderr


def test_runs_are_listed_and_any_of_their_names_is_understood(
    folder: Path, lab: FaultyEndpoint
) -> None:
    done = pexlab("runs", folder=folder)
    assert (done.returncode, done.stdout) == (0, "Nothing has been recorded in this project yet.\n")
    first = json.loads(pexlab("run", "e.yaml", "--limit", "3", "--json", folder=folder).stdout)
    second = json.loads(pexlab("run", "e.yaml", "--json", folder=folder).stdout)
    ids = [second["run_id"], first["run_id"]]
    done = pexlab("runs", folder=folder)
    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["id", "experiment", "name", "when", "verdict"]
    assert [row.split()[:2] for row in rows] == [[run_id[:8], "echo"] for run_id in ids]
    assert "today" in rows[0]
    assert "worse: shout" in rows[0]
    listed = json.loads(pexlab("runs", "echo", "--limit", "1", "--json", folder=folder).stdout)
    assert [run["run_id"] for run in listed["runs"]] == ids[:1]

    for run, meant in (
        ("latest", 0), ("latest~1", 1), ("echo", 0), ("echo~1", 1), (ids[1][:9], 1),
    ):  # fmt: skip
        assert pex.load_run(run).run_id == ids[meant], run
    done = pexlab("compare", "latest~1", "echo", folder=folder)
    assert done.returncode == 0, done.stderr
    assert f"A is run {ids[1]} (latest~1), B is run {ids[0]} (echo)" in done.stdout
    for run, message, hint in (
        ("latest~9", "'latest~9': there are only 2 recorded runs", "`pexlab runs` lists them"),
        ("ehco", "there is no run 'ehco'", "did you mean 'echo'? `pexlab runs` lists them"),
        (
            "0" * 32,
            f"there is no run '{'0' * 32}'",
            "there is: 'latest', 'echo' `pexlab runs` lists them",
        ),
    ):
        with pytest.raises(pex.PexError, match=message) as error:
            pex.load_run(run)
        assert str(error.value.hint).replace(";", "") == hint
    # An id with a mistake in it: a wrong character, two swapped, one too many, a shortened one.
    known = ids[1]
    other = "0" if known[4] != "0" else "1"
    for typed in (
        f"{known[:4]}{other}{known[5:]}", f"{known[:4]}{other}{known[5:9]}",
        f"{known[:6]}x{known[6:10]}", f"{known[:5]}z…",
    ):  # fmt: skip
        with pytest.raises(pex.PexError, match="there is no run") as error:
            pex.load_run(typed)
        assert f"did you mean {known[:8]} (echo, " in str(error.value.hint), typed
    with pytest.raises(pex.PexError, match="there is no run") as error:
        pex.load_run(listed["runs"][0]["name"][:-1] + "!")
    assert f"did you mean '{listed['runs'][0]['name']}'" in str(error.value.hint)
    done = pexlab("runs", "ehco", folder=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'echo'" in done.stderr


def test_two_runs_of_one_name_are_both_named_instead_of_one_guessed(
    folder: Path, lab: FaultyEndpoint
) -> None:
    client = connect(f"sqlite:///{folder}/mlruns/mlflow.db")
    runs = [json.loads(pexlab("run", "e.yaml", "--json", folder=folder).stdout) for _ in "ab"]
    for run in runs:
        client.set_tag(run["run_id"], "mlflow.runName", "Monday")
    with pytest.raises(pex.PexError, match="2 runs are called 'Monday'") as error:
        pex.load_run("Monday")
    assert all(run["run_id"][:8] in str(error.value) for run in runs)
    client.set_tag(runs[0]["run_id"], "mlflow.runName", "Sunday")
    assert pex.load_run("Sunday").run_id == runs[0]["run_id"]
