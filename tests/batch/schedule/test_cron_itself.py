"""Debian's own cron runs the line that `pexlab schedule --install` puts into a crontab."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pex.batch.schedule.nightly import log_of
from tests.helpers import ROOT
from tests.helpers.command import pexlab_process as pexlab
from tests.helpers.notebooks import QUICK, printed, small

pytestmark = pytest.mark.night


@contextlib.contextmanager
def cron() -> Iterator[None]:
    """The daemon, ended afterwards, and an empty crontab."""
    with subprocess.Popen(["cron", "-f"]) as daemon:
        try:
            yield
        finally:
            subprocess.run(["crontab", "-r"], check=False)
            daemon.terminate()


@pytest.mark.soak
def test_cron_runs_a_night(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("cron") is None:
        pytest.skip("needs root and Debian's cron: apt-get install cron")
    listed = subprocess.run(["crontab", "-l"], capture_output=True, check=False)
    if listed.returncode == 0 or any(item.name() == "cron" for item in psutil.process_iter()):
        pytest.skip("cron runs here already, or has lines of its own")
    folder = tmp_path / "50 % project"
    folder.mkdir()
    file = small(folder, f"{QUICK}\nprint('TTY', os.isatty(0))")
    with cron():
        # Every minute, so that the test need not wait for the night.
        done = pexlab(
            "schedule", str(file), "--cron", "* * * * *", "--install",
            folder=folder, PYTHONPATH=str(ROOT),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "no cron daemon is running" not in done.stderr
        end = time.monotonic() + 300
        while not (pages := list(folder.glob("outputs/nightly/*/night.json"))):
            assert time.monotonic() < end, log_of(file).read_text()
            time.sleep(0.5)
        gone = pexlab("schedule", str(file), "--remove", folder=folder)
        assert gone.stdout.startswith("removed")
    shown = printed(pages[0].parent / "a.ipynb")
    assert str(folder) in shown
    assert "TTY False" in shown
    assert "with exit code 0" in log_of(file).read_text()
