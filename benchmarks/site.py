"""How long the library's site takes: read, compared, scanned for secrets, written.

Filling the store takes about a minute and is not counted, nor is the import of MLflow. The CPU time
is printed too: it says more than the time on the wall while other work uses the machine.

Run: PYTHONPATH=. python benchmarks/site.py [--prompts 1000] [--versions 20] [--folder FOLDER]
"""

from __future__ import annotations

import os
import time
from statistics import median

from figures import figure

from benchmarks.library import asked_project, make_registry
from pex.evidence.site.pages import write_site


def main() -> None:
    with asked_project(make_registry) as folder:
        os.chdir(folder)
        times = []
        for _ in range(3):
            wall, cpu = time.perf_counter(), time.process_time()
            site = write_site(folder / "site")
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(f"{site.prompts:,} prompts, {site.versions:,} versions: {wall:.1f} s "
                  f"({cpu:.1f} s of one CPU)")  # fmt: skip
            times.append(wall)
        figure(f"the library's site, {site.versions:,} versions", median(times), "s")


if __name__ == "__main__":
    main()
