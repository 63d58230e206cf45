"""A laboratory with nights: a plan of the shipped notebook on a provider that a test controls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.helpers.command import pexlab
from tests.helpers.endpoint import FaultyEndpoint, completion

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
HAPPY = ["happy", "great", "fine", "lovely", "quick", "kind", "tasty", "warm", "neat", "safe"]
UNHAPPY = ["awful", "broken", "late", "rude", "dirty", "cold", "noisy", "stale", "slow", "sad"]
WORDS = [word for pair in zip(HAPPY, UNHAPPY, strict=True) for word in pair]


class Model:
    """What stands behind `lab/m1`: tells happy words from unhappy ones, as told.

    A prompt that says "briefly" makes it guess "positive"; `wrong` are words it gets wrong,
    `name` is what it calls itself, `polite` how it greets.
    """

    def __init__(self, endpoint: FaultyEndpoint) -> None:
        self.wrong: set[str] = set()
        self.name = "m1-2026-01"
        self.polite = "Good morning."
        endpoint.reply = self.reply

    def reply(self, body: dict[str, Any], number: int) -> dict[str, Any]:
        text = body["messages"][-1]["content"]
        word = next((word for word in WORDS if word in text), None)
        if word is None:
            answer = f"{self.polite} You asked: {text}"
        else:
            happy = word in HAPPY
            if word in self.wrong:
                happy = not happy
            if "briefly" in text:
                happy = True
            answer = "positive" if happy else "negative"
        return {**completion(answer), "model": self.name}


def lay_out(project: Path, plan: str = "") -> Path:
    """An experiment of twenty words with two prompts, a canary, and a plan; returns the plan."""
    folder = project / "experiments" / "words"
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts/short.prompty").write_text("Is this positive or negative? {{ word }}")
    (folder / "prompts/long.prompty").write_text(
        "Read the word with care. Is it positive or negative? {{ word }}"
    )
    rows = [f"{word},{'positive' if word in HAPPY else 'negative'}" for word in WORDS]
    (folder / "cases.csv").write_text("word,expected\n" + "\n".join(rows) + "\n")
    (folder / "canary.csv").write_text("question\nWho are you?\nCount to three.\nName a city.\n")
    (folder / "experiment.yaml").write_text(
        "name: words\npurpose: Tell happy words from unhappy ones.\ncases: cases.csv\n"
        "prompts: [prompts/short.prompty, prompts/long.prompty]\nmodels: [lab/m1]\n"
        "params: [{temperature: 0, max_tokens: 8}]\nscorers: [label]\n"
    )
    path = folder / "plan.yaml"
    notebook = NOTEBOOKS / "compare.ipynb"
    path.write_text(
        "name: nightly\nsteps:\n"
        f"  - {{id: compare, notebook: {notebook}, parameters: {{experiment: experiment.yaml}}}}\n"
        + (plan or "gate: {baseline: pinned, metric: label, margin: 0.1}\n")
        + "canary: {cases: canary.csv}\n"
    )
    return path


def night(plan: Path, name: str, *options: str, **environment: str) -> tuple[int, dict[str, Any]]:
    """Run a night as a scheduler does; its exit code and document."""
    done = pexlab(
        "batch",
        str(plan),
        "--batch-id",
        name,
        "--json",
        *options,
        folder=plan.parent,
        **environment,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, {**document, "stderr": done.stderr}
