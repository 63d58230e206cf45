"""Ways out: Inspect, Every Eval Ever, CSV and promptfoo, and back in again."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

import pex
from pex.core.call import Answer, Request
from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.score import Score
from pex.exporters.every_eval_ever import every_eval_ever
from pex.exporters.export import export_to
from pex.exporters.inspect_logs import inspect_logs
from pex.exporters.long_csv import long_csv
from pex.exporters.promptfoo_config import promptfoo_config
from pex.importers.projects import import_project
from pex.importers.recorded import import_results
from pex.results.results import Results
from pex.score.frame import build_frame
from tests.helpers.command import pexlab

CALL = {"id": "c1", "type": "function", "function": {"name": "stock", "arguments": '{"n": 1}'}}
CASES = [
    Case("a", {"q": "What is {{ 1 }}?", "n": 1}, "one", "g1", ("easy", "math")),
    Case("b", {"q": "=SUM(1)", "n": 2}, {"label": "two"}),
    Case("c", {"q": "Three?", "n": 3}, ["three", "3"], tags=("hard",)),
    Case("d", {"q": "Four?", "n": None}),
]
PROMPTS = [
    pex.Prompt([{"role": "system", "content": "Be brief."},
                {"role": "user", "content": "{{ q }}"}], name="short"),
    pex.Prompt("Please: {{ q }}", name="kind"),
]  # fmt: skip
VARIANTS = pex.grid(PROMPTS, "openai/gpt-4.1-mini", params=[{"temperature": 0.5, "logit_bias": {}}])


def made() -> Results:
    """Two variants, four cases, two repeats; an error, a score that is missing, a path of tools."""
    rows = []
    for variant in VARIANTS:
        for case in CASES:
            for repeat in (1, 2):
                request = Request(variant.name, case.id, repeat, variant.model, {}, "key")
                answer = Answer(
                    output=f"{case.id} {repeat}", latency_s=0.5, cost_usd=0.001,
                    finish_reason="stop", started_at=1_790_000_000.0, prompt_tokens=20,
                    completion_tokens=5, cached_tokens=8, resolved_model="gpt-4.1-mini-2025",
                )  # fmt: skip
                scores = {"ok": Score(repeat == 1, reason="why"), "size": Score(2.5 + repeat)}
                if case.id == "b" and repeat == 2:
                    answer, scores = Answer(error="503: busy", error_kind="server"), {}
                if case.id == "c":
                    answer.conversation = [
                        {"role": "assistant", "content": None, "tool_calls": [CALL]},
                        {"role": "tool", "content": "3", "tool_call_id": "c1"},
                        {"role": "assistant", "content": answer.output},
                    ]
                if case.id == "d":
                    scores["size"] = Score(None, error="no size")
                rows.append((request, answer, scores))
    frame = build_frame(rows, VARIANTS, CASES, ["ok", "size"])
    return Results(frame, {
        "name": "sums", "purpose": "Sums.", "note": "", "status": "finished", "run_id": None,
        "started_at": "2026-11-02T03:04:05+00:00", "elapsed_s": 3.0, "cases": 4, "repeats": 2,
        "variants": [{"name": v.name, "prompt": v.prompt.name, "model": v.model,
                      "params": v.all_params} for v in VARIANTS],
        "prompts": [{"name": p.name, "text": p.text} for p in PROMPTS],
        "models": ["openai/gpt-4.1-mini"], "scorers": ["ok", "size"],
        "counts": {"requests": 16, "answered": 14, "errors": 2},
    })  # fmt: skip


def write(files: Any, folder: Path) -> list[Path]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def test_inspect_and_back_gives_the_same_cases_answers_and_scores(tmp_path: Path) -> None:
    results = made()
    exported = inspect_logs(results)
    for path, variant in zip(write(exported.files, tmp_path), VARIANTS, strict=True):
        frame = results.frame[results.frame["variant"] == variant.name].reset_index(drop=True)
        again = import_results(path, record=False).frame
        same = ["model", "case_id", "repeat", "group", "tags", "expected", "output", "latency_s",
                "cost_usd", "prompt_tokens", "completion_tokens", "cached_tokens", "finish_reason",
                "resolved_model", "case.q", "case.n", "score.ok", "score.size",
                "reason.ok"]  # fmt: skip
        pd.testing.assert_frame_equal(frame[same], again[same], check_dtype=False)
        assert again["error"].dropna().tolist() == ["503: busy"]
        assert again["started_at"].tolist()[0] == frame["started_at"].tolist()[0]
        path_of_c = again[again["case_id"] == "c"]["conversation"].tolist()[0]
        assert path_of_c[0]["tool_calls"] == [CALL]
        assert [message["role"] for message in path_of_c] == ["assistant", "tool", "assistant"]
    notes = {note.where: (note.what, note.count) for note in exported.notes}
    assert notes["answers"] == ("taken over", 16)
    assert "inputs" not in notes, "every prompt could be filled in"
    assert notes["expected answers"] == ("changed", 4)
    assert notes["scores without a value"] == ("left out", 4)
    assert notes[f"variant '{VARIANTS[0].name}', logit_bias"][0] == "changed"


def test_inspects_log_has_what_its_reader_requires(tmp_path: Path) -> None:
    """Fields without a default in inspect-ai 0.3.285; made_by/inspect_logs.py --check reads it."""
    (path, _) = write(inspect_logs(made()).files, tmp_path)
    log = json.loads(path.read_text(encoding="utf-8"))
    assert (log["version"], log["status"]) == (2, "success")
    assert {"created", "task", "dataset", "model", "config"} <= set(log["eval"])
    assert log["eval"]["model_generate_config"] == {"temperature": 0.5}
    first = log["samples"][0]
    assert [message["role"] for message in first["input"]] == ["system", "user"]
    assert first["input"][1]["content"] == "What is {{ 1 }}?"
    assert {"id", "epoch", "input", "target"} <= set(first)
    assert first["scores"]["ok"]["value"] == "C"
    assert first["output"]["usage"]["input_tokens"] == 12
    assert log["results"]["scores"][0]["metrics"]["mean"]["value"] == pytest.approx(0.625)
    failed = next(sample for sample in log["samples"] if "error" in sample)
    assert set(failed["error"]) == {"message", "traceback", "traceback_ansi"}
    assert failed["scores"] == {}


OBJECT = {"schema_version", "evaluation_id", "evaluation_timestamp", "retrieved_timestamp",
          "source_metadata", "eval_library", "model_info", "evaluation_results",
          "detailed_evaluation_results"}  # fmt: skip
SAMPLES = (
    r"data/[^/]+/[^/]+/[^/]+/"
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}_samples\.jsonl"
)
INSTANCE = {"schema_version", "evaluation_id", "model_id", "evaluation_name", "sample_id",
            "interaction_type", "input", "output", "messages", "answer_attribution", "evaluation",
            "evaluation_result_id", "sample_hash", "token_usage", "performance", "error",
            "metadata"}  # fmt: skip


def test_every_eval_ever_by_its_schema(tmp_path: Path) -> None:
    exported = every_eval_ever(made())
    assert len(exported.files) == 4
    for path in write(exported.files, tmp_path):
        if path.suffix != ".json":
            continue
        found = json.loads(path.read_text(encoding="utf-8"))
        assert set(found) == OBJECT, "the schema allows no other keys"
        details = found["detailed_evaluation_results"]
        assert re.fullmatch(SAMPLES, details["file_path"])
        lines = (tmp_path / details["file_path"]).read_bytes()
        assert hashlib.sha256(lines).hexdigest() == details["checksum"]
        ok, size = found["evaluation_results"]
        assert ok["score_details"]["score"] == pytest.approx(0.625)
        assert ok["score_details"]["uncertainty"]["num_samples"] == 4
        assert ok["metric_config"]["max_score"] == 1.0
        assert size["metric_config"]["max_score"] == "Infinity"
        instances = [json.loads(line) for line in lines.splitlines()]
        assert len(instances) == details["total_rows"] == 14
        assert {frozenset(item) for item in instances} == {frozenset(INSTANCE)}
        assert {item["evaluation_id"] for item in instances} == {found["evaluation_id"]}
        for item in instances:
            assert (item["output"] is None) == (item["interaction_type"] != "single_turn")
            assert (item["messages"] is None) == (item["interaction_type"] == "single_turn")
        path_of_c = next(item for item in instances if item["sample_id"] == "c")
        assert path_of_c["interaction_type"] == "agentic"
        assert path_of_c["messages"][-3]["tool_calls"][0]["arguments"] == {"n": "1"}
        failed = [item for item in instances if item["error"]]
        assert [item["evaluation"] for item in failed] == [{"score": 0.0, "is_correct": False}] * 2
    assert "answers that ended in an error" in {note.where for note in exported.notes}


def test_csv_is_the_long_frame(tmp_path: Path) -> None:
    results = made()
    (path,) = write(long_csv(results).files, tmp_path)
    again = pd.read_csv(path)
    assert list(again.columns) == list(results.frame.columns)
    for name in ("case_id", "repeat", "output", "score.ok", "score.size", "latency_s"):
        pd.testing.assert_series_equal(again[name], results.frame[name], check_dtype=False)
    assert json.loads(again["expected"][2]) == {"label": "two"}
    assert again["case.q"][2] == "'=SUM(1)", "no formula"


def experiment(**more: Any) -> pex.Experiment:
    return pex.Experiment(
        "sums",
        variants=VARIANTS,
        cases=[Case("a", {"q": "x {{ 1 }}", "parts": ["p", "q"]}, "one", "g", ("t",)),
               Case("b", {"q": "y", "parts": []}, ["two", "2"])],
        scorers=["contains", {"kind": "exact", "name": "same", "strip": False},
                 {"kind": "json", "schema": {"type": "object"}}, {"kind": "latency", "max_s": 2},
                 {"kind": "length", "max_words": 5}],
        repeats=3,
        **more,
    )  # fmt: skip


def test_promptfoos_config_says_what_it_cannot() -> None:
    exported = promptfoo_config(experiment(budget_usd=1.0))
    config = YAML(typ="safe").load(exported.files["promptfooconfig.yaml"])
    assert [p["label"] for p in config["prompts"]] == ["short", "kind"]
    first, second = config["providers"]
    assert first == {"id": "openai:chat:gpt-4.1-mini", "label": VARIANTS[0].name,
                     "config": {"temperature": 0.5, "logit_bias": {}}, "prompts": ["short"],
                     }  # fmt: skip
    assert second["prompts"] == ["kind"]
    assert config["evaluateOptions"] == {"repeat": 3}
    a, b = config["tests"]
    assert a["vars"] == {"q": "x {{ 1 }}", "parts": ["p", "q"]}
    assert a["options"] == {"disableVarExpansion": True}
    own = {"id": "a", "group": "g", "tags": ["t"], "expected": "one"}
    assert a["metadata"] == {"pexlab": own}
    assert a["assert"] == [
        {"type": "icontains", "value": "one", "metric": "contains"},
        {"type": "equals", "value": "one", "metric": "same"},
        {"type": "is-json", "value": {"type": "object"}, "metric": "json"},
        {"type": "latency", "threshold": 2000, "metric": "latency"},
    ]
    assert b["assert"][0] == {"type": "icontains-all", "value": ["two", "2"], "metric": "contains"}
    messages = json.loads(exported.files["prompts/short.json"])
    assert messages == [{"role": "system", "content": "Be brief."},
                        {"role": "user", "content": "{{ q }}"}]  # fmt: skip
    notes = {note.where: note.what for note in exported.notes}
    assert notes["scorer 'length'"] == notes["budget_usd"] == "left out"
    assert notes["scorer 'contains'"] == "taken over"


def test_promptfoo_and_back_gives_the_same_experiment(tmp_path: Path) -> None:
    before = experiment()
    write(promptfoo_config(before).files, tmp_path)
    made_of = import_project(tmp_path / "promptfooconfig.yaml", tmp_path / "back")
    after = pex.Experiment.load(made_of.path)
    assert [v.prompt.messages for v in after.variants] == [v.prompt.messages for v in VARIANTS]
    assert [(v.model, v.all_params) for v in after.variants] == [
        (v.model, v.all_params) for v in VARIANTS
    ]
    assert after.repeats == 3
    assert after.score_names == ["contains", "same", "json", "latency"], "all that promptfoo has"
    for old, new in zip(before.cases, after.cases, strict=True):
        assert (new.id, new.expected, new.group, new.tags) == (
            old.id, old.expected, old.group, old.tags,
        )  # fmt: skip
        assert old.inputs.items() <= new.inputs.items()
    answers = ["one", "This is ONE.", "two 2", '["two", "2"]', "{}", ""]
    for case, twin in zip(before.cases, after.cases, strict=True):
        for name in ("contains", "same", "json"):
            rules = [next(r for r in e.scorers if r.name == name) for e in (before, after)]
            for text in answers:
                found = [
                    rule(Answer(output=text), one)[name].value
                    for rule, one in zip(rules, (case, twin), strict=True)
                ]
                assert found[0] == found[1], (name, case.id, text)


def test_templates_that_nunjucks_does_not_have_are_named() -> None:
    prompt = pex.Prompt("{{ q | tojson }} {{ q | filesizeformat }} {{ q.strip() }}", name="p")
    made_of = pex.Experiment("x", variants=pex.grid([prompt], "lab/m"), cases=[{"q": "1"}])
    exported = promptfoo_config(made_of)
    assert "{{ q | dump }}" in exported.files["prompts/p.json"]
    said = [note.how for note in exported.notes if note.where == "prompt 'p'"]
    assert len(said) == 2
    assert "filesizeformat" in said[0]
    assert "strip()" in said[1]
    assert "placeholder" in next(n.how for n in exported.notes if n.where == "model 'lab/m'")


def test_the_command_writes_a_folder_once(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").write_text("", encoding="utf-8")
    experiment().save(tmp_path / "experiments" / "sums" / "experiment.yaml")
    said = pexlab("export", "promptfoo", "--out", "out", folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "length" in said.stdout
    written = sorted(path.relative_to(tmp_path / "out").as_posix()
                     for path in (tmp_path / "out").rglob("*") if path.is_file())  # fmt: skip
    assert written == ["EXPORT.md", "promptfooconfig.yaml", "prompts/kind.json",
                       "prompts/short.json"]  # fmt: skip
    again = pexlab("export", "promptfoo", "sums", "--out", "out", folder=tmp_path)
    assert again.returncode == 2
    assert "--force replaces it" in again.stderr
    wrong = pexlab("export", "csv", "--out", "o", "--licence", "MIT", folder=tmp_path)
    assert "--licence is for training data" in wrong.stderr
    typed = pexlab("export", "insepct", "--out", "o", folder=tmp_path)
    assert "did you mean 'inspect'?" in typed.stderr


def test_a_secret_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pex.toml").write_text("", encoding="utf-8")
    key = "sk-" + "proj-" + "a1B2c3D4e5F6g7H8" * 3
    prompt = pex.Prompt(f"Use {key} for {{{{ q }}}}", name="p")
    made_of = pex.Experiment("x", variants=pex.grid([prompt], "lab/m"), cases=[{"q": "1"}])
    made_of.save(tmp_path / "experiments" / "x" / "experiment.yaml")
    with pytest.raises(PexError, match="would have a secret") as caught:
        export_to("promptfoo", "x", "out")
    assert key not in str(caught.value)
    assert not (tmp_path / "out").exists()
