"""Which side is ahead, and what a push and a pull do about it."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest

import pex
from pex.library.index import LibraryIndex
from pex.library.push_pull import pull, push
from pex.library.sync import Standing, standings
from pex.library.synced import FILE, read_synced
from tests.helpers.registered import registered_by_a_run

HEAD = "---\nname: refund\nmetadata: {owner: ada, category: {risk: high}}\n---\n"


@pytest.fixture
def file(project: Path) -> Path:
    (project / "pex.toml").touch()
    path = project / "prompts" / "refund.prompty"
    path.parent.mkdir()
    path.write_text(f"{HEAD}Answer {{{{ mail }}}}\n")
    return path


def look(project: Path, uri: str, name: str = "refund") -> Standing:
    index = LibraryIndex(project, uri)
    index.refresh()
    return next(item for item in standings(project, index) if item.name == name)


def do_push(project: Path, uri: str, *names: str, **options: Any) -> list[str]:
    with contextlib.chdir(project):
        return [item.sentence for item in push(*names, tracking_uri=uri, **options)]


def do_pull(project: Path, uri: str, *names: str, **options: Any) -> list[str]:
    with contextlib.chdir(project):
        return [item.sentence for item in pull(*names, tracking_uri=uri, **options)]


def of_another(uri: str, text: str) -> pex.Prompt:
    """What a colleague saves, from a machine of their own."""
    prompt = pex.Prompt.parse(f"{HEAD}{text}\n", "theirs", "refund")
    pex.library.save(prompt, tracking_uri=uri)
    return prompt


def test_a_file_that_is_new_changed_and_in_step(project: Path, uri: str, file: Path) -> None:
    assert look(project, uri).state == "file only"
    assert do_push(project, uri, dry_run=True) == [
        "refund: would save prompts/refund.prompty as version 1."
    ]
    assert look(project, uri).state == "file only"
    assert do_push(project, uri) == ["refund: saved prompts/refund.prompty as version 1."]
    assert look(project, uri).state == "in step"
    file.write_text(file.read_text().replace("Answer", "Please answer"))
    assert look(project, uri).sentence == (
        "refund: prompts/refund.prompty has changed since version 1; push saves the next version."
    )
    assert do_push(project, uri) == ["refund: saved prompts/refund.prompty as version 2."]
    assert do_push(project, uri) == []
    assert read_synced(project)["refund"].version == 2


def test_the_registry_is_ahead_and_a_pull_writes_every_byte(
    project: Path, uri: str, file: Path
) -> None:
    do_push(project, uri)
    theirs = of_another(uri, "Answer {{ mail }} in a sentence.")
    found = look(project, uri)
    assert found.state == "registry ahead"
    assert "pull replaces it" in found.sentence
    assert do_push(project, uri, "refund") == [found.sentence]
    before = file.read_bytes()
    assert do_pull(project, uri, dry_run=True) == [
        "refund: would write version 2 to prompts/refund.prompty."
    ]
    assert file.read_bytes() == before
    assert do_pull(project, uri) == ["refund: wrote version 2 to prompts/refund.prompty."]
    assert file.read_text() == theirs.as_file()
    assert look(project, uri).state == "in step"


def test_both_changed_and_nothing_is_merged_or_lost(project: Path, uri: str, file: Path) -> None:
    do_push(project, uri)
    of_another(uri, "Theirs {{ mail }}")
    mine = file.read_text().replace("Answer", "Mine")
    file.write_text(mine)
    found = look(project, uri)
    assert (found.state, found.base) == ("both changed", 1)
    assert do_push(project, uri) == do_pull(project, uri) == [found.sentence]
    assert file.read_text() == mine

    [said] = do_pull(project, uri, "refund", force=True)
    kept = project / said.partition("is in ")[2].rstrip(".")
    assert kept.read_text() == mine
    assert "Theirs" in file.read_text()

    file.write_text(mine)
    of_another(uri, "Theirs again {{ mail }}")
    assert do_push(project, uri, "refund", force=True) == [
        "refund: saved prompts/refund.prompty as version 4."
    ]
    assert "Theirs again" in pex.library.load("refund/3", tracking_uri=uri).text


def test_a_clone_of_the_project_knows_what_its_files_were(
    project: Path, uri: str, file: Path, tmp_path: Path
) -> None:
    do_push(project, uri)
    clone = tmp_path / "clone"
    for name in ("pex.toml", "prompts/refund.prompty", FILE):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_bytes((project / name).read_bytes())
    (clone / "prompts" / "refund.prompty").write_text(f"{HEAD}Changed {{{{ mail }}}}\n")
    assert look(clone, uri).state == "files ahead"
    (clone / FILE).unlink()
    found = look(clone, uri)
    assert found.state == "both changed"
    assert "no common version is known" in found.sentence


def test_two_files_of_one_name(project: Path, uri: str, file: Path) -> None:
    other = project / "experiments" / "a" / "prompts" / "refund.prompty"
    other.parent.mkdir(parents=True)
    other.write_text("Another {{ mail }}")
    assert look(project, uri).file.path == "prompts/refund.prompty"  # type: ignore[union-attr]
    third = project / "experiments" / "b" / "prompts" / "refund.prompty"
    third.parent.mkdir(parents=True)
    third.write_text("A third {{ mail }}")
    file.unlink()
    assert look(project, uri).state == "file only"  # they are the experiments' own
    of_another(uri, "Saved {{ mail }}")
    found = look(project, uri)
    assert found.state == "two files"
    assert found.sentence == (
        "refund: experiments/a/prompts/refund.prompty and experiments/b/prompts/refund.prompty "
        "share this name but differ. Rename one, or say which: pexlab library push "
        "experiments/a/prompts/refund.prompty"
    )
    assert do_push(project, uri, "refund") == [found.sentence]


def test_a_name_that_differs_only_by_case_is_refused(project: Path, uri: str, file: Path) -> None:
    pex.library.save(pex.Prompt("Hi", name="Refund"), tracking_uri=uri)
    found = look(project, uri)
    assert "there is also 'Refund', which differs only by upper and lower case" in found.sentence
    assert not found.is_allowed("files")
    assert do_push(project, uri) == [found.sentence]
    assert list(pex.library.list(tracking_uri=uri)["name"]) == ["Refund"]


def test_a_file_with_conflict_markers_of_git_is_named_by_line(
    project: Path, uri: str, file: Path
) -> None:
    do_push(project, uri)
    mark = project / FILE
    text = mark.read_text()
    mark.write_text(text.replace("{\n", "{\n<<<<<<< HEAD\n", 1))
    with pytest.raises(pex.PexError, match=r"library/synced.json, line 2: a conflict marker"):
        look(project, uri)
    mark.write_text(text)
    sides = "<<<<<<< HEAD\nOne {{ mail }}\n=======\nTwo {{ mail }}\n>>>>>>> other\n"
    file.write_text(f"---\nname: refund\n---\n{sides}")
    found = look(project, uri)
    assert found.state == "cannot be read"
    assert "refund.prompty, line 4: a conflict marker of git" in found.sentence
    with pytest.warns(UserWarning, match="line 4: a conflict marker of git: it is sent as text"):
        pex.Prompt.load(file)
    assert do_push(project, uri) == [found.sentence]


def test_policies(project: Path, uri: str, file: Path) -> None:
    do_push(project, uri)
    file.write_text(file.read_text().replace("Answer", "Please answer"))
    found = look(project, uri)
    assert [found.is_allowed(policy) for policy in ("files", "registry", "strict")] == [
        True, False, False,
    ]  # fmt: skip
    [refused] = do_push(project, uri, policy="registry")
    assert "in this project the registry is the truth" in refused
    do_push(project, uri)
    of_another(uri, "Theirs {{ mail }}")
    found = look(project, uri)
    assert [found.is_allowed(policy) for policy in ("files", "registry", "strict")] == [
        False, True, False,
    ]  # fmt: skip


def test_two_people_who_push_at_once_lose_nothing(
    project: Path, uri: str, file: Path, tmp_path: Path
) -> None:
    do_push(project, uri)
    code = (
        "import sys; from pex.library import push_pull\n"
        "choose = push_pull.choose\n"
        "def waiting(*given):\n"
        "    chosen = choose(*given)\n"
        "    print('ready', flush=True); sys.stdin.readline()\n"
        "    return chosen\n"
        "push_pull.choose = waiting\n"
        "print(push_pull.push('refund', tracking_uri=sys.argv[1]))\n"
    )
    people = []
    for who in ("ada", "bob"):
        clone = tmp_path / who
        for name in ("pex.toml", "prompts/refund.prompty", FILE):
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            (clone / name).write_bytes((project / name).read_bytes())
        (clone / "prompts" / "refund.prompty").write_text(f"{HEAD}By {who} {{{{ mail }}}}\n")
        people.append(
            subprocess.Popen(
                [sys.executable, "-c", code, uri], cwd=clone, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )
        )  # fmt: skip
    for person in people:
        assert person.stdout is not None
        assert person.stdout.readline() == "ready\n"
    for person in people:  # both have decided; now both push
        assert person.stdin is not None
        person.stdin.write("\n")
        person.stdin.flush()
    said = sorted(person.communicate()[0] for person in people)
    assert sum("saved prompts/refund.prompty as version 2" in text for text in said) == 1
    assert sum("has saved version 2 meanwhile; nothing is pushed" in text for text in said) == 1
    assert len(pex.library.versions("refund", tracking_uri=uri)) == 2


def test_metadata_is_shown_as_tags_in_mlflow_and_removed_again(
    project: Path, uri: str, file: Path
) -> None:
    do_push(project, uri)
    client = mlflow.MlflowClient(uri, uri)
    tags = client.get_prompt("refund").tags
    assert (tags["owner"], tags["risk"]) == ("ada", "high")
    file.write_text("---\nname: refund\nmetadata: {owner: bob}\n---\nAnswer {{ mail }}\n")
    do_push(project, uri)
    tags = client.get_prompt("refund").tags
    assert tags["owner"] == "bob"
    assert "risk" not in tags


def test_a_file_that_cannot_be_named_is_an_error_with_the_nearest(
    project: Path, uri: str, file: Path
) -> None:
    with pytest.raises(pex.PexError, match=r"there is no prompt 'refnd'[^\n]*\n  did you mean"):
        do_push(project, uri, "refnd")
    with pytest.raises(pex.PexError, match="no such prompt file in the project"):
        do_push(project, uri, "prompts/refnd.prompty")


def test_an_included_text_that_changed_here_puts_the_file_ahead(
    project: Path, uri: str, file: Path
) -> None:
    tone = project / "prompts" / "tone.prompty"
    tone.write_text("Be kind.")
    file.write_text(f"{HEAD}{{{{ include('tone') }}}} {{{{ mail }}}}\n")
    do_push(project, uri, "refund")
    assert look(project, uri).state == "in step"
    tone.write_text("Be brief.")
    assert look(project, uri).state == "files ahead"
    [said] = do_pull(project, uri, "refund", force=True)
    assert "It includes 'tone', which is not the same here as in that version." in said
    tone.unlink()
    found = look(project, uri)
    assert found.state == "cannot be read"
    assert "it includes 'tone', and there is no tone.prompty" in found.sentence


def test_synced_keeps_a_line_for_each_prompt(project: Path, uri: str, file: Path) -> None:
    (project / "prompts" / "a.prompty").write_text("Hi {{ x }}")
    do_push(project, uri)
    lines = (project / FILE).read_text().splitlines()
    assert [line.split('"')[1] for line in lines[1:-1]] == ["a", "refund"]
    assert json.loads((project / FILE).read_text())["refund"]["path"] == "prompts/refund.prompty"


def test_a_prompt_that_was_renamed_in_its_file_is_not_overwritten(
    project: Path, uri: str, file: Path
) -> None:
    do_push(project, uri)
    mine = file.read_text().replace("name: refund", "name: refund-mail").replace("Answer", "Mine")
    file.write_text(mine)
    assert look(project, uri).state == "registry only"
    [said] = do_pull(project, uri, "refund")
    assert "prompts/refund.prompty is another prompt's file" in said
    assert do_pull(project, uri, "refund", force=True) == [said]
    assert file.read_text() == mine


def test_a_prompt_saved_under_another_name_is_written_under_that_one(
    project: Path, uri: str, file: Path
) -> None:
    pex.library.save(pex.Prompt.load(file), name="other", tracking_uri=uri)
    do_pull(project, uri, "other")
    written = project / "prompts" / "other.prompty"
    assert pex.Prompt.load(written).name == "other"
    assert look(project, uri, "other").state == "in step"
    written.write_text(written.read_text().replace("Answer", "Please answer"))
    assert look(project, uri, "other").state == "files ahead"


def test_a_pull_brings_the_included_texts_that_are_missing(
    project: Path, uri: str, file: Path, tmp_path: Path
) -> None:
    do_push(project, uri)
    clone = tmp_path / "colleague" / "prompts"
    clone.mkdir(parents=True)
    (clone.parent / "pex.toml").touch()
    (clone / "tone.prompty").write_text("Be kind.")
    theirs = clone / "refund.prompty"
    theirs.write_text(f"{HEAD}{{{{ include('tone') }}}} {{{{ mail }}}}\n")
    pex.library.save(pex.Prompt.load(theirs), tracking_uri=uri)
    [said] = do_pull(project, uri)
    assert "It includes prompts/tone.prompty, which was not here and is written too." in said
    assert pex.Prompt.load(file).text == "Be kind. {{ mail }}"
    assert look(project, uri).state == "in step"


def test_a_version_made_in_mlflow_can_be_in_step_and_leaves_the_owner(
    project: Path, uri: str, file: Path
) -> None:
    do_push(project, uri)
    mlflow.MlflowClient(uri, uri).create_prompt_version("refund", "By hand {{ mail }}")
    assert look(project, uri).state == "registry ahead"
    do_pull(project, uri)
    assert "By hand {{ mail }}" in file.read_text()
    assert "owner: ada" in file.read_text()
    assert look(project, uri).state == "in step"
    file.write_text(file.read_text().replace("By hand", "By me"))
    assert look(project, uri).state == "files ahead"


def test_after_the_newest_version_was_deleted_the_file_is_pushed_again(
    project: Path, uri: str, file: Path
) -> None:
    do_push(project, uri)
    file.write_text(file.read_text().replace("Answer", "Please answer"))
    do_push(project, uri)
    mlflow.MlflowClient(uri, uri).delete_prompt_version("refund", "2")
    assert look(project, uri).state == "files ahead"
    assert do_push(project, uri) == ["refund: saved prompts/refund.prompty as version 3."]


def test_a_file_that_was_changed_back_is_not_told_to_pull_only(
    project: Path, uri: str, file: Path
) -> None:
    first = file.read_text()
    do_push(project, uri)
    file.write_text(first.replace("Answer", "Please answer"))
    do_push(project, uri)
    file.write_text(first)
    found = look(project, uri)
    assert (found.state, found.version) == ("changed back", 1)
    assert found.is_allowed("files")
    assert "`promote refund --version 1` puts it to use" in found.sentence
    do_pull(project, uri, "refund")
    assert "Please answer" in file.read_text()


def test_a_file_in_step_is_noted_so_a_later_edit_is_known_to_come_after_it(
    project: Path, uri: str, file: Path
) -> None:
    do_push(project, uri)
    (project / FILE).unlink()
    assert do_push(project, uri) == []
    file.write_text(file.read_text().replace("Answer", "Please answer"))
    assert look(project, uri).state == "files ahead"


def test_two_registries_are_used_in_turn(
    project: Path, uri: str, file: Path, empty_store: Path
) -> None:
    production = f"sqlite:///{project / 'production.db'}"
    shutil.copy(empty_store, project / "production.db")
    do_push(project, uri)
    do_push(project, production)
    file.write_text(file.read_text().replace("Answer", "Please answer"))
    do_push(project, uri)
    assert look(project, production).state == "files ahead"
    assert do_push(project, production) == ["refund: saved prompts/refund.prompty as version 2."]


def test_another_platforms_line_endings_are_no_change(project: Path, uri: str, file: Path) -> None:
    do_push(project, uri)
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert look(project, uri).state == "in step"


def test_a_name_that_only_runs_registered_can_be_pushed(
    project: Path, uri: str, file: Path
) -> None:
    registered_by_a_run(uri, pex.Prompt("Old {{ mail }}", "refund"))
    assert look(project, uri).state == "file only"
    assert do_push(project, uri) == ["refund: saved prompts/refund.prompty as version 2."]


def test_two_new_files_of_one_name_are_named(project: Path, uri: str, file: Path) -> None:
    (file.parent / "b.prompty").write_text(f"{HEAD}Another {{{{ mail }}}}\n")
    found = look(project, uri)
    assert (found.state, found.is_meant) == ("two files", True)
    assert do_push(project, uri) == [found.sentence]


def test_a_read_only_project_can_be_looked_at(
    project: Path, uri: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> Path:
        raise OSError(30, "Read-only file system")

    do_push(project, uri)
    monkeypatch.setattr("pex.core.private.folder", refused)
    index = LibraryIndex(project, uri)
    index.refresh()
    assert [item.state for item in standings(project, index)] == ["in step"]
    assert index.refreshed is not None
