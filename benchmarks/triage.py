"""How long triage takes to open, on traces that are known, some of them decided.

    PYTHONPATH=. python benchmarks/triage.py [TRACES]

It fills an MLflow store (bulk insert; one trace in 50 is an error, one in 10 has feedback, a third
of the errors is decided), reads all of it once, then opens the queue.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from figures import figure

import pex
from benchmarks.monitor import row
from tests.helpers.deployed import bulk_traces


def decided(number: int) -> dict[str, object]:
    """A trace as of the benchmark of the monitor; some errors are decided."""
    made = row(number)
    if number % 150 == 0:
        made["feedback"] = [{"name": "pex.triage", "value": "known", "by": "Ada"}]
    return made


def main(count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("pex.toml").write_text("")
        uri = f"sqlite:///{folder}/mlflow.db"
        bulk_traces(uri, "shop", (decided(number) for number in range(count)))
        for what in ("first, all is read", "known", "known, again"):
            begun, busy = time.perf_counter(), time.process_time()
            queue = pex.triage("shop", tracking_uri=uri, who="Ada")
            opened, busy = time.perf_counter(), time.process_time() - busy
            shown = len(queue.items)
            print(f"{what}: opened in {opened - begun:.2f} s ({busy:.2f} s of processor time), "
                  f"{len(queue):,} wait; the first {shown} after "
                  f"{time.perf_counter() - begun:.2f} s")  # fmt: skip
            figure(f"open the queue, {count:,} traces, {what}", opened - begun, "s")
        begun = time.perf_counter()
        item = queue.next()
        assert item is not None
        print(f"next: {time.perf_counter() - begun:.2f} s")
        begun = time.perf_counter()
        queue.not_ours(item)
        figure("a decision", time.perf_counter() - begun, "s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
