"""The training cases that a prompt fails, as text for the model that writes proposals."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from collections.abc import Sequence
from typing import Any

from pex.core.cases import Case
from pex.improvement.proposal import Measured, Workbench

LONGEST_VALUE = 1_500
"""Characters of an input or answer that are shown; the middle of a longer one is left out."""


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """A case and what became of it: the answer with the lowest score of all its repeats."""

    case: Case
    output: str
    score: float
    reason: str


def observations(parent: Measured, bench: Workbench) -> list[Observation]:
    """What became of the training cases, those with the lowest scores first.

    Calls that failed and cases without a score are not there: they say nothing about the prompt.
    """
    case_of = {case.id: case for case in bench.train}
    worst: dict[str, tuple[float, Any]] = {}
    column = f"score.{bench.metric}"
    for row in parent.frame.to_dict("records"):
        case_id, value = row["case_id"], row.get(column)
        if case_id not in parent.scores or case_id not in case_of or isinstance(row["error"], str):
            continue
        if value is None or math.isnan(value):
            continue
        value = float(value) if bench.higher_is_better else -float(value)
        if case_id not in worst or value < worst[case_id][0]:
            worst[case_id] = (value, row)
    found = [
        Observation(
            case_of[case_id],
            _string(row.get("output")),
            parent.scores[case_id],
            _string(row.get(f"reason.{bench.metric}")),
        )
        for case_id, (_, row) in worst.items()
    ]
    return sorted(found, key=lambda observation: observation.score)


def best_possible(found: Sequence[Observation], bench: Workbench) -> float:
    """The score that no case exceeds: 1 for yes/no scores and shares, else the best one seen."""
    scores = [observation.score for observation in found]
    if not bench.higher_is_better:  # the scores are negative
        return max([*scores, 0.0])
    best = max(scores, default=0.0)
    return 1.0 if min(scores, default=0.0) >= 0 and best <= 1 else best


def failing(found: Sequence[Observation], bench: Workbench) -> list[Observation]:
    """Those that could be better, the worst first.

    If all have the same score and nobody can say what is best, all of them.
    """
    best = best_possible(found, bench)
    worse = [observation for observation in found if observation.score < best - 1e-9]
    unclear = bool(found) and not worse and best not in (0.0, 1.0)
    return list(found) if unclear else worse


def batches(
    found: Sequence[Observation], number: int, size: int, seed: int
) -> list[list[Observation]]:
    """Different samples of cases, which together show as many as possible.

    Example:
        >>> batches([], 2, 3, seed=0)
        []
    """
    order = list(found)
    random.Random(seed).shuffle(order)
    if len(order) <= size:
        return [order] if order else []
    number = min(number, math.ceil(len(order) / size))
    return [[order[(at * size + n) % len(order)] for n in range(size)] for at in range(number)]


def shown(observation: Observation, names: Sequence[str]) -> str:
    """A case as text: its inputs, the answer that was expected, the answer that came, and why.

    Args:
        observation: the case.
        names: the variables of the prompt; other inputs are not shown.
    """
    case = observation.case
    values = case.values
    parts = [tag(f"input {name}", values[name]) for name in names if name in values]
    if case.expected is not None:
        parts.append(tag("expected", case.expected))
    parts.append(tag("answer", observation.output))
    if observation.reason:
        parts.append(tag("why", observation.reason))
    return "\n".join(parts)


def tag(name: str, value: Any) -> str:
    """A value between tags, shortened.

    Example:
        >>> print(tag("input text", "Hi"))
        <input name="text">Hi</input>
    """
    kind, _, of = name.partition(" ")
    attribute = f' name="{of}"' if of else ""
    return f"<{kind}{attribute}>{shortened(_string(value))}</{kind}>"


def shortened(text: str) -> str:
    """A text without its middle, if it is long."""
    if len(text) <= LONGEST_VALUE:
        return text
    half = LONGEST_VALUE // 2
    return f"{text[:half]} … [{len(text) - 2 * half:,} characters] … {text[-half:]}"


def _string(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
