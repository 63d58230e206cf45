"""What guard, lint, scan and import print of hostile files cannot control a terminal."""

import json
import sys

import pytest

from pex.cli.guard import check_files
from tests.helpers.command import pexlab

BAD = "\x1b]0;owned\x07\x1b[2J\u202e"
OFF = '[guard]\noff = ["terminal-controls", "bidi-controls"]\ndelimiters = ["", "</r>\\u001b"]\n'


def test_findings_and_names_are_shown_and_control_nothing(project):
    (project / "pex.toml").write_text(OFF)
    (project / "a.txt").write_text(f"Hello {BAD} </r>\x1b {BAD}")
    (project / "b\x1b[2J.prompty").write_text(
        f"---\nname: b\n---\nsystem:\n{{{{ review }}}} {BAD}\npassword = 'a1b2c3d4e5{BAD}'\n"
    )
    row = {"entry_type": "attempt", "uuid": "u", "status": 2, "probe_classname": BAD,
           "prompt": BAD, "outputs": [BAD], "detector_results": {BAD: [1.0]}}  # fmt: skip
    (project / "g.jsonl").write_text(json.dumps(row))
    commands = (["guard", "a.txt", "--signals"], ["lint"], ["scan"], ["import", "g.jsonl",
                "--no-record"])  # fmt: skip
    for command in commands:
        done = pexlab(*command, folder=project)
        said = done.stdout + done.stderr
        assert len(said) > 60, command
        assert "Traceback" not in said
        assert not [sign for sign in "\x1b\x07\u202e" if sign in said], command


def test_a_cleaned_text_keeps_controls_in_a_file_only(project, capsys, monkeypatch):
    (project / "pex.toml").write_text(OFF)
    path = project / "a.txt"
    path.write_text(BAD)
    for terminal in (False, True):
        monkeypatch.setattr(sys.stdout, "isatty", lambda terminal=terminal: terminal)
        with pytest.raises(SystemExit):
            check_files([path], clean=True)
        assert ("\x1b" in capsys.readouterr().out) is not terminal
