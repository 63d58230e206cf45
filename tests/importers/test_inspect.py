"""Logs of Inspect as recorded runs. The files were made by tests/made_by/inspect_logs.py."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pex.core.errors import PexError
from pex.importers import inspect_log
from pex.importers.inspect_log import read_log
from pex.importers.recorded import import_results
from pex.results.comparison import compare_runs
from tests.helpers.command import pexlab

FILES = Path(__file__).parent / "files" / "inspect"
WITH_INSPECT = importlib.util.find_spec("inspect_ai") is not None


def log_file(folder: Path, *samples: dict, **more: Any) -> Path:
    """A small log as JSON."""
    log = {
        "version": 2,
        "status": "success",
        "eval": {"run_id": "r", "eval_id": "e", "created": "2026-11-03T08:00:00+00:00",
                 "task": "qa", "model": "openai/gpt-4.1-mini", "dataset": {}, "config": {}},
        "samples": [
            {"id": number, "epoch": 1, "input": f"Question {number}", "target": "yes",
             "output": {"model": "gpt-4.1-mini", "choices": [
                 {"message": {"role": "assistant", "content": "yes"}, "stop_reason": "stop"}]},
             "scores": {"match": {"value": "C"}}, **sample}
            for number, sample in enumerate(samples, 1)
        ],
        **more,
    }  # fmt: skip
    path = folder / "log.json"
    path.write_text(json.dumps(log), encoding="utf-8")
    return path


def test_epochs_are_repeats_and_errors_have_no_scores() -> None:
    results = import_results(FILES / "reviews.eval", record=False)
    frame = results.frame
    assert frame["model"].unique().tolist() == ["mockllm/model"]
    assert frame["case_id"].unique().tolist() == ["r1", "r2", "r3", "4"]
    assert frame["repeat"].tolist() == [1, 2] * 4
    assert results.scores == ["includes", "manners.polite", "manners.words", "in_part"]
    r1, r2 = (frame[frame["case_id"] == name] for name in ("r1", "r2"))
    assert r1["output"].tolist() == ["positive", "Bad, … I think"]
    assert r1["score.includes"].tolist() == [1.0, 0.0]
    assert r1["score.in_part"].tolist() == [1.0, 0.0], "C, and N for no answer"
    assert r1["score.manners.polite"].isna().tolist() == [False, True], "NaN is not scored"
    assert r2["score.in_part"].tolist() == [0.5, 0.5], "P"
    assert r2["expected"].tolist() == [["negative", "bad"]] * 2
    assert r2["case.topic"].tolist() == ["post"] * 2
    failed = frame[frame["case_id"] == "r3"]
    assert failed["error"].str.contains("the solver does not take 'Poison'").all()
    assert failed[[f"score.{name}" for name in results.scores]].isna().all(axis=None)
    assert r1["prompt_tokens"].tolist() == [16, 16], "with the 4 of the cache"
    assert r1["cached_tokens"].tolist() == [4, 4]
    assert (r1["latency_s"] > 0).all()
    assert results.about["counts"]["errors"] == 2
    assert "scores (1): without a number" in results.about.note


def test_tool_calls_and_grades_of_a_model() -> None:
    results = import_results(FILES / "desk.eval", record=False)
    pens, photo = results.frame.to_dict("records")
    assert pens["score.model_graded_qa"] == 1.0
    assert pens["reason.model_graded_qa"] == "GRADE: C"
    call, reply, answer = pens["conversation"]
    assert call["tool_calls"][0]["function"] == {"name": "stock", "arguments": '{"item": "pens"}'}
    assert reply == {"role": "tool", "content": "3 pens",
                     "tool_call_id": call["tool_calls"][0]["id"]}  # fmt: skip
    assert answer["content"] == pens["output"] == "There are \n3."
    assert photo["case.input"] == "What is this?\n[image]"
    assert "ran out of values" in photo["error"]
    assert "it ended in an error: 2 of 2" in results.about.note
    assert "left out: answers (1): an error came after them" in results.about.note


def test_json_has_choices_and_messages() -> None:
    frame = import_results(FILES / "letters.json", record=False).frame
    assert frame["case.choices"].tolist() == [["H2O", "CO2", "NaCl"]] * 2
    assert frame["case.input"].tolist()[1] == "system: Be brief.\n\nuser: What is salt?"
    assert frame["score.choice"].tolist() == [1.0, 0.0]


def test_attachments_are_in_their_places() -> None:
    _, photo = read_log(FILES / "desk.eval")["samples"]
    assert photo["input"][0]["content"][1]["image"].startswith("data:image/png;base64,")


@pytest.mark.skipif(not WITH_INSPECT, reason="the extra 'inspect' is not installed")
@pytest.mark.parametrize("name", ["reviews.eval", "desk.eval", "letters.json"])
def test_inspect_reads_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    by_inspect = import_results(FILES / name, record=False).frame
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    own = import_results(FILES / name, record=False).frame
    assert own.to_json(date_format="iso") == by_inspect.to_json(date_format="iso")


def test_values_of_scores(tmp_path: Path) -> None:
    path = log_file(
        tmp_path,
        {"scores": {"parts": {"value": [1, "I"]}}},
        {"scores": {"word": {"value": "purple", "explanation": "seen"}}},
        {"scores": {}, "invalidation": {"author": "a", "reason": "wrong answer key"}},
        {"scores": {"match": {"value": "C", "history": [{"value": "I"}]}}},
        {"output": {"choices": [{"message": {"role": "assistant", "content": "ye"},
                                 "stop_reason": "max_tokens"}]}},
    )  # fmt: skip
    results = import_results(path, record=False)
    rows = results.frame.to_dict("records")
    assert [rows[0][f"score.parts.{n}"] for n in (1, 2)] == [1.0, 0.0]
    assert rows[1]["reason.word"] == "Inspect's value is 'purple'; seen"
    assert rows[1]["score.word"] != rows[1]["score.word"], "no number"
    assert rows[2]["error"] == "Inspect: invalidated: wrong answer key"
    assert "scores (1): they were edited later" in results.about.note
    assert rows[4]["finish_reason"] == "length"
    assert rows[4]["remarks"] == ["cut_off"]


def repacked(path: Path, to: Path, kept: Any, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """The log again, with the entries that `kept` says."""
    log = read_log(path)
    samples = log.pop("samples")
    entries = {"_journal/start.json": log, "header.json": log}
    entries |= {f"samples/{s['id']}_epoch_{s['epoch']}.json": s for s in samples}
    with zipfile.ZipFile(to, "w", method) as archive:
        for name, entry in entries.items():
            if kept(name):
                archive.writestr(name, json.dumps(entry))
    return to


def test_an_unfinished_log_says_so(tmp_path: Path) -> None:
    path = repacked(FILES / "reviews.eval", tmp_path / "part.eval",
                    lambda name: name != "header.json" and "epoch_2" not in name)  # fmt: skip
    results = import_results(path, record=False)
    assert len(results) == 4
    assert "it was never finished: 4 of 8 answers are there" in results.about.note


def test_bad_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (FILES / "reviews.eval").read_bytes()
    bad = tmp_path / "bad.eval"
    bad.write_bytes(whole[:9000])
    with pytest.raises(PexError, match=r"bad\.eval"):
        import_results(bad, record=False)
    repacked(FILES / "reviews.eval", bad, lambda name: "samples" not in name)
    with pytest.raises(PexError, match="no samples"):
        import_results(bad, record=False)
    if WITH_INSPECT:
        return
    for place in (whole.index(b"\x28\xb5\x2f\xfd"), whole.rindex(b"\x28\xb5\x2f\xfd")):
        bad.write_bytes(whole[: place + 20] + b"\xff\x00" + whole[place + 22 :])
        if place < len(whole) / 2:
            import_results(bad, record=False)  # the journal is not needed
            continue
        with pytest.raises(PexError, match=r"header\.json cannot be unpacked"):
            import_results(bad, record=False)
    repacked(FILES / "reviews.eval", bad, lambda name: "samples" in name)
    with pytest.raises(PexError, match=r"no header\.json and no _journal/start\.json"):
        import_results(bad, record=False)
    with zipfile.ZipFile(bad, "a") as archive:
        archive.writestr("header.json", json.dumps({"version": 2, "eval": {}}))
        archive.writestr("samples/5_epoch_1/sample.json", "{}")
    with pytest.raises(PexError, match=r"samples/5_epoch_1 is a large sample.*") as caught:
        import_results(bad, record=False)
    assert "pexlab[inspect]" in str(caught.value)
    with pytest.raises(PexError, match="version 7 of Inspect's logs"):
        import_results(log_file(tmp_path, {}, version=7), record=False)
    with pytest.raises(PexError, match="sample 1, epoch 1 is there twice"):
        import_results(log_file(tmp_path, {}, {"id": 1}), record=False)
    monkeypatch.setattr(inspect_log, "_MOST_MB", 0.001)
    with pytest.raises(PexError, match="unpacked, at most"):
        import_results(FILES / "reviews.eval", record=False)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner,
                                                                max_size=3),
    max_leaves=6,
)  # fmt: skip


@pytest.mark.skipif(WITH_INSPECT, reason="of pex's own reading")
@settings(max_examples=60, deadline=None)
@given(
    field=st.sampled_from(["id", "epoch", "input", "target", "output", "messages", "scores",
                           "metadata", "choices", "error", "limit", "started_at", "attachments"]),
    value=VALUES,
)  # fmt: skip
def test_whatever_a_field_has_is_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, field: str, value: Any
) -> None:
    path = log_file(tmp_path_factory.mktemp("log"), {field: value})
    try:
        results = import_results(path, record=False)
    except PexError as error:
        named = str(path) in str(error)
    else:
        named = len(results) == 1
    assert named


def test_recorded_and_compared_over_the_same_data_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pex.toml").write_text("", encoding="utf-8")
    told = pexlab("import", str(FILES / "reviews.eval"), "--name", "reviews", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    questions = [{}, {"scores": {"match": {"value": "I"}}}, {}]
    first = import_results(log_file(tmp_path, *questions), name="first")
    same = import_results(log_file(tmp_path, {}, {}, {}), name="same")
    other = import_results(log_file(tmp_path, {}, {}, {"input": "Another"}), name="other")
    comparison = compare_runs(first.run_id, same.run_id)
    assert len(comparison) == 1
    assert "the same request" not in repr(comparison), "nothing is known of what was sent"
    with pytest.raises(PexError, match=r"over different data: 1 of 3 cases .* case '3'"):
        compare_runs(first.run_id, other.run_id)
