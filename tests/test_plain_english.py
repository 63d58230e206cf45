"""The phrases that the word list of CONTRIBUTING.md replaces do not come back."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.helpers import ROOT

READ = re.compile(r"\.(py|js|jinja|md|ipynb|toml|yaml|css)$")
LISTED = re.compile(r"^\| (?P<old>[^|]+?) \| (?P<new>[^|]+?) \|$", re.MULTILINE)


def word_list() -> dict[str, str]:
    """Each phrase of the list and what is written instead; `a · b` are two phrases."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    part = text.partition("## Words")[2].partition("\n## ")[0]
    rows = [row for row in LISTED.finditer(part) if set(row["old"]) - set("-")][1:]
    return {old.strip(): row["new"] for row in rows for old in row["old"].split(" · ")}


def files() -> list[Path]:
    """What is written for people: code, scripts, pages, docs, notebooks."""
    shown = subprocess.run(
        ["git", "ls-files", "-z", "pex", "docs", "notebooks", "experiments", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in shown.stdout.split("\0") if READ.search(name)]


def lines_of(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        return ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    if path.name == "CONTRIBUTING.md":
        before, _, rest = text.partition("## Words")
        text = before + rest.partition("\n## ")[2]
    return text.splitlines()


@pytest.mark.parametrize(("old", "new"), word_list().items())
def test_a_phrase_does_not_come_back(old: str, new: str) -> None:
    pattern = re.compile(rf"\b{re.escape(old)}\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files()
        for number, line in enumerate(lines_of(path), 1)
        if pattern.search(line)
    ]
    assert not found, f"write {new!r} instead of {old!r}:\n" + "\n".join(found)


def test_there_is_a_word_list() -> None:
    assert len(word_list()) > 15
