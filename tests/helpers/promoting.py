"""Prompts whose answers are scripted, an experiment on them, and what became of their aliases."""

from pathlib import Path
from typing import Any

import mlflow

import pex
from pex.library.registry_api import card_of
from tests.helpers.endpoint import completion

CASES = 40
GOOD = pex.Prompt("GOOD {{ q }}", name="ask")
BAD = pex.Prompt("BAD {{ q }}", name="ask")
EVEN = pex.Prompt("EVEN {{ q }}", name="ask")
YAML = """
name: sums
cases: cases.csv
prompts: ["library:ask/1", "library:ask/2"]
models: [lab/m1]
scorers: [label]
gate: {baseline: "ask.1", metric: label, margin: 0.02}
"""


def answer(body: dict[str, Any], number: int) -> Any:
    """GOOD prompts are right, BAD ones wrong, EVEN ones right on every other case."""
    text = body["messages"][-1]["content"]
    kind, _, case = text.split()
    right = kind == "GOOD" or (kind == "EVEN" and int(case) % 2 == 0)
    return completion("yes" if right else "no")


def shelve(*prompts: pex.Prompt, champion: int | None = 1) -> None:
    for number, prompt in enumerate(prompts, 1):
        alias = "champion" if number == champion else None
        assert pex.library.save(prompt, alias=alias).version == number


def run(**options: Any) -> pex.Results:
    made = pex.Experiment.load("experiments/sums/experiment.yaml")
    return made.run(**{"show": False, "traces": "none", **options})


def aliases(project: Path) -> dict[str, int]:
    uri = f"sqlite:///{project / 'mlruns' / 'mlflow.db'}"
    return {k: int(v) for k, v in card_of(mlflow.MlflowClient(uri), uri, "ask").aliases.items()}
