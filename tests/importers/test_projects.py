"""Projects of other tools become experiments that run; what became of each part is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.experiment.experiment import Experiment
from pex.importers.imported import Imported, Note, new_name
from pex.importers.projects import import_project
from pex.importers.variables import as_template, literal, without_roles
from pex.importers.write_project import write_project
from pex.score.judge.judge import Judge
from tests.helpers.command import pexlab

KEY = "sk-proj-" + "Ab3dEf7hIj1kLm5nOp9q" * 2


def project(folder: Path) -> Path:
    (folder / "pex.toml").write_text("[budget]\nusd_per_run = 1.0\n", encoding="utf-8")
    return folder


def texts(folder: Path) -> Path:
    mine = project(folder) / "mine"
    (mine / "sub").mkdir(parents=True)
    (mine / "translate.txt").write_text("Translate {text} to {lang}.\n", encoding="utf-8")
    (mine / "sub" / "translate.md").write_text(
        "system:\nBe kind.\n\nuser:\n<question>", encoding="utf-8"
    )
    (mine / "cases.csv").write_text("text,lang,question\nHi,fr,who\n", encoding="utf-8")
    (mine / "README.md").write_text("About.", encoding="utf-8")
    (mine / "empty.txt").write_text("\n", encoding="utf-8")
    (mine / "more.txt").write_text("Say ${nothing}.", encoding="utf-8")
    return mine


def test_a_folder_of_texts_becomes_an_experiment_that_runs_and_a_report(tmp_path: Path) -> None:
    texts(tmp_path)
    done = pexlab("import", "mine", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "text files: taken over 1, changed 6, left out 2" in done.stdout
    assert "variables written {x} are now {{ x }}: text, lang" in done.stdout
    folder = tmp_path / "experiments" / "mine"
    names = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert "variable nothing: no case has a value for it" in done.stdout
    prompts = {f"prompts/{name}.prompty" for name in ("translate", "translate-2", "more")}
    assert names == {"experiment.yaml", "cases.jsonl", "IMPORT.md", *prompts}
    assert "empty.txt" in (folder / "IMPORT.md").read_text("utf-8")
    exp = Experiment.load(folder / "experiment.yaml")
    made = {v.prompt.name: v.prompt.render(exp.cases[0].values) for v in exp.variants}
    first, second = made["translate"], made["translate-2"]
    assert first == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "who"},
    ]
    assert second == [{"role": "user", "content": "Translate Hi to fr."}]
    done = pexlab("run", "experiments/mine/experiment.yaml", "--dry-run", folder=tmp_path)
    assert done.returncode == 0
    assert "Translate Hi to fr." not in done.stderr


def test_nothing_that_exists_is_overwritten_and_nothing_stays_of_a_failure(tmp_path: Path) -> None:
    texts(tmp_path)
    import_project(tmp_path / "mine", tmp_path / "experiments" / "a")
    before = (tmp_path / "experiments" / "a" / "experiment.yaml").read_bytes()
    with pytest.raises(PexError, match="exists already"):
        import_project(tmp_path / "mine", tmp_path / "experiments" / "a")
    assert (tmp_path / "experiments" / "a" / "experiment.yaml").read_bytes() == before
    settings = (tmp_path / "pex.toml").read_bytes()
    bad = Imported(
        "x", "n", [Prompt("{{ a.nothing }}", "p")], cases=[Case("1", {"a": 1})],
        providers={"lab": {"base_url": "http://127.0.0.1:1/v1"}},
    )  # fmt: skip
    with pytest.raises(PexError, match="nothing"):
        write_project(bad, tmp_path / "new" / "place")
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "pex.toml").read_bytes() == settings
    assert [item.name for item in (tmp_path / "experiments").iterdir()] == ["a"]


def test_keys_are_not_written_down_and_their_place_is_said(tmp_path: Path) -> None:
    given = Imported(
        "x",
        "n",
        [Prompt(f"Use {KEY} for {{{{ q }}}}", "p")],
        models=["lab/m"],
        cases=[Case("1", {"q": f"key: {KEY}"}, tags=(KEY,))],
        scorers=[Judge(Prompt(f"Has it {KEY}? {{{{ output }}}}", "leak"), "lab/m", scale=[1, 5])],
        notes=[Note(f"providers[0].{KEY}", "left out", KEY)],
        providers={"lab": {"base_url": "http://127.0.0.1:1/v1", "api_key_env": "LAB_KEY"}},
    )
    path, made = write_project(given, project(tmp_path) / "experiments" / "n")
    for file in [tmp_path / "pex.toml", *path.parent.rglob("*")]:
        assert file.is_dir() or KEY not in file.read_text("utf-8"), file
    places = [note.where for note in made.notes if "shape of a key" in note.how]
    assert places == ["prompt 'p'", "case '1'", "case '1', tags", "prompt 'leak'"]
    assert "scale" in path.read_text("utf-8")
    text = (tmp_path / "pex.toml").read_text("utf-8")
    assert text.startswith("[budget]\nusd_per_run = 1.0\n\n[providers.")
    assert 'api_key_env = "LAB_KEY"' in text


def test_a_data_set_alone_gets_a_prompt_and_a_prompt_alone_gets_a_case(tmp_path: Path) -> None:
    only_cases = Imported("x", "data", cases=[Case("1", {"q": "Why?", "lang": "en"})])
    path, made = write_project(only_cases, project(tmp_path) / "experiments" / "data")
    exp = Experiment.load(path)
    assert exp.variants[0].prompt.render(exp.cases[0].values)[0]["content"] == "q: Why?\nlang: en"
    assert {note.where for note in made.notes} == {"prompts", "models"}
    only_prompt = Imported("x", "p", [Prompt("Say {{ word }}.", "say")])
    path, made = write_project(only_prompt, tmp_path / "experiments" / "p")
    row = json.loads((path.parent / "cases.jsonl").read_text("utf-8"))
    assert row == {"case_id": "1", "word": ""}
    with pytest.raises(PexError, match="neither a prompt nor a case"):
        write_project(Imported("x", "p"), tmp_path / "experiments" / "q")


@pytest.mark.parametrize(
    ("text", "template", "style"),
    [
        ("Say {{ word }}: {x}", "Say {{ word }}: {x}", "{{x}}"),
        ("Say {word}, {{literal}}", "Say {word}, {{literal}}", "{{x}}"),
        ('Say {word}: {"a": {"b": 1}}', 'Say {{ word }}: {"a": {"b": 1}}', "{x}"),
        ("Say ${word} {x}", "Say {{ word }} {x}", "${x}"),
        ("<doc>{doc}</doc>", "<doc>{{ doc }}</doc>", "{x}"),
        ("<doc>text</doc> <question>", "<doc>text</doc> {{ question }}", "<x>"),
        ("<b>bold <br> text", "<b>bold <br> text", ""),
        ("100 % {# not a comment", "100 % {{ '{#' }} not a comment", ""),
        ("{{ broken", "{{ '{{' }} broken", ""),
        ("{x} and {% raw", "{{ x }} and {{ '{%' }} raw", "{x}"),
    ],
)
def test_variables_of_four_forms(text: str, template: str, style: str) -> None:
    made = as_template(text)
    assert (made.text, made.style) == (template, style)
    Prompt(made.text, "p")  # it is a valid template


def test_literal_text_stays_as_it_is() -> None:
    for text in ("a {{ b }} {% c %} {# d #}", "user:\nHi\nassistant:\nx", "#}{{'"):
        kept = Prompt(without_roles(literal(text)), "p")
        assert kept.render({})[0]["content"] == text.strip()
        assert Prompt.parse(kept.to_prompty(), "p", "p").messages == kept.messages


@pytest.mark.parametrize("name", ["../x", "..", "/etc/passwd", "", "a" * 500, ".hidden", "ü"])
def test_names_of_other_tools_become_names_of_files(name: str, tmp_path: Path) -> None:
    made = new_name(name)
    given = Imported("x", name, [Prompt("Hi {{ x }}", made)])
    path, _ = write_project(given, project(tmp_path) / "experiments" / made)
    assert path.parent.parent == tmp_path / "experiments"
    assert path.is_file()


def test_what_is_no_project_is_said_with_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"\x00\xff\xfe")
    done = pexlab("import", "x.bin", folder=tmp_path)
    assert done.returncode == 2
    assert "neither a project nor results" in done.stderr
    done = pexlab("import", "x.bin", "--from", "txet", folder=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'text'" in done.stderr
    done = pexlab("import", "missing.yaml", folder=tmp_path)
    assert done.returncode == 2
    assert "no such file" in done.stderr
