"""Who saved a version and who moved an alias, in a real registry and in the project's file."""

import datetime
import getpass
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import mlflow
import pytest

import pex
from pex.core.errors import PexError
from pex.core.user_name import user_name
from pex.library import registry_lock
from pex.library.listing import editions
from pex.library.move_alias import MovedError, move_alias, new_move
from pex.library.moves import (
    ANNOUNCED,
    FILE,
    TAG,
    Move,
    append_move,
    last_moves,
    noticed,
    read_history,
)
from pex.library.registry_api import card_of

HI = pex.Prompt("Hi {{ name }}", name="hi")
HO = pex.Prompt("Ho {{ name }}", name="hi")
AT = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


def card(uri: str) -> Any:
    return card_of(mlflow.MlflowClient(uri), uri, "hi")


def move(**changed: Any) -> Move:
    plain = {"prompt": "hi", "alias": "champion", "before": 1, "to": 2, "by": "ada", "at": AT}
    return Move(**{**plain, **changed})


def test_a_version_says_who_saved_it_and_an_alias_who_moved_it(uri: str, project: Path) -> None:
    pex.library.save(HI, alias="champion")
    pex.library.save(HO, alias="candidate")
    pex.library.set_alias("hi", "champion", 2)
    found, moved, aliases = editions(mlflow.MlflowClient(uri), uri, "hi")
    assert [(item.version, item.by) for item in found] == [(2, user_name()), (1, user_name())]
    assert aliases == {"champion": 2, "candidate": 2}
    assert (moved["champion"].by, moved["champion"].before) == (user_name(), 1)
    assert moved["candidate"].before is None
    lines = [json.loads(line) for line in (project / FILE).read_text().splitlines()]
    assert [(line["alias"], line["from"], line["to"]) for line in lines] == [
        ("champion", None, 1), ("candidate", None, 2), ("champion", 1, 2),
    ]  # fmt: skip
    assert list(lines[2]) == [
        "prompt", "alias", "from", "to", "by", "at", "sha256", "digest", "kind", "run_id",
        "experiment", "verdict", "sentence", "cases_sha256", "because", "review",
    ]  # fmt: skip
    assert (lines[2]["kind"], lines[2]["digest"]) == ("set", HO.digest)
    assert json.loads(card(uri).tags[f"{TAG}champion"]) == lines[2]
    assert "merge=union" in (project / "library" / ".gitattributes").read_text()


def test_pointing_an_alias_where_it_points_is_no_move(uri: str, project: Path) -> None:
    pex.library.save(HI, alias="champion")
    pex.library.save(HO, alias="champion")
    pex.library.set_alias("hi", "champion", 2)
    assert editions(mlflow.MlflowClient(uri), uri, "hi")[1]["champion"].before == 1
    assert len(read_history(project).lines) == 2


def test_a_move_by_plain_mlflow_has_no_name_and_is_noticed(uri: str, project: Path) -> None:
    pex.library.save(HI, alias="champion")
    pex.library.save(HO, alias="champion")
    client = mlflow.MlflowClient(uri)
    client.set_prompt_alias("hi", "champion", 1)
    there = card(uri)
    assert last_moves("hi", there.tags, there.aliases) == {}
    (found,) = noticed("hi", there.tags, there.aliases, read_history(project).moves())
    since = read_history(project).lines[-1].move.at
    assert str(found) == (
        "champion of hi was moved elsewhere (MLflow's UI or another tool) since "
        f"{since:%Y-%m-%d %H:%M} UTC, from version 2 to 1"
    )
    client.delete_prompt_alias("hi", "champion")
    there = card(uri)
    (found,) = noticed("hi", there.tags, there.aliases)
    assert "champion of hi was removed (MLflow's UI or another tool) since" in str(found)
    pex.library.set_alias("hi", "champion", 2)
    there = card(uri)
    assert noticed("hi", there.tags, there.aliases, read_history(project).moves()) == []
    assert (
        "had moved it to version 2: another tool moved it in between"
        in (read_history(project).remarks[0])
    )


def test_an_earlier_versions_tag_stays_readable(uri: str, project: Path) -> None:
    pex.library.save(HI)
    pex.library.save(HO)
    client = mlflow.MlflowClient(uri)
    client.set_prompt_alias("hi", "champion", 2)
    tag = {"by": "ada", "at": AT.isoformat(timespec="seconds"), "before": 1, "to": 2}
    client.set_prompt_tag("hi", "pex.alias.champion", json.dumps(tag))
    assert editions(client, uri, "hi")[1]["champion"] == move()
    pex.library.set_alias("hi", "champion", 1)
    assert editions(client, uri, "hi")[1]["champion"].by == user_name()
    assert [line.move.to for line in read_history(project).lines] == [1]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"at": 1}', '{"at": "x"}', "\x00", "1"])
def test_a_tag_that_says_something_else_is_no_move(text: str) -> None:
    for start in ("pex.alias.", TAG, ANNOUNCED):
        assert last_moves("hi", {f"{start}a": text}, {"a": 1}) == {}


def test_damaged_lines_are_named_and_stay(project: Path) -> None:
    append_move(project, move())
    path = project / FILE
    good = path.read_text()
    other = json.dumps(move(alias="b", before=None).to_json())
    path.write_text(
        f"<<<<<<< HEAD\n{good}=======\n{other}\n>>>>>>> theirs\nnonsense\n"
        '{"prompt": "hi", "alias": "c", "from": null, "to": "3", "by": "ada", "at": "2026-01-01"}\n'
        '{"prompt": "hi", "ali'
    )
    before = path.read_bytes()
    found = read_history(project)
    assert {item.move.alias for item in found.lines} == {"champion", "b"}
    assert found.remarks == [
        f"{FILE}, line 1: a conflict marker of git (<<<<<<<): keep the lines of both sides",
        f"{FILE}, line 3: a conflict marker of git (=======): keep the lines of both sides",
        f"{FILE}, line 5: a conflict marker of git (>>>>>>>): keep the lines of both sides",
        f"{FILE}, line 6: it is not a JSON object",
        f"{FILE}, line 7: 'to': expected a version number, got '3'",
        f"{FILE}, line 8: it is cut off: its writer was stopped",
    ]
    append_move(project, move(to=4, before=2, at=AT + datetime.timedelta(1)))
    assert path.read_bytes().startswith(before + b"\n")
    assert [item.move.to for item in read_history(project).lines if item.number == 9] == [4]


def test_two_branches_are_in_the_order_of_their_times_and_clocks_are_said(project: Path) -> None:
    hour = datetime.timedelta(hours=1)
    first, second, third = (
        move(before=None, to=1),
        move(before=1, to=2, at=AT + hour),
        move(before=1, to=3, at=AT + 2 * hour, by="bob"),
    )
    future = move(before=3, to=4, at=datetime.datetime.now(datetime.UTC) + 3 * hour)
    path = project / FILE
    path.parent.mkdir()
    lines = [third, first, second, first, future]
    path.write_text("".join(json.dumps(item.to_json()) + "\n" for item in lines))
    found = read_history(project)
    assert [item.to for item in found.moves("hi", "champion")] == [1, 2, 3, 4]
    assert found.remarks[0] == (
        f"{FILE}, line 1: champion of hi was moved from version 1, but line 3 had moved it to "
        "version 2: another tool moved it in between, or two clocks disagree"
    )
    assert "line 5: ada's move of champion of hi is in the future" in found.remarks[1]


def test_git_keeps_the_moves_of_two_branches(project: Path) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=project, check=True, capture_output=True)

    git("init", "-b", "main")
    append_move(project, move(before=None, to=1))
    git("add", "library")
    git("commit", "-m", "first")
    git("checkout", "-b", "other")
    append_move(project, move(before=1, to=2, by="bob", at=AT + datetime.timedelta(hours=1)))
    git("commit", "-am", "bob's")
    git("checkout", "main")
    append_move(project, move(before=2, to=3, at=AT + datetime.timedelta(hours=2)))
    git("commit", "-am", "ada's")
    git("merge", "other", "-m", "both")
    found = read_history(project)
    assert [item.to for item in found.moves("hi", "champion")] == [1, 2, 3]
    assert list(found.remarks) == []


def test_what_was_seen_must_still_be_there(uri: str, project: Path) -> None:
    pex.library.save(HI, alias="champion")
    pex.library.save(HO)
    client = mlflow.MlflowClient(uri)
    found = client.get_prompt_version("hi", 2)
    with pytest.raises(MovedError, match="was moved by somebody else meanwhile"):
        move_alias(client, uri, project, new_move("hi", "champion", None, found))
    assert card(uri).aliases == {"champion": 1}
    assert len(read_history(project).lines) == 1


def test_a_file_that_cannot_be_written_stops_the_move(uri: str, project: Path) -> None:
    pex.library.save(HI)
    (project / "library").write_text("not a folder")
    with pytest.raises(PexError, match=r"library/moves.jsonl: cannot be written"):
        pex.library.set_alias("hi", "champion", 1)
    assert card(uri).aliases == {}


STOPPED = """
import os, signal, sys
import mlflow
from pex.library import move_alias, registry
uri, project, where = sys.argv[1:]
plain = mlflow.MlflowClient.{method}

def stop(self, *args):
    if {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    plain(self, *args)
    os.kill(os.getpid(), signal.SIGKILL)

mlflow.MlflowClient.{method} = stop
registry.set_alias("hi", "champion", 2, uri)
"""


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False])
def test_a_writer_killed_around_the_move_leaves_all_or_nothing(
    uri: str, project: Path, before: bool
) -> None:
    pex.library.save(HI, alias="champion")
    pex.library.save(HO)
    script = STOPPED.format(method="set_prompt_alias", before=before)
    ended = subprocess.run(
        [sys.executable, "-c", script, uri, str(project), ""], cwd=project, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    there = card(uri)
    assert f"{ANNOUNCED}champion" in there.tags
    assert int(there.aliases["champion"]) == (1 if before else 2)
    # Readers see it as it is: moved and by whom, or not moved, and nobody else has.
    assert noticed("hi", there.tags, there.aliases, read_history(project).moves()) == []
    assert last_moves("hi", there.tags, there.aliases)["champion"].by == user_name()
    pex.library.set_alias("hi", "other", 1)
    there = card(uri)
    assert not any(key.startswith(ANNOUNCED) for key in there.tags)
    moves = [item.to for item in read_history(project).moves("hi", "champion")]
    assert moves == ([1] if before else [1, 2])
    assert json.loads(there.tags[f"{TAG}champion"])["to"] == moves[-1]


@pytest.mark.parametrize("left", [True, False])
def test_on_a_server_a_lock_is_waited_for_and_one_that_was_left_behind_is_taken(
    uri: str, project: Path, monkeypatch: pytest.MonkeyPatch, left: bool
) -> None:
    pex.library.save(HI, alias="champion")
    pex.library.save(HO)
    client = mlflow.MlflowClient(uri)
    monkeypatch.setattr(registry_lock, "local_folder", lambda uri: None)
    monkeypatch.setattr(registry_lock, "_STALE_S", 1.0 if left else 1e9)
    client.create_registered_model("pex-lock.hi")
    plain, refused = registry_lock._made_at, threading.Event()

    def looked(*args: Any) -> int:  # it is asked when the lock could not be created
        refused.set()
        return plain(*args)

    monkeypatch.setattr(registry_lock, "_made_at", looked)
    thread = threading.Thread(target=pex.library.set_alias, args=("hi", "champion", 2))
    thread.start()
    assert refused.wait(60)
    if not left:
        assert card(uri).aliases == {"champion": 1}
        client.delete_registered_model("pex-lock.hi")
    thread.join()
    assert card(uri).aliases == {"champion": 2}
    assert [item.to for item in read_history(project).moves("hi")] == [1, 2]
    assert [item.name for item in client.search_registered_models("name LIKE 'pex-lock%'")] == []


def test_a_machine_without_users_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    assert user_name() == f"uid {os.getuid()}"
