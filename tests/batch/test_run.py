"""Real notebooks in real kernels; one failure never ends the rest."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

import pex
from pex.batch.plan import load_plan
from pex.batch.run import run_batch
from pex.batch.table import collect, html, text
from tests.batch.test_plan import notebook, plan
from tests.endpoint import FaultyEndpoint


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
    assert slow.error == "not done within 8 s"
    assert (again.status, again.attempts) == ("done", 2)
    assert not kernels_of(tmp_path)


def kernels_of(folder: Path) -> list[int]:
    """Kernels that still run in a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            line = " ".join(process.info["cmdline"] or [])
            if ("ipykernel" in line or "pex.batch.zygote" in line) and process.cwd() == str(folder):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


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
    assert "0.50 [0.09, 0.91]" in text(table)
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
    deadline = time.monotonic() + 60
    while not kernels_of(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert not kernels_of(tmp_path)
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
