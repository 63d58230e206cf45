"""The file with the keys."""

from pathlib import Path

import pytest

import pex
from pex.project.env_file import exposed, read_env


def test_names_and_values(tmp_path: Path) -> None:
    file = tmp_path / "schedule.env"
    file.write_text(
        "# keys\n\nLAB_KEY=sk-1=2#3\nexport URL = 'http://a b'\nEMPTY=\nQ=\"x\"\r\nONE='\nD=$HOME\n"
    )
    assert read_env(file) == {
        "LAB_KEY": "sk-1=2#3",
        "URL": "http://a b",
        "EMPTY": "",
        "Q": "x",
        "ONE": "'",
        "D": "$HOME",
    }


@pytest.mark.parametrize("line", ["sk-very-secret", "MY-KEY=very-secret", "=very-secret"])
def test_a_wrong_line_is_named_without_what_is_in_it(tmp_path: Path, line: str) -> None:
    file = tmp_path / "schedule.env"
    file.write_text(f"A=1\n{line}\n")
    with pytest.raises(pex.PexError, match=r"line 2: expected NAME=value$") as raised:
        read_env(file)
    assert "secret" not in str(raised.value)


def test_a_null_byte_and_a_missing_file(tmp_path: Path) -> None:
    file = tmp_path / "schedule.env"
    file.write_text("A=1\0\n")
    with pytest.raises(pex.PexError, match="the value of A has a null byte"):
        read_env(file)
    with pytest.raises(pex.PexError, match=r"no such file\n  did you mean 'schedule.env'"):
        read_env(tmp_path / "shedule.env")


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o400, False), (0o640, True)])
def test_a_file_that_others_may_read_is_warned_of(tmp_path: Path, mode: int, warns: bool) -> None:
    file = tmp_path / "schedule.env"
    file.touch()
    file.chmod(mode)
    assert (exposed(file) is not None) == warns
    if warns:
        assert "mode 640" in str(exposed(file))
