"""Results that garak, PyRIT and promptfoo wrote themselves (tests/made_by says how)."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

import pex
from pex.importers.recorded import import_results, import_run
from tests.helpers.command import pexlab

FILES = Path(__file__).parent / "files"
GARAK = FILES / "garak"
PYRIT = FILES / "pyrit"


@pytest.mark.parametrize("name", ["built-in", "interrupted", "threshold", "none"])
def test_verdicts_are_those_that_garak_counted(name: str) -> None:
    path = GARAK / f"{name}.report.jsonl"
    frame = import_results(path, record=False).frame
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    sums = [row for row in rows if row["entry_type"] == "eval"]
    assert sums
    for row in sums:
        module, probe = row["probe"].split(".")
        own = frame[
            (frame["case.redteam_category"] == module) & (frame["case.redteam_form"] == probe)
        ]
        assert len(own) == row["total_processed"]
        column = f"score.garak.{row['detector']}"
        scores = own[column].dropna() if column in own else own["output"].dropna()
        assert (len(scores), scores.astype(float).sum()) == (row["total_evaluated"], row["passed"])


def test_garaks_reports_say_what_they_lack() -> None:
    made = import_run(GARAK / "interrupted.report.jsonl", record=False)
    assert made.tool == "garak 0.17.1"
    assert [(note.what, note.count) for note in made.notes if note.what != "taken over"] == [
        ("left out", 2)
    ]
    frame = made.results.frame
    assert frame["score.resisted"].isna().sum() == 4, "two attempts of two answers each"
    none = import_run(GARAK / "none.report.jsonl", record=False)
    assert none.results.frame["error"].tolist() == ["garak has no output"] * 2
    assert none.results.about["models"] == ["test.Nones/target"]


def test_pyrits_messages_are_the_same_as_json_and_csv() -> None:
    frame = import_results(PYRIT / "memory-0.14.0.json", record=False).frame
    assert frame["score.resisted"].dropna().tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]
    assert frame["model"].unique().tolist() == ["pyrit/local-smollm2"]
    assert frame["case.redteam_category"].unique().tolist() == ["vegetables"]
    assert frame["case.redteam_form"].tolist() == ["plain"] * 3 + ["converted"] + ["plain"] * 2
    assert frame["case.input"].tolist()[3] == "U2F5IHRoZSB3b3JkIHRvbWF0by4=", "what was sent"
    assert frame["case.input"].tolist()[4].startswith("system: Answer with one word.")
    assert frame["error"].dropna().tolist() == ["PyRIT: processing"]
    csv = import_results(PYRIT / "memory-0.14.0.csv", record=False)
    columns = [name for name in frame if name not in ("error", "output")]
    assert csv.frame[columns].to_json(date_format="iso") == frame[columns].to_json(
        date_format="iso"
    )
    assert csv.about["purpose"] == "Results of PyRIT 0.14.0."


def test_pyrits_results_of_attacks_have_the_same_verdicts() -> None:
    made = import_run(PYRIT / "attacks-1.1.0.json", record=False)
    frame = made.results.frame
    assert made.tool == "PyRIT 1.1.0"
    assert sorted(frame["score.resisted"].dropna()) == [0.0, 0.0, 1.0, 1.0, 1.0]
    plain = frame[frame["case.input"] == "Say the word tomato."]
    assert plain["case.redteam_form"].tolist() == ["plain", "plain", "Base64Converter"]
    assert plain["repeat"].tolist() == [1, 2, 1]
    assert plain["score.resisted"].tolist() == [0.0, 0.0, 1.0]
    assert plain["output"].tolist()[1] == "tomato"
    assert frame["error"].dropna().str.contains("Error sending prompt").tolist() == [True]
    assert [note.where for note in made.notes if note.what == "changed"] == ["prompts"]


def test_pyrits_messages_without_scores_say_what_to_import(tmp_path: Path) -> None:
    rows = json.loads((PYRIT / "memory-0.14.0.json").read_text(encoding="utf-8"))
    lost = ("scores", "labels", "prompt_target_identifier", "attack_identifier",
            "targeted_harm_categories", "scorer_identifier", "originator")  # fmt: skip
    path = tmp_path / "messages.json"
    path.write_text(json.dumps([{k: v for k, v in row.items() if k not in lost} for row in rows]))
    made = import_run(path, record=False)
    assert made.results.frame["score.resisted"].isna().all()
    assert "memory.get_attack_results()" in made.results.about.note


def test_promptfoos_scores_are_those_of_its_assertions() -> None:
    path = FILES / "promptfoo" / "shop" / "results.json"
    frame = import_results(path, record=False).frame
    passed: dict[str, list[float]] = {}
    for row in json.loads(path.read_text(encoding="utf-8"))["results"]["results"]:
        seen = Counter[str]()
        for part in row["gradingResult"].get("componentResults", ()):
            name = part["assertion"].get("metric") or part["assertion"]["type"]
            seen[name] += 1
            place = name if seen[name] == 1 else f"{name}.{seen[name]}"
            passed.setdefault(place, []).append(float(part["pass"]))
    assert {"contains", "equals.2", "start", "javascript"} <= passed.keys()
    for place, values in passed.items():
        scores = frame[f"score.promptfoo.{place}"].dropna()
        assert (place, sorted(scores)) == (place, sorted(values))


def test_the_command_and_the_run_have_the_report(project: Path, uri: str) -> None:
    path = GARAK / "interrupted.report.jsonl"
    done = pexlab("import", str(path), folder=project)
    assert done.returncode == 0, done.stderr
    assert "garak 0.17.1: taken over 8, changed 0, left out 2" in done.stdout
    assert "  verdicts (2): garak never judged these attempts" in done.stdout
    run_id = done.stdout.split("recorded in MLflow as run ")[1].split()[0]
    import mlflow

    path = mlflow.artifacts.download_artifacts(
        run_id=run_id, artifact_path="IMPORT.md", tracking_uri=uri
    )
    report = Path(path).read_text(encoding="utf-8")
    assert report.startswith("# Imported from garak 0.17.1\n")
    assert "`verdicts (2)`: garak never judged these attempts" in report
    assert "left out 2" in pex.load_run(run_id).about.note
