"""One odd file is a line of a listing that says what is wrong with it; the others are listed."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import pex
from pex.browser.browser import LibrarySource
from pex.core import prompt as prompts
from pex.core.attempt import attempt
from pex.core.errors import PexError
from pex.library.files import prompt_files
from pex.magics.overview import project_overview

PROMPT = "---\nname: good\n---\nuser:\nSay {{ word }}\n"
SPEC = "name: good\ncases: cases.csv\nprompts: [p.prompty]\nmodels: [lab/m1]\n"


def socketed(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(path.parent, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(20_000_000_000)


def folded(path: Path) -> None:
    path.mkdir()


def piped(path: Path) -> None:
    os.mkfifo(path.with_suffix(".pipe"))
    path.symlink_to(path.with_suffix(".pipe"))


ODD: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_text(""),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00\x01"),
    "no YAML": lambda path: path.write_text("---\na: [\n---\nhi\n"),
    "a list": lambda path: path.write_text("---\n- a\n---\nhi\n"),
    "deep": lambda path: path.write_text("---\na: " + "[" * 3000 + "]" * 3000 + "\n---\nhi\n"),
    "a wrong template": lambda path: path.write_text("---\nname: x\n---\nuser:\n{{ % }}\n"),
    "huge": sparse,
    "a pipe": os.mkfifo,
    "a socket": socketed,
    "a link to a pipe": piped,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link that leads nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a folder": folded,
}


@pytest.mark.parametrize("make", ODD.values(), ids=list(ODD))
def test_an_odd_prompt(make: Callable[[Path], object], project: Path) -> None:
    folder = project / "prompts"
    folder.mkdir()
    (folder / "good.prompty").write_text(PROMPT)
    make(folder / "odd.prompty")
    found = {file.path: file for file in prompt_files(project)}
    assert found["prompts/good.prompty"].prompt is not None
    assert found["prompts/odd.prompty"].problem is not None
    assert str(found["prompts/odd.prompty"].problem).strip()
    listing = LibrarySource(project, f"sqlite:///{project}/mlruns/mlflow.db").listing()
    rows = {row.name: row for row in listing.rows}
    assert rows.keys() == {"good", "odd"}
    assert "file cannot be read" in rows["odd"].states
    with pytest.raises(PexError):
        pex.Prompt.load(folder / "odd.prompty")


@pytest.mark.parametrize("make", ODD.values(), ids=list(ODD))
def test_an_odd_experiment(make: Callable[[Path], object], project: Path) -> None:
    for name in ("good", "odd"):
        folder = project / "experiments" / name
        folder.mkdir(parents=True)
        (folder / "cases.csv").write_text("word\nhi\n")
        (folder / "p.prompty").write_text(PROMPT)
    (project / "experiments" / "good" / "experiment.yaml").write_text(SPEC)
    make(project / "experiments" / "odd" / "experiment.yaml")
    rows = {row.name: row for row in project_overview().rows}
    assert rows["good"].problem == ""
    assert rows["odd"].problem


@pytest.mark.parametrize("make", ODD.values(), ids=list(ODD))
def test_odd_cases(make: Callable[[Path], object], project: Path) -> None:
    for name in ("good", "odd"):
        folder = project / "experiments" / name
        folder.mkdir(parents=True)
        (folder / "experiment.yaml").write_text(SPEC.replace("name: good", f"name: {name}"))
        (folder / "p.prompty").write_text(PROMPT)
    (project / "experiments" / "good" / "cases.csv").write_text("word\nhi\n")
    if make is sparse:
        pytest.skip("a large file of cases may be meant")
    make(project / "experiments" / "odd" / "cases.csv")
    rows = {row.name: row for row in project_overview().rows}
    assert rows["good"].problem == ""


def test_whatever_reading_raises_is_said(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "prompts").mkdir()
    for name in ("a", "b"):
        (project / "prompts" / f"{name}.prompty").write_text(PROMPT)
    errors = iter([PermissionError(13, "Permission denied"), RecursionError(), MemoryError(),
                   ValueError("first\nsecond"), ZeroDivisionError()])  # fmt: skip
    said = []
    for error in errors:

        def read(path: Path, what: str, error: Exception = error) -> str:
            if path.stem == "a":
                raise error
            return PROMPT

        monkeypatch.setattr(prompts, "read_text", read)
        odd, good = prompt_files(project)
        assert good.prompt is not None
        said.append(str(odd.problem))
    assert said == [
        "it cannot be read: Permission denied",
        "it cannot be read: it is nested too deeply",
        "it cannot be read: it does not fit into memory",
        "it cannot be read: ValueError: first",
        "it cannot be read: ZeroDivisionError",
    ]


def test_an_interrupt_is_none_of_a_files_problems() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(stop)
