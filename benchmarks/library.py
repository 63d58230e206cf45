"""How fast the library's table, search, check and index are with many prompts and versions.

The registry is a SQLite store, filled in bulk, which is not counted; each prompt has a file, and
some have recorded scores. `list` and `check` are the functions behind the commands, in a process
that is warm. The floor is one query that reads the same rows without looking at them.

Run: PYTHONPATH=. python benchmarks/library.py [--prompts 1000] [--versions 20] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from figures import figure

from tests.helpers.many_prompts import fill, prompt_of

ROUNDS = 5


def main() -> None:
    with asked_project(make_project) as project:
        measure(project)


@contextlib.contextmanager
def asked_project(make: Callable[[Path, int, int], None]) -> Iterator[Path]:
    """The project that the command line asks for, made if it is not there yet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="keep the project here and reuse it")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        project = (asked.folder or Path(made)).resolve()
        if not (project / "pex.toml").exists():
            make(project, asked.prompts, asked.versions)
            (project / "pex.toml").touch()
        yield project


def make_registry(project: Path, prompts: int, versions: int) -> None:
    """A registry with so many prompts and versions."""
    from pex.tracking.store import connect

    (project / "mlruns").mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{project / 'mlruns' / 'mlflow.db'}"
    connect(uri)
    fill(uri, prompts, versions)


def make_project(project: Path, prompts: int, versions: int) -> None:
    """A registry, and files with the same prompts; one in ten files is changed."""
    from pex.library.content import encode
    from pex.library.synced import Synced, mark_synced

    make_registry(project, prompts, versions)
    (project / "prompts").mkdir(exist_ok=True)
    marks = {}
    for number in range(prompts):
        prompt = prompt_of(number, versions)
        path = project / "prompts" / f"{prompt.name}.prompty"
        changed = number % 10 == 0
        path.write_text(
            prompt.as_file().replace("Attempt", "Trial") if changed else prompt.as_file()
        )
        shown = path.relative_to(project).as_posix()
        marks[prompt.name] = Synced(versions, encode(prompt).sha256, shown)
    mark_synced(project, marks)


def measure(project: Path) -> None:
    from pex.evidence.check import check_library
    from pex.evidence.overview import Library, Search, library
    from pex.project.settings import load_settings

    shutil.rmtree(project / ".pex", ignore_errors=True)
    settings = load_settings(project)

    def read() -> Library:
        return library(project, settings)

    first = timed(read)
    found = read()
    search = Search(["refund", "answer"][1], {"risk": "high"}, below={})

    def listed() -> int:
        return sum(search.fits(item) for item in read().prompts)

    def checked() -> int:
        again = read()
        return len(check_library(project, again, again.prompts, "strict"))

    versions = sum(
        len(item.standing.prompt.versions) for item in found.prompts if item.standing.prompt
    )
    load = os.getloadavg()[0]
    print(f"{len(found.prompts):,} prompts, {versions:,} versions; load of the machine {load:.1f}")
    floor = times(lambda: floor_of(project))
    print(f"floor, one query for every version: {floor:.2f} s")
    figure(f"index of {versions:,} versions from nothing, and all files read", first, "s")
    for name, action in (("list with a search", listed), ("check", checked)):
        took = times(action)
        print(f"{name}: median of {ROUNDS}; {action():,} found")
        figure(name, took, "s", floor=floor, floor_name="one query for every version")


def floor_of(project: Path) -> int:
    """Reading what a table of all versions needs, without making anything of it."""
    store = sqlite3.connect(project / "mlruns" / "mlflow.db")
    with contextlib.closing(store) as connection:
        return len(
            connection.execute(
                "SELECT name, version, creation_time, description FROM model_versions"
            ).fetchall()
        )


def timed(action: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def times(action: Callable[[], Any]) -> float:
    return median(timed(action) for _ in range(ROUNDS))


if __name__ == "__main__":
    main()
