"""A project's modules do not run in place of those that pex's own processes import."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from pex.batch.kernels.engine import end_tree
from pex.batch.kernels.zygotes import Zygote
from pex.core import python
from pex.local import package, server
from pex.record import deleted_runs
from pex.tracking.store import connect
from tests.helpers.browser import free_port
from tests.helpers.notebooks import notebook, plan
from tests.helpers.processes import wait_for
from tests.helpers.traps import MARKS, traps

pytestmark = pytest.mark.slow

PEXLAB = [str(Path(sys.executable).with_name("pexlab"))]


@contextlib.contextmanager
def serving(command: list[str], folder: Path, health: str) -> Iterator[None]:
    """A server until the block ends; nobody's `python -m` is between it and the folder."""
    with subprocess.Popen(
        [*PEXLAB, *command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_for(lambda: process.poll() is not None or _answers(health))
            assert process.poll() is None, "it ended"
            yield
        finally:
            end_tree(process.pid)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


@pytest.fixture
def marks(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path_factory.mktemp("marks") / "marks"
    path.touch()
    monkeypatch.setenv(MARKS, str(path))
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pex.toml").touch()
    for folder in (tmp_path, tmp_path / "notebooks"):
        traps(folder, "pex", "notebooks")
    return tmp_path


def test_the_traps_work(project: Path, marks: Path) -> None:
    subprocess.run([sys.executable, "-m", "pex.cli", "doctor"], cwd=project, check=False,
                   capture_output=True)  # fmt: skip
    assert marks.read_text()


@pytest.mark.parametrize("command", [["doctor"], ["library", "list"], ["gc"]])
def test_a_command(command: list[str], project: Path, marks: Path) -> None:
    subprocess.run([*PEXLAB, *command], cwd=project, capture_output=True, check=False)
    assert marks.read_text() == ""


def test_jupyterlab_and_the_kernel_of_a_notebook_that_is_opened(
    project: Path,
    marks: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = tmp_path_factory.mktemp("runtime")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
    (project / "notebooks" / "notebooks_own.py").touch()
    port = free_port()
    notebook(project / "notebooks" / "n.ipynb", None, "1")
    base = f"http://127.0.0.1:{port}"

    def ask(path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{base}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": "token t"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read() or b"null")

    command = ["lab", "--", "--no-browser", f"--port={port}", "--IdentityProvider.token=t"]
    with serving(command, project, f"{base}/api"):
        number = ask("/api/kernels", {"name": "python3", "path": "notebooks/n.ipynb"})["id"]
        client = BlockingKernelClient(connection_file=str(runtime / f"kernel-{number}.json"))
        client.load_connection_file()
        client.start_channels(hb=False)
        wait_for(lambda: _answered(client))
        assert marks.read_text() == ""
        # The reply has it: what the cell prints may come before anybody listens for it.
        said = client.execute(
            "import notebooks_own", user_expressions={"own": "notebooks_own.__file__"}, reply=True
        )["content"]["user_expressions"]["own"]["data"]["text/plain"]
        assert said == repr(str(project / "notebooks" / "notebooks_own.py"))
        client.stop_channels()


def _answered(client: BlockingKernelClient) -> bool:
    client.kernel_info()
    try:
        client.get_shell_msg(timeout=5)
    except queue.Empty:
        return False
    return True


def test_mlflows_pages(project: Path, marks: Path) -> None:
    port = free_port()
    with serving(["ui", "--port", str(port)], project, f"http://127.0.0.1:{port}/health"):
        assert marks.read_text() == ""


@pytest.mark.soak
def test_mlflows_gc(project: Path, marks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    uri = f"sqlite:///{project}/mlruns/mlflow.db"
    (project / "mlruns").mkdir()
    client = connect(uri)
    experiment = client.create_experiment("e", (project / "mlruns" / "artifacts").as_uri())
    client.delete_run(client.create_run(experiment).info.run_id)
    deleted_runs.delete(uri, deleted_runs.deleted(uri, project))
    assert marks.read_text() == ""
    assert deleted_runs.deleted(uri, project) == []


@pytest.mark.soak
def test_pip(project: Path, marks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr(package.shutil, "which", lambda name: None)
    package._run(["--help"])
    assert marks.read_text() == ""


@pytest.mark.model
def test_the_server_of_the_built_in_model(project: Path, marks: Path) -> None:
    state = project / ".pex"
    state.mkdir()
    traps(state)
    try:
        assert server.ensure(state).pid
    finally:
        server.stop(state)
    assert marks.read_text() == ""


def test_the_process_that_kernels_are_forked_from(
    project: Path, marks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    zygote = Zygote({**os.environ, "PYTHONPATH": os.pathsep})
    zygote.wait()
    zygote.close()
    assert marks.read_text() == ""


@pytest.mark.night
def test_a_night_as_its_scheduler_starts_it(project: Path, marks: Path) -> None:
    notebook(project / "notebooks" / "n.ipynb", None, "x = 1")
    file = plan(project, "steps: [{id: a, notebook: notebooks/n.ipynb}]\n")
    written = subprocess.run(
        [*PEXLAB, "schedule", str(file), "--cron", "* * * * *", "--to", "crontab"],
        cwd=project, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    line = next(line for line in written.splitlines() if line.startswith("* * * * * "))
    done = subprocess.run(
        ["sh", "-c", line.removeprefix("* * * * * ")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(project.glob("outputs/nightly/*/a.ipynb"))
    assert marks.read_text() == ""


def test_an_empty_entry_of_pythonpath_is_not_handed_on() -> None:
    assert python.python_path(os.pathsep.join(["", "a", "", "b", ""])) == f"a{os.pathsep}b"
    assert shlex.join(python.command("m", "x")[1:]) == "-P -m m x"
