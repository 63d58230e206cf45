"""How long verdicts, reports and the end of a recorded run take.

The floor for a comparison is scipy's paired t test on the same numbers, already paired: the
rest is pairing, checks and the choice of the method. promptfoo, Inspect and MLflow compare no
pairs, so there is nothing else to compare with.

Run: python benchmarks/compare.py [--cases 10000] [--variants 8] [--rounds 3]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from figures import figure
from scipy import stats
from throughput import serve

import pex
from pex.core.events import Answered, Event
from pex.results.comparison import compare_frame
from pex.results.results import Results

TEXT = "the parcel came late and the box was broken but support answered within the hour"
WORDS = TEXT.split()


def frame(cases: int, variants: int, repeats: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    names = [f"v{n}" for n in range(variants)]
    rows = cases * variants * repeats
    ids = np.tile(np.repeat([f"c{n}" for n in range(cases)], repeats), variants)
    return pd.DataFrame(
        {
            "variant": np.repeat(names, cases * repeats),
            "prompt": np.repeat(names, cases * repeats),
            "model": "bench/m1",
            "case_id": ids,
            "repeat": np.tile(np.arange(1, repeats + 1), cases * variants),
            "group": None,
            "tags": [[["short", "long", "hard"][int(i[1:]) % 3]] for i in ids],
            "expected": "positive",
            "output": [" ".join(rng.choice(WORDS, 25)) for _ in range(rows)],
            "error": None,
            "error_kind": None,
            "score.label": (rng.random(rows) < 0.7).astype(float),
            "reason.label": None,
            "score_error.label": None,
            "score.similarity": rng.random(rows),
            "reason.similarity": None,
            "score_error.similarity": None,
            "latency_s": rng.gamma(2, 0.3, rows),
            "cost_usd": 0.001,
            "prompt_tokens": 40,
            "completion_tokens": 25,
            "from_journal": False,
            "request_key": [f"k{n}" for n in range(rows)],
            "case.review": [f"{i}: {TEXT}" for i in ids],
        }
    )


def results(table: pd.DataFrame) -> Results:
    names = list(dict.fromkeys(table["variant"]))
    rows = len(table)
    about: dict[str, Any] = {
        "name": "bench", "purpose": "", "note": "", "status": "finished", "run_id": None,
        "tracking_uri": None, "started_at": "2026-01-01T00:00:00+00:00", "elapsed_s": 1.0,
        "cases": table["case_id"].nunique(), "repeats": 1,
        "variants": [{"name": n, "prompt": n, "model": "bench/m1", "params": {}} for n in names],
        "prompts": [{"name": n, "text": "{{ review }}", "description": ""} for n in names],
        "models": ["bench/m1"], "scorers": ["label", "similarity"], "budget_usd": None,
        "spent_usd": 0.0, "versions": {}, "how_to": [],
        "counts": {"requests": rows, "answered": rows, "errors": 0, "not_asked": 0},
    }  # fmt: skip
    return Results(table, about)


def took(what: Callable[[], Any], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        what()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def comparisons(cases: int, variants: int, rounds: int) -> None:
    table = frame(cases, variants)
    wide = table.pivot_table(index="case_id", columns="variant", values="score.label").to_numpy()

    def floor() -> None:
        for other in range(1, variants):
            stats.ttest_rel(wide[:, other], wide[:, 0]).confidence_interval()

    least = took(floor, rounds)
    print(f"{cases:,} cases x {variants} variants; scipy's t on paired numbers: {least:.3f} s")
    grouped = table.assign(group=[f"g{int(i[1:]) // 4}" for i in table["case_id"]])
    for name, data, metric in (
        ("yes/no score", table, "label"),
        ("score of numbers", table, "similarity"),
        ("latency", table, "latency_s"),
        ("yes/no score, groups of four", grouped, "label"),
        ("both scores", table, None),
    ):
        seconds = took(lambda d=data, m=metric: compare_frame(d, baseline="v0", metric=m), rounds)
        figure(
            f"{name}, {cases:,} cases x {variants}", seconds, "s",
            floor=least, floor_name="scipy's t on paired numbers",
        )  # fmt: skip


def reports(rounds: int) -> None:
    made = results(frame(2000, 4))
    made.page()
    page = ""

    def whole() -> None:
        nonlocal page
        page = results(made.frame).page()

    seconds = took(whole, rounds)
    figure("report of 2,000 cases x 4 variants", seconds, "s")
    print(f"  {len(page.encode()) / 1e6:.2f} MB")


def recorded(answers: int) -> None:
    """From the last answer to the return of `exp.run()`, then the background work."""
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(0.02, there), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}/v1"
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            Path("pex.toml").write_text(f'[providers.bench]\nbase_url = "{url}"\nfree = true\n')
            cases = [{"review": f"{n} {TEXT}", "expected": "positive"}
                     for n in range(answers // 4)]  # fmt: skip
            prompts = [pex.Prompt("{{ review }}" + "?" * n, name=f"p{n}") for n in range(4)]
            exp = pex.Experiment("bench", pex.grid(prompts, "bench/m1"), cases, ["label"])
            exp.run(show=False, limit=1, max_in_flight=256)  # the store is made here
            last = 0.0

            def note_last(event: Event) -> None:
                nonlocal last
                if isinstance(event, Answered):
                    last = time.perf_counter()

            execution = exp.start(max_in_flight=256)
            execution.listen(note_last)
            begun = time.perf_counter()
            found = execution.wait()
            ended = time.perf_counter()
            assert found.about["counts"]["answered"] == answers
            assert "record_error" not in found.about
            figure(
                f"from the last of {answers:,} answers to the return of exp.run()",
                ended - last, "s", floor=last - begun, floor_name="its calls",
            )  # fmt: skip
            assert found.traces is not None
            assert found.traces.wait(), found.traces.error
            done, total = found.traces.progress
            after = time.perf_counter() - ended
            print(f"  {done} of {total} traces and the dataset {after:.1f} s later")
    finally:
        server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--variants", type=int, default=8)
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f}; medians of {given.rounds}")
    comparisons(given.cases, given.variants, given.rounds)
    reports(given.rounds)
    recorded(given.answers)


if __name__ == "__main__":
    main()
