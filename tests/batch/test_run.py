"""Real notebooks in real kernels; one failure never ends the rest."""

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

import pex
from pex.batch import run as batch_run
from pex.batch.job_log import alone
from pex.batch.plan import load_plan
from pex.batch.run import run_batch
from pex.batch.summary import collect, html, text
from pex.batch.task import Outcome, Running, Task
from tests.helpers.endpoint import FaultyEndpoint
from tests.helpers.notebooks import notebook, plan
from tests.helpers.processes import kernels_of, no_kernel_is_left, sockets

pytestmark = pytest.mark.night


def test_a_failed_notebook_is_reported_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", 'sk-"12345678')
    notebook(
        tmp_path / "n.ipynb",
        "x: int = 0",
        "import os, sys; print(os.environ['PEX_JOB_ID'], os.getcwd(), sys.executable, sep='\\n')",
        "print(os.environ['LAB_KEY'])\n1 / x",
    )
    notebook(tmp_path / "after.ipynb", None, "1")
    loaded = load_plan(
        plan(
            tmp_path,
            "steps:\n- {id: a, notebook: n.ipynb, sweep: {x: [0, 1]}}\n"
            "- {id: b, notebook: after.ipynb, needs: [a]}\n",
        )
    )
    said: list[str] = []
    result = run_batch(loaded, "night-1", say=said.append)
    bad, good, skipped = result.results
    assert (bad.status, good.status, skipped.status) == ("failed", "done", "skipped")
    assert bad.error == "ZeroDivisionError: division by zero"
    assert bad.cell == 4  # as In [4] of the output, the injected parameters counted
    assert skipped.error == "needs a-x=0"
    assert any(line.startswith("failed   a-x=0") for line in said)
    content = nbformat.read(good.output, as_version=4)
    nbformat.validate(content)
    printed = "".join(output.get("text", "") for cell in content.cells for output in cell.outputs)
    assert printed.splitlines()[:3] == ["a-x=1", str(tmp_path), sys.executable]
    assert "12345678" not in good.output.read_text() + bad.output.read_text()
    with pytest.raises(pex.PexError, match="already a batch 'night-1'"):
        run_batch(loaded, "night-1")


def test_timeout_and_retries(tmp_path: Path) -> None:
    notebook(tmp_path / "slow.ipynb", None, "import time; time.sleep(600)")
    flaky = (
        "from pathlib import Path\np = Path('seen')\nif not p.exists():\n    p.touch()\n    1 / 0"
    )
    notebook(tmp_path / "flaky.ipynb", None, flaky)
    loaded = load_plan(
        plan(
            tmp_path,
            "timeout_s: 8\nretries: 1\nsteps:\n- {id: slow, notebook: slow.ipynb}\n"
            "- {id: flaky, notebook: flaky.ipynb}\n",
        )
    )
    slow, again = run_batch(loaded).results
    assert (slow.status, slow.attempts) == ("timeout", 2)
    assert slow.error == "not finished within 8 s"
    assert (again.status, again.attempts) == ("done", 2)
    assert no_kernel_is_left(tmp_path)


def test_the_first_job_knows_of_the_others_however_early_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool's thread may run the first job before the next one has been handed out."""
    entered, ahead = threading.Event(), []

    class Hasty(ThreadPoolExecutor):
        def submit(self, *args: Any, **kwargs: Any) -> Any:
            future = super().submit(*args, **kwargs)
            assert entered.wait(60)
            return future

    def execute(task: Task, running: Running) -> Outcome:
        entered.set()
        return Outcome("done")

    monkeypatch.setattr(batch_run, "ThreadPoolExecutor", Hasty)
    monkeypatch.setattr(batch_run, "execute", execute)
    monkeypatch.setattr(
        Running, "start_ahead", lambda self: ahead.append(self._task.environment["PEX_JOB_ID"])
    )
    notebook(tmp_path / "n.ipynb", "x: int = 0", "1")
    sweep = "steps:\n- {id: a, notebook: n.ipynb, sweep: {x: [0, 1, 2]}}\n"
    loaded = load_plan(plan(tmp_path, f"workers: 1\n{sweep}"))
    assert not run_batch(loaded, executor=execute).failed
    assert ahead == ["a-x=1", "a-x=2"]


def test_kernels_that_cannot_be_forked_are_started_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data" / "kernels" / "strict"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(
        json.dumps(
            {
                "argv": [
                    sys.executable,
                    "-bb",
                    "-m",
                    "ipykernel_launcher",
                    "-f",
                    "{connection_file}",
                ],
                "display_name": "Strict",
                "language": "python",
            }
        )
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    path = notebook(
        tmp_path / "n.ipynb",
        "x: int = 0",
        "import builtins, json, os, psutil, sys, time\n"
        "own = hasattr(builtins, 'planted'); builtins.planted = True; time.sleep(2)\n"
        "print(json.dumps([own, os.environ['PEX_JOB_ID'], sys.flags.bytes_warning, os.getcwd(),\n"
        "                  psutil.Process().create_time(), time.time()]))",
    )
    content = nbformat.read(path, as_version=4)
    content.metadata.kernelspec.name = "strict"
    nbformat.write(content, path)
    sweep = "steps:\n- {id: a, notebook: n.ipynb, sweep: {x: [0, 1, 2]}}\n"
    result = run_batch(load_plan(plan(tmp_path, f"workers: 1\n{sweep}")))
    facts = []
    for item in result.results:
        assert item.status == "done", item.error
        cells = nbformat.read(item.output, as_version=4).cells
        facts.append(json.loads(cells[2].outputs[0].text))
    assert [fact[:4] for fact in facts] == [[False, f"a-x={n}", 2, str(tmp_path)] for n in range(3)]
    assert all(later[4] < former[5] for former, later in itertools.pairwise(facts))
    assert no_kernel_is_left(tmp_path)


def test_a_killed_batch_leaves_no_process_and_no_socket(tmp_path: Path) -> None:
    notebook(tmp_path / "slow.ipynb", None, "open('up', 'w'); import time; time.sleep(600)")
    path = plan(tmp_path, "steps:\n- {id: slow, notebook: slow.ipynb}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "pex.cli", "batch", str(path)],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while not (tmp_path / "up").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    family = psutil.Process(process.pid).children(recursive=True)
    folder = sockets(family)
    assert list(folder.glob("*-ipc-*"))
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=300)
    assert not alive
    assert not folder.exists()


def test_ten_thousand_jobs_are_handed_out_and_steps_wait_for_one_another(tmp_path: Path) -> None:
    notebook(tmp_path / "n.ipynb", "x: int = 0", "x")
    loaded = load_plan(
        plan(
            tmp_path,
            "workers: 4\nsteps:\n- {id: last, notebook: n.ipynb, needs: [a, b]}\n"
            "- {id: b, notebook: n.ipynb, needs: [a], sweep: {x: [0, 1]}}\n"
            "- {id: a, notebook: n.ipynb}\n- {id: alone, notebook: n.ipynb}\n",
        )
    )
    (first,) = [job for job in loaded.jobs if job.id == "a"]
    many = tuple(dataclasses.replace(first, id=f"a-{n}") for n in range(10_000))
    loaded = dataclasses.replace(loaded, jobs=(*many, *loaded.jobs[1:]))
    order: list[str] = []

    def executor(task: Task, _: Running) -> Outcome:
        order.append(task.output.stem)
        return Outcome("failed", "no") if task.output.stem == "b-x=1" else Outcome("done")

    result = run_batch(loaded, executor=executor)
    by_id = {item.job.id: item for item in result.results}
    assert [item.job.id for item in result.results] == [job.id for job in loaded.jobs]
    assert (by_id["last"].status, by_id["last"].error) == ("skipped", "needs b-x=1")
    assert max(order.index(job.id) for job in many) < order.index("b-x=0")
    assert {item.job.id for item in result.failed} == {"b-x=1", "last"}


def test_the_table_joins_jobs_and_runs(project: Path, lab: FaultyEndpoint) -> None:
    (project / "e.yaml").write_text(
        "name: echo\ncases: c.csv\nprompts: [p.prompty]\nmodels: [lab/m1]\nscorers: [exact]\n"
    )
    (project / "c.csv").write_text("word,expected\na,a\nb,x\n")
    (project / "p.prompty").write_text("{{ word }}")
    notebook(
        project / "n.ipynb",
        "n: int = 1",
        "import pex; pex.Experiment.load('e.yaml').run(limit=n)",
    )
    notebook(project / "bad.ipynb", None, "raise ValueError('<script>alert(1)</script>')")
    loaded = load_plan(
        plan(
            project,
            "steps:\n- {id: a, notebook: n.ipynb, sweep: {n: [1, 2]}}\n"
            "- {id: bad, notebook: bad.ipynb}\n",
        )
    )
    result = run_batch(loaded)
    table = collect(result, f"sqlite:///{project}/mlruns/mlflow.db")
    assert table["job"].tolist() == ["a-n=1", "a-n=2", "bad"]
    assert table["exact"].tolist()[:2] == [1.0, 0.5]
    assert "50 % [9, 91]" in text(table)
    assert "ValueError: <script>" in text(table)
    assert "<script>" not in html(table, "x")
    # What the notebook showed is there without a kernel: the static table beside the widget.
    content = nbformat.read(result.results[1].output, as_version=4)
    shown = json.dumps([cell.get("outputs") for cell in content.cells])
    assert "pex-static" in shown
    assert "expected: x" in shown


def test_ctrl_c_leaves_no_kernel(tmp_path: Path) -> None:
    notebook(tmp_path / "slow.ipynb", None, "import time; print('up', flush=True); time.sleep(600)")
    path = plan(tmp_path, "steps:\n- {id: slow, notebook: slow.ipynb}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "pex.cli", "batch", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    deadline = time.monotonic() + 300
    while not kernels_of(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert no_kernel_is_left(tmp_path)
    assert list(tmp_path.glob("outputs/nightly/*/slow.ipynb"))


def test_a_batch_spends_one_budget_over_all_its_notebooks(
    project: Path, endpoint: FaultyEndpoint
) -> None:
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{endpoint.url}"\n'
        '[prices."lab/m1"]\ninput_usd_per_million = 1000\noutput_usd_per_million = 1000\n'
    )
    notebook(
        project / "n.ipynb",
        "which: str = ''",
        "import pex\n"
        "prompt = pex.Prompt('{{ word }}' + which, name='echo')\n"
        "cases = [{'word': f'w{i}'} for i in range(50)]\n"
        "variants = pex.grid(prompt, 'lab/m1', {'max_tokens': 2})\n"
        "exp = pex.Experiment('e', variants, cases, budget_usd=100)\n"
        "results = exp.run(record=False)\n"
        "print(results.status, results.about['journal']['mode'])",
    )
    steps = "steps:\n- {id: a, notebook: n.ipynb, sweep: {which: [x, y]}}\n"
    loaded = load_plan(plan(project, f"budget_usd: 0.9\n{steps}"))
    result = run_batch(loaded, "night-1")
    assert [job.status for job in result.results] == ["done", "done"]
    said = [job.output.read_text() for job in result.results]
    assert any("budget fresh" in text for text in said)
    assert 0.7 < endpoint.calls * 0.012 <= 0.9
    before = endpoint.calls
    again = run_batch(load_plan(plan(project, f"journal: reuse\n{steps}")), "night-2")
    assert all("finished reuse" in job.output.read_text() for job in again.results)
    assert endpoint.calls - before == 100 - before
    with pytest.raises(pex.PexError, match="budget_usd"):
        load_plan(plan(project, f"budget_usd: -1\n{steps}"))
    with pytest.raises(pex.PexError, match="journal"):
        load_plan(plan(project, f"journal: frehs\n{steps}"))


def test_a_resumed_batch_keeps_what_is_done_and_runs_the_rest(tmp_path: Path) -> None:
    notebook(
        tmp_path / "n.ipynb",
        "x: int = 0",
        "import pathlib\nassert x == 1 or pathlib.Path('ready').exists()",
    )
    notebook(tmp_path / "after.ipynb", None, "1")
    text = (
        "steps:\n- {id: a, notebook: n.ipynb, sweep: {x: [0, 1]}}\n"
        "- {id: b, notebook: after.ipynb, needs: [a]}\n"
    )
    loaded = load_plan(plan(tmp_path, text))
    with pytest.raises(pex.PexError, match="no unfinished batch"):
        run_batch(loaded, resume=True)
    with pytest.raises(pex.PexError, match="no batch 'night' to resume"):
        run_batch(loaded, "night", resume=True)
    first = run_batch(loaded, "night")
    assert [item.status for item in first.results] == ["failed", "done", "skipped"]
    kept = first.results[1].output.stat().st_mtime_ns
    (tmp_path / "ready").touch()
    said: list[str] = []
    second = run_batch(loaded, resume=True, say=said.append)
    assert second.batch_id == "night"
    assert [item.status for item in second.results] == ["done"] * 3
    assert said[0] == "kept     a-x=1"
    assert second.results[1].output.stat().st_mtime_ns == kept
    with pytest.raises(pex.PexError, match="no unfinished batch"):
        run_batch(loaded, resume=True)


def test_a_batch_that_runs_or_whose_finished_jobs_have_changed_is_not_resumed(
    tmp_path: Path,
) -> None:
    notebook(tmp_path / "n.ipynb", "x: int = 0", "1 / x")
    steps = "steps: [{{id: a, notebook: n.ipynb, sweep: {{x: [0, 1]}}, parameters: {p}}}]\n"
    loaded = load_plan(plan(tmp_path, steps.format(p="{}")))
    first = run_batch(loaded, "night")
    with alone(first.folder), pytest.raises(pex.PexError, match="'night' is already running"):
        run_batch(loaded, "night", resume=True)
    notebook(tmp_path / "n.ipynb", "x: int = 0", "2 / x")
    with pytest.raises(pex.PexError, match="the job 'a-x=1' is done, but its notebook or its"):
        run_batch(loaded, "night", resume=True)


def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "pex.toml").touch()
    notebook(
        tmp_path / "n.ipynb",
        "x: int = 0",
        "import pathlib, time\npathlib.Path(f'{x}.ran').open('a').write('.')\n"
        "time.sleep(0 if x == 0 or pathlib.Path('ready').exists() else 600)",
    )
    file = plan(
        tmp_path, "workers: 1\nsteps: [{id: a, notebook: n.ipynb, sweep: {x: [0, 1, 2]}}]\n"
    )
    command = [sys.executable, "-m", "pex.cli", "batch", str(file), "--batch-id", "night"]
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True)
    deadline = time.monotonic() + 300
    while not (tmp_path / "1.ran").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (tmp_path / "ready").touch()
    done = subprocess.run([*command, "--resume"], cwd=tmp_path, check=False, timeout=300)
    assert done.returncode == 0
    ran = [(tmp_path / f"{x}.ran").read_text() for x in range(3)]
    assert ran == [".", "..", "."]
