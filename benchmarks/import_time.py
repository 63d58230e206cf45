"""How long `import pex` takes, compared with starting Python and importing pandas.

Run: python benchmarks/import_time.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

ROUNDS = 11


def seconds(code: str) -> float:
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def main() -> None:
    floor = seconds("pass")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, medians of {ROUNDS}")
    print(f"{'python -c pass':32} {floor:6.3f} s")
    for code in ("import pex", "import pex; pex.Experiment", "import pandas"):
        value = seconds(code)
        print(f"{code:32} {value:6.3f} s   {value - floor:+.3f} s   {value / floor:4.1f} x")


if __name__ == "__main__":
    main()
