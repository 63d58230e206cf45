"""What changes besides the score: cost, time, tokens, parameters, answers. Nothing is tested."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pex.adoption.decide import Sides
from pex.core.remarks import of_frame
from pex.score.unusual_answers import unusual

if TYPE_CHECKING:
    import pandas as pd

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
    parts = [frame[frame["variant"] == name] for name in (sides.new, sides.old)]
    answered = [rows[rows["error"].isna()] for rows in parts]
    strange = {
        name: tuple(int((mask & (frame["variant"] == who)).sum()) for who in (sides.new, sides.old))
        for name, mask in unusual(frame).items()
    }
    paired, changed = _changed(answered[0], answered[1])
    own = own_noise(answered[1])
    said = of_frame(frame)
    return Described(
        cost_usd=_both(answered, lambda rows: 1000 * _mean(rows["cost_usd"])),
        latency_s=_both(answered, lambda rows: float(rows["latency_s"].median())),
        tokens={
            name: _both(answered, lambda rows, name=name: _mean(rows[name])) for name in TOKENS
        },
        paired=paired,
        changed=changed,
        noise=noise if own is None else own,
        parameters=tuple(said.get(sides.new, ())),
        unusual={k: (v[0], v[1]) for k, v in strange.items() if any(v)},
        errors=(int(parts[0]["error"].notna().sum()), int(parts[1]["error"].notna().sum())),
        reused=(int(parts[0]["from_journal"].sum()), int(parts[1]["from_journal"].sum())),
    )


def _both(parts: list[pd.DataFrame], of: Any) -> tuple[float, float]:
    return (
        of(parts[0]) if len(parts[0]) else math.nan,
        of(parts[1]) if len(parts[1]) else math.nan,
    )


def _mean(values: pd.Series[Any]) -> float:
    """The mean, NaN if any value is unknown and none is known."""
    known = values.dropna()
    return float(known.astype("float64").mean()) if len(known) else math.nan


def _changed(new: pd.DataFrame, old: pd.DataFrame) -> tuple[int, int]:
    """How many answers both models gave, and how many of these differ."""
    place = ["case_id", "repeat"]
    both = new[[*place, "output"]].merge(old[[*place, "output"]], on=place)
    differ = both["output_x"].astype(str).str.strip() != both["output_y"].astype(str).str.strip()
    return len(both), int(differ.sum())


def own_noise(answered: pd.DataFrame) -> float | None:
    """The share of cases whose repeats differ in their text; None if nothing was asked twice."""
    if not len(answered) or answered["repeat"].nunique() < 2:
        return None
    stripped = answered.assign(text=answered["output"].astype(str).str.strip())
    texts = stripped.groupby("case_id")["text"]
    several = texts.size() > 1
    return float((texts.nunique() > 1)[several].mean()) if several.any() else None
