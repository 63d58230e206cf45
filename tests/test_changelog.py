"""The files in `changes/`, and what `towncrier build` makes of them in CHANGELOG.md."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.helpers import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
TYPES = [kind["directory"] for kind in SETTINGS["type"]]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
FRAGMENT = re.compile(rf"[a-z0-9-]+\.({'|'.join(TYPES)})\.md")


def test_each_file_of_a_change_has_a_known_type_and_is_a_list() -> None:
    others = set(SETTINGS["ignore"])
    for path in (ROOT / "changes").iterdir():
        if path.name not in others:
            assert FRAGMENT.fullmatch(path.name), f"{path.name}: expected SUBJECT.{TYPES}.md"
            assert re.match(r"- |\*\*", path.read_text(encoding="utf-8")), path.name


def test_the_changelog_has_the_marker_once_below_unreleased() -> None:
    above, marker, below = CHANGELOG.partition(SETTINGS["start_string"])
    assert marker
    assert SETTINGS["start_string"] not in below
    assert re.findall(r"^## .*", above, re.MULTILINE) == ["## Unreleased"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What towncrier reads, with a change of each type instead of the present ones."""
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "changes").mkdir()
    shutil.copy(ROOT / SETTINGS["template"], tmp_path / "changes")
    for kind in TYPES:
        text = f"- {kind} `x`, which is told\n  in two lines.\n- {kind}, again.\n"
        (tmp_path / f"changes/subject.{kind}.md").write_text(text)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def build(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "towncrier", "build", "--yes", "--version", "9.9.0",
               "--date", "2030-01-02", *options]  # fmt: skip
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_release_is_written_and_nothing_that_was_there_changes(copy: Path) -> None:
    done = build(copy)
    assert done.returncode == 0, done.stderr
    above, marker, below = CHANGELOG.partition(SETTINGS["start_string"])
    text = (copy / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.startswith(above + marker)
    assert text.endswith(below)
    release = text.removeprefix(above + marker).removesuffix(below)
    wanted = ["## 9.9.0 - 2030-01-02", ""]
    for kind in TYPES:
        wanted += [f"### {kind.capitalize()}", f"- {kind} `x`, which is told", "  in two lines.",
                   f"- {kind}, again.", ""]  # fmt: skip
    assert release.strip("\n").splitlines() == wanted[:-1]
    assert not list((copy / "changes").glob("subject.*"))
