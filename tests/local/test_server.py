"""The built-in model's server: one for each project, and again when it was killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import pex
from pex import local
from pex.local import package, server

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


def written(state: Path, **changes: object) -> None:
    """The file of a running server, as somebody else changes it."""
    file = state / "model.json"
    content = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps(content))


def linked(state: Path) -> None:
    (state / "model.json").rename(state / "elsewhere.json")
    (state / "model.json").symlink_to(state / "elsewhere.json")


def piped(state: Path) -> None:
    (state / "model.json").unlink()
    os.mkfifo(state / "model.json", 0o600)


OWN_PORT = "http://127.0.0.1:9/v1"
DISTRUSTED = {
    "another host": lambda state: written(state, base_url="http://example.org:80/v1"),
    "a name that may be any host": lambda state: written(state, base_url="http://localhost:80/v1"),
    "all hosts": lambda state: written(state, base_url="http://0.0.0.0:80/v1"),
    "a host after a login": lambda state: written(state, base_url="http://127.0.0.1:1@evil:80/v1"),
    "no port": lambda state: written(state, base_url="http://127.0.0.1/v1"),
    "another scheme": lambda state: written(state, base_url="https://127.0.0.1:80/v1"),
    "a port of somebody else": lambda state: written(state, base_url=OWN_PORT),
    "another process of the user": lambda state: written(state, pid=os.getpid()),
    "the first process": lambda state: written(state, pid=1),
    "a number that no process has": lambda state: written(state, pid=-1),
    "a process given again": lambda state: written(state, started=1.0),
    "no start": lambda state: written(state, started=None),
    "no number": lambda state: written(state, pid="1"),
    "an unknown key": lambda state: written(state, more=1),
    "no object": lambda state: (state / "model.json").write_text("[]"),
    "deep": lambda state: (state / "model.json").write_text("[" * 60_000),
    "read by others": lambda state: (state / "model.json").chmod(0o644),
    "written by the group": lambda state: (state / "model.json").chmod(0o620),
    "a link": linked,
    "a pipe": piped,
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    state = tmp_path_factory.mktemp("running") / ".pex"
    local.ensure(state)
    yield state
    local.stop(state)


@pytest.mark.parametrize("change", DISTRUSTED.values(), ids=list(DISTRUSTED))
def test_a_file_that_a_project_brought_is_not_believed(
    change: Callable[[Path], object], running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(server, "_ask", lambda *args: asked.append(args))
    file = running / "model.json"
    before = file.read_bytes()
    try:
        change(running)
        with pytest.warns(UserWarning, match=r"model\.json is ignored: .*pex rewrites it"):
            assert local.status(running) is None
        with pytest.warns(UserWarning, match="is ignored"):
            assert local.stop(running) is False
        assert asked == []
        assert psutil.pid_exists(json.loads(before)["pid"])
    finally:
        file.unlink()
        file.touch(0o600)
        file.write_bytes(before)
    monkeypatch.undo()
    assert local.status(running) is not None


def test_a_copied_folder_does_not_end_the_server_of_the_first(
    running: Path, tmp_path: Path
) -> None:
    shutil.copytree(running, tmp_path / ".pex")
    assert local.stop(tmp_path / ".pex") is False
    assert local.status(running) is not None


def test_a_server_takes_the_place_of_links_and_leaves_what_they_name(
    tmp_path: Path,
) -> None:
    state, kept = tmp_path / ".pex", tmp_path / "kept"
    state.mkdir()
    kept.write_text("mine")
    for name in ("model.json", "model.log"):
        (state / name).symlink_to(kept)
    try:
        with pytest.warns(UserWarning, match="it is a link"):
            assert local.ensure(state).pid
    finally:
        local.stop(state)
    assert kept.read_text() == "mine"


def test_a_process_that_has_ended_is_nothing_to_speak_of(
    running: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    shutil.copy(running / "model.json", tmp_path)
    written(tmp_path, pid=ended.pid)
    assert local.status(tmp_path) is None
    assert not recwarn
