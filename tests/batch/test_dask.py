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
import psutil
import pytest

import pex
from pex.batch.dask import Cluster, cluster_of
from pex.batch.plan import Plan, load_plan
from pex.batch.run import BatchResult, run_batch
from tests.batch.test_plan import notebook, plan
from tests.batch.test_run import kernels_of
from tests.endpoint import FaultyEndpoint
from tests.postgres import postgres

WORDS, IN_FLIGHT = 10, 2
ASK = (
    "import pex\n"
    "prompt = pex.Prompt('{{ word }}', name='echo')\n"
    f"cases = [{{'word': f'{{x}}-{{n}}'}} for n in range({WORDS})]\n"
    "exp = pex.Experiment('echo', pex.grid(prompt, 'lab/m1'), cases, ['length'])\n"
    f"print(exp.run(record=False, max_in_flight={IN_FLIGHT}).about['counts']['answered'])"
)
NINE = "steps: [{id: a, notebook: n.ipynb, sweep: {x: [0, 1, 2, 3, 4, 5, 6, 7, 8]}}]\n"


@contextmanager
def cluster(folder: Path, workers: int = 3, **environment: str) -> Iterator[str]:
    """A scheduler and workers, processes that start in a folder; gives the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    shared = ["--host", "127.0.0.1", "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "distributed.cli.dask_"]
    env = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **environment}
    started = [
        subprocess.Popen([dask[0], "-m", "distributed.cli.dask_scheduler", *shared,
                          "--port", str(port)], **quiet)
    ]  # fmt: skip
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, *shared,
               "--nthreads", "1", "--no-nanny", "--local-directory", str(folder / "dask")]  # fmt: skip
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
    assert not kernels_of(project)
