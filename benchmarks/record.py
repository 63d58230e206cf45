"""How long MLflow takes to store the traces of a run and its cases as a dataset.

Two variants, a few scores each, in a new sqlite store, or in the one that --uri names.

Run: python benchmarks/record.py [--traces 500] [--all 5000] [--cases 10000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time

import pandas as pd
from figures import figure

import pex
from pex.core.about import About
from pex.core.call import Answer, Request
from pex.core.cases import Case
from pex.core.score import Score
from pex.record import traces
from pex.record.choose_traces import choose
from pex.record.dataset import log_dataset, own_name
from pex.record.runs import Recorder
from pex.score.frame import build_frame, summarise
from pex.tracking.store import quiet

VARIANTS = [
    pex.Variant(pex.Prompt("Review: {{ review }}", name=name), "bench/m1", {"temperature": 0})
    for name in ("short", "strict")
]
SCORES = {
    "label": Score(True, "found 'positive'"),
    "words": Score(True),
    "tone": Score(0.5, "calm"),
}


def make_cases(count: int) -> list[Case]:
    text = "The lamp arrived late, but it is bright, warm and better than the picture. "
    return [Case(f"c{n}", {"review": f"{text * 3}({n})"}, "positive") for n in range(count)]


def make_frame(cases: list[Case]) -> pd.DataFrame:
    now = time.time()
    rows = [
        (
            Request(variant.name, case.id, 1, variant.model, {}, f"{variant.name}-{case.id}"),
            Answer(
                output="positive",
                finish_reason="stop",
                started_at=now,
                latency_s=0.5,
                prompt_tokens=60,
                completion_tokens=2,
                cost_usd=0.00002,
            ),
            SCORES,
        )
        for variant in VARIANTS
        for case in cases
    ]
    return build_frame(rows, VARIANTS, cases, list(SCORES))


def make_target(uri: str, frame: pd.DataFrame, cases: list[Case]) -> traces.Target:
    data = {
        "name": f"bench-{time.time_ns()}", "purpose": "", "note": "", "status": "finished",
        "variants": [
            {"name": v.name, "prompt": v.prompt.name, "prompt_version": v.prompt.digest,
             "model": v.model, "params": v.all_params}
            for v in VARIANTS
        ],
        "prompts": [{"name": v.prompt.name, "text": v.prompt.text} for v in VARIANTS],
        "models": ["bench/m1"], "scorers": list(SCORES), "cases": len(cases), "repeats": 1,
        "started_at": "2026-01-01T00:00:00+00:00", "elapsed_s": 0.0,
        "counts": {"requests": len(frame), "answered": len(frame), "errors": 0},
    }  # fmt: skip
    about = About.from_json(data)
    recorder = Recorder(uri, about.name, {})
    recorder.finish(frame, summarise(frame), about, {})
    return traces.target_of(uri, recorder.run_id, about)


def measure(uri: str, count: int) -> tuple[float, float]:
    """Seconds to write `count` traces, and to find that all of them are there."""
    cases = make_cases(count // len(VARIANTS))
    frame = make_frame(cases)
    target = make_target(uri, frame, cases)
    places = choose(frame, "all")
    begun = time.perf_counter()
    assert len(traces.write(target, frame, places)) == count
    middle = time.perf_counter()
    traces.write(target, frame, places)
    return middle - begun, time.perf_counter() - middle


def measure_dataset(uri: str, count: int) -> float:
    cases = make_cases(count)
    frame = make_frame(cases[:1])
    target = make_target(uri, frame, cases[:1])
    begun = time.perf_counter()
    log_dataset(
        uri, target.experiment_id, own_name(target.experiment, cases), cases, [target.run_id]
    )
    return time.perf_counter() - begun


def bare_traces(uri: str, count: int) -> float:
    """Seconds for as many traces of one span with MLflow's own functions, and their scores."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("bare")
    cases, ids = make_cases(count), []
    begun = time.perf_counter()
    for case in cases:
        with mlflow.start_span("call") as span:
            span.set_inputs(case.inputs)
            span.set_outputs("positive")
        ids.append(span.trace_id)
    mlflow.flush_trace_async_logging()  # feedback needs a trace that is stored
    for trace_id in ids:
        for name, score in SCORES.items():
            mlflow.log_feedback(
                trace_id=trace_id, name=name, value=score.value, rationale=score.reason
            )
    return time.perf_counter() - begun


def bare_dataset(uri: str, count: int) -> float:
    """Seconds for a dataset of as many cases with MLflow's own functions."""
    import mlflow.genai.datasets

    mlflow.set_tracking_uri(uri)
    experiment = mlflow.set_experiment("bare")
    records = [
        {"inputs": case.inputs, "expectations": {"expected": case.expected}}
        for case in make_cases(count)
    ]
    begun = time.perf_counter()
    dataset = mlflow.genai.datasets.create_dataset("bare", experiment.experiment_id)
    dataset.merge_records(records)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=500)
    parser.add_argument("--all", type=int, default=5000, help="a larger number, once; 0: none")
    parser.add_argument("--cases", type=int, default=10_000, help="of the dataset; 0: none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--uri")
    given = parser.parse_args()
    quiet()
    folder = tempfile.TemporaryDirectory()
    uri = given.uri or f"sqlite:///{folder.name}/mlflow.db"
    measure(uri, 10)  # makes the store, imports everything
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    times = [measure(uri, given.traces) for _ in range(given.rounds)]
    first = statistics.median(time for time, _ in times)
    again = statistics.median(time for _, time in times)
    print(
        f"{given.traces} traces, medians of {given.rounds}, {given.traces / first:.0f} per second"
    )
    bare_traces(uri, 2)  # imports what the first trace needs
    bare = bare_traces(uri, given.traces)
    figure(
        f"{given.traces} traces", first, "s",
        floor=bare, floor_name="MLflow's start_span and log_feedback alone",
    )  # fmt: skip
    figure(f"{given.traces} traces, nothing to add", again, "s")
    if given.all:
        first, again = measure(uri, given.all)
        print(
            f"{given.all} traces, once: {first:.1f} s, {given.all / first:.0f} per second; "
            f"nothing to add: {again:.2f} s"
        )
    if given.cases:
        seconds, bare = measure_dataset(uri, given.cases), bare_dataset(uri, given.cases)
        figure(
            f"dataset of {given.cases:,} cases", seconds, "s",
            floor=bare, floor_name="MLflow's merge_records alone",
        )  # fmt: skip
    print(f"load average {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
