"""`pexlab library`: between files and the registry."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import pex
from pex.cli.library import app

TEXT = "---\n# ours\nname: short\n---\nReview: {{ review }}\n\n"


@pytest.fixture
def file(project: Path) -> Path:
    path = project / "short.prompty"
    path.write_text(TEXT)
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_a_file_goes_into_the_library_and_comes_out_with_every_byte(
    file: Path, project: Path
) -> None:
    assert "Nothing has been saved yet" in run("list").stderr
    assert run("push", "short.prompty", "--alias", "champion").stdout == (
        "saved  short/1 @champion\n"
    )
    assert run("push", "short.prompty").stdout == "kept   short/1 @champion\n"
    assert run("push", "short.prompty", "--name", "other").stdout == "saved  other/1\n"
    assert run("pull", "other", "--to", "a/copy.prompty").stdout == (
        "wrote  a/copy.prompty  (other/1)\n"
    )
    assert (project / "a" / "copy.prompty").read_text() == TEXT

    lines = run("list").stdout.splitlines()
    assert lines[0].split() == [
        "name", "version", "aliases", "created", "model", "variables", "description",
    ]  # fmt: skip
    assert lines[1].split()[:2] == ["other", "1"]
    assert lines[2].split()[:3] == ["short", "1", "champion=1"]
    shown = run("show", "short@champion")
    assert shown.stdout == TEXT.rstrip("\n") + "\n"
    assert shown.stderr.startswith("short/1 @champion, saved 2")


def test_a_file_with_another_content_is_replaced_only_when_asked(file: Path) -> None:
    run("push", "short.prompty")
    assert run("pull", "short").stdout == "kept   short.prompty  (short/1)\n"
    file.write_text("mine")
    refused = run("pull", "short/1").exception
    assert isinstance(refused, pex.PexError)
    assert "a file with different content already exists" in str(refused)
    assert file.read_text() == "mine"
    assert run("pull", "short", "--force").exit_code == 0
    assert file.read_text() == TEXT


def test_a_message_with_an_image_can_be_shown_but_has_no_file(project: Path) -> None:
    parts = [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": "{{ u }}"}},
    ]
    pex.library.save(pex.Prompt([{"role": "user", "content": parts}], name="see"))
    assert run("show", "see").stdout == "See\n{{ u }}\n"
    assert isinstance(run("pull", "see").exception, pex.PexError)
