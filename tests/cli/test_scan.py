"""`pexlab scan`: files of a project and the history of its repository."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from pex.project.scan_history import scan_history
from tests.helpers.command import pexlab

KEY = "ghp_" + "a8Kd03mZq71LwPx5Rt2Yb6Vn9Hc4Js"
LAB = "open-4711-sesame-81"


def scan(folder: Path, *arguments: str, code: int) -> list[str]:
    done = pexlab("scan", *arguments, folder=folder)
    assert done.returncode == code, done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr
    assert LAB not in done.stdout + done.stderr
    return done.stdout.splitlines()


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "cases.csv").write_text(f"case_id,text\na,fine\nb,use {KEY} now\n")
    (tmp_path / "p.prompty").write_text(f"---\nname: p\n---\nuser:\nThe door is {LAB}.\n")
    (tmp_path / ".env").write_text(f"LAB_DOOR_KEY={LAB}\n")
    (tmp_path / "clean.ipynb").write_text(json.dumps({"cells": []}))
    (tmp_path / "x.png").write_bytes(b"\x89PNG\0")
    pd.DataFrame({"q": ["fine", f"is {KEY} right?"]}).to_parquet(tmp_path / "t.parquet")
    return tmp_path


def test_each_kind_of_file_is_read_and_the_keys_of_env_files_are_known(files: Path) -> None:
    assert scan(files, code=1) == [
        "cases.csv, line 3, column 7: key of a known service: b,use [redacted] now",
        "p.prompty, line 5, column 13: value of a key variable: The door is [redacted].",
        "t.parquet, row 2, column 'q', line 1, column 4: key of a known service: is [redacted] "
        "right?",
    ]
    assert scan(files, "clean.ipynb", code=0) == []
    found = json.loads(pexlab("scan", "--json", "--exclude", "*.csv", folder=files).stdout)
    assert [one["file"] for one in found["secrets"]] == ["p.prompty", "t.parquet"]
    assert (found["excluded"], found["without_text"], found["not_read"]) == (1, 1, {})


def test_a_marked_line_is_left_out_and_counted(files: Path) -> None:
    (files / "a.py").write_text(f"x = '{KEY}'  # pex: ignore[secret]\n")
    done = pexlab("scan", "a.py", folder=files)
    assert done.returncode == 0
    assert "1 left out" in done.stderr


def test_what_cannot_be_read_is_said(files: Path) -> None:
    (files / "bad.xlsx").write_bytes(b"no spreadsheet\0")
    done = pexlab("scan", "bad.xlsx", folder=files)
    assert done.returncode == 3
    assert "not read: bad.xlsx" in done.stderr
    (files / "broken.ipynb").write_text(f"{{ {KEY}")
    assert len(scan(files, "broken.ipynb", code=1)) == 1
    assert pexlab("scan", "nothing.txt", folder=files).returncode == 2


def test_git_says_what_is_read_and_its_history_is_read_on_request(files: Path) -> None:
    git(files, "init", "-q")
    git(files, "add", "cases.csv")
    git(files, "commit", "-qm", "first")
    (files / "cases.csv").write_text("case_id,text\na,fine\n")
    for name in ("p.prompty", "t.parquet"):
        (files / name).unlink()
    assert scan(files, code=1) == [
        ".env, line 1, column 14: a key in a file of keys that git takes along: "
        "LAB_DOOR_KEY=[redacted]"
    ]
    (files / ".gitignore").write_text(".env\nout.txt\n")
    (files / "out.txt").write_text(KEY)
    assert scan(files, code=0) == []
    assert len(scan(files, "--all", code=1)) >= 1
    (line,) = scan(files, "--history", code=1)
    assert " of 20" in line
    assert line.endswith(
        "cases.csv, line 3, column 7: key of a known service: b,use [redacted] now"
    )


def test_no_program_that_the_folders_git_names_is_run(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]

    def run(*words: str, given: bytes | None = None) -> str:
        done = subprocess.run([*git, *words], input=given, capture_output=True, check=True)
        return done.stdout.decode()

    run("init", "-q")
    (tmp_path / "a.txt").write_text("key = sk-proj-abcdefghijklmnop1234567890abcd\n")
    run("add", "a.txt")
    run("commit", "-qm", "a")
    head, _, message = run("cat-file", "commit", "HEAD").partition("\n\n")
    mark = "-----{} PGP SIGNATURE-----"
    signature = f"gpgsig {mark.format('BEGIN')}\n \n x\n {mark.format('END')}"
    signed = f"{head}\n{signature}\n\n{message}".encode()
    named = run("hash-object", "-t", "commit", "-w", "--stdin", given=signed).strip()
    run("update-ref", "HEAD", named)
    program = tmp_path.parent / f"{tmp_path.name}-program"
    program.write_text(f"#!/bin/sh\necho run > '{program}.mark'\n")
    program.chmod(0o700)
    run("config", "log.showSignature", "true")
    run("config", "gpg.program", str(program))
    found = scan_history(tmp_path)
    assert [item.file for item in found.secrets] == ["a.txt"]
    assert not Path(f"{program}.mark").exists()
