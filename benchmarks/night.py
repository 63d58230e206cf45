"""How long the page of a night takes: 2,000 cases x 4 variants, compared with last night.

Run: PYTHONPATH=. python benchmarks/night.py [--cases 2000] [--variants 4]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from figures import figure

from pex.batch.night.write_page import page
from pex.tracking.store import connect
from tests.helpers.night_pages import judged_night


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--variants", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "mlruns").mkdir()
        connect(f"sqlite:///{project}/mlruns/mlflow.db")
        night = judged_night(project, given.cases, given.variants)
        taken = []
        for _ in range(3):
            begun = time.perf_counter()
            text = page(night)
            taken.append(time.perf_counter() - begun)
    size = len(text.encode()) / 1e6
    what = f"{given.cases:,} cases x {given.variants} variants"
    figure(f"page of a night, {what}", statistics.median(taken), "s")
    figure("its size", size, "MB")


if __name__ == "__main__":
    main()
