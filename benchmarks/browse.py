"""How fast the library browser is with many prompts and versions in a SQLite store.

Filling the store takes a few minutes and is not counted. List: until all names with their newest
version, aliases and files are there, the first time in a process (with MLflow's import) and later.
Choose: from choosing a prompt until its versions and its text are there.

Run: python benchmarks/browse.py [--prompts 500] [--versions 20] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

from figures import figure

import pex


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--versions", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="keep the store here and reuse it")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = asked.folder or Path(made)
        uri = f"sqlite:///{folder.resolve() / 'browse.db'}"
        if not (folder / "browse.db").exists():
            fill(uri, asked.prompts, asked.versions)
        measure(folder, uri)


def fill(uri: str, prompts: int, versions: int) -> None:
    """Prompts of 150 words, with an alias each."""
    from pex.library.content import encode
    from pex.tracking.store import connect

    client = connect(uri)
    for number in range(prompts):
        name = f"prompt-{number:03d}"
        client.create_prompt(name, description=f"What prompt {number} is for.")
        for version in range(1, versions + 1):
            words = f"Attempt {version}. " + "Read the {{ text }} and answer in one word. " * 16
            written = encode(pex.Prompt(words, name, model="local/smollm2"))
            client.create_prompt_version(name, written.template, tags=written.tags)
        client.set_prompt_alias(name, "champion", versions)


def measure(project: Path, uri: str) -> None:
    from pex.browser.browser import LibrarySource

    begun = time.perf_counter()
    library = LibrarySource(project, uri)
    rows = library.listing().rows
    figure(f"list of {len(rows):,} prompts, first", time.perf_counter() - begun, "s")
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        library.listing()
        times.append(time.perf_counter() - begun)
    figure(f"list of {len(rows):,} prompts, later", median(times), "s")
    times = []
    for row in rows[:: max(1, len(rows) // 20)]:
        begun = time.perf_counter()
        versions = library.versions(row.name)
        library.prompt(row.name, versions[0].key)
        times.append(time.perf_counter() - begun)
    figure(f"choose a prompt with {len(versions)} versions", median(times) * 1000, "ms")
    print(f"at most {max(times) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
