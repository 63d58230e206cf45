"""What changes besides the score: cost, time, tokens, parameters, answers. Nothing is tested."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pex.adoption.decide import Sides
from pex.core.remarks import of_frame
from pex.score.unusual_answers import unusual

if TYPE_CHECKING:
    import pandas as pd

_USED = ("variant", "repeat", "cost_usd", "latency_s", "prompt_tokens", "completion_tokens",
         "reasoning_tokens", "from_journal")  # fmt: skip
TOKENS = ("prompt_tokens", "completion_tokens", "reasoning_tokens")


@dataclasses.dataclass(frozen=True, slots=True)
class Described:
    """A prompt's change of cost, time and tokens, and what became of its answers.

    Pairs are (new, old), NaN where unknown: `cost_usd` is per 1,000 answers, `latency_s` the
    median, tokens are means. `changed` of `paired` answers differ in their text; `noise` is the
    share of answers that the old model itself gave differently when asked twice, NaN if nobody
    asked. `parameters` are sentences on what the new model refuses.
    """

    cost_usd: tuple[float, float]
    latency_s: tuple[float, float]
    tokens: Mapping[str, tuple[float, float]]
    paired: int
    changed: int
    noise: float
    parameters: tuple[str, ...]
    unusual: Mapping[str, tuple[int, int]]
    errors: tuple[int, int]
    reused: tuple[int, int]


def describe(frame: pd.DataFrame, sides: Sides, noise: float = math.nan) -> Described:
    """Describe both sides of a comparison.

    Args:
        frame: the long frame of both variants.
        sides: who is who.
        noise: the share of the old model's answers that differ between two askings.
    """
    # Plain lists: with a hundred rows for each of hundreds of prompts, pandas' own operations
    # would take most of the time of an adoption.
    columns = {name: frame[name].tolist() for name in _USED}
    errors = frame["error"].notna().tolist()
    strange = {name: mask.tolist() for name, mask in unusual(frame).items()}
    rows = [
        [number for number, name in enumerate(columns["variant"]) if name == side]
        for side in (sides.new, sides.old)
    ]
    answered = [[number for number in part if not errors[number]] for part in rows]

    def mean(name: str) -> tuple[float, float]:
        found = [_mean([columns[name][n] for n in part]) for part in answered]
        return found[0], found[1]

    cost = mean("cost_usd")
    latency = [_median([columns["latency_s"][n] for n in part]) for part in answered]
    old = frame.iloc[answered[1]] if max(columns["repeat"], default=1) > 1 else frame.iloc[:0]
    own = own_noise(old)
    paired = changed_places(frame, sides)
    counts = {k: (_sum(mask, rows[0]), _sum(mask, rows[1])) for k, mask in strange.items()}
    return Described(
        cost_usd=(1000 * cost[0], 1000 * cost[1]),
        latency_s=(latency[0], latency[1]),
        tokens={name: mean(name) for name in TOKENS},
        paired=len(paired),
        changed=sum(paired.values()),
        noise=noise if own is None else own,
        parameters=tuple(of_frame(frame).get(sides.new, ())),
        unusual={name: pair for name, pair in counts.items() if any(pair)},
        errors=(len(rows[0]) - len(answered[0]), len(rows[1]) - len(answered[1])),
        reused=(_sum(columns["from_journal"], rows[0]), _sum(columns["from_journal"], rows[1])),
    )


def _known(values: list[Any]) -> list[float]:
    import pandas as pd

    return [float(value) for value in values if not pd.isna(value)]


def _mean(values: list[Any]) -> float:
    """The mean of the known values, NaN if there are none."""
    known = _known(values)
    return statistics.fmean(known) if known else math.nan


def _median(values: list[Any]) -> float:
    known = _known(values)
    return statistics.median(known) if known else math.nan


def _sum(mask: list[Any], part: list[int]) -> int:
    return sum(bool(mask[number]) for number in part)


def changed_places(frame: pd.DataFrame, sides: Sides) -> dict[tuple[str, int], bool]:
    """The cases and repeats that both models answered, each with whether the text differs."""
    texts: dict[str, dict[tuple[str, int], str]] = {sides.new: {}, sides.old: {}}
    names = ("variant", "case_id", "repeat", "output")
    errors = frame["error"].notna().tolist()
    rows = zip(*(frame[name].tolist() for name in names), errors, strict=True)
    for variant, case, repeat, output, failed in rows:
        if not failed and variant in texts:
            texts[variant][case, repeat] = str(output).strip()
    old = texts[sides.old]
    return {place: text != old[place] for place, text in texts[sides.new].items() if place in old}


def own_noise(answered: pd.DataFrame) -> float | None:
    """The share of cases whose repeats differ in their text; None if nothing was asked twice."""
    if not len(answered) or answered["repeat"].nunique() < 2:
        return None
    stripped = answered.assign(text=answered["output"].astype(str).str.strip())
    texts = stripped.groupby("case_id")["text"]
    several = texts.size() > 1
    return float((texts.nunique() > 1)[several].mean()) if several.any() else None
