"""Every benchmark, one after the other, and one table of their figures.

Each script runs in a process of its own and prints what it always prints. A script that fails or
takes too long is said in the table, and the next one runs.

Run: make bench [BENCH_OPTIONS="--quick --only throughput compare --out figures.md"]
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import importlib.metadata
import importlib.util
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from figures import FILE, Figure, read

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 3600.0
QUICK_TIMEOUT_S = 600.0


@dataclasses.dataclass(frozen=True)
class Script:
    """A benchmark with its usual arguments and small ones."""

    name: str
    usual: str = ""
    quick: str = ""
    needs: tuple[str, ...] = ()
    left_out: str = ""
    """Why it only runs when it is named."""
    timeout_s: float = TIMEOUT_S


SCRIPTS = (
    Script("import_time", quick="--rounds 3"),
    Script("throughput", quick="--calls 200 --in-flight 32 --latency 0.1 --rounds 1"),
    Script("tool_paths", quick="--paths 50 --latency 0.05"),
    Script("warm_up", quick="--cases 20 --in-flight 4 --latency 0.05"),
    Script("conversations", quick="--turns 5 10 --cases 5"),
    Script("documents", "--files 200", "--files 3", ("pypdfium2",)),
    Script("compare", quick="--cases 500 --variants 3 --answers 200 --rounds 1"),
    Script("record", quick="--traces 20 --all 0 --cases 100 --rounds 1"),
    Script("records", quick="30"),
    Script("near_duplicates", quick="400", needs=("datasketch",)),
    Script("batch", "16 64 --minute --plan", "2"),
    Script("night", quick="--cases 100 --variants 2"),
    Script("monitor", "20000", "1000"),
    Script("triage", "20000", "1000"),
    Script("library", quick="--prompts 20 --versions 3"),
    Script("site", quick="--prompts 20 --versions 3"),
    Script("browse", quick="--prompts 10 --versions 3"),
    Script("measured", quick="--runs 50"),
    Script("adopt", quick="--prompts 5 --cases 10"),
    Script("serving", quick="--moves 2"),
    Script("export", quick="500"),
    Script("guard_check", quick="--rates"),
    Script("guard_outputs", quick="--rates"),
    Script("personal"),
    Script("patterns", quick="2"),
    Script("delimiters", quick="--cases 3"),
    Script("widgets", quick="--cases 200 --variants 2 --static 100", needs=("playwright",)),
    Script(
        "guard_peers",
        needs=("llm_guard", "llamafirewall"),
        left_out="its packages need an environment of their own, see its first lines",
    ),
    Script("soak", quick="--minutes 3", left_out="it takes an hour", timeout_s=7200),
)
SUPPORT = {
    "all": "this file",
    "figures": "how a benchmark says a figure",
    "floor": "the bare table beside which `widgets` measures the grid",
    "timed_endpoint": "the endpoint of `throughput`, `tool_paths`, `conversations` and `soak`",
}
"""Files of this folder that measure nothing."""


@dataclasses.dataclass
class Outcome:
    """What came of one script."""

    script: Script
    figures: list[Figure]
    missing: list[str]
    problem: str
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for, print the table; 1 when a script failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small arguments, a few minutes")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[s.name for s in SCRIPTS])
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="write the table here too")
    given = parser.parse_args(arguments)
    if given.out and not given.out.resolve().parent.is_dir():
        parser.error(f"--out: there is no folder {given.out.resolve().parent}")
    chosen = [s for s in SCRIPTS if (s.name in given.only if given.only else not s.left_out)]
    begun = conditions()
    outcomes: list[Outcome] = []
    with contextlib.suppress(KeyboardInterrupt):  # the table of those that ended is still worth it
        for at, script in enumerate(chosen, 1):
            print(f"\n[{at}/{len(chosen)}] {script.name}", flush=True)
            outcomes.append(run(script, given.quick, named=bool(given.only)))
            said = outcomes[-1].problem or "done"
            print(f"[{at}/{len(chosen)}] {script.name}: {said}, {outcomes[-1].seconds:.0f} s")
    whole = page(outcomes, chosen, begun, quick=given.quick, named=bool(given.only))
    print(f"\n{whole}")
    if given.out:
        given.out.write_text(whole + "\n", encoding="utf-8")
    return int(len(outcomes) < len(chosen) or any(one.problem for one in outcomes))


def run(script: Script, quick: bool, named: bool = False, folder: Path = HERE) -> Outcome:
    """Run one script until it ends or its time is over, and read its figures."""
    absent = [name for name in script.needs if importlib.util.find_spec(name) is None]
    if absent and not named:
        return Outcome(script, [], [f"it needs {', '.join(absent)}: not installed"], "", 0.0)
    limit = min(script.timeout_s, QUICK_TIMEOUT_S) if quick else script.timeout_s
    options = (script.quick or script.usual if quick else script.usual).split()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as made:
        path = Path(made, "figures.jsonl")
        search = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
        process = subprocess.Popen(
            [sys.executable, str(folder / f"{script.name}.py"), *options],
            cwd=HERE.parent,
            env={**os.environ, FILE: str(path), "PYTHONPATH": search},
            start_new_session=True,  # so that its servers and kernels end with it
        )
        try:
            code = process.wait(limit)
            problem = f"failed with exit code {code}, see above" if code else ""
        except subprocess.TimeoutExpired:
            problem = f"stopped after {limit:,.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        figures, missing = read(path)
    if not figures and not problem:
        problem = "reported no figure"
    return Outcome(script, figures, missing, problem, time.monotonic() - begun)


def page(
    outcomes: list[Outcome], chosen: list[Script], begun: str, *, quick: bool, named: bool
) -> str:
    """The table with what it was measured on and what it lacks, in Markdown."""
    lines = [begun, f"Load average at the end: {os.getloadavg()[0]:.1f}."]
    if quick:
        lines.append("Small arguments: a check that everything runs, not figures to quote.")
    rows = [("benchmark", "what", "figure", "floor or peer", "ratio")]
    for one in outcomes:
        rows += [
            (one.script.name, made.what, made.measured, made.compared_with, made.ratio)
            for made in one.figures
        ]
        if one.problem:
            rows.append((one.script.name, one.problem, "", "", ""))
    lines += ["", *table(rows)]
    lacking = [f"{one.script.name}: {what}" for one in outcomes for what in one.missing]
    ended = {one.script.name for one in outcomes}
    lacking += [f"{script.name}: interrupted" for script in chosen if script.name not in ended]
    if not named:
        lacking += [f"{s.name}: {s.left_out} (`--only {s.name}`)" for s in SCRIPTS if s.left_out]
    if lacking:
        lines += ["", "Not measured:", "", *(f"- {line}" for line in lacking)]
    return "\n".join(lines)


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows of text as a Markdown table, padded so that it is also read in a terminal."""
    safe = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*safe, strict=True)]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in safe
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def conditions() -> str:
    """What the figures depend on, before the first script makes the machine busy."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(package)}"
        for name, package in (("pex", "pexlab"), ("MLflow", "mlflow"))
    )
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"Measured on {today} on {processor()}, {os.cpu_count()} cores, load average "
        f"{os.getloadavg()[0]:.1f} at the start; Python {platform.python_version()}, {versions}."
    )


def processor() -> str:
    """The name of the processor."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
