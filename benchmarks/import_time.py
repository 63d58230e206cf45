"""How long `import pex` takes, compared with starting Python and importing pandas.

Run: python benchmarks/import_time.py [--rounds 11]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

from figures import figure


def seconds(code: str, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, medians of {rounds}")
    bare, pandas = seconds("pass", rounds), seconds("import pandas", rounds)
    print(f"python -c pass: {bare:.3f} s; import pandas: {pandas:.3f} s")
    for code, floor, floor_name in (
        ("import pex", bare, "python -c pass"),
        ("import pex; pex.Experiment", pandas, "import pandas"),
    ):
        figure(code, seconds(code, rounds), "s", floor=floor, floor_name=floor_name)


if __name__ == "__main__":
    main()
