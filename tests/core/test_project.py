"""What the files of a project name stays in it."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

import pex
from pex.batch.plan import load_plan
from pex.core.project import is_inside, led_outside, projects_of
from pex.project.spec import load_spec
from pex.run.request import body_of
from tests.helpers.notebooks import notebook

PNG = b"\x89PNG\r\n\x1a\n0"
PROMPT = "---\nname: p\n---\nuser:\nSay {{ word }}\n"
SPEC = (
    "name: e\ncases: {cases}\nprompts: [{prompt}]\nmodels: [lab/m1]\n"
    "scorers: [{{name: j, kind: judge, prompt: {judge}, model: lab/m1}}, "
    "{{kind: json, name: s, schema: {schema}}}]\n"
)
GOOD = {"cases": "cases.csv", "prompt": "p.prompty", "judge": "j.prompty", "schema": "s.json"}


@pytest.fixture
def folder(project: Path) -> Path:
    """An experiment's folder in a project, and the same files beside the project."""
    (project / "pex.toml").touch()
    inner = project / "experiments" / "e"
    inner.mkdir(parents=True)
    outside = project.parent / "outside"
    for place in (inner, outside):
        place.mkdir(exist_ok=True)
        (place / "cases.csv").write_text("word\nhi\n")
        (place / "p.prompty").write_text(PROMPT)
        (place / "j.prompty").write_text("---\nname: j\n---\nuser:\nGood? {{ output }}\n")
        (place / "s.json").write_text("{}")
    return inner


def written(folder: Path, **changes: str) -> Path:
    (folder / "experiment.yaml").write_text(SPEC.format(**{**GOOD, **changes}))
    return folder / "experiment.yaml"


KEYS = {
    "cases": "cases",
    "prompt": "prompts",
    "judge": "scorers.0.prompt",
    "schema": "scorers.1.schema",
}


@pytest.mark.parametrize("what", KEYS)
@pytest.mark.parametrize("how", ["up", "whole", "link", "folder link", "up and down"])
def test_a_file_of_an_experiment_stays_in_the_project(what: str, how: str, folder: Path) -> None:
    outside = folder.parents[2] / "outside"
    (folder / "link").symlink_to(outside / GOOD[what])
    (folder / "there").symlink_to(outside)
    given = {
        "up": f"../../../outside/{GOOD[what]}",
        "whole": str(outside / GOOD[what]),
        "link": "link",
        "folder link": f"there/{GOOD[what]}",
        "up and down": f"x/../../../../outside/../outside/{GOOD[what]}",
    }[how]
    file = written(folder, **{what: given})
    with pytest.raises(pex.PexError) as caught:
        pex.Experiment.load(file)
    said = caught.value.message
    assert said.startswith(f"{file}: {KEYS[what]}: '{given}' is ")
    assert str(outside / GOOD[what]) in said
    assert f"outside the project {folder.parents[1]}" in said


def test_a_plan_may_run_a_notebook_of_another_folder(folder: Path) -> None:
    notebook(folder.parents[2] / "outside" / "n.ipynb", None, "1")
    (folder / "plan.yaml").write_text(
        "name: n\nsteps: [{id: a, notebook: ../../../outside/n.ipynb}]\n"
    )
    assert len(load_plan(folder / "plan.yaml").jobs) == 1


def test_variants_and_plans_too(folder: Path) -> None:
    (folder / "experiment.yaml").write_text(
        "name: e\ncases: cases.csv\nvariants: [{prompt: ../../../outside/p.prompty, model: a/b}]\n"
    )
    with pytest.raises(pex.PexError, match=r"variants\.0\.prompt: .* outside the project"):
        load_spec(folder / "experiment.yaml")
    notebook(folder / "n.ipynb", None, "1")
    for key in ("cases: ../../../outside/cases.csv", "cases: cases.csv, prompt: /etc/hostname"):
        text = f"name: n\nsteps: [{{id: a, notebook: n.ipynb}}]\ncanary: {{{key}}}\n"
        (folder / "plan.yaml").write_text(text)
        with pytest.raises(pex.PexError, match=r"canary: .* outside the project"):
            load_plan(folder / "plan.yaml")


def test_what_lies_elsewhere_in_the_project_is_found(folder: Path, tmp_path: Path) -> None:
    shared = folder.parents[1] / "prompts"
    shared.mkdir()
    (shared / "p.prompty").write_text(PROMPT)
    (folder / "p.link").symlink_to(shared / "p.prompty")
    written(folder, prompt="../../prompts/p.prompty")
    assert load_spec(folder / "experiment.yaml").prompts
    written(folder, prompt="p.link")
    assert load_spec(folder / "experiment.yaml").prompts


def test_a_project_that_is_reached_by_a_link_is_one(folder: Path, tmp_path: Path) -> None:
    written(folder, prompt="../../experiments/e/p.prompty")
    (tmp_path / "by").symlink_to(folder.parents[1])
    assert load_spec(tmp_path / "by" / "experiments" / "e" / "experiment.yaml").prompts


def test_without_settings_the_folder_one_works_in_counts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.parents[1] / "pex.toml").unlink()
    monkeypatch.chdir(folder.parents[1])
    (folder.parents[1] / "p.prompty").write_text(PROMPT)
    written(folder, prompt="../../p.prompty")
    assert load_spec(folder / "experiment.yaml").prompts
    assert projects_of(folder) == [folder, folder.parents[1]]
    monkeypatch.chdir(folder)
    with pytest.raises(pex.PexError, match="outside the project"):
        load_spec(folder / "experiment.yaml")


def test_what_is_given_in_python_may_be_anywhere(folder: Path) -> None:
    outside = folder.parents[2] / "outside"
    prompt = pex.Prompt.load(outside / "p.prompty")
    items = [{"kind": "json", "schema": str(outside / "s.json")}]
    exp = pex.Experiment("e", pex.grid(prompt, "lab/m1"), outside / "cases.csv", items)
    assert exp.cases[0].inputs == {"word": "hi"}
    loaded = pex.Experiment.load(written(folder), prompts=[str(outside / "p.prompty")])
    assert loaded.variants[0].prompt.path == outside / "p.prompty"


def test_an_experiment_that_is_saved_in_a_project_can_be_loaded(folder: Path) -> None:
    outside = folder.parents[2] / "outside"
    prompt = pex.Prompt.load(outside / "p.prompty")
    exp = pex.Experiment("e", pex.grid(prompt, "lab/m1"), outside / "cases.csv")
    exp.save(folder / "new" / "experiment.yaml")
    loaded = pex.Experiment.load(folder / "new" / "experiment.yaml")
    assert loaded.cases == exp.cases
    assert loaded.variants[0].prompt.messages == prompt.messages


def image(folder: Path, prompt: pex.Prompt, **values: Any) -> str:
    (variant,) = pex.grid(prompt, "lab/m1")
    (case,) = pex.core.cases.load_cases([{"case_id": "1", **values}])
    (part,) = [
        part
        for part in body_of(variant, case, None, folder)["messages"][0]["content"]
        if part["type"] == "image_url"
    ]
    return str(part["image_url"]["url"])


DATA = "data:image/png;base64," + base64.b64encode(PNG).decode()
MARKDOWN = pex.Prompt("![]({{ photo }}) What is it?", name="look")
PARTS = pex.Prompt(
    [{"role": "user", "content": [
        {"type": "text", "text": "What?"},
        {"type": "image_url", "image_url": {"url": "{{ photo }}"}},
    ]}],
    name="parts",
)  # fmt: skip


@pytest.mark.parametrize("prompt", [MARKDOWN, PARTS], ids=["markdown", "parts"])
@pytest.mark.parametrize(
    "photo",
    ["../secret.png", "{up}/secret.png", "~/secret.png", "link.png", "there/secret.png",
     "in/../../secret.png", "~root/secret.png", "file://{up}/secret.png", "../cases2/secret.png"],
)  # fmt: skip
def test_an_image_of_a_value_lies_below_the_cases_folder(
    photo: str, prompt: pex.Prompt, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pex.toml").touch()
    cases = project / "cases"
    for place in (cases, project / "cases2"):
        place.mkdir()
    for place in (project, project / "cases2"):
        (place / "secret.png").write_bytes(PNG)
    (cases / "link.png").symlink_to(project / "secret.png")
    (cases / "there").symlink_to(project)
    monkeypatch.setenv("HOME", str(project))
    with pytest.raises(pex.PexError) as caught:
        image(cases, prompt, photo=photo.format(up=project))
    assert "(case '1')" in caught.value.message
    assert "outside the cases' folder" in caught.value.message or "no image" in caught.value.message


@pytest.mark.parametrize("prompt", [MARKDOWN, PARTS], ids=["markdown", "parts"])
def test_one_below_it_is_sent_by_whatever_name(prompt: pex.Prompt, project: Path) -> None:
    (project / "a").mkdir()
    (project / "a" / "b.png").write_bytes(PNG)
    (project / "link.png").symlink_to(project / "a" / "b.png")
    for photo in ("a/b.png", str(project / "a" / "b.png"), "a/../link.png", "./link.png"):
        assert image(project, prompt, photo=photo) == DATA
    for photo in ("https://x.test/a.png", DATA):
        assert image(project, prompt, photo=photo) == photo


def test_an_image_of_a_prompts_own_text_lies_in_the_prompts_project(folder: Path) -> None:
    project, outside = folder.parents[1], folder.parents[2] / "outside"
    for place in (project, outside):
        (place / "logo.png").write_bytes(PNG)
    for url, good in (
        ("../../logo.png", True),
        (str(project / "logo.png"), True),
        ("../../../outside/logo.png", False),
        (str(outside / "logo.png"), False),
        ("~/logo.png", False),
    ):
        (folder / "p.prompty").write_text(f"---\nname: p\n---\nuser:\n![]({url}) {{{{ word }}}}\n")
        loaded = pex.Prompt.load(folder / "p.prompty")
        edited = loaded.changed(messages=[{"role": "user", "content": f"![]({url}) So?"}])
        for prompt in (loaded, edited):
            if good:
                assert image(folder, prompt, word="x") == DATA
            else:
                with pytest.raises(
                    pex.PexError, match=r"(project of the prompt 'p'|no image .*) \(case '1'\)"
                ):
                    image(folder, prompt, word="x")
        # A value's text is not the prompt's, even where both name the same file.
        with pytest.raises(pex.PexError, match="cases' folder"):
            image(folder, MARKDOWN, photo="../../logo.png")


def test_a_prompt_made_in_python_shows_what_it_names(project: Path, tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(PNG)
    (project / "in").mkdir()
    logo = tmp_path / "logo.png"
    for url in (str(logo), os.path.relpath(logo, project / "in")):
        prompt = pex.Prompt(f"![]({url}) So?", name="p")
        assert image(project / "in", prompt, word="x") == DATA


def test_a_link_that_leads_to_itself_is_a_path_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert is_inside(tmp_path / "loop", tmp_path)
    assert not is_inside(tmp_path / "a\x00b", tmp_path)
    assert led_outside(tmp_path / "loop", tmp_path) is None
