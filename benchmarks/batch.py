"""A batch compared with a plain Papermill loop over the same notebooks, with all start-up time.

    python benchmarks/batch.py [16 64] [--minute] [--plan]

The notebooks import pandas, plotly, MLflow and pex and make one small table. `--minute` adds
notebooks whose cells take 20 s, compared with these cells alone; `--plan` schedules 10,000 jobs
that do nothing, and measures memory.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import nbformat
import psutil
from figures import figure

LOOP = """
import sys, papermill
for n in range(int(sys.argv[1])):
    papermill.execute_notebook('n.ipynb', f'l-{n}.ipynb', parameters={'x': n}, progress_bar=False)
"""
STACK = (
    "import pandas, plotly.express, mlflow, pex\n"
    "frame = pandas.DataFrame({'x': [x], 'y': [1]})\n"
    "plotly.express.bar(frame, x='x', y='y')\nframe"
)
SECONDS = 20


def write_notebook(path: Path, *cells: str) -> None:
    first = nbformat.v4.new_code_cell("x: int = 0", metadata={"tags": ["parameters"]})
    cells_of = [first, *(nbformat.v4.new_code_cell(cell) for cell in cells)]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells_of, metadata={"kernelspec": spec}), path)


def write_plan(folder: Path, jobs: int) -> None:
    (folder / "plan.yaml").write_text(
        "name: bench\nworkers: 4\nsteps:\n"
        f"- {{id: n, notebook: n.ipynb, sweep: {{x: {list(range(jobs))}}}}}\n"
    )


def timed(*command: str, cwd: Path, times: int = 1) -> tuple[float, float]:
    """Wall and CPU seconds of a command, run several times in a row.

    CPU seconds are those of all processes of the command; other work on the machine hardly changes
    them.
    """
    begun, before = time.perf_counter(), os.times()
    for n in range(times):
        arguments = [
            part.replace("{n}", str(n)) if part.endswith(".ipynb") else part for part in command
        ]
        subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            check=True,
            capture_output=True,
            env=environment(),
        )
    after = os.times()
    used = after.children_user + after.children_system
    return time.perf_counter() - begun, used - before.children_user - before.children_system


def median(found: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """The median wall time, with the CPU time of that run."""
    return statistics.median_low(found)


def environment() -> dict[str, str]:
    return {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}


def compare(jobs: int, folder: Path) -> None:
    write_notebook(folder / "n.ipynb", STACK)
    command = ("-m", "pex.cli", "batch", "plan.yaml", "--batch-id")
    write_plan(folder, 1)
    timed(*command, "first", cwd=folder)  # a project's store in MLflow is made once
    write_plan(folder, jobs)
    batch = median(timed(*command, f"b{n}", cwd=folder) for n in range(3))
    loop = timed("-c", LOOP, str(jobs), cwd=folder)
    command = ("-m", "papermill", "n.ipynb", "o-{n}.ipynb", "-p", "x", "1")
    once = min(jobs, 4)
    single = [took / once * jobs for took in timed(*command, cwd=folder, times=once)]
    for kind, ours, in_loop, by_command in zip(
        ("elapsed time", "processor time"), batch, loop, single, strict=True
    ):
        print(
            f"| {jobs} notebooks, {kind} | {ours:.1f} s | {in_loop:.1f} s | {in_loop / ours:.1f} x "
            f"| {by_command:.0f} s | {by_command / ours:.1f} x |",
            flush=True,
        )
        for peer, seconds in (
            ("a loop over papermill", in_loop), ("a papermill command for each", by_command)
        ):  # fmt: skip
            figure(f"{jobs} notebooks, {kind}", ours, "s", floor=seconds, floor_name=peer)


def minute(folder: Path, jobs: int = 4) -> None:
    write_notebook(folder / "n.ipynb", f"import time\ntime.sleep({SECONDS})")
    write_plan(folder, jobs)
    batch, _ = timed("-m", "pex.cli", "batch", "plan.yaml", "--workers", "1", cwd=folder)
    figure(
        f"{jobs} notebooks of {SECONDS} s, one worker", batch, "s",
        floor=jobs * SECONDS, floor_name="their cells alone",
    )  # fmt: skip


def plan_of(jobs: int, folder: Path) -> None:
    from pex.batch.plan import load_plan
    from pex.batch.run import run_batch
    from pex.batch.task import Outcome

    write_notebook(folder / "n.ipynb", "x")
    write_plan(folder, jobs)
    begun = time.perf_counter()
    plan = load_plan(folder / "plan.yaml")
    read = time.perf_counter() - begun
    memory: list[float] = []

    def nothing(*_: object) -> Outcome:
        memory.append(psutil.Process().memory_info().rss / 1e6)
        return Outcome("done")

    begun = time.perf_counter()
    result = run_batch(plan, executor=nothing)
    took = time.perf_counter() - begun
    assert not result.failed
    tenth = memory[jobs // 10]
    print(
        f"{jobs} jobs: plan read in {read:.1f} s, run in {took:.1f} s; "
        f"memory {tenth:.0f} MB at a tenth, {memory[-1]:.0f} MB at the end"
    )
    figure(f"{jobs:,} jobs that do nothing", took, "s")
    figure(
        f"memory after {jobs:,} jobs", memory[-1], "MB",
        floor=tenth, floor_name="after a tenth of them",
    )  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("sizes", nargs="*", type=int)
    options.add_argument("--minute", action="store_true")
    options.add_argument("--plan", action="store_true")
    given = options.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f}")
    for size in given.sizes:
        with tempfile.TemporaryDirectory() as folder:
            compare(size, Path(folder))
    for chosen, run in ((given.minute, minute), (given.plan, lambda f: plan_of(10_000, f))):
        if chosen:
            with tempfile.TemporaryDirectory() as folder:
                run(Path(folder))


if __name__ == "__main__":
    main()
