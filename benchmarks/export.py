"""How fast 50,000 rows of training data are exported, and how the memory grows.

    .venv/bin/python benchmarks/export.py [ROWS]

A project with an experiment of so many cases, 200 of them held out, is exported in each format that
takes expected answers: held-out cases and near-duplicates are looked for, every row is scanned for
secrets and personal data, and the files are checked.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import figure

FORMATS = ("openai-chat", "trl-messages", "alpaca", "sharegpt")


def project(folder: Path, count: int) -> None:
    """An experiment with cases of about 250 characters, none like another."""
    dice = random.Random(7)
    words = [
        "".join(dice.choices("abcdefghijklmnoprstuvw", k=dice.randint(2, 9))) for _ in range(5000)
    ]
    place = folder / "experiments" / "many"
    (place / "prompts").mkdir(parents=True)
    (folder / "pex.toml").write_text("")
    (place / "prompts" / "short.prompty").write_text(
        "---\nname: short\n---\nsystem:\nAnswer with one word.\n\nuser:\nWhich kind? {{ text }}\n"
    )
    (place / "experiment.yaml").write_text(
        "name: many\ncases: cases.jsonl\nprompts: [prompts/short.prompty]\nmodels: [lab/m]\n"
        "columns: {expected: label}\n"
    )
    with (place / "cases.jsonl").open("w") as file:
        for number in range(count + 200):
            row = {
                "case_id": f"c{number}", "text": " ".join(dice.choices(words, k=40)),
                "label": "abc"[number % 3], "split": "train" if number < count else "test",
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")


def one(name: str) -> None:
    """Export in one format, in a process of its own, and print what it took."""
    from pex.training import material
    from pex.training.export import export

    begun, used = time.monotonic(), time.process_time()
    read = material.material_of

    def timed(*args: object, **options: object) -> object:
        found = read(*args, **options)  # type: ignore[arg-type]
        loaded.append((time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
        return found

    loaded: list[tuple[float, int]] = []
    import pex.training.export as module

    module.material_of = timed  # type: ignore[assignment]
    found = export("many", name, f"data-{name}")
    end = time.monotonic()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = sum(file["rows"] for file in found.files.values())
    print(
        f"{name}: {rows:,} rows in {end - begun:.1f} s, {time.process_time() - used:.1f} s of CPU "
        f"({loaded[0][0] - begun:.1f} s to read the "
        f"experiment), {(most - loaded[0][1]) / 1024:.0f} MB more than with the cases alone"
    )
    figure(
        f"{name}, {rows:,} rows", end - begun, "s",
        floor=loaded[0][0] - begun, floor_name="reading the experiment",
    )  # fmt: skip


def main() -> None:
    """Make the project and export it in each format."""
    if len(sys.argv) > 2:
        one(sys.argv[2])
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        project(Path(folder), count)
        for name in FORMATS:
            command = [sys.executable, str(Path(__file__).resolve()), str(count), name]
            subprocess.run(command, cwd=folder, check=True)


if __name__ == "__main__":
    main()
