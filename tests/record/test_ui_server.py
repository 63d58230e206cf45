"""MLflow's pages that a notebook starts: on this machine only, and no longer than its kernel."""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from pex.core.errors import PexError
from pex.record import ui_server

PARENT = """
import os, sys
from pex.record.ui_server import open_page
uri = sys.argv[1]
first = open_page(uri, "/experiments/0/runs/a")
second = open_page(uri, "/experiments/0/runs/b")
print(first, second, flush=True)
sys.stdin.read()
"""


def _status(address: str) -> int:
    try:
        with urllib.request.urlopen(address) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.slow
def test_it_needs_its_token_and_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    uri = f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", PARENT, uri],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert parent.stdout is not None
    first, second = parent.stdout.readline().split()
    family = psutil.Process(parent.pid).children(recursive=True)
    assert family
    pattern = r"(http://127\.0\.0\.1:\d+/)\?token=([0-9a-f]{48})#/experiments/0/runs/a"
    found = re.fullmatch(pattern, first)
    assert found
    assert second == first[:-1] + "b"  # one server for all runs of a store
    assert _status(found[1]) == 403
    request = urllib.request.Request(found[1], headers={"Authorization": f"Bearer {found[2]}"})
    with urllib.request.urlopen(request) as answer:
        page = answer.read().decode()
        assert int(answer.headers["content-length"]) == len(page.encode())
    assert "autoOpenedOnFirstLoad_v1" in page[: page.index("</script>")]
    for process in family:  # others can read a process's arguments
        assert found[2] not in " ".join(process.cmdline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(family, timeout=120)
    assert alive == []


def test_a_server_that_does_not_start_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ui_server, "command", lambda port, *more: [sys.executable, "-c", "raise SystemExit(3)"]
    )
    with pytest.raises(PexError, match="MLflow's pages did not start\n  pexlab ui in a terminal"):
        ui_server.open_page(f"sqlite:///{tmp_path}/mlflow.db", "/")


def test_its_process_ends_when_its_input_does() -> None:
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "pex.record.ui_child", sys.executable, "-c",
         "import time; print('up', flush=True); time.sleep(1e6)"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == "up\n"
    child.stdin.close()
    assert child.wait(120) != 0
    assert child.stdout.read() == ""  # nobody holds its other end any more
