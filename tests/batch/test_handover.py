"""A batch begun on one machine, by one user, is finished on another by the next."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.notebooks import notebook, plan
from tests.helpers.processes import kernels_of

pytestmark = pytest.mark.night

CALLS, IN_FLIGHT = 20, 2
ASK = (
    "import os, pex, socket\n"
    "prompt = pex.Prompt('{{ word }}', name='echo')\n"
    f"cases = [{{'word': f'{{x}}-{{n}}'}} for n in range({CALLS})]\n"
    "exp = pex.Experiment('echo', pex.grid(prompt, 'lab/m1'), cases, ['length'])\n"
    f"results = exp.run(record=False, max_in_flight={IN_FLIGHT})\n"
    "print(socket.gethostname(), os.environ['HOME'], results.about['counts']['answered'])"
)


def on(host: str, home: Path, *arguments: str) -> list[str]:
    """A command as another user of another machine gives it."""
    own = f'hostname {host} && export HOME={home} USER={home.name} && exec "$@"'
    return ["unshare", "-ru", "sh", "-c", own, "sh", sys.executable, "-m", "pex.cli", *arguments]


def test_killed_in_a_job_on_one_machine_it_asks_only_for_what_is_missing_on_another(
    project: Path, lab: FaultyEndpoint, tmp_path: Path
) -> None:
    if subprocess.run(["unshare", "-ru", "hostname", "laptop"], check=False).returncode:
        pytest.skip("this system lets nobody change the name of a host for one process")
    first, second = tmp_path / "ann", tmp_path / "bob"
    for home in (first, second):
        home.mkdir()
    lab.latency_s = 0.2
    notebook(project / "n.ipynb", "x: int = 0", ASK)
    file = plan(project, "workers: 1\nsteps: [{id: a, notebook: n.ipynb, sweep: {x: [0, 1]}}]\n")
    command = ["batch", str(file), "--batch-id", "night"]
    begun = subprocess.Popen(
        on("laptop", first, *command), stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 300
    while lab.calls < CALLS + 8:  # in the middle of the second job
        assert begun.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(begun.pid, signal.SIGKILL)
    begun.wait()
    while kernels_of(project):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    done = subprocess.run(
        on("server", second, *command, "--resume"), check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "kept     a-x=0" in done.stderr
    said = []
    for x in (0, 1):
        content = nbformat.read(file.parent / f"outputs/nightly/night/a-x={x}.ipynb", as_version=4)
        said.append(content.cells[-1].outputs[-1].text.split())
    assert said == [["laptop", str(first), str(CALLS)], ["server", str(second), str(CALLS)]]
    assert 2 * CALLS <= lab.calls <= 2 * CALLS + IN_FLIGHT
