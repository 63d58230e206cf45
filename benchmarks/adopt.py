"""How long it takes to adopt a model over a whole library when every answer is in the journal.

Each prompt has an experiment of its own. Their answers are asked once of an endpoint on this
machine, which is not counted; then the whole adoption is made again, with its page and its MLflow
run, without a call.

Run: PYTHONPATH=. python benchmarks/adopt.py [--prompts 200] [--cases 50] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import figure

from tests.helpers.endpoint import FaultyEndpoint, completion


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--cases", type=int, default=50)
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    asked = parser.parse_args()
    endpoint = FaultyEndpoint()
    endpoint.models, endpoint.reply, endpoint.keep = ["old", "new"], reply, False
    with tempfile.TemporaryDirectory() as folder, endpoint.running():
        project = Path(folder)
        make(project, endpoint.url, asked.prompts, asked.cases)
        os.chdir(project)
        measure(endpoint, asked.profile)


def make(project: Path, url: str, prompts: int, cases: int) -> None:
    """A project with so many experiments of one prompt each."""
    (project / "pex.toml").write_text(
        f'[providers.lab]\nbase_url = "{url}"\nfree = true\nmax_in_flight = 64\n'
    )
    rows = "".join(f"c{n},review number {n},{'yes' if n % 3 else 'no'}\n" for n in range(cases))
    for number in range(prompts):
        name = f"prompt-{number:03}"
        folder = project / "experiments" / name
        (folder / "prompts").mkdir(parents=True)
        (folder / "prompts" / f"{name}.prompty").write_text(
            f"---\nname: {name}\n---\nuser:\nQuestion {number}: {{{{ q }}}}\n"
        )
        (folder / "cases.csv").write_text(f"case_id,q,expected\n{rows}")
        (folder / "experiment.yaml").write_text(
            f"name: {name}\ncases: cases.csv\nprompts: [prompts/{name}.prompty]\n"
            "models: [lab/old]\nparams: [{max_tokens: 8}]\nscorers: [label]\n"
        )


def reply(body: dict[str, Any], number: int) -> Any:
    """Both models are often right; the new one less often for some prompts."""
    words = body["messages"][-1]["content"].split()
    prompt, case = int(words[1].rstrip(":")), int(words[-1])
    right = "yes" if case % 3 else "no"
    wrong = "no" if right == "yes" else "yes"
    every = 5 if body["model"] == "old" else 3 + prompt % 4
    return completion(wrong if case % every == 1 else right)


def measure(endpoint: FaultyEndpoint, profile: bool) -> None:
    """Fill the journal, then time the adoption."""
    import pex
    from pex.tracking.store import connect

    Path("mlruns").mkdir()
    connect(f"sqlite:///{Path.cwd() / 'mlruns' / 'mlflow.db'}")  # a new store takes seconds
    begun = time.perf_counter()
    pex.adopt("lab/new", "lab/old", record=False, show=False, margin=0.1)
    filled = time.perf_counter() - begun
    print(f"filling the journal: {filled:.1f} s, {endpoint.calls:,} calls")
    calls = endpoint.calls
    profiler = cProfile.Profile()
    begun, used = time.perf_counter(), time.process_time()
    if profile:
        profiler.enable()
    found = pex.adopt("lab/new", "lab/old", show=False, margin=0.1)
    profiler.disable()
    took, used = time.perf_counter() - begun, time.process_time() - used
    assert isinstance(found, pex.Adoption)
    answers = sum(len(item.measured.frame) for item in found.outcomes)
    size = len(found.page()) / 1e6
    print(
        f"{len(found.outcomes):,} prompts, {answers:,} answers: {took:.1f} s "
        f"({used:.1f} s of the processor), "
        f"{endpoint.calls - calls} calls, page {size:.1f} MB"
    )
    figure(
        f"adopt a model for {len(found.outcomes):,} prompts from the journal, with MLflow", took,
        "s", floor=filled, floor_name="with its calls, without MLflow",
    )  # fmt: skip
    if profile:
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(45)


if __name__ == "__main__":
    main()
