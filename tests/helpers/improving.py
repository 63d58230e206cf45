"""Improvements on a made endpoint: prompts whose quality is known, and ways that propose them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import pex
from pex.improvement.proposal import Measured, Proposal, Workbench
from tests.helpers.endpoint import FaultyEndpoint, completion

START = "Is {{ number }} even or odd?"
GOOD, BAD = "Think of the last digit.", "Answer like a pirate."
"""Sentences with which the made model gives more, or fewer, right answers."""


class Listed:
    """A way that proposes prompts from a list, a few at a time."""

    name = "listed"

    def __init__(self, texts: Sequence[str], at_once: int = 3) -> None:
        self._texts = list(texts)
        self._at_once = at_once

    def propose(self, parent: Measured, bench: Workbench) -> Iterable[Proposal]:
        now, self._texts = self._texts[: self._at_once], self._texts[self._at_once :]
        for text in now:
            prompt = parent.prompt.changed(messages=[{"role": "user", "content": text}])
            yield Proposal(prompt, self.name, parent.prompt.digest, f"says {text[:20]}")


class Asking:
    """A way that takes the answers of the writing model as the new prompts."""

    name = "asking"

    def propose(self, parent: Measured, bench: Workbench) -> Iterable[Proposal]:
        question = pex.Prompt("Write {{ n }}", name="write", params={"temperature": 1})
        rows = [{"n": f"{bench.seed}-{n}"} for n in range(2)]
        for replies in bench.ask(question, rows):
            text = replies[0].text
            if text:
                prompt = parent.prompt.changed(messages=[{"role": "user", "content": text}])
                yield Proposal(prompt, self.name, parent.prompt.digest, "as written")


def cases(n: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"number": number, "expected": "even" if number % 2 == 0 else "odd", **more}
        for number in range(n)
    ]


def experiment(
    n: int = 160, name: str = "parity", model: str = "lab/m1", **options: Any
) -> pex.Experiment:
    """An experiment with one prompt, whose made model is right on about six cases in ten."""
    prompt = pex.Prompt(START, name="short", params={"max_tokens": 5})
    return pex.Experiment(name, pex.grid([prompt], model), cases(n), ["label"], **options)


def answer(body: dict[str, Any], number: int) -> Any:
    """A model that follows the sentences `GOOD` and `BAD`, and writes prompts when asked to."""
    text = body["messages"][-1]["content"]
    if text.startswith("Write "):
        return completion(f"{START} Rule {text.removeprefix('Write ')}. {GOOD}")
    value = int("".join(filter(str.isdigit, text.split("Is ")[1].split(" even")[0])))
    right = 60 + 35 * (GOOD in text) - 50 * (BAD in text)
    lucky = int(hashlib.sha256(f"{value}".encode()).hexdigest(), 16) % 100 < right
    even = value % 2 == 0
    return completion("even" if even == lucky else "odd")


def follow(endpoint: FaultyEndpoint) -> FaultyEndpoint:
    endpoint.reply = answer
    return endpoint
