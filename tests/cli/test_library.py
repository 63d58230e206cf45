"""`pexlab library`: between files and the registry."""

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

import mlflow
import pytest
from typer.testing import CliRunner, Result

import pex
from pex.cli.library import app
from pex.core.canonical_json import digest

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
        "name", "version", "aliases", "owner", "category", "last", "measured", "when", "files",
        "used", "in",
    ]  # fmt: skip
    assert lines[1].split()[:2] == ["other", "1"]
    assert lines[2].split()[:3] == ["short", "1", "champion=1"]
    shown = run("show", "short@champion")
    assert shown.stdout == TEXT.rstrip("\n") + "\n"
    assert shown.stderr.startswith("short/1 @champion, saved 2")


def test_a_file_with_another_content_is_replaced_only_when_asked(file: Path) -> None:
    run("push", "short.prompty")
    to = ("--to", "short.prompty")
    assert run("pull", "short/1", *to).stdout == "kept   short.prompty  (short/1)\n"
    file.write_text("mine")
    refused = run("pull", "short/1", *to).exception
    assert isinstance(refused, pex.PexError)
    assert "a file with different content already exists" in str(refused)
    assert file.read_text() == "mine"
    done = run("pull", "short/1", *to, "--force")
    assert done.exit_code == 0
    assert file.read_text() == TEXT
    kept = file.parent / done.stderr.strip().removeprefix("the text that was there is in ")
    assert kept.read_text() == "mine"
    assert run("pull", "short@none").exit_code == 1
    assert run("pull", "short").stdout == "short: wrote version 1 to prompts/short.prompty.\n"


def test_a_message_with_an_image_can_be_shown_but_has_no_file(project: Path) -> None:
    parts = [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": "{{ u }}"}},
    ]
    pex.library.save(pex.Prompt([{"role": "user", "content": parts}], name="see"))
    assert run("show", "see").stdout == "See\n{{ u }}\n"
    assert isinstance(run("pull", "see/1").exception, pex.PexError)


HEAD = "---\nname: refund\nmetadata: {owner: ada, tags: [mail], category: {risk: high}}\n---\n"


@pytest.fixture
def shared(project: Path) -> Path:
    (project / "pex.toml").touch()
    path = project / "prompts" / "refund.prompty"
    path.parent.mkdir()
    path.write_text(f"{HEAD}Answer {{{{ mail }}}}\n")
    return path


def test_list_finds_by_text_tag_and_owner_and_names_what_is_not_there(shared: Path) -> None:
    (shared.parent / "other.prompty").write_text("---\nname: other\n---\nSay {{ word }}")
    assert run("push").stdout == (
        "other: saved prompts/other.prompty as version 1.\n"
        "refund: saved prompts/refund.prompty as version 1.\n"
    )
    for words in (("answer",), ("--tag", "risk=high"), ("--tag", "mail"), ("--owner", "Ada")):
        found = run("list", *words)
        assert [line.split()[0] for line in found.stdout.splitlines()] == ["name", "refund"]
        assert found.stderr == "1 of 2 prompts.\n"
    [only] = json.loads(run("list", "refund", "--json").stdout)
    assert (only["owner"], only["tags"]["risk"], only["state"]) == ("ada", "high", "in step")
    assert only["last_measured"] is None
    for words, message in (
        (("--tag", "rsk=high"), "no prompt has the tag 'rsk'\n  did you mean 'risk'?"),
        (("--tag", "risk=hihg"), "no prompt has the tag 'risk=hihg'\n  did you mean 'high'?"),
        (("--owner", "add"), "no prompt is owned by 'add'\n  did you mean 'ada'?"),
        (("--below", "label=0.8"), "no prompt was last measured by 'label'\n  nothing has been "
                                   "measured yet"),
        (("--below", "label"), "--below label: expected SCORE=NUMBER\n  for example --below "
                               "label=0.8"),
    ):  # fmt: skip
        assert str(run("list", *words).exception) == message


def test_check_says_which_side_is_ahead_and_what_is_wrong(shared: Path) -> None:
    run("push")
    fine = run("check")
    assert (fine.exit_code, fine.stdout) == (0, "")
    assert fine.stderr == "1 prompt checked, policy 'files': fine.\n"
    shared.write_text(shared.read_text().replace("Answer", "Reply to").replace("owner", "ownr"))
    found = run("check", "--policy", "strict")
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        "refund: prompts/refund.prompty has changed since version 1; push saves the next version.",
        "refund: prompts/refund.prompty: metadata: 'ownr' is not read; did you mean 'owner'?",
    ]
    problems = json.loads(run("check", "--json").stdout)["problems"]
    assert [item["kind"] for item in problems] == ["metadata"]
    assert "did you mean 'strict'?" in str(run("check", "--policy", "stric").exception)


def test_check_notices_aliases_that_were_moved_elsewhere_or_point_nowhere(
    shared: Path, uri: str
) -> None:
    client = mlflow.MlflowClient(uri, uri)
    run("push")
    pex.library.set_alias("refund", "champion", 1)
    shared.write_text(shared.read_text().replace("Answer", "Reply to"))
    run("push")
    client.set_prompt_alias("refund", "champion", 2)
    found = run("check")
    assert found.exit_code == 1
    assert "champion of refund was moved elsewhere (MLflow's UI or another tool)" in found.stdout
    with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as connection:
        # MLflow removes an alias with its version; other tools that write to the store may not.
        connection.execute("UPDATE registered_model_aliases SET version = 7")
        connection.commit()
    assert "the alias 'champion' points to version 7, which was deleted" in run("check").stdout


def test_diff_compares_the_file_versions_and_aliases(shared: Path) -> None:
    run("push")
    same = run("diff", "refund")
    assert (same.exit_code, same.stdout) == (0, "")
    assert same.stderr == "refund/1 and prompts/refund.prompty are the same.\n"
    shared.write_text(shared.read_text().replace("Answer", "Reply to"))
    changed = run("diff", "refund")
    assert changed.exit_code == 1
    assert changed.stdout.splitlines()[:2] == ["--- refund/1", "+++ prompts/refund.prompty"]
    assert changed.stdout.splitlines()[-2:] == ["-Answer {{ mail }}", "+Reply to {{ mail }}"]
    run("push")
    pex.library.set_alias("refund", "champion", 1)
    assert "+++ refund/2" in run("diff", "refund", "champion", "2").stdout
    assert "did you mean" in str(run("diff", "refund", "champon").exception)


def test_a_registry_that_is_gone_leaves_what_it_said_last(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("push")
    run("list")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    project = shared.parents[1]
    index = next((project / ".pex").glob("library-*.db"))
    gone = "postgresql+pg8000://nobody@127.0.0.1:9/none"
    index.rename(project / ".pex" / f"library-{digest(gone)}.db")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", gone)
    found = run("list")
    assert found.stdout.splitlines()[1].split()[:2] == ["refund", "1"]
    assert "does not answer" in found.stderr
    assert "The registry as it was on" in found.stderr
    assert isinstance(run("push").exception, pex.PexError)


def test_a_project_can_have_its_registry_elsewhere(
    shared: Path, uri: str, empty_store: Path
) -> None:
    project = shared.parents[1]
    shutil.copy(empty_store, project / "registry.db")
    (project / "pex.toml").write_text('[library]\nregistry_uri = "sqlite:///registry.db"\n')
    run("push")
    elsewhere = f"sqlite:///{project / 'registry.db'}"
    assert list(pex.library.list(tracking_uri=elsewhere)["name"]) == ["refund"]
    assert pex.library.list(tracking_uri=uri).empty
    assert pex.library.load("refund/1").text == "Answer {{ mail }}"
