"""Runs that are killed while their answers go into the journal."""

import math
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pex
from tests.helpers.endpoint import FaultyEndpoint

SCRIPT = textwrap.dedent(
    """
    import sys, pex
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": f"word{i}", "expected": f"word{i}"} for i in range(int(sys.argv[1]))]
    exp = pex.Experiment("kills", pex.grid(prompt, "lab/m1"), cases, ["exact"])
    print("ready", flush=True)
    results = exp.run(record=False, show=False, max_in_flight=16, journal=sys.argv[2])
    counts = results.about["counts"]
    print(counts["answered"], counts["errors"], counts["replayed"], len(results.frame),
          results.frame["score.exact"].sum(), results.frame["output"].nunique())
    """
)


def experiment(count: int = 10, name: str = "echoes", **options: object) -> pex.Experiment:
    prompt = pex.Prompt("{{ word }}", name="echo")
    cases = [{"word": f"word{i}", "expected": f"word{i}"} for i in range(count)]
    return pex.Experiment(name, pex.grid(prompt, "lab/m1"), cases, ["exact"], **options)


def run(exp: pex.Experiment, **options: object) -> pex.Results:
    return exp.run(**{"record": False, "show": False, **options})


def rows(project: Path, sql: str) -> list[tuple]:
    with sqlite3.connect(project / ".pex" / "journal.db") as connection:
        return connection.execute(sql).fetchall()


def kill_at_random(
    lab: FaultyEndpoint,
    project: Path,
    dice: random.Random,
    mode: str,
    calls: int = 300,
    kills: int = 3,
) -> int:
    """Kill a run many times, then let it end: at most what was in flight is paid again."""
    lab.latency_s = 0.02
    before, killed = lab.calls, 0
    last: float = math.inf
    # A run that has ended is paid for anew by the next fresh one, so none ends before it is
    # killed: what it asks beyond a random call gets no answer.
    lab.reply = lambda body, number: "hang" if number > last else None
    while True:
        paid = lab.calls - before
        kill = killed < kills and paid + 16 < calls
        last = (
            lab.calls + dice.randrange((calls - paid) // (kills - killed + 1)) if kill else math.inf
        )
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(calls), mode],
            cwd=project,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        if kill:
            while lab.calls < last and process.poll() is None:
                time.sleep(0.001)
            time.sleep(dice.uniform(0.0, 0.03))
            process.send_signal(signal.SIGKILL)
            killed += 1
        out, _ = process.communicate(timeout=300)
        if not kill:
            break
        assert not out
    answered, errors, _, length, right, distinct = out.split()
    assert (answered, errors, length, distinct) == (str(calls), "0", str(calls), str(calls))
    assert float(right) == calls
    paid = lab.calls - before
    assert calls <= paid <= calls + killed * 16
    stored = rows(project, "SELECT count(*), count(DISTINCT key) FROM answers")[0]
    assert stored[0] % calls == 0
    assert stored[1] == calls
    return killed
