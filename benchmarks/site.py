"""How long the library's site takes: read, compared, scanned for secrets, written.

Filling the store takes about a minute and is not counted, nor is the import of MLflow. The CPU time
is printed too: it says more than the time on the wall while other work uses the machine.

Run: PYTHONPATH=. python benchmarks/site.py [--prompts 1000] [--versions 20] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from pex.evidence.site.pages import write_site
from pex.tracking.store import connect
from tests.helpers.many_prompts import fill


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="keep the project here and reuse it")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = (asked.folder or Path(made)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pex.toml").touch()
        uri = f"sqlite:///{folder}/mlruns/mlflow.db"
        new = not (folder / "mlruns").exists()
        (folder / "mlruns").mkdir(exist_ok=True)
        connect(uri)
        if new:
            fill(uri, asked.prompts, asked.versions)
        os.chdir(folder)
        for _ in range(3):
            wall, cpu = time.perf_counter(), time.process_time()
            site = write_site(folder / "site")
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(f"{site.prompts:,} prompts, {site.versions:,} versions: {wall:.1f} s "
                  f"({cpu:.1f} s of one CPU)")  # fmt: skip


if __name__ == "__main__":
    main()
