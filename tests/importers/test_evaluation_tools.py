"""Projects of Inspect, OpenAI's hosted Evals, openai/evals, and data sets of Langfuse and Phoenix.

The files of Inspect are its own (made_by/inspect_logs.py); the others follow the sources: the types
of openai 2 (`openai/types/eval*`), `evals/elsuite/basic`, Langfuse's `DatasetItem` and Phoenix's
`_get_content_csv`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pex.core.call import Answer
from pex.core.cases import Case, load_cases
from pex.core.errors import PexError
from pex.experiment.experiment import Experiment
from pex.importers.inspect_log import read_log
from pex.importers.projects import import_project, is_project
from pex.importers.recorded import import_results
from pex.score.build import build, parted

FILES = Path(__file__).parent / "files" / "inspect"


def imported(path: Path, to: Path, tool: str | None = None) -> tuple[Experiment, dict[str, str]]:
    """The experiment that was written, and what the report says by place."""
    made = import_project(path, to / "made", tool=tool)
    assert (to / "made" / "IMPORT.md").is_file()
    notes = {note.where: f"{note.what}: {note.how}" for note in made.imported.notes}
    return Experiment.load(made.path), notes


def scored(experiment: Experiment, name: str, case_id: str, output: str) -> Any:
    """What a scorer of the experiment says of an answer."""
    scorers, _ = parted(build(experiment.dumped_scorers(experiment.folder)[0], experiment.cases,
                              experiment.folder))  # fmt: skip
    (scorer,) = [item for item in scorers if item.name == name]
    (case,) = [item for item in experiment.cases if item.id == case_id]
    return scorer(Answer(output=output), case)[name].value


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = value if isinstance(value, str) else json.dumps(value)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_log_of_inspect_becomes_an_experiment_that_scores_as_inspect_did(tmp_path: Path) -> None:
    experiment, notes = imported(FILES / "reviews.eval", tmp_path, "inspect-task")
    (variant,) = experiment.variants
    assert [*variant.prompt.messages] == [
        {"role": "system", "content": "You label reviews for a shop."},
        {"role": "user", "content": "Review: {{ input }}\nPositive or negative?"},
    ]
    assert variant.all_params == {"max_tokens": 64, "temperature": 0.2}
    assert experiment.repeats == 2
    assert [case.id for case in experiment.cases] == ["r1", "r2", "r3", "4"]
    assert experiment.cases[1].expected == ["negative", "bad"]
    compared = 0
    for sample in read_log(FILES / "reviews.eval")["samples"]:
        for score in filter(None, [(sample.get("scores") or {}).get("includes")]):
            output = sample["output"]["completion"]
            ours = scored(experiment, "includes", str(sample["id"]), output)
            assert ours == (score["value"] == "C"), output
            compared += 1
    assert compared == 6
    assert "code of the task" in notes["plan.steps[2] fails_on"]
    assert "never imported" in notes["scorer manners"]
    assert "no provider 'mockllm'" in notes["model mockllm/model"]


def test_choices_and_grades_of_inspect(tmp_path: Path) -> None:
    letters, notes = imported(FILES / "letters.json", tmp_path / "a", "inspect-task")
    assert scored(letters, "choice", "water", "ANSWER: A") is True
    assert scored(letters, "choice", "salt", "ANSWER: B") is False
    assert "as sent" in notes["prompt"]
    assert "A) H2O" in letters.cases[0].inputs["input"]
    desk, notes = imported(FILES / "desk.eval", tmp_path / "b", "inspect-task")
    assert [judge.name for judge in desk.judges] == ["model_graded_qa"]
    assert "a rubric of pex's" in notes["scorer model_graded_qa"]
    assert notes["pictures"].startswith("left out")
    assert is_project(FILES / "desk.eval") is False, "without --from it is a run"


ITEMS = [{"ticket": "My printer is on fire", "label": "Hardware", "n": 1},
         {"ticket": "I forgot my password {{", "label": "Access", "n": 2}]  # fmt: skip
EVAL = {
    "object": "eval",
    "id": "eval_1",
    "name": "IT tickets",
    "created_at": 1,
    "data_source_config": {"type": "custom", "schema": {}},
    "testing_criteria": [
        {"type": "string_check", "name": "Exact", "operation": "eq",
         "input": "{{ sample.output_text }}", "reference": "{{ item.label }}"},
        {"type": "string_check", "name": "Has", "operation": "ilike",
         "input": "{{sample.output_text}}", "reference": "is {{item.label}}"},
        {"type": "string_check", "name": "Not", "operation": "ne",
         "input": "{{sample.output_text}}", "reference": "{{item.ticket}}"},
        {"type": "text_similarity", "name": "Near", "evaluation_metric": "fuzzy_match",
         "input": "{{sample.output_text}}", "reference": "{{item.label}}", "pass_threshold": 0.8},
        {"type": "text_similarity", "name": "Bleu", "evaluation_metric": "bleu",
         "input": "{{sample.output_text}}", "reference": "{{item.label}}", "pass_threshold": 0.8},
        {"type": "label_model", "name": "Tone", "model": "o3-mini", "labels": ["kind", "rude"],
         "passing_labels": ["kind"],
         "input": [{"role": "developer", "content": "Which tone?"},
                   {"role": "user", "content": {"type": "input_text",
                                                "text": "{{sample.output_text}}"}}]},
        {"type": "score_model", "name": "Marks", "model": "gpt-4.1", "range": [1, 5],
         "input": [{"role": "user", "content": "{{item.ticket}}: {{sample.output_text}}"}]},
        {"type": "python", "name": "Code", "source": "import os\nraise SystemExit"},
    ],
}  # fmt: skip
RUN = {
    "object": "eval.run",
    "id": "run_1",
    "eval_id": "eval_1",
    "name": "first",
    "model": "gpt-4.1-mini",
    "data_source": {
        "type": "completions",
        "model": "gpt-4.1-mini",
        "source": {"type": "file_content", "content": [{"item": item} for item in ITEMS]},
        "input_messages": {"type": "template", "template": [
            {"role": "developer", "content": "Label {%} the ticket."},
            {"role": "user", "content": "{{ item.ticket }}"}]},
        "sampling_params": {"temperature": 0, "max_completion_tokens": 20},
    },
}  # fmt: skip


def output_item(number: int, output: str | None, **more: Any) -> dict:
    return {
        "object": "eval.run.output_item",
        "id": f"o{number}",
        "run_id": "run_1",
        "created_at": 1_790_000_000,
        "datasource_item_id": number,
        "datasource_item": {"item": ITEMS[number]},
        "results": [{"name": "Exact-1a2b", "passed": output == "Hardware", "score": 1.0},
                    {"name": "Near-3c4d", "passed": True, "score": 0.9}],
        "sample": {"error": None, "finish_reason": "stop", "model": "gpt-4.1-mini-2025",
                   "input": [{"role": "user", "content": ITEMS[number]["ticket"]}],
                   "output": [{"role": "assistant", "content": output}],
                   "usage": {"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 0}},
        "status": "pass",
        **more,
    }  # fmt: skip


def test_a_hosted_eval_becomes_an_experiment_and_code_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "export.json", {"eval": EVAL, "runs": [RUN]})
    experiment, notes = imported(path, tmp_path)
    (variant,) = experiment.variants
    assert variant.model == "openai/gpt-4.1-mini"
    assert variant.all_params == {"temperature": 0, "max_completion_tokens": 20}
    assert variant.prompt.render(experiment.cases[1].values) == [
        {"role": "system", "content": "Label {%} the ticket."},
        {"role": "user", "content": "I forgot my password {{"},
    ]
    assert scored(experiment, "Exact", "1", "Hardware") is True
    assert scored(experiment, "Exact", "1", "hardware") is False
    assert scored(experiment, "Has", "2", "This IS access.") is True
    assert scored(experiment, "Not", "1", "My printer is on fire") is False
    assert scored(experiment, "Not", "1", "My printer is on fire!") is True
    assert scored(experiment, "Near", "1", "Hardware") == 1.0
    tone, marks = experiment.judges
    assert (tone.model, marks.scale) == ("openai/o3-mini", (1, 5))
    assert "kind" in tone.prompt.text
    assert "{{ output }}" in tone.prompt.text
    assert "not run" in notes["testing_criteria[7] Code"]
    assert "bleu" in notes["testing_criteria[4] Bleu"]
    assert "still served" in notes["testing_criteria[5] Tone"]


def test_output_items_become_a_run(tmp_path: Path) -> None:
    failed = {"error": {"code": "x", "message": "timed out"}}
    items = [output_item(0, "Hardware"), output_item(1, None, sample=failed)]
    path = write(tmp_path / "items.jsonl", "".join(json.dumps(item) + "\n" for item in items))
    assert is_project(path) is False
    frame = import_results(path, record=False).frame.set_index("case_id")
    assert frame.loc["0", "output"] == "Hardware"
    assert frame.loc["0", "score.Exact"] == 1.0
    assert frame.loc["0", "score.Near.score"] == 0.9
    assert frame.loc["0", "case.label"] == "Hardware"
    assert frame.loc["0", "prompt_tokens"] == 9
    assert frame.loc["1", "error"] == "OpenAI Evals: timed out"
    assert frame.loc["1", ["score.Exact", "score.Near"]].isna().all()
    whole = write(tmp_path / "all.json", {"eval": EVAL, "items": items})
    assert is_project(whole) is True
    assert len(import_results(whole, tool="openai-results", record=False)) == 2
    experiment, _ = imported(whole, tmp_path)
    assert [case.id for case in experiment.cases] == ["0", "1"]
    with pytest.raises(PexError, match="no eval"):
        import_project(path, tmp_path / "x", tool="openai-evals")


REGISTRY = """
test-match:
  id: test-match.s1.simple-v0
  description: Example eval.
  metrics: [accuracy]
test-match.s1.simple-v0:
  class: evals.elsuite.basic.match:Match
  args:
    samples_jsonl: test_match/samples.jsonl
other.v0:
  class: evil.module:Boom
  args: {samples_jsonl: other.jsonl}
"""
SAMPLES = [
    {"input": [{"role": "system", "content": "Complete {{ the phrase."},
               {"role": "user", "content": "ABC AB"}], "ideal": "ABC"},
    {"input": [{"role": "system", "content": "Complete {{ the phrase."},
               {"role": "user", "content": "Once upon a"}], "ideal": ["time", "(time)"]},
]  # fmt: skip


def test_a_registry_of_evals_and_its_samples(tmp_path: Path) -> None:
    path = write(tmp_path / "registry" / "evals" / "test.yaml", REGISTRY)
    data = tmp_path / "registry" / "data" / "test_match" / "samples.jsonl"
    with pytest.raises(PexError, match=r"test_match/samples\.jsonl are not there"):
        import_project(path, tmp_path / "made")
    write(data, "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n")
    with pytest.raises(PexError, match="Git LFS") as caught:
        import_project(path, tmp_path / "made")
    assert "git lfs pull" in str(caught.value)
    write(data, "".join(json.dumps(row) + "\n" for row in SAMPLES))
    experiment, notes = imported(path, tmp_path)
    (variant,) = experiment.variants
    assert variant.prompt.render(experiment.cases[0].values) == SAMPLES[0]["input"]
    assert scored(experiment, "Match", "2", "(time) is up") is True
    assert scored(experiment, "Match", "2", "a time") is False
    assert scored(experiment, "Match", "1", "abc") is False
    assert notes["other.v0"].startswith("left out")
    write(path, REGISTRY.replace("evals.elsuite.basic.match:Match", "evals.elsuite.mine:Mine"))
    _, notes = imported(path, tmp_path / "again")
    assert "never imported" in notes["class evals.elsuite.mine:Mine"]


LANGFUSE = [
    {"id": "a", "datasetId": "d", "status": "ACTIVE", "input": {"question": "Why?", "lang": "en"},
     "expectedOutput": {"answer": "Because."}, "metadata": {"topic": "x"}, "createdAt": "2026"},
    {"id": "b", "datasetId": "d", "status": "ARCHIVED", "input": "old", "expectedOutput": "o"},
    {"id": "c", "datasetId": "d", "status": "ACTIVE", "metadata": None, "expectedOutput": None,
     "input": [{"role": "system", "content": "Hi"}, {"role": "user", "content": "Who?"}]},
]  # fmt: skip


def cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return '"' + text.replace('"', '""') + '"'


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "api.json"])
def test_a_data_set_of_langfuse(tmp_path: Path, kind: str) -> None:
    names = ["id", "input", "expectedOutput", "metadata", "status", "createdAt"]
    text = {
        "json": json.dumps(LANGFUSE),
        "api.json": json.dumps({"data": LANGFUSE, "meta": {"page": 1}}),
        "jsonl": "".join(json.dumps(row) + "\n" for row in LANGFUSE),
        "csv": "\n".join([",".join(names),
                          *(",".join(cell(row.get(name)) for name in names) for row in LANGFUSE)]),
    }[kind]  # fmt: skip
    experiment, notes = imported(write(tmp_path / f"items.{kind}", text), tmp_path)
    a, c = experiment.cases
    assert (a.id, a.inputs["question"], a.inputs["topic"]) == ("a", "Why?", "x")
    assert a.expected == "Because."
    assert c.inputs["input"] == "system: Hi\n\nuser: Who?"
    assert notes["row 2"] == "left out: it is archived"
    assert notes["prompts"].startswith("changed"), "a starter prompt"


def test_a_data_set_of_phoenix(tmp_path: Path) -> None:
    csv = "\n".join([
        "id,node_id,input.question,output.answer,metadata.topic,splits",
        'e1,RGF0,Why?,Because.,x,"[""train""]"',
        "e2,RGF1,How?,,y,[]",
    ])  # fmt: skip
    experiment, _ = imported(write(tmp_path / "set.csv", csv), tmp_path / "a")
    assert [case.id for case in experiment.cases] == ["e1", "e2"]
    assert experiment.cases[0].inputs == {"question": "Why?", "topic": "x"}
    assert [case.expected for case in experiment.cases] == ["Because.", None]
    rows = {"data": {"dataset_id": "d", "examples": [
        {"id": "e1", "input": {"question": "Why?"}, "output": {"answer": "B", "source": "s"},
         "metadata": {}, "updated_at": "2026"}]}}  # fmt: skip
    experiment, _ = imported(write(tmp_path / "set.json", rows), tmp_path / "b")
    assert experiment.cases[0].expected == {"answer": "B", "source": "s"}


@pytest.mark.parametrize("tool", ["langfuse", "phoenix", "openai-evals", "evals-registry"])
@pytest.mark.parametrize("text", ["", "[]", "{", "[1, 2]", '{"data": 3}', '{"object": "eval"}',
                                  '{"testing_criteria": 5, "data_source_config": 1}'])  # fmt: skip
def test_what_is_no_project_is_named_and_nothing_is_written(
    tmp_path: Path, tool: str, text: str
) -> None:
    path = write(tmp_path / "bad.json", text)
    with pytest.raises(PexError, match=r"bad\.json|no case"):
        import_project(path, tmp_path / "made", tool=tool)
    assert not (tmp_path / "made").exists()


def test_half_a_character_is_replaced(tmp_path: Path) -> None:
    row = {"id": "a\ud800", "input": {"q": "b\ud800"}, "expectedOutput": "c\ud800"}
    experiment, _ = imported(write(tmp_path / "items.json", [row]), tmp_path)
    (case,) = experiment.cases
    assert (case.id, case.inputs["q"], case.expected) == ("a\ufffd", "b\ufffd", "c\ufffd")
    item = output_item(0, "d\ud800", datasource_item_id="e\ud800")
    results = import_results(write(tmp_path / "run.json", [item]), record=False)
    assert results.frame[["case_id", "output"]].values.tolist() == [["e\ufffd", "d\ufffd"]]


def test_cases_load_as_written(tmp_path: Path) -> None:
    path = write(tmp_path / "items.json", [{"id": "=1", "input": {"a.b": 1}, "expectedOutput": 2}])
    imported(path, tmp_path)
    (case,) = load_cases({"file": tmp_path / "made" / "cases.jsonl"}, {"id": "case_id"})
    assert case == Case("=1", {"a.b": 1}, 2)
