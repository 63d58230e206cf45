"""The built-in model's server: one for each project, and again when it was killed."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import pex
from pex import local
from pex.local import package

pytestmark = pytest.mark.model


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / ".pex"
    local.stop(tmp_path / ".pex")


def ask(server: local.ServerInfo, key: str | None = None) -> dict:
    body = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4}
    request = urllib.request.Request(
        f"{server.base_url}/chat/completions",
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {key or server.api_key}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def gone(pid: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def test_it_starts_answers_and_is_shared(state: Path) -> None:
    assert local.status(state) is None
    server = local.ensure(state)
    assert ask(server)["choices"][0]["message"]["content"]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(server, key="wrong")
    assert local.ensure(state) == server
    assert (state / "model.json").stat().st_mode & 0o077 == 0
    assert server.api_key not in " ".join(psutil.Process(server.pid).cmdline())
    assert local.stop(state) is True
    assert gone(server.pid, 10)
    assert local.stop(state) is False


def test_four_processes_at_once_start_one_server(state: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pex import local; "
        "print(local.ensure(Path(sys.argv[1])).pid)"
    )
    command = [sys.executable, "-c", code, str(state)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    pids = {worker.communicate(timeout=300)[0].strip() for worker in workers}
    assert len(pids) == 1
    assert local.status(state).pid == int(pids.pop())


def test_a_killed_server_is_started_again_in_the_middle_of_a_run(project: Path) -> None:
    prompt = pex.Prompt("Count to {{ n }}.", name="count")
    cases = [{"n": n} for n in range(60)]
    params = {"temperature": 0, "max_tokens": 12}
    exp = pex.Experiment("count", pex.grid(prompt, "local/smollm2", params), cases, ["length"])
    execution = exp.start(record=False)
    while execution.progress.answered < 5:
        time.sleep(0.02)
    first = local.status(project / ".pex")
    os.kill(first.pid, signal.SIGKILL)
    try:
        results = execution.wait()
        assert results.about["counts"]["answered"] == 60
        assert local.status(project / ".pex").pid != first.pid
    finally:
        local.stop(project / ".pex")


def test_it_ends_when_idle(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEX_MODEL_IDLE_S", "2")
    server = local.ensure(state)
    for _ in range(3):  # asked now and then it stays
        time.sleep(1)
        ask(server)
    assert psutil.pid_exists(server.pid)
    assert gone(server.pid, 10)
    assert local.status(state) is None


def test_what_is_missing_and_the_command(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MODULE", "no_such_package")
    with pytest.raises(pex.PexError, match="install with: pexlab model install"):
        local.ensure(state)


def test_another_local_name(project: Path) -> None:
    prompt = pex.Prompt("{{ n }}", name="p")
    exp = pex.Experiment("x", pex.grid(prompt, "local/llama"), [{"n": 1}], [])
    with pytest.raises(pex.PexError, match="the built-in model is 'local/smollm2'"):
        exp.run(record=False, show=False)


def test_serve_in_the_foreground() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pex.cli", "model", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    lines = [process.stdout.readline().split() for _ in range(3)]
    url, key = lines[0][-1], lines[2][-1]
    assert ask(local.ServerInfo(url, key, process.pid))["model"] == "smollm2"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
