"""`pexlab run` with other cases, and files of which two readings fit."""

import os
import pty
import sys
from pathlib import Path

import pytest

from tests.helpers.command import pexlab

EXPERIMENT = """name: tickets
cases: tickets.csv   # from the helpdesk
prompts: [p.prompty]
models: [local/smollm2]
scorers: [exact]
"""
TWO = "q;expected\nvocê nuevo;x\nplain;y\n".encode("cp1252")
LINE = 'cases: {file: tickets.csv, delimiter: ";", encoding: cp1252}'


@pytest.fixture
def folder(project: Path) -> Path:
    (project / "e.yaml").write_text(EXPERIMENT)
    (project / "p.prompty").write_text("Topic of {{ q }}?")
    (project / "tickets.csv").write_bytes(TWO)
    return project


def test_without_a_person_both_readings_are_shown_with_the_line_to_add(folder: Path) -> None:
    done = pexlab("run", "e.yaml", "--dry-run", folder=folder)
    assert done.returncode == 2
    assert 'encoding: "cp1252" gives você' in done.stderr
    assert 'encoding: "cp1250" gives vocę' in done.stderr
    assert "choose one, for example: cases: {file: tickets.csv, encoding: cp1252}" in done.stderr
    # The line does what it says.
    text = EXPERIMENT.replace("cases: tickets.csv", "cases: {file: tickets.csv, encoding: cp1252}")
    (folder / "e.yaml").write_text(text)
    done = pexlab("run", "e.yaml", "--dry-run", folder=folder)
    assert done.returncode == 0
    assert "tickets.csv: read as semicolon-separated Windows-1252; 2 rows" in done.stderr
    assert "Topic of você nuevo?" in done.stdout


def test_other_cases_are_read_in_the_same_way(folder: Path) -> None:
    (folder / "more.tsv").write_text("q\texpected\nein Wort\tx\n", "utf-16")
    done = pexlab("run", "e.yaml", "--cases", "more.tsv", "--dry-run", folder=folder)
    # The experiment itself is not read: its cases could be read in two ways.
    assert done.returncode == 0, done.stderr
    assert "more.tsv: read as tab-separated UTF-16; 1 row" in done.stderr
    assert "Topic of ein Wort?" in done.stdout
    done = pexlab("run", "e.yaml", "--cases", "mre.tsv", "--dry-run", folder=folder)
    assert done.returncode == 2
    assert "did you mean 'more.tsv'" in done.stderr
    done = pexlab("run", "e.yaml", "--cases", "tickets.csv", "--dry-run", folder=folder)
    assert done.returncode == 2


def _typed(folder: Path, keys: bytes, *arguments: str) -> str:
    """What a person sees who types `keys` at the first question."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, "-m", "pex.cli", *arguments])
    seen, asked = b"", False
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
        if b"Which number" in seen and not asked:
            os.write(terminal, keys)
            asked = True
    os.waitpid(pid, 0)
    return seen.decode()


@pytest.mark.slow
def test_a_person_is_asked_and_the_choice_is_kept(folder: Path) -> None:
    seen = _typed(folder, b"7\n1\n", "run", "e.yaml", "--dry-run")
    assert 'encoding "cp1252": você' in seen
    assert f"written to e.yaml: {LINE}" in seen
    assert "Topic of você nuevo?" in seen
    kept = (folder / "e.yaml").read_text()
    assert kept == EXPERIMENT.replace("cases: tickets.csv", LINE)
    done = pexlab("run", "e.yaml", "--dry-run", folder=folder)
    assert done.returncode == 0
