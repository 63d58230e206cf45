"""How errors leave the process."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import pytest

from pex.core.errors import PexError
from tests.helpers.command import pexlab


def fails() -> None:
    raise ValueError("the server said open-4711-sesame")


def refuses() -> None:
    raise PexError("the server said open-4711-sesame")


def warns() -> None:
    warnings.warn("the server said open-4711-sesame", stacklevel=1)


def in_a_thread() -> None:
    thread = threading.Thread(target=fails)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("does", "code", "says"),
    [
        (fails, 1, "ValueError: the server said [redacted]"),
        (refuses, 2, "error: the server said [redacted]"),
        (warns, 0, "warning: the server said [redacted]"),
        (in_a_thread, 0, "ValueError: the server said [redacted]"),
    ],
)
def test_no_way_out_of_the_process_shows_a_key(
    does: object, code: int, says: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "open-4711-sesame")
    monkeypatch.setattr("pex.cli.commands.app", lambda prog_name: does())  # type: ignore[operator]
    done = pexlab("doctor", folder=project)
    assert done.returncode == code
    assert says in done.stderr
    assert "4711" not in done.stdout + done.stderr
