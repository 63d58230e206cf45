"""promptfoo's configurations as projects; their verdicts agree with those of promptfoo itself.

The files in `files/promptfoo` are made by promptfoo 0.120.27 with `tests/made_by/promptfoo.py`.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pex.core.call import Answer
from pex.core.errors import PexError
from pex.experiment.experiment import Experiment
from pex.importers.projects import ImportedProject, import_project
from pex.importers.promptfoo_config.sources import load
from pex.importers.recorded import import_results
from pex.project.spec import load_spec
from pex.score.build import build
from pex.score.judge.judge import Judge
from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint, completion

FILES = Path(__file__).parent / "files" / "promptfoo"


@pytest.fixture
def endpoint() -> Iterator[FaultyEndpoint]:
    found = FaultyEndpoint()
    with found.running():
        yield found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pex.toml").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def imported(folder: Path, config: dict[str, Any] | str, name: str = "c") -> ImportedProject:
    file = folder / "given" / "promptfooconfig.yaml"
    file.parent.mkdir(exist_ok=True)
    text = config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False)
    file.write_text(text, encoding="utf-8")
    return import_project(file, name=name)


def notes(made: ImportedProject, what: str) -> dict[str, str]:
    return {note.where: note.how for note in made.imported.notes if note.what == what}


def rows_of(folder: str) -> list[dict[str, Any]]:
    data = json.loads((FILES / folder / "results.json").read_text("utf-8"))
    return list(data["results"]["results"])


def last_message(raw: str) -> str:
    try:
        return str(json.loads(raw)[-1]["content"])
    except (ValueError, TypeError, KeyError):
        return raw


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def passed(exp: Experiment, frame: Any) -> dict[tuple[str, str], bool]:
    """Whether every yes-or-no score of an answer is yes, as promptfoo decides about a test."""
    names = [f"score.{name}" for name in exp.score_names if name != "levenshtein"]
    return {
        (row["prompt"], row["case_id"]): all(row[name] != 0 for name in names)
        for row in frame.to_dict("records")
    }


def test_verdicts_of_the_imported_project_are_those_of_promptfoo(
    here: Path, endpoint: FaultyEndpoint
) -> None:
    rows = rows_of("shop")
    said = {squeezed(last_message(row["prompt"]["raw"])): row["response"]["output"] for row in rows}
    endpoint.reply = lambda body, number: completion(
        said[squeezed(body["messages"][-1]["content"])]
    )
    settings = f'[providers."openai-127.0.0.1"]\nbase_url = "{endpoint.url}"\nfree = true\n'
    (here / "pex.toml").write_text(settings, encoding="utf-8")
    made = import_project(FILES / "shop" / "promptfooconfig.yaml")
    exp = Experiment.load(made.path)
    results = exp.run(record=False, show=False)
    assert results.frame["error"].isna().all(), results.frame["error"].dropna().tolist()
    ours = passed(exp, results.frame)
    prompts = [variant.prompt.name for variant in exp.variants]
    cases = [case.id for case in exp.cases]
    theirs = {
        (prompts[row["promptIdx"]], cases[row["testIdx"]]): row["success"]
        for row in rows
        if "javascript" not in str(row.get("error"))
    }
    assert len(theirs) == len(ours) == len(rows) == 44
    assert ours == theirs
    assert 0 < sum(ours.values()) < len(ours), "some pass and some fail"


def test_scenarios_prefixes_and_repeats_render_as_promptfoo_renders_them(here: Path) -> None:
    made = import_project(FILES / "scenario")
    exp = Experiment.load(made.path)
    (variant,) = exp.variants
    ours = [variant.prompt.render(case.values)[0]["content"] for case in exp.cases]
    rows = sorted(rows_of("scenario"), key=lambda row: row["testIdx"])
    theirs = [row["response"]["output"] for row in rows]  # its provider `echo` says the prompt
    assert sorted(ours * 2) == sorted(theirs)
    assert exp.repeats == 2
    assert "echo is no model" in notes(made, "left out")["providers[0]"]


def test_the_results_that_promptfoo_writes_are_read_as_a_run() -> None:
    results = import_results(FILES / "shop" / "results.json", record=False)
    assert len(results.frame) == 44
    assert results.frame["score.passed"].sum() == sum(row["success"] for row in rows_of("shop"))
    assert "0.120.27" in results.about.purpose
    repeated = import_results(FILES / "scenario" / "results.json", record=False)
    assert repeated.about.repeats == 2
    older = import_results(FILES / "scenario" / "results-0.91.json", record=False)
    assert "format 2" in older.about.purpose
    verdicts = ["case_id", "repeat", "score.passed"]
    assert sorted(older.frame[verdicts].values.tolist()) == sorted(
        repeated.frame[verdicts].values.tolist()
    ), "the same tests of the same configuration, in both formats"
    assert older.frame["error"].isna().all(), "a failed assertion is no failed call"


def test_a_key_is_said_by_name_and_written_nowhere(here: Path) -> None:
    done = pexlab("import", str(FILES / "shop" / "promptfooconfig.yaml"), folder=here)
    assert done.returncode == 0, done.stderr
    assert "providers[0].config.apiKey: keys are not copied" in done.stdout
    for file in here.rglob("*"):
        assert file.is_dir() or "the-key-of-nobody" not in file.read_text("utf-8"), file
    assert "test 4, assert[4]: javascript: code is never run" in done.stdout
    done = pexlab("run", "experiments/Shop-answers/experiment.yaml", "--dry-run", folder=here)
    assert done.returncode == 0, done.stderr


def test_models_parameters_and_what_pex_cannot_call(here: Path) -> None:
    config = {
        "prompts": ["Say {{ word }}."],
        "providers": [
            "openai:gpt-4.1-mini",
            {"id": "openai:responses:gpt-5", "config": {"reasoning_effort": "low", "foo": 1}},
            {"id": "anthropic:messages:claude-x", "label": "c", "config": {"max_tokens": 9}},
            {"ollama:chat:llama3.3": {"config": {"temperature": 0.5, "num_predict": 7}}},
            {"id": "azure:chat:mine", "config": {"apiHost": "me.example.com", "apiKeyEnvar": "K"}},
            {"id": "https://h.example.com:8443/x/v1/chat/completions", "config": {"body": {}}},
            "bedrock:anthropic.claude",
            "file://provider.py",
            "openai:embedding:e",
            "exec:rm -rf /",
        ],
        "tests": [{"vars": {"word": "a"}}],
    }
    made = imported(here, config)
    variants = {variant.model: dict(variant.params) for variant in made.imported.variants}
    assert variants == {
        "openai/gpt-4.1-mini": {"temperature": 0},
        "openai/gpt-5": {"reasoning_effort": "low"},
        "anthropic/claude-x": {"max_tokens": 9},
        "ollama/llama3.3": {"temperature": 0.5, "max_tokens": 7},
        "azure-me.example.com/mine": {"temperature": 0},
        "http-h.example.com/model": {},
    }
    settings = (here / "pex.toml").read_text("utf-8")
    assert 'base_url = "https://me.example.com/v1"\napi_key_env = "K"' in settings
    assert 'base_url = "https://h.example.com:8443/x/v1"' in settings
    left = notes(made, "left out")
    for number, why in ((6, "no provider 'bedrock"), (7, "is code"), (8, "no chat model")):
        assert why in left[f"providers[{number}]"]
    assert "is code, which is never run" in left["providers[9]"]
    assert "providers[1].config.foo" in left
    assert 'api = "responses"' in notes(made, "changed")["providers[1]"]


def test_model_graded_assertions_become_judges_with_a_rubric_for_each_case(here: Path) -> None:
    config = {
        "prompts": ["{{ q }}"],
        "providers": ["ollama:chat:m"],
        "defaultTest": {
            "options": {"rubricPrompt": "x"},
            "assert": [{"type": "llm-rubric", "value": "is {% raw %}polite", "metric": "polite"}],
        },
        "tests": [
            {"vars": {"q": "a"}, "assert": [{"type": "factuality", "value": "It is {{ q }}."}]},
            {"vars": {"q": "b"}, "assert": [
                {"type": "not-llm-rubric", "value": "rude", "provider": "ollama:chat:judge"}]},
            {"vars": {"q": "c"}, "assert": [
                {"type": "similar", "value": ["x", "y"], "threshold": 0.9}]},
        ],
    }  # fmt: skip
    config["defaultTest"]["assert"][0]["value"] = "is polite"  # type: ignore[index]
    made = imported(here, config)
    exp = Experiment.load(made.path)
    assert exp.score_names == ["polite", "factuality", "not-llm-rubric", "similar"]
    folder = made.path.parent / "judges"
    assert "must fulfil this:\nis polite\n" in (folder / "polite.prompty").read_text("utf-8")
    assert "{{ expected }}" in (folder / "factuality.prompty").read_text("utf-8")
    assert exp.cases[0].inputs["expected_factuality"] == "It is a."
    text = made.path.read_text("utf-8")
    assert "model: ollama/judge" in text
    assert "model: openai/gpt-5-2025-08-07" in text
    assert "without the threshold" in str(notes(made, "changed"))
    left_out = [note.where for note in made.imported.notes if note.what == "left out"]
    assert left_out.count("defaultTest.options.rubricPrompt") == 1, "once, not for each test"


@pytest.mark.parametrize(
    ("assertion", "good", "bad"),
    [
        ({"type": "equals", "value": "a.b"}, "a.b", "a.b "),
        ({"type": "not-equals", "value": "a"}, "a\n", "a"),
        ({"type": "contains", "value": 12}, "x12", "1 2"),
        ({"type": "icontains-all", "value": ["A", "b"]}, "B a", "a"),
        ({"type": "not-contains-all", "value": ["a", "b"]}, "a", "b a"),
        ({"type": "contains-any", "value": 'a,"b, c"'}, "x b, c", "b"),
        ({"type": "not-icontains-any", "value": ["a+", "b"]}, "aa", "xA+"),
        ({"type": "regex", "value": r"^(?<n>\d+)$"}, "12", "12\n"),
        ({"type": "not-regex", "value": "^a"}, "ba", "ab"),
        ({"type": "not-starts-with", "value": "a"}, "\na", "a"),
        ({"type": "ends-with", "value": "z"}, "xz", "z\n"),
        ({"type": "word-count", "value": 2}, " a b ", "a"),
        ({"type": "word-count", "value": {"max": 2}}, "a b", "a b c"),
        ({"type": "is-json", "value": "type: object"}, "{}", "[]"),
        ({"type": "equals", "value": {"a": [1]}}, '{"a": [1]}', '{"a": [2]}'),
    ],
)
def test_one_assertion_in_one_case(
    here: Path, assertion: dict[str, Any], good: str, bad: str
) -> None:
    config = {
        "prompts": ["{{ x }}"],
        "providers": ["ollama:m"],
        "tests": [{"vars": {"x": "a"}, "assert": [assertion]}, {"vars": {"x": "b"}}],
    }
    exp = Experiment.load(imported(here, config).path)
    (scorer,) = build(load_spec(exp.path).scorers, exp.cases)
    assert not isinstance(scorer, Judge)
    scores = [
        scorer(Answer(output=output), case)[scorer.name].value
        for output in (good, bad)
        for case in exp.cases
    ]
    assert scores == [True, None, False, None], "a case without the assertion is not scored"


def test_tests_in_files_of_every_kind(here: Path) -> None:
    import openpyxl

    given = here / "given"
    (given / "t").mkdir(parents=True)
    book = openpyxl.Workbook()
    book.active.append(["q", "__expected", "__metadata:kind"])
    book.active.append(["from a sheet", "contains: sheet", "s"])
    book.save(given / "t" / "a.xlsx")
    (given / "t" / "b.jsonl").write_text('{"vars": {"q": "from jsonl"}}\n', encoding="utf-8")
    (given / "t" / "c.yaml").write_text("- vars: {q: from yaml}\n", encoding="utf-8")
    (given / "t" / "d.json").write_text('[{"vars": {"q": "from json"}}]', encoding="utf-8")
    (given / "t" / "e.csv").write_text(
        "q,__expected,__config:__expected:threshold,__suffix\nfrom csv,latency,500,!\n",
        encoding="utf-8",
    )
    (given / "q.txt").write_text("from a value's file\n", encoding="utf-8")
    (given / "big.py").write_text("raise SystemExit\n", encoding="utf-8")
    config = {
        "prompts": "file://p/*.txt",
        "providers": ["ollama:m"],
        "tests": ["file://t/a.xlsx", "t/*.jsonl", "t/c.yaml", "file://t/d.json", "t/e.csv",
                  {"vars": {"q": "file://q.txt"}}, "file://big.py:tests", "https://x.example/t.csv"],
    }  # fmt: skip
    (given / "p").mkdir()
    (given / "p" / "one.txt").write_text("One: {{ q }}", encoding="utf-8")
    (given / "p" / "two.txt").write_text("Two: {{ q }}", encoding="utf-8")
    made = imported(here, config)
    exp = Experiment.load(made.path)
    assert [case.inputs["q"] for case in exp.cases] == [
        f"from {what}" for what in ("a sheet", "jsonl", "yaml", "json", "csv", "a value's file")
    ]
    assert exp.cases[0].tags == ("kind=s",)
    assert [variant.prompt.name for variant in exp.variants] == ["one", "two"]
    last = exp.variants[1].prompt.render(exp.cases[4].values)[0]["content"]
    assert last == "Two: from csv!"
    left = notes(made, "left out")
    assert "code, which is never run" in left["tests[7]"]
    assert "nothing is fetched" in left["tests[8]"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("prompts: [a\ntests: [", "not valid YAML"),
        ("prompts: [a]\nproviders: [x]\nprompts: [b]", "twice|duplicate|promptfooconfig"),
        ("- a\n- b\n", "expected keys with values"),
        ("prompts: []\nproviders: [openai:m]\n", "no prompt can be taken over"),
        ("prompts: ['{{ x.split(1) }}']\nproviders: [a]\n", "is JavaScript"),
        ("prompts: [a]\nproviders: [a]\nx: {$ref: '#/x'}\n", "refers to itself"),
        ("prompts: [a]\nproviders: [a]\nx: {$ref: '#/y/z'}\n", "there is no 'y'"),
    ],
)
def test_a_broken_configuration_is_said_and_nothing_is_written(
    here: Path, text: str, error: str
) -> None:
    with pytest.raises(PexError, match=error):
        imported(here, text)
    assert not (here / "experiments").exists()


def test_nothing_outside_the_folder_is_read_and_circles_end(here: Path) -> None:
    (here / "secret.txt").write_text("the secret", encoding="utf-8")
    given = here / "given"
    given.mkdir()
    (given / "loop.yaml").write_text("- file://loop.yaml\n- vars: {q: x}\n", encoding="utf-8")
    (given / "link.txt").symlink_to(here / "secret.txt")
    config = {
        "prompts": ["file://../secret.txt", "file://link.txt", "Hi {{ q }}{{ missing }}"],
        "providers": ["ollama:m"],
        "tests": [
            "file://loop.yaml",
            {"vars": {"q": "file://../secret.txt"}},
            {"vars": {"q": "{{ q }}{{ q }}", "a": "{{ b }}{{ b }}", "b": "{{ a }}{{ a }}"}},
        ],
    }
    made = imported(here, config)
    for file in made.path.parent.rglob("*"):
        assert file.is_dir() or "the secret" not in file.read_text("utf-8"), file
    outside = [how for how in notes(made, "left out").values() if "outside" in how]
    assert len(outside) == 3
    assert "in a circle" in str(notes(made, "left out"))
    assert "it is empty, as in promptfoo" in notes(made, "changed")["variable missing"]


def test_two_prompts_of_one_name_and_hostile_names(here: Path) -> None:
    config = {
        "description": "../../x",
        "prompts": [
            {"label": "../a", "raw": "One {{ q }}"},
            {"label": "../a", "raw": "Two {{ q }}"},
            {"id": "p3", "label": "<script>", "raw": "user:\n{{ q }}\n# {{ q | upper }}"},
        ],
        "providers": [{"id": "ollama:m", "prompts": ["../a"]}],
        "tests": [{"vars": {"q": "1", "case_id": "7", "bad name": "x", "group": "g"}}],
    }
    file = here / "given" / "promptfooconfig.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    made = import_project(file)
    assert made.path.parent == here / "experiments" / "x"
    exp = Experiment.load(made.path)
    assert [variant.prompt.name for variant in exp.variants] == ["a", "a-2"]
    assert exp.cases[0].id == "1"
    assert set(exp.cases[0].inputs) == {"q", "case_id_value", "bad_name", "group_value"}
    assert "<script>" not in (made.path.parent / "IMPORT.md").read_text("utf-8")


def test_an_enormous_product_of_lists_is_refused(here: Path) -> None:
    values = {f"v{n}": [str(item) for item in range(10)] for n in range(9)}
    with pytest.raises(PexError, match="1,000,000,000 combinations"):
        imported(here, {"prompts": ["{{ v1 }}"], "providers": ["a"], "tests": [{"vars": values}]})


def test_whatever_a_configuration_has_it_becomes_a_project_or_one_error(here: Path) -> None:
    """Values of other kinds at random places: no traceback, and nothing half-written."""
    source = FILES / "shop" / "promptfooconfig.yaml"
    whole = load(source.read_text("utf-8"), source)
    shutil.copytree(source.parent, here / "given")
    odd: list[Any] = [None, True, -1, 1.5, "", "{{ y }}", "{% if", "file://none.txt", [], {}]
    odd += [["a", 1], {"a": [1]}, "user:\nhi", "../x", "a" * 3000, "regex:(", float("inf")]

    def changed(value: Any, chance: random.Random) -> Any:
        if chance.random() < 0.05:
            return chance.choice(odd)
        if isinstance(value, dict):
            return {key: changed(item, chance) for key, item in value.items()}
        return [changed(item, chance) for item in value] if isinstance(value, list) else value

    outcomes = set()
    for seed in range(25):
        try:
            made = imported(here, changed(whole, random.Random(seed)), f"n{seed}")
            assert made.path.is_file()
            outcomes.add("made")
        except PexError:
            assert not (here / "experiments" / f"n{seed}").exists()
            outcomes.add("refused")
    assert outcomes == {"made", "refused"}
    left = [item.name for item in (here / "experiments").iterdir() if item.name.startswith(".")]
    assert left == []


def test_a_prompt_that_a_test_cannot_fill_in_is_left_out_with_the_test(here: Path) -> None:
    config = {
        "prompts": ["{{ item.name }}", "{{ q }}"],
        "providers": ["ollama:m"],
        "tests": [{"vars": {"item": {"name": "a"}, "q": "x"}}, {"vars": {"item": {}, "q": "y"}}],
    }
    made = imported(here, config)
    assert len(made.imported.prompts) == 1
    assert "test 2 cannot be filled in" in notes(made, "left out")["prompts[0]"]
