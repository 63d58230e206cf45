"""Whatever goes wrong is named, nothing is lost, the rest goes on, and nothing is left over."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import psutil
import pytest

import pex
from pex.batch.plan import load_plan
from pex.batch.run import run_batch
from tests.helpers.notebooks import notebook, plan
from tests.helpers.processes import no_kernel_is_left

pytestmark = pytest.mark.night

SLEEP = "print('before')\nopen('up', 'a').write('x')\nimport time\ntime.sleep(600)"


PATIENCE_S = 240
"""Less than a test may take: that something hangs is said by name, that a machine is slow is not.
A batch that is told to end waits up to a minute for MLflow's store alone."""


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def start(path: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pex.cli", "batch", str(path), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=path.parent,
        start_new_session=True,
        # Under nohup, a hang-up is ignored by every process that is started from there.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509
    )


def command(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    with start(path, *options) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in err, err
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files, of this test alone."""
    # Addresses of sockets are short, and so must be their folder's name.
    folder = Path("/tmp") / f"t{os.getpid()}"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    (tmp_path / "pex.toml").touch()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def outputs(tmp_path: Path) -> Iterator[Path]:
    """The folder of outputs on a disk of 200 kB."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_each_kind_of_bad_notebook_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    notebook(tmp_path / "slow.ipynb", None, "print('before')", "import time; time.sleep(600)")
    notebook(
        tmp_path / "deaf.ipynb",
        None,
        "import signal, time\nfor number in (signal.SIGTERM, signal.SIGINT):\n"
        "    signal.signal(number, signal.SIG_IGN)\ntime.sleep(600)",
    )
    notebook(tmp_path / "exits.ipynb", None, "import os; os._exit(7)")
    notebook(tmp_path / "leaves.ipynb", None, "import sys; sys.exit(3)")
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    notebook(tmp_path / "killed.ipynb", None, "print(1)", killed)
    notebook(
        tmp_path / "large.ipynb",
        None,
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))",
        "x = bytearray(8 << 30)",
    )
    hostile = r"raise ValueError('a\x00b\x1b[31m<script>\ud800' + 'x' * 1_000_000)"
    notebook(tmp_path / "hostile.ipynb", None, hostile)
    notebook(tmp_path / "empty.ipynb", None)
    bare = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, ["x = 1", "print(x)"])])
    bare.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(bare, tmp_path / "bare.ipynb")
    old = nbformat.v3.new_notebook(
        worksheets=[nbformat.v3.new_worksheet(cells=[nbformat.v3.new_code_cell("print(41 + 1)")])]
    )
    (tmp_path / "old.ipynb").write_text(nbformat.v3.writes_json(old))
    names = ["slow", "deaf", "exits", "leaves", "killed", "large", "hostile", "empty", "old"]
    steps = [f"- {{id: {name}, notebook: {name}.ipynb}}\n" for name in names]
    steps += [
        "- {id: bare, notebook: bare.ipynb, parameters: {x: 5}}\n",
        "- {id: after, notebook: empty.ipynb, needs: [killed, empty]}\n",
    ]
    path = plan(tmp_path, f"timeout_s: 15\nsteps:\n{''.join(steps)}")
    result = run_batch(load_plan(path), "night")
    found = {item.job.id: (item.status, item.error, item.cell) for item in result.results}
    hostile_said = found.pop("hostile")
    assert found == {
        "slow": ("timeout", "not finished within 15 s", 2),
        "deaf": ("timeout", "not finished within 15 s", 1),
        "exits": ("failed", "its kernel died in cell 1 (exit code 7)", 1),
        "leaves": ("failed", "SystemExit: 3", 1),
        "killed": ("failed", "its kernel died in cell 2 (killed, perhaps out of memory)", 2),
        "large": ("failed", "MemoryError", 2),
        "empty": ("done", None, None),
        "old": ("done", None, None),
        "bare": ("done", None, None),
        "after": ("skipped", "needs killed", None),
    }
    assert hostile_said[0] == "failed"
    assert hostile_said[1]
    assert hostile_said[1].isprintable()
    assert len(hostile_said[1]) < 600
    said = nbformat.read(result.folder / "slow.ipynb", as_version=4).cells[0].outputs
    assert [item["text"] for item in said] == ["before\n"]
    assert "text/plain" not in (result.folder / "old.ipynb").read_text()
    assert "42" in (result.folder / "old.ipynb").read_text()
    assert '"5\\n"' in (result.folder / "bare.ipynb").read_text()  # injected
    assert no_kernel_is_left(tmp_path)


@pytest.mark.soak
def test_the_folder_may_have_nearly_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "it's {x} {} {0} ü %d #1"
    folder.mkdir()
    (folder / "pex.toml").touch()
    notebook(folder / "n {x}.ipynb", "x: int = 0", "print(x + 41)")
    steps = "steps: [{id: a, notebook: 'n {x}.ipynb', parameters: {x: 1}}]\n"
    done = command(plan(folder, steps), "--batch-id", "night")
    assert done.returncode == 0, done.stderr
    assert '"42\\n"' in (folder / "outputs/nightly/night/a.ipynb").read_text()


def test_a_full_disk_fails_what_it_cannot_hold_and_a_resume_does_only_that(
    tmp_path: Path, outputs: Path
) -> None:
    (tmp_path / "pex.toml").touch()
    notebook(tmp_path / "big.ipynb", "x: int = 0", "print('y' * 90_000)")
    path = plan(
        tmp_path,
        "workers: 1\nsteps:\n- {id: a, notebook: big.ipynb, sweep: {x: [0, 1, 2]}}\n",
    )
    full = command(path, "--batch-id", "night")
    assert full.returncode == 5
    assert "failed   a-x=2 after" in full.stderr
    assert "the page of the night cannot be written" in full.stderr
    assert "a-x=0.ipynb does not say where its record is" in full.stderr
    assert full.stderr.count("No space left on device") == 3
    subprocess.run(["mount", "-o", "remount,size=20m", str(outputs)], check=True)
    again = command(path, "--batch-id", "night", "--resume")
    assert again.returncode == 0, again.stderr
    assert [line.split()[:2] for line in again.stderr.splitlines()[1:4]] == [
        ["kept", "a-x=0"],
        ["kept", "a-x=1"],
        ["started", "a-x=2"],
    ]
    assert (outputs / "nightly" / "night" / "night.html").is_file()


def test_a_batch_that_cannot_be_written_at_all_is_refused(tmp_path: Path) -> None:
    notebook(tmp_path / "n.ipynb", None, "1")
    loaded = load_plan(plan(tmp_path, "steps: [{id: a, notebook: n.ipynb}]\n"))
    (tmp_path / "outputs").write_text("a file in its place")
    with pytest.raises(pex.PexError, match=r"cannot write its outputs to .*: Not a directory"):
        run_batch(loaded, "night")


@pytest.mark.soak
def test_outputs_that_are_deleted_meanwhile_cost_only_the_notebook_that_ran(tmp_path: Path) -> None:
    deletes = "import shutil\nif x == 1:\n    shutil.rmtree('outputs')"
    notebook(tmp_path / "n.ipynb", "x: int = 0", deletes, "print(x)")
    path = plan(tmp_path, "workers: 1\nsteps: [{id: a, notebook: n.ipynb, sweep: {x: [1, 2]}}]\n")
    deleted, later = run_batch(load_plan(path), "night").results
    assert deleted.status == "failed"
    assert "night doesn't exist" in (deleted.error or "")
    assert later.status == "done"
    assert later.output.is_file()


def test_what_changed_between_start_and_resume_is_said(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "p.prompty").write_text("{{ word }}")
    (tmp_path / "c.csv").write_text("word\na\n")
    (tmp_path / "same.csv").write_text("word\na\n")
    fails = "import pathlib\nif x == 0: assert pathlib.Path('ready').exists()"
    notebook(tmp_path / "n.ipynb", "x: int = 0", fails)
    step = "- {{id: a, notebook: n.ipynb, sweep: {{x: [0, {0}]}}}}\n"
    begun = load_plan(plan(tmp_path, f"steps:\n{step.format('1, 2')}"))
    assert run_batch(begun, "night").failed
    (tmp_path / "ready").touch()
    (tmp_path / "prompts" / "p.prompty").write_text("{{ word }}!")
    (tmp_path / "c.csv").unlink()
    more = "- {id: b, notebook: n.ipynb, parameters: {x: 5}}\n"
    changed = load_plan(plan(tmp_path, f"steps:\n{step.format('1')}{more}"))
    said: list[str] = []
    result = run_batch(changed, resume=True, say=said.append)
    assert said[:4] == [
        "added to the plan since this batch started: b",
        "removed from the plan, and kept as they are: a-x=2",
        "changed since this batch started; finished jobs are not rerun: "
        "plan.yaml, prompts/p.prompty",
        "deleted since this batch started: c.csv",
    ]
    assert [(item.job.id, item.status) for item in result.results] == [
        ("a-x=0", "done"), ("a-x=1", "done"), ("b", "done")
    ]  # fmt: skip
    assert (result.folder / "a-x=2.ipynb").is_file()
    # It began without what was added since: there is nothing left of it to go on with.
    later = load_plan(plan(tmp_path, f"steps:\n{step.format('1, 7')}"))
    with pytest.raises(pex.PexError, match="no unfinished batch"):
        run_batch(later, resume=True)


@pytest.mark.soak
def test_lines_that_a_kill_has_cut_off_cost_one_job_alone(tmp_path: Path) -> None:
    notebook(tmp_path / "n.ipynb", "x: int = 0", "1")
    loaded = load_plan(
        plan(tmp_path, "steps: [{id: a, notebook: n.ipynb, sweep: {x: [0, 1, 2]}}]\n")
    )
    folder = run_batch(loaded, "night").folder
    lines = (folder / "jobs.jsonl").read_text().splitlines()
    (folder / "jobs.jsonl").write_text(f'[]\n"x"\n{{}}\n{lines[0]}\n{lines[1]}\n{lines[2][:40]}')
    said: list[str] = []
    run_batch(loaded, "night", resume=True, say=said.append)
    assert sum(line.startswith("kept") for line in said) == 2
    said.clear()
    run_batch(loaded, "night", resume=True, say=said.append)
    assert sum(line.startswith("kept") for line in said) == 3


def test_of_two_starts_of_one_batch_the_second_says_that_it_runs(
    tmp_path: Path, temporary: Path
) -> None:
    notebook(tmp_path / "n.ipynb", None, SLEEP)
    path = plan(tmp_path, "steps: [{id: a, notebook: n.ipynb}]\n")
    both = [start(path, "--batch-id", "night") for _ in range(2)]
    wait_for(lambda: (tmp_path / "up").exists() and any(p.poll() is not None for p in both))
    second, first = sorted(both, key=lambda process: process.poll() is None)
    for process in (second, start(path, "--resume"), start(path, "--batch-id", "night")):
        _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 2
        assert "error: the batch 'night' is already running" in err
    assert (tmp_path / "up").read_text() == "x"
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=PATIENCE_S)
    assert not list(temporary.glob("pex-*"))


@pytest.mark.parametrize("how", [["INT", "INT"], ["TERM"], ["KILL"]])
def test_however_it_is_ended_nothing_is_left_and_it_can_go_on(
    how: list[str], tmp_path: Path, temporary: Path
) -> None:
    child = "import subprocess\nsubprocess.Popen(['sleep', '601'])\n"
    waits = (
        f"import pathlib\nif not pathlib.Path('ready').exists():\n    {child!r}; exec({child!r})"
    )
    notebook(tmp_path / "n.ipynb", None, f"{waits}\n    exec({SLEEP!r})")
    path = plan(tmp_path, "steps: [{id: a, notebook: n.ipynb}]\n")
    process = start(path, "--batch-id", "night")
    wait_for((tmp_path / "up").exists)
    family = psutil.Process(process.pid).children(recursive=True)
    for name in how:
        process.send_signal(getattr(signal, f"SIG{name}"))
        time.sleep(0.3)  # the second comes while the first is being obeyed
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == (
        130 if how[0] in ("INT", "TERM") else -getattr(signal, f"SIG{how[0]}")
    )
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
    assert not alive
    wait_for(lambda: not list(temporary.glob("pex-*")))
    (tmp_path / "ready").touch()
    again = command(path, "--resume")
    assert again.returncode == 0, again.stderr


def test_killed_altogether_it_leaves_what_the_next_start_tidies_up(
    tmp_path: Path, temporary: Path
) -> None:
    notebook(tmp_path / "n.ipynb", None, SLEEP)
    path = plan(tmp_path, "steps: [{id: a, notebook: n.ipynb}]\n")
    process = start(path, "--batch-id", "night")
    wait_for((tmp_path / "up").exists)
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        member.suspend()
    for member in family:
        member.kill()
    process.communicate(timeout=PATIENCE_S)
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
    assert not alive
    (left,) = temporary.glob("pex-*")
    notebook(tmp_path / "n.ipynb", None, "1")
    assert command(path, "--resume").returncode == 0
    assert not left.exists()
    assert not list(temporary.glob("pex-*"))


@pytest.mark.soak
def test_a_zygote_or_kernel_that_is_killed_costs_the_notebooks_of_that_moment(
    tmp_path: Path, temporary: Path
) -> None:
    notebook(tmp_path / "n.ipynb", "x: int = 0", "open(f'{x}.up', 'w')\nimport os, time",
             "print(os.getppid(), flush=True)\ntime.sleep(600 if x < 2 else 0)")  # fmt: skip
    path = plan(
        tmp_path, "workers: 1\nsteps: [{id: a, notebook: n.ipynb, sweep: {x: [0, 1, 2]}}]\n"
    )
    process = start(path, "--batch-id", "night")

    def kernel(x: int) -> psutil.Process:
        wait_for((tmp_path / f"{x}.up").exists)
        (found,) = [p for p in psutil.Process(process.pid).children(recursive=True) if
                    p.ppid() != process.pid]  # fmt: skip
        return found

    kernel(0).kill()
    parent = kernel(1).parent()
    assert parent is not None
    parent.kill()
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 5
    assert "Traceback" not in err
    assert err.count("its kernel died in cell") == 2
    assert "done     a-x=2" in err
    assert out
    with contextlib.suppress(psutil.NoSuchProcess):
        assert not parent.is_running()
    assert not list(temporary.glob("pex-*"))
    told = json.loads((tmp_path / "outputs/nightly/night/batch.json").read_text())
    assert [job["status"] for job in told["jobs"]] == ["failed", "failed", "done"]
