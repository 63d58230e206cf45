"""Answer drift: whether a model answers differently, or never quite repeats itself.

Each question is run several times a night. A model that has not changed differs between two
nights as much as within one.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MAX_CHANCE = 0.0015
"""How rarely a night of an unchanged model may look changed: in thirty nights 4.5 %."""
MAX_SHARE = 0.2
"""A few answers change without a cause, if two words are almost equally likely."""
MOST = 7
"""Maximum number of answers compared for each question and night."""


@dataclasses.dataclass(frozen=True, slots=True)
class Drift:
    """Questions that are identical in two runs, and how many of them share no answer.

    `chance` is how often an unchanged model would agree with itself as little.
    """

    asked: int
    other: int
    chance: float

    @property
    def drifted(self) -> bool:
        """Whether more than a few questions have different answers."""
        return self.asked > 0 and self.other / self.asked > MAX_SHARE

    @property
    def confident(self) -> bool:
        """Whether this is a different model: its own variation does not explain it."""
        return self.drifted and self.chance <= MAX_CHANCE


def repeats_for(questions: int) -> int:
    """How often to run each question in a night, so entirely new answers cannot be chance.

    Example:
        >>> [repeats_for(n) for n in (1, 2, 3, 50)]
        [7, 4, 3, 3]
    """
    return {1: MOST, 2: 4}.get(questions, 3)


def measure_drift(now: pd.DataFrame, before: pd.DataFrame) -> Drift:
    """Compare the answers to the same questions in two runs.

    Under the hypothesis that nothing changed, any of a question's answers could as well have been
    given in the other run. The statistic is the number of pairs, one answer of each run, that are
    alike; its distribution over all ways to deal the answers out is exact, question by question.

    Args:
        now: a run's rows; `request_key` identifies identical requests.
        before: the other run's.

    Source: R. A. Fisher, The Design of Experiments (1935), section 21: the permutation test.
    """
    import numpy as np

    new, old = _answers(now), _answers(before)
    spread, seen, other = np.ones(1), 0, 0
    both = new.keys() & old.keys()
    for key in both:
        alike = _alike(new[key], old[key])
        seen, other = seen + alike, other + (alike == 0)
        counts = collections.Counter([*new[key], *old[key]]).values()
        spread = np.convolve(spread, _spread(tuple(sorted(counts)), len(new[key])))
    return Drift(len(both), other, min(1.0, float(spread[: seen + 1].sum())))


def _answers(frame: pd.DataFrame) -> dict[str, list[str]]:
    """The answers to each question, keyed by its first request."""
    names = ["variant", "case_id", "request_key", "output", "error"]
    keys: dict[tuple[str, str], str] = {}
    found: dict[str, list[str]] = {}
    columns = (frame.sort_values("repeat", kind="stable")[name] for name in names)
    for variant, case_id, request, output, error in zip(*columns, strict=True):
        key = keys.setdefault((variant, case_id), str(request))
        if not isinstance(error, str):
            found.setdefault(key, []).append(str(output))
    return {key: texts[:MOST] for key, texts in found.items()}


def _alike(new: Sequence[object], old: Sequence[object]) -> int:
    return sum(a == b for a, b in itertools.product(new, old))


@functools.cache
def _spread(counts: tuple[int, ...], first: int) -> np.ndarray:
    """The probability of each number of equal pairs, if the answers are dealt out by chance.

    Args:
        counts: how often each answer was given, in both runs together.
        first: how many answers belong to the first run.
    """
    import numpy as np

    pool = [number for number, count in enumerate(counts) for _ in range(count)]
    places = range(len(pool))
    found: collections.Counter[int] = collections.Counter()
    for chosen in itertools.combinations(places, first):
        rest = set(places).difference(chosen)
        found[_alike([pool[i] for i in chosen], [pool[i] for i in rest])] += 1
    total = sum(found.values())
    return np.array([found[pairs] / total for pairs in range(max(found) + 1)])
