"""The same plan on a Dask cluster: real workers, one of them killed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import distributed
import nbformat
import pytest

import pex
from pex.batch.dask import Cluster, cluster_of
from pex.batch.plan import Plan, load_plan
from pex.batch.result import BatchResult
from pex.batch.run import run_batch
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.notebooks import notebook, plan
from tests.helpers.postgres import postgres
from tests.helpers.processes import no_kernel_is_left

pytestmark = pytest.mark.night

WORDS, IN_FLIGHT = 10, 2
ASK = (
    "import pex\n"
    "prompt = pex.Prompt('{{ word }}', name='echo')\n"
    f"cases = [{{'word': f'{{x}}-{{n}}'}} for n in range({WORDS})]\n"
    "exp = pex.Experiment('echo', pex.grid(prompt, 'lab/m1'), cases, ['length'])\n"
    f"print(exp.run(record=False, max_in_flight={IN_FLIGHT}).about['counts']['answered'])"
)
NINE = "steps: [{id: a, notebook: n.ipynb, sweep: {x: [0, 1, 2, 3, 4, 5, 6, 7, 8]}}]\n"


ELSEWHERE = ["unshare", "-rmu", "sh", "-c",
             'hostname elsewhere && mount -t tmpfs none "$0" && exec "$@"']  # fmt: skip
"""Begins a command that runs as on another machine, without the folder that follows."""


@contextmanager
def cluster(
    folder: Path, workers: int = 3, hidden: Path | None = None, **environment: str
) -> Iterator[str]:
    """A scheduler and workers, processes that start in a folder; gives the address.

    Of the folder `hidden` the workers see nothing.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    shared = ["--host", "127.0.0.1", "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    env = {**os.environ, **environment}
    started = [
        subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_scheduler", *shared,
                          "--port", str(port)], **quiet)
    ]  # fmt: skip
    other = [*ELSEWHERE, str(hidden)] if hidden else []
    command = [
        *other, sys.executable, "-m", "distributed.cli.dask_worker", address, *shared,
        "--nthreads", "1", "--no-nanny", "--local-directory", str(folder / "dask"),
    ]  # fmt: skip
    started += [
        subprocess.Popen([*command, "--name", f"w{n}"], cwd=folder, env=env, **quiet)
        for n in range(workers)
    ]
    try:
        with distributed.Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
        yield address
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def elsewhere(project: Path, lab: FaultyEndpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project for workers that do not see the driver's."""
    if subprocess.run([*ELSEWHERE, str(project), "true"], check=False).returncode:
        pytest.skip("this system lets nobody hide a folder from a process")
    copy = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(project / "pex.toml", copy)
    return copy


def run_on(address: str, loaded: Plan, **options: object) -> BatchResult:
    with cluster_of(address, loaded, print) as executor:
        assert executor is not None
        return run_batch(loaded, "night", executor.threads, executor=executor, **options)


def kill_one_worker(address: str, when: Callable[[], bool]) -> threading.Thread:
    """Kill the process of a worker that executes a job, once `when` says so."""

    def kill() -> None:
        while not when():
            time.sleep(0.02)
        with distributed.Client(address, set_as_default=False) as client:
            busy = [worker for worker, tasks in client.processing().items() if tasks]
            pids = client.run(os.getpid)
            os.kill(pids[busy[0]], signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return thread


def check_that_nothing_was_paid_twice(address: str, loaded: Plan, lab: FaultyEndpoint) -> None:
    """Nine jobs on three workers, one of which is killed in the middle."""
    lab.latency_s = 0.15
    killer = kill_one_worker(address, lambda: lab.calls >= WORDS * 2 + 4)
    result = run_on(address, loaded)
    killer.join(30)
    assert [(item.status, item.error) for item in result.results] == [("done", None)] * 9
    assert [item.attempts for item in result.results] == [1] * 9  # the plan has no retries
    for item in result.results:
        content = nbformat.read(item.output, as_version=4)
        assert content.cells[-1].outputs[-1].text.strip() == str(WORDS)
    assert WORDS * 9 <= lab.calls <= WORDS * 9 + IN_FLIGHT
    assert not any(loaded.outputs.glob(".shared-*"))


def test_a_killed_workers_job_runs_elsewhere_and_asks_for_what_is_missing(
    project: Path, lab: FaultyEndpoint
) -> None:
    notebook(project / "n.ipynb", "x: int = 0", ASK)
    with cluster(project) as address:
        loaded = load_plan(plan(project, f"scheduler: {address}\n{NINE}"))
        check_that_nothing_was_paid_twice(loaded.scheduler, loaded, lab)
    assert no_kernel_is_left(project)


@pytest.mark.postgres
def test_workers_without_the_drivers_disk_share_a_journal_on_postgresql(
    project: Path, lab: FaultyEndpoint, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # nobody asks it here
    notebook(project / "n.ipynb", "x: int = 0", ASK)
    for copy in (project, elsewhere):
        with (copy / "pex.toml").open("a") as file:
            file.write('[journal]\nurl_env = "PEX_JOURNAL_URL"\n')
    with postgres() as url:
        monkeypatch.setenv("PEX_JOURNAL_URL", url)
        with cluster(elsewhere, hidden=project) as address:
            check_that_nothing_was_paid_twice(address, load_plan(plan(project, NINE)), lab)
    assert not list(elsewhere.glob("**/*.ipynb"))
    assert no_kernel_is_left(elsewhere)


def test_workers_that_could_not_do_their_work_get_none(
    project: Path, lab: FaultyEndpoint, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook(project / "n.ipynb", "x: int = 0", ASK)
    loaded = load_plan(plan(project, NINE))
    with cluster(elsewhere, workers=1, hidden=project) as address:
        with pytest.raises(pex.PexError, match=r"the journal is a file there") as caught:
            Cluster(address, loaded, print)
        assert "[journal] url_env" in str(caught.value)
        settings = (project / "pex.toml").read_text()
        (project / "pex.toml").write_text(
            settings + 'api_key_env = "LAB_KEY"\nheaders = {X-Door = {env = "MY_DOOR"}}\n'
        )
        monkeypatch.setenv("LAB_KEY", "sk-of-the-driver")
        monkeypatch.setenv("MY_DOOR", "open-4711-sesame")
        with pytest.raises(pex.PexError, match="lacks LAB_KEY, MY_DOOR"):
            Cluster(address, loaded, print)
    assert lab.calls == 0
    assert not any(loaded.outputs.glob(".shared-*"))


@pytest.mark.soak
def test_a_worker_with_another_version_gets_no_job(project: Path, tmp_path: Path) -> None:
    (project / "pex.toml").touch()
    notebook(project / "n.ipynb", "x: int = 0", "x")
    copy = tmp_path / "other" / "pex"
    shutil.copytree(Path(pex.__file__).parent, copy)
    text = (copy / "core" / "version.py").read_text()
    (copy / "core" / "version.py").write_text(text.replace(pex.__version__, "0.0.1"))
    loaded = load_plan(plan(project, NINE))
    with (
        cluster(project, workers=1, PYTHONPATH=str(copy.parent)) as address,
        pytest.raises(pex.PexError, match=rf"has pex 0\.0\.1, this is {pex.__version__}"),
    ):
        Cluster(address, loaded, print)


def test_without_a_scheduler_or_dask_it_says_so(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook(project / "n.ipynb", "x: int = 0", "x")
    loaded = load_plan(plan(project, NINE))
    with pytest.raises(pex.PexError, match="no Dask scheduler answers at tcp://127"):
        Cluster("tcp://127.0.0.1:9", loaded, print)
    for wrong in ("http://127.0.0.1:9", "host-without-port"):
        with pytest.raises(pex.PexError, match="expected tcp://host:port"):
            Cluster(wrong, loaded, print)
    with socket.socket() as mute:  # somebody listens, and is no scheduler
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(pex.PexError, match="no Dask scheduler answers"):
            Cluster(f"tcp://127.0.0.1:{mute.getsockname()[1]}", loaded, print)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(pex.PexError, match=r'pip install "pexlab\[dask\]"'):
        Cluster("tcp://127.0.0.1:9", loaded, print)


@pytest.mark.soak
def test_a_killed_driver_leaves_no_job_and_another_one_goes_on(project: Path) -> None:
    (project / "pex.toml").touch()
    notebook(
        project / "n.ipynb",
        "x: int = 0",
        "import pathlib, time\n"
        "while not pathlib.Path('ready').exists():\n"
        "    pathlib.Path(f'{x}.beat').write_text(str(time.time())); time.sleep(0.1)",
    )
    steps = "steps: [{id: a, notebook: n.ipynb, sweep: {x: [0, 1, 2]}}]\n"
    file = plan(project, steps)
    with cluster(project, workers=1) as address:
        command = [sys.executable, "-m", "pex.cli", "batch", str(file), "--scheduler", address]
        driver = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        beat = project / "0.beat"
        deadline = time.monotonic() + 300
        while not beat.exists():
            assert driver.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        driver.kill()
        driver.wait()
        while time.time() - beat.stat().st_mtime < 3:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        (project / "ready").touch()
        again = subprocess.run([*command, "--resume"], check=False, capture_output=True, text=True)
        assert again.returncode == 0, again.stderr
    assert no_kernel_is_left(project)
