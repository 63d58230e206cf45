"""What a rater is shown: pairs of answers to the same case, their order and their sides.

Who is on which side is drawn for each pair and rater from a seed, and written down with each
rating. A tenth of the pairs comes again later with sides swapped: what a rater says twice is
what the ratings are worth.
"""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError, nearest

if TYPE_CHECKING:
    import pandas as pd

AGAIN = 0.1
"""Share of the pairs that come a second time."""
APART = 5
"""So many others at least lie between the two times, where there are as many."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one case; `first` and `second` are those of the two variants in their order.

    `id` is a digest of the case and both answers, `row` the case's row in the frame.
    """

    id: str
    case_id: str
    repeat: int
    group: str | None
    first: str
    second: str
    row: int

    @property
    def cluster(self) -> str:
        """What is not independent of it: the case, or the group that the case belongs to."""
        return f"group {self.group}" if self.group else f"case {self.case_id}"


@dataclasses.dataclass(frozen=True, slots=True)
class Pairs:
    """All pairs of two variants, and what was left out.

    `identical` are pairs with twice the same answer: nobody need look at them. `errors` is how
    many had an error in place of an answer, or no answer.
    """

    variants: tuple[str, str]
    different: tuple[Pair, ...]
    identical: tuple[Pair, ...]
    errors: int


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """One look at a pair; `swapped`: the second variant is on the left."""

    pair: Pair
    swapped: bool
    second_look: bool


def choose(
    frame: pd.DataFrame,
    asked: Sequence[str] | None,
    baseline: str | None,
    summary: pd.DataFrame,
    score: str | None,
) -> tuple[str, str]:
    """Which two variants are rated.

    Args:
        frame: the long frame.
        asked: two names; None for the only two, or the two best by `score`.
        baseline: comes first where it is one of the two.
        summary: one row per variant.
        score: the score that says which are the best.

    Raises:
        PexError: not two, an unknown name, or no score to choose by.
    """
    known = [str(name) for name in frame["variant"].unique()]
    if asked is not None:
        names = [asked] if isinstance(asked, str) else list(asked)
        for name in names:
            if name not in known:
                raise PexError(f"there is no variant '{name}'", hint=nearest(str(name), known))
        if len(names) != 2 or names[0] == names[1]:
            raise PexError(
                f"rate() takes two variants, got {len(set(names))}: {', '.join(names)}",
                hint=f"for example variants={known[:2]!r}",
            )
        return names[0], names[1]
    if len(known) < 2:
        raise PexError(
            f"there is nothing to rate '{known[0]}' against" if known else "there are no answers",
            hint="rating by hand compares two variants on the same cases",
        )
    if len(known) > 2:
        if score is None:
            raise PexError(
                "which two? There is no score that says which are the best",
                hint=f"rate(variants=['{known[0]}', …]) names two of: {', '.join(known)}",
            )
        by = summary.sort_values(f"score.{score}", ascending=False, kind="stable")["variant"]
        best = {str(name) for name in by[:2]}
        known = [name for name in known if name in best]
    if baseline == known[1]:
        known.reverse()
    return known[0], known[1]


def pairs_of(frame: pd.DataFrame, variants: tuple[str, str]) -> Pairs:
    """The pairs of answers that two variants have on the same cases.

    Args:
        frame: the long frame.
        variants: two names.
    """
    rows: dict[tuple[str, int], dict[str, int]] = {}
    columns = {name: frame[name].tolist() for name in ("variant", "case_id", "repeat", "output")}
    failed = frame["error"].notna().tolist()
    groups = frame["group"].tolist() if "group" in frame else [None] * len(frame)
    for row, variant in enumerate(columns["variant"]):
        if variant in variants:
            place = str(columns["case_id"][row]), int(columns["repeat"][row])
            rows.setdefault(place, {})[variant] = row
    different: list[Pair] = []
    identical: list[Pair] = []
    errors = 0
    for (case_id, repeat), there in rows.items():
        at = [there.get(name) for name in variants]
        texts = [None if n is None or failed[n] else columns["output"][n] for n in at]
        if at[0] is None or not all(isinstance(text, str) for text in texts):
            errors += 1
            continue
        group = groups[at[0]]
        # The same whichever of the two is named first.
        named = sorted(zip(variants, texts, strict=True))
        pair = Pair(
            id=_digest(case_id, repeat, *(part for both in named for part in both)),
            case_id=case_id,
            repeat=repeat,
            group=group if isinstance(group, str) else None,
            first=str(texts[0]),
            second=str(texts[1]),
            row=at[0],
        )
        (identical if pair.first == pair.second else different).append(pair)
    return Pairs(variants, tuple(different), tuple(identical), errors)


def turns(pairs: Sequence[Pair], rater: str, seed: int) -> list[Turn]:
    """The order in which a rater sees the pairs; the same for the same rater and seed.

    Args:
        pairs: what is rated.
        rater: who.
        seed: of the drawing.

    Example:
        >>> pairs = [Pair(str(n), f"c{n}", 1, None, "x", "y", n) for n in range(20)]
        >>> seen = turns(pairs, "ada", 0)
        >>> len(seen), sum(turn.second_look for turn in seen)
        (22, 2)
    """
    dice = random.Random(f"{seed}|{rater}")
    order = list(pairs)
    dice.shuffle(order)
    # Half of them on each side, in an order drawn at random: a coin for each would lean more.
    sides = [bool(n % 2) for n in range(len(order))]
    dice.shuffle(sides)
    apart = min(APART, len(order) // 2)
    placed = [(float(n), Turn(pair, sides[n], False)) for n, pair in enumerate(order)]
    early = range(max(0, len(order) - apart))
    for n in dice.sample(early, min(len(early), round(AGAIN * len(order)))):
        later = dice.uniform(n + apart + 0.5, len(order))
        placed.append((later, Turn(order[n], not sides[n], True)))
    return [turn for _, turn in sorted(placed, key=lambda item: item[0])]


def _digest(*parts: Any) -> str:
    """Of texts that may hold half a surrogate; the length keeps "a", "bc" from "ab", "c"."""
    found = hashlib.sha256()
    for part in parts:
        data = str(part).encode("utf-8", "surrogatepass")
        found.update(f"{len(data)}:".encode() + data)
    return found.hexdigest()[:16]
