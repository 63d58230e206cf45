"""What an earlier version wrote opens, and none of its answers is paid for again."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pex
from pex.batch.night.nights import nights
from pex.batch.night.read_back import read_night
from pex.batch.plan import load_plan
from pex.cases.edits import journalled
from pex.project.settings import load_settings
from pex.run.database import database_of
from pex.run.ledger import spending
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.playing import new_kernel
from tests.made_by.version_0_1 import TURNS

__all__ = ["new_kernel"]

ARCHIVES = sorted(Path(__file__).with_name("made_by").glob("version_*.zip"))
MADE_IN = "/tmp/project"


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.stem)
def project(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The project as that version left it, moved here."""
    with zipfile.ZipFile(request.param) as packed:
        packed.extractall(tmp_path)
    # MLflow keeps whole paths of what it has stored; its store was somewhere else.
    with sqlite3.connect(tmp_path / "mlruns/mlflow.db") as store:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri"),
                              ("trace_tags", "value")):  # fmt: skip
            store.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)",
                          [f"file://{MADE_IN}", tmp_path.as_uri()])  # fmt: skip
    store.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def expected(project: Path) -> dict[str, Any]:
    """What that version saw in it."""
    found: dict[str, Any] = json.loads((project / "expected.json").read_text())
    return found


@pytest.fixture
def nobody(project: Path, endpoint: FaultyEndpoint) -> FaultyEndpoint:
    """The endpoint of the project; a call to it is one that should have been in the journal."""
    text = (project / "pex.toml").read_text().splitlines()
    text[1] = f'base_url = "{endpoint.url}"'
    (project / "pex.toml").write_text("\n".join(text))
    return endpoint


def same(frame: pd.DataFrame, table: dict[str, Any]) -> None:
    found = json.loads(frame[table["columns"]].to_json(orient="split"))
    assert found["data"] == table["data"]


def test_every_answer_is_found_in_the_journal(
    nobody: FaultyEndpoint, expected: dict[str, Any]
) -> None:
    results = pex.Experiment.load("experiments/words/experiment.yaml").run(show=False)
    assert nobody.calls == 0
    assert results.frame["from_journal"].all()
    same(results.frame, expected["frame"])
    found = json.loads(results.compare("short").frame.to_json(orient="records"))
    for now, then in zip(found, expected["verdicts"], strict=True):
        # An interval of no width, of differences that are all alike, is no longer shown.
        width = ("lo", "hi") if then["lo"] != then["hi"] else ()
        for name in ("metric", "candidate", "verdict", "diff", "n_cases", "wins", *width):
            assert now[name] == then[name]


def test_a_conversation_is_found_turn_by_turn(
    nobody: FaultyEndpoint, expected: dict[str, Any]
) -> None:
    prompt = pex.Prompt("{{ turns }}", name="chat")
    chat = pex.Experiment("chat", pex.grid([prompt], "lab/m1"), TURNS, ["exact"], budget_usd=1.0)
    results = chat.run(show=False, record=False)
    assert nobody.calls == 0
    assert results.frame["conversation"].tolist() == expected["chat"]


def test_the_sums_of_the_ledger_are_equal(project: Path, expected: dict[str, Any]) -> None:
    database = database_of(project / ".pex", load_settings(project))
    found = {item.name: item for item in spending(database, "experiment")}
    sums: dict[str, list[float]] = {}
    for name, _, *counts, unsure in expected["ledger"]:
        before = sums.get(name, [0.0] * 6)
        sums[name] = [a + (b or 0) for a, b in zip(before, [*counts, unsure], strict=True)]
    assert set(found) == set(sums)
    for name, (calls, prompt, cached, completion, usd, unsure) in sums.items():
        item = found[name]
        assert (item.calls, item.prompt_tokens) == (calls, prompt)
        assert (item.cached_tokens, item.completion_tokens) == (cached, completion)
        assert item.usd == pytest.approx(usd, rel=1e-12)
        assert item.unsure_usd == pytest.approx(unsure)


def test_recorded_runs_are_loaded_and_rated(
    nobody: FaultyEndpoint, expected: dict[str, Any]
) -> None:
    results = pex.load_run(expected["run_id"])
    same(results.frame, expected["frame"])
    ratings = results.rate(["short", "long"]).frame
    found = json.loads(ratings.assign(at=ratings["at"].astype(str)).to_json(orient="records"))
    for now, then in zip(found, expected["ratings"], strict=True):
        assert {**now, "at": 0} == {**then, "at": 0}
        assert pd.Timestamp(now["at"]) == pd.Timestamp(then["at"], unit="ms", tz="UTC")
    again = results.rescore(["label"])
    assert again.frame["score.label"].tolist() == results.frame["score.label"].tolist()
    chat = pex.load_run(expected["chat_run_id"]).frame
    assert chat["conversation"].tolist() == expected["chat"]
    assert nobody.calls == 0


@pytest.mark.usefixtures("new_kernel")
def test_a_draft_is_there_with_its_answers(
    nobody: FaultyEndpoint, expected: dict[str, Any]
) -> None:
    play = pex.Playground("words", name="mine")
    document = play._session.document()
    texts = [[message["text"] for message in v["messages"]] for v in document["variants"]]
    assert texts == expected["draft"]["texts"]
    cells = play._session.cells()
    assert set(cells) == set(expected["draft"]["cells"])
    for key, cell in expected["draft"]["cells"].items():
        assert (cells[key]["text"], cells[key]["state"]) == (cell["text"], cell["state"])
    assert nobody.calls == 0


def test_nights_baseline_corrections_and_library_are_read(
    project: Path, nobody: FaultyEndpoint, expected: dict[str, Any]
) -> None:
    plan = load_plan(project / "experiments/words/plan.yaml")
    assert [night.batch_id for night in nights(plan)] == expected["nights"]
    assert all(night.good for night in nights(plan))
    night = read_night(plan.folder / "plan.yaml", expected["nights"][-1])
    # These were undecided until variants with the same requests and answers had a verdict.
    assert [item.outcome for item in night.judged] == ["pass"] * 3
    case_id = expected["frame"]["data"][0][1]
    assert journalled(project / ".pex", case_id, None) == 2
    assert pex.library.load("words@champion").text == "Positive or negative? {{ word }}"
    assert nobody.calls == 0
