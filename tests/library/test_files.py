"""The prompt files of a project."""

import os
from pathlib import Path

import pytest

import pex
from pex.library.files import prompt_files, write_new

HI = pex.Prompt("Hi {{ name }}", name="hi")


def test_files_are_found_in_experiments_and_in_prompts(tmp_path: Path) -> None:
    HI.save(tmp_path / "experiments/trial/prompts/a.prompty")
    HI.save(tmp_path / "prompts/hi.prompty")
    HI.save(tmp_path / "elsewhere/hi.prompty")
    (tmp_path / "prompts/broken.prompty").write_text("---\nname: [\n---\nx")
    (tmp_path / "prompts/folder.prompty").mkdir()
    found = prompt_files(tmp_path)
    assert [(file.path, file.name, file.experiment) for file in found] == [
        ("experiments/trial/prompts/a.prompty", "hi", "trial"),
        ("prompts/broken.prompty", "broken", None),
        ("prompts/folder.prompty", "folder", None),
        ("prompts/hi.prompty", "hi", None),
    ]
    assert "not valid YAML" in str(found[1].problem)
    assert "this is a folder" in str(found[2].problem)


def test_a_file_with_another_content_stays(tmp_path: Path) -> None:
    assert write_new(tmp_path, HI) == ("prompts/hi.prompty", True)
    assert write_new(tmp_path, HI) == ("prompts/hi.prompty", False)
    with pytest.raises(pex.PexError, match="a file with different content already exists"):
        write_new(tmp_path, pex.Prompt("Ho", name="hi"))
    assert pex.Prompt.load(tmp_path / "prompts/hi.prompty") == HI


def test_a_prompt_saved_under_another_name_is_written_under_that_name(tmp_path: Path) -> None:
    loaded = pex.Prompt.parse("---\nname: hi\nmodel: local/smollm2\n---\nHi", "f", "f")
    write_new(tmp_path, loaded.called("greeting", "greeting/1"))
    found = pex.Prompt.load(tmp_path / "prompts/greeting.prompty")
    assert (found.name, found.model, found.text) == ("greeting", "local/smollm2", "Hi")


def test_one_odd_file_never_ends_a_listing(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    aliases = "\n".join(
        ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    )
    odd = {
        "bomb": f"---\n{aliases}\n---\nHi",
        "binary": "\x00\udcff\udcfe" * 100,
        "deep": "{{ " + "(" * 20_000,
        "deeper": "---\nname: " + "[" * 20_000 + "\n---\nHi",
        "number": "---\nname: " + "9" * 9999 + "\n---\nHi",
        "boolean": "---\nname: !!bool x\n---\nHi",
    }
    for name, text in odd.items():
        (folder / f"{name}.prompty").write_bytes(text.encode("utf-8", "surrogateescape"))
    (folder / "nowhere.prompty").symlink_to(tmp_path / "nothing")
    (folder / "loop.prompty").symlink_to(folder / "loop.prompty")
    os.mkfifo(folder / "pipe.prompty")
    HI.save(folder / "hi.prompty")
    found = {file.name: file.problem for file in prompt_files(tmp_path)}
    assert found.pop("hi") is None
    assert all(isinstance(problem, pex.PexError) for problem in found.values())
    assert found.keys() == {*odd, "nowhere", "loop", "pipe"}
