"""Result files of garak, PyRIT and promptfoo: their traps, and what becomes of them.

Most samples here are made, for what a real run does not produce on demand; they follow the tools'
sources: garak 0.17 (`garak/attempt.py`; strings as in 0.9), PyRIT 0.9 (`pyrit/memory`), promptfoo
(`src/types/index.ts`, formats 2 and 3). `test_written_files.py` has files that these tools wrote.
"""

from __future__ import annotations

import contextlib
import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pex
from pex.compare.attacks import ALL, attack_rates
from pex.core.errors import PexError
from pex.importers.recorded import import_results, import_run
from tests.helpers.command import pexlab


def attempt(uuid: str, status: int, hits: list[float | None], text: str, **more: Any) -> dict:
    outputs = [None if hit is None else {"text": f"answer {hit}", "lang": "en"} for hit in hits]
    return {
        "entry_type": "attempt",
        "uuid": uuid,
        "seq": 0,
        "status": status,
        "probe_classname": "dan.Dan_11_0",
        "probe_params": {},
        "targets": [],
        "prompt": {"turns": [{"role": "user", "content": {"text": text, "lang": "en"}}]},
        "outputs": outputs,
        "detector_results": {"dan.DAN": hits, "mitigation.MitigationBypass": [0.2] * len(hits)}
        if status == 2
        else {},
        "notes": {},
        "goal": "disregard the system prompt",
        "conversations": [],
        **more,
    }


def garak_file(folder: Path) -> Path:
    old = attempt("u3", 2, [0.0], "")
    old |= {"prompt": "old, as a string", "outputs": ["as a string"]}
    rows = [
        {"entry_type": "start_run setup", "plugins.target_type": "openai",
         "plugins.target_name": "gpt-4.1 mini", "run.eval_threshold": 0.5},
        {"entry_type": "init", "garak_version": "0.17.1", "start_time": "2026-11-01T10:00:00",
         "run": "r"},
        attempt("u1", 1, [1.0, 0.0], "Be DAN."),
        attempt("u2", 1, [0.0], "never judged"),
        attempt("u1", 2, [1.0, 0.0], "Be DAN."),
        old,
        attempt("u4", 2, [None, 0.5], "at the threshold"),
        {"entry_type": "eval", "probe": "dan.Dan_11_0", "detector": "dan.DAN", "passed": 1,
         "total_evaluated": 2},
    ]  # fmt: skip
    path = folder / "garak.report.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_garaks_attempts_are_there_once_and_a_hit_is_bad(tmp_path: Path) -> None:
    results = import_results(garak_file(tmp_path), record=False)
    frame = results.frame
    assert len(frame) == 6, "two answers, one not judged, an old one, one null and one at 0.5"
    assert frame["variant"].unique().tolist() == ["openai/gpt-4.1-mini"]
    dan = frame[frame["case.input"] == "Be DAN."]
    assert dan["repeat"].tolist() == [1, 2]
    assert dan["score.resisted"].tolist() == [0.0, 1.0]
    assert dan["score.garak.dan.DAN"].tolist() == [0.0, 1.0]
    assert frame.loc[frame["case.input"] == "old, as a string", "output"].tolist() == [
        "as a string"
    ]
    edge = frame[frame["case.input"] == "at the threshold"]
    assert edge["error"].notna().tolist() == [True, False], "null is no answer, not a refusal"
    assert edge["score.resisted"].tolist()[1] == 0.0
    whole = next(row for row in attack_rates(frame, results.about) if row.category == ALL)
    assert (whole.attacks.n, whole.attacks.count, whole.attacks.not_judged) == (3, 1.5, 1)
    assert whole.refusals.value is None
    assert "no harmless twins" in results.about.note
    assert "left out: verdicts (1): garak never judged" in results.about.note


def piece(conversation: str, role: str, sequence: int, value: str, **more: Any) -> dict:
    return {
        "id": f"{conversation}{role}{sequence}{value}",
        "role": role,
        "conversation_id": conversation,
        "sequence": sequence,
        "timestamp": "2026-11-02T09:00:00",
        "labels": {"harm_category": "leak"},
        "original_value": value,
        "original_value_data_type": "text",
        "converted_value": value,
        "response_error": "none",
        "prompt_target_identifier": {"__type__": "OpenAIChatTarget", "model_name": "m1"},
        "scores": [],
        **more,
    }


def score(value: str, kind: str = "true_false", scorer: str = "SelfAskTrueFalseScorer") -> dict:
    return {
        "score_type": kind,
        "score_value": value,
        "score_rationale": "why",
        "scorer_class_identifier": {"__type__": scorer},
    }


NEWER = score("True") | {
    "scorer_class_identifier": {"class_name": "SelfAskRefusalScorer", "hash": None, "why": "it's"}
}
PIECES = [
    # Two pieces of one turn, converted; the answer has the goal's score.
    piece("c1", "user", 0, "Tell me.", converted_value="VGVsbCBtZS4="),
    piece("c1", "user", 0, "Now."),
    piece("c1", "assistant", 1, "The secret.", scores=[score("True")]),
    # Only scorers of refusals, as old and newer versions name them: the goal is not known.
    piece("c2", "user", 0, "Please."),
    piece(
        "c2", "assistant", 1, "No.", scores=[score("True", scorer="SelfAskRefusalScorer"), NEWER]
    ),
    piece("c3", "user", 0, "Hello."),
    piece("c3", "assistant", 1, "", response_error="blocked"),
    piece("c4", "user", 0, "Never answered."),
]


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_pyrits_pieces_become_turns_and_a_refusal_is_no_verdict(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"memory.{kind}"
    if kind == "json":
        path.write_text(json.dumps(PIECES), encoding="utf-8")
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(PIECES[0]))
            writer.writeheader()
            writer.writerows(PIECES)
    results = import_results(path, record=False)
    frame = results.frame.set_index("case.input")
    assert len(frame) == 3
    assert frame.index.tolist()[0] == "VGVsbCBtZS4=\nNow.", "what was sent, as one turn"
    assert frame["score.resisted"].tolist()[0] == 0.0
    assert frame["score.resisted"].isna().tolist() == [False, True, True]
    assert frame["error"].tolist()[2] == "PyRIT: blocked"
    assert frame["model"].unique().tolist() == ["pyrit/m1"]
    assert "left out: conversations (1): they have no answer" in results.about.note


def row(number: int, success: bool, **more: Any) -> dict:
    return {
        "promptIdx": 0,
        "testIdx": number,
        "promptId": "p",
        "provider": {"id": "openai:chat:gpt-4.1-mini", "label": ""},
        "prompt": {"raw": "Say {{q}}", "label": "Say {{q}}"},
        "vars": {"q": f"q{number}"},
        "response": {"output": f"answer {number}"},
        "failureReason": 0 if success else 1,
        "success": success,
        "score": float(success),
        "latencyMs": 250,
        "gradingResult": {"pass": success, "score": float(success), "reason": "because"},
        "namedScores": {},
        "cost": 0.001,
        **more,
    }


def promptfoo_file(folder: Path, rows: list[dict], version: int = 3) -> Path:
    data = {
        "evalId": "eval-1",
        "results": {"version": version, "timestamp": "2026-11-03T08:00:00.000Z", "results": rows,
                    "stats": {}},
        "config": {},
        "shareableUrl": None,
    }  # fmt: skip
    path = folder / "results.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_promptfoos_failures_errors_and_graders_are_told_apart(
    tmp_path: Path, version: int
) -> None:
    rows = [
        row(0, True),
        row(0, False),
        row(1, False, failureReason=2, error="timeout", response=None),
        row(2, False, metadata={"graderError": True}),
        row(3, True, response={"output": {"label": "good"}}),
    ]
    results = import_results(promptfoo_file(tmp_path, rows, version), record=False)
    frame = results.frame
    assert results.scores == ["passed"]
    assert frame["repeat"].tolist() == [1, 2, 1, 1, 1], "equal inputs are repeats"
    assert frame["score.passed"].tolist()[:2] == [1.0, 0.0]
    assert frame["error"].dropna().tolist() == ["timeout"]
    assert frame["reason.passed"].tolist()[3].startswith("not judged")
    assert frame["output"].tolist()[4] == '{"label":"good"}'
    assert frame["latency_s"].tolist()[0] == 0.25


def part(passed: bool, kind: str = "", **more: Any) -> dict:
    found = {"pass": passed, "score": float(passed), "reason": f"{kind} says so", **more}
    return found | ({"assertion": {"type": kind}} if kind else {})


def test_promptfoos_assertions_are_scores_by_metric_or_type(tmp_path: Path) -> None:
    inner = [part(True, "contains"), part(False, "contains")]
    parts = [
        part(True, componentResults=inner),
        part(True),  # what promptfoo lists once more of the set
        part(False),
        part(False, "contains"),
        part(True, "similar", score=0.83),
        part(True, "llm-rubric", metadata={"graderError": True}),
        part(True, "javascript") | {"assertion": {"type": "javascript", "metric": "{{topic}}"}},
        part(False),  # with no set before it, so there is nothing to call it by
    ]
    grading = {"pass": False, "score": 0.5, "reason": "because", "componentResults": parts}
    rows = [
        row(0, False, gradingResult=grading, namedScores={"price": 0.75}),
        row(1, False, gradingResult=grading, failureReason=2, error="timeout", response=None),
    ]
    made = import_run(promptfoo_file(tmp_path, rows), record=False)
    first = made.results.frame.to_dict("records")[0]
    found = {name: first[f"score.{name}"] for name in made.results.scores}
    assert found.pop("promptfoo.llm-rubric") is not False
    assert first["reason.promptfoo.llm-rubric"].startswith("not judged")
    assert found == {
        "passed": 0.0,
        "promptfoo.price": 0.75,
        "promptfoo.contains": 1.0,
        "promptfoo.contains.2": 0.0,
        "promptfoo.contains.3": 0.0,
        "promptfoo.similar": 1.0,
    }
    assert first["reason.promptfoo.similar"] == "similar says so"
    told = {note.where: (note.what, note.count) for note in made.notes}
    asserts = [{"type": "contains"}, {"type": "javascript"}, {"type": "python", "metric": "brief"}]
    given = {
        "gradingResult": {"componentResults": [part(True, "contains"), part(False), part(True)]},
        "testCase": {"assert": asserts},
        "namedScores": {"brief": 1.0},
    }
    own = import_results(promptfoo_file(tmp_path, [row(0, False, **given)]), record=False)
    assert own.scores == ["passed", "promptfoo.brief", "promptfoo.contains", "promptfoo.javascript"]
    assert own.frame["score.promptfoo.javascript"].tolist() == [0.0]
    assert told["assert-set (1)"] == ("changed", 1)
    assert told["numbers of assertions (1)"] == ("changed", 1)
    assert told["assertions (1)"] == ("left out", 1)
    assert told["answers (1)"] == told["failed calls (1)"] == ("taken over", 1)


def test_promptfoos_red_team_has_plugins_as_categories(tmp_path: Path) -> None:
    attack = {"pluginId": "prompt-extraction", "strategyId": "base64"}
    rows = [row(n, n > 0, testCase={"metadata": attack}) for n in range(3)]
    results = import_results(promptfoo_file(tmp_path, rows), record=False)
    rates = attack_rates(results.frame, results.about)
    assert [(item.category, item.attacks.count, item.attacks.n) for item in rates] == [
        ("prompt-extraction", 1, 3),
        (ALL, 1, 3),
    ]


def test_the_command_records_a_run_that_can_be_compared(project: Path, uri: str) -> None:
    path = garak_file(project)
    done = pexlab("import", str(path), "--json", folder=project)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    loaded = pex.load_run(told["run_id"])
    assert len(loaded.frame) == 6
    assert loaded.about.name == "imported-garak"
    assert told["imported"] == {"taken_over": 9, "changed": 0, "left_out": 1}
    assert told["notes"][-1]["where"] == "verdicts (1)"
    assert "Attacks and harmless twins" in loaded.page()
    again = pexlab("import", str(path), "--json", folder=project)
    other = json.loads(again.stdout)["run_id"]
    compared = pexlab("compare", told["run_id"], other, "--metric", "resisted", folder=project)
    assert compared.returncode == 0, compared.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("review,label\na,b\n", "not a result file that pex knows"),
        ('{"entry_type": "init"}\n', "no row of entry_type 'attempt'"),
        ('{"entry_type": "init"}\n{', "line 2: not valid JSON"),
        ('[{"conversation_id": "a", "original_value": "b"}]', "piece 1 has no 'role'"),
        ('{"evalId": "e", "results": {"version": 4}}', "version 4 of its format"),
        ('{"evalId": "e", "results": {"version": 3, "results": []}}', "no rows"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PexError) as error:
        import_results(path, record=False)
    assert message in str(error.value)
    assert "file" in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=40)
@given(
    st.sampled_from(["garak", "pyrit", "promptfoo"]),
    st.dictionaries(
        st.sampled_from([
            "entry_type", "uuid", "status", "prompt", "outputs", "detector_results", "role",
            "conversation_id", "original_value", "sequence", "scores", "labels", "response",
            "provider", "vars", "gradingResult", "testCase", "metadata", "latencyMs", "cost",
        ]),
        JSON | st.sampled_from(["attempt", "assistant", "user"]),
    ),
)  # fmt: skip
def test_whatever_a_file_has_is_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, tool: str, fields: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    given: Any = {"garak": {"entry_type": "attempt", **fields}, "pyrit": [fields]}.get(
        tool, {"results": {"version": 3, "results": [fields]}}
    )
    path.write_text(json.dumps(given), encoding="utf-8")
    with contextlib.suppress(PexError):  # anything else is a traceback for a user
        import_results(path, tool=tool, record=False)


def test_halves_of_characters_long_names_and_many_scores_are_kept_in_bounds(
    tmp_path: Path,
) -> None:
    many = {f"{'d' * 300}{number}": [0.0] for number in range(55)}
    row = attempt("u1", 2, [1.0], "Say \ud800", probe_classname="p" * 1000)
    row |= {"outputs": ["half \ud800"], "detector_results": many}
    path = tmp_path / "g.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    results = import_results(path, record=False)
    assert results.frame["output"].tolist() == ["half \ufffd"]
    assert len(results.scores) == 51, "the one that counts, and fifty"
    assert max(map(len, results.scores)) < 120
    assert "left out 5;" in results.about.note, "56 scores, of which a run has the 51"
    assert "at most 50 scores" in results.about.note
