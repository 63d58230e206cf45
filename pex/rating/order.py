"""The pairs of answers that a rater sees, each to the same case, with their order and sides.

Which variant is on which side is drawn for each pair and rater from a seed, and stored with each
rating. A tenth of the pairs is shown again later with sides swapped, to measure how consistent a
rater is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError, nearest

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"
"""What stands for every variant."""
REPEATED_SHARE = 0.1
"""Share of the pairs that are shown a second time."""
MIN_DISTANCE = 5
"""At least this many other pairs come between the two times, if there are as many."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one case: `first` is that of the first variant, `second` of the second.

    `id` is a digest of the case and both answers, `row` the case's row in the frame, `variants` the
    names of both.
    """

    id: str
    case_id: str
    repeat: int
    group: str | None
    first: str
    second: str
    row: int
    variants: tuple[str, str] = ("", "")

    @property
    def cluster(self) -> str:
        """The key of dependent pairs: pairs of the same group, else pairs of the same case."""
        return f"group {self.group}" if self.group else f"case {self.case_id}"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a case, to be rated alone; `variants` are all that gave it."""

    id: str
    case_id: str
    repeat: int
    group: str | None
    text: str
    row: int
    variants: tuple[str, ...]

    @property
    def cluster(self) -> str:
        """The key of dependent answers: those of the same group, else to the same case."""
        return f"group {self.group}" if self.group else f"case {self.case_id}"


@dataclasses.dataclass(frozen=True, slots=True)
class Answers:
    """All answers of some variants, each text once for a case; `errors` have none."""

    variants: tuple[str, ...]
    different: tuple[Answer, ...]
    errors: int


@dataclasses.dataclass(frozen=True, slots=True)
class Pairs:
    """All pairs of two or more variants, and the omissions.

    `identical` are pairs of identical answers, which are not shown. `errors` is how many have an
    error or no answer.
    """

    variants: tuple[str, ...]
    different: tuple[Pair, ...]
    identical: tuple[Pair, ...]
    errors: int


@dataclasses.dataclass(frozen=True, slots=True)
class Presentation:
    """A pair or an answer as it is shown once; `swapped`: the second variant is on the left."""

    pair: Pair | Answer
    swapped: bool
    second_look: bool


def choose_variants(
    frame: pd.DataFrame,
    asked: Sequence[str] | None,
    baseline: str | None,
    summary: pd.DataFrame,
    score: str | None,
) -> tuple[str, ...]:
    """The variants that are rated.

    Args:
        frame: the long frame.
        asked: two or more names, or "all"; None for the only two, or the two best by `score`.
        baseline: comes first if it is one of the two.
        summary: one row per variant.
        score: the score that ranks the variants.

    Raises:
        PexError: only one, an unknown name, or no score to choose by.
    """
    known = [str(name) for name in frame["variant"].unique()]
    names = [asked] if isinstance(asked, str) else list(asked or ())
    if names == [ALL] and ALL not in known and len(known) > 1:
        return tuple(sorted(known, key=lambda name: name != baseline))
    if names:
        for name in names:
            if name not in known:
                raise PexError(f"there is no variant '{name}'", hint=nearest(str(name), known))
        if len(names) < 2 or len(set(names)) < len(names):
            raise PexError(
                f"rate() takes two or more variants, got {len(set(names))}: {', '.join(names)}",
                hint=f"for example rate({', '.join(map(repr, known[:2]))})",
            )
        return tuple(names)
    if len(known) < 2:
        raise PexError(
            f"there is only one variant, '{known[0]}'" if known else "there are no answers",
            hint="rating by hand compares two variants on the same cases",
        )
    if len(known) > 2:
        if score is None:
            raise PexError(
                "which two variants? There is no score to pick the best two by",
                hint=f"name them, as in rate('{known[0]}', …), or rate('all'): {', '.join(known)}",
            )
        by = summary.sort_values(f"score.{score}", ascending=False, kind="stable")["variant"]
        best = {str(name) for name in by[:2]}
        known = [name for name in known if name in best]
    if baseline == known[1]:
        known.reverse()
    return known[0], known[1]


def find_pairs(frame: pd.DataFrame, variants: tuple[str, ...]) -> Pairs:
    """The pairs of answers that variants have on the same cases, each with each.

    Args:
        frame: the long frame.
        variants: two or more names.
    """
    parts = [_pairs_of(frame, two) for two in itertools.combinations(variants, 2)]
    return Pairs(
        variants,
        tuple(pair for part in parts for pair in part.different),
        tuple(pair for part in parts for pair in part.identical),
        sum(part.errors for part in parts),
    )


def _pairs_of(frame: pd.DataFrame, variants: tuple[str, str]) -> Pairs:
    rows: dict[tuple[str, int], dict[str, int]] = {}
    columns = {name: frame[name].tolist() for name in ("variant", "case_id", "repeat", "output")}
    failed = frame["error"].notna().tolist()
    groups = frame["group"].tolist() if "group" in frame else [None] * len(frame)
    for row, variant in enumerate(columns["variant"]):
        if variant in variants:
            key = str(columns["case_id"][row]), int(columns["repeat"][row])
            rows.setdefault(key, {})[variant] = row
    different: list[Pair] = []
    identical: list[Pair] = []
    errors = 0
    for (case_id, repeat), row_of in rows.items():
        both = [row_of.get(name) for name in variants]
        texts = [None if row is None or failed[row] else columns["output"][row] for row in both]
        if both[0] is None or not all(isinstance(text, str) for text in texts):
            errors += 1
            continue
        group = groups[both[0]]
        # The same whichever of the two is named first.
        named = sorted(zip(variants, texts, strict=True))
        pair = Pair(
            id=_digest(case_id, repeat, *(part for answer in named for part in answer)),
            case_id=case_id,
            repeat=repeat,
            group=group if isinstance(group, str) else None,
            first=str(texts[0]),
            second=str(texts[1]),
            row=both[0],
            variants=variants,
        )
        (identical if pair.first == pair.second else different).append(pair)
    return Pairs(variants, tuple(different), tuple(identical), errors)


def find_answers(frame: pd.DataFrame, variants: tuple[str, ...]) -> Answers:
    """The answers of variants; the same text on the same case is one, whoever gave it.

    Args:
        frame: the long frame.
        variants: one or more names.
    """
    known: dict[str, Answer] = {}
    errors = 0
    failed = frame["error"].notna().tolist()
    groups = frame["group"].tolist() if "group" in frame else [None] * len(frame)
    columns = [frame[name].tolist() for name in ("variant", "case_id", "repeat", "output")]
    for row, (variant, case_id, repeat, text) in enumerate(zip(*columns, strict=True)):
        if variant not in variants:
            continue
        if failed[row] or not isinstance(text, str):
            errors += 1
            continue
        place = _digest(str(case_id), int(repeat), text)
        if place in known:
            names = (*known[place].variants, str(variant))
            known[place] = dataclasses.replace(known[place], variants=names)
            continue
        group = groups[row] if isinstance(groups[row], str) else None
        known[place] = Answer(place, str(case_id), int(repeat), group, text, row, (str(variant),))
    return Answers(variants, tuple(known.values()), errors)


def presentation_order(pairs: Sequence[Pair | Answer], rater: str, seed: int) -> list[Presentation]:
    """The order in which a rater is shown the pairs; the same for the same rater and seed.

    With more than two variants it begins with one pair of each case, then comes to the others, so
    that whoever stops early has compared all variants about equally often.

    Args:
        pairs: the pairs to rate.
        rater: the rater's name.
        seed: of the random order and sides.

    Example:
        >>> pairs = [Pair(str(n), f"c{n}", 1, None, "x", "y", n) for n in range(20)]
        >>> seen = presentation_order(pairs, "ada", 0)
        >>> len(seen), sum(presentation.second_look for presentation in seen)
        (22, 2)
    """
    dice = random.Random(f"{seed}|{rater}")
    order = list(pairs)
    dice.shuffle(order)
    order = _in_rounds(order)
    # Half of them on each side, in a random order: a coin flip for each would be less balanced.
    sides = [bool(n % 2) for n in range(len(order))]
    dice.shuffle(sides)
    distance = min(MIN_DISTANCE, len(order) // 2)
    placed = [
        (float(n), Presentation(pair, sides[n] and isinstance(pair, Pair), False))
        for n, pair in enumerate(order)
    ]
    early = range(max(0, len(order) - distance))
    for n in dice.sample(early, min(len(early), round(REPEATED_SHARE * len(order)))):
        later = dice.uniform(n + distance + 0.5, len(order))
        swapped = not sides[n] and isinstance(order[n], Pair)
        placed.append((later, Presentation(order[n], swapped, True)))
    return [presentation for _, presentation in sorted(placed, key=lambda entry: entry[0])]


def _in_rounds(order: Sequence[Pair | Answer]) -> list[Pair | Answer]:
    """Shuffled pairs, so that every part of them has all pairings and cases about equally often."""
    pairings = list(dict.fromkeys(pair.variants for pair in order))
    if len(pairings) < 2:
        return list(order)
    cases = {
        place: n for n, place in enumerate(dict.fromkeys((p.case_id, p.repeat) for p in order))
    }
    at = {variants: n for n, variants in enumerate(pairings)}

    def place(pair: Pair | Answer) -> tuple[int, int]:
        case = cases[pair.case_id, pair.repeat]
        return (at[pair.variants] - case) % len(pairings), case

    return sorted(order, key=place)


def _digest(*parts: Any) -> str:
    """Digest texts that can have lone surrogates; lengths keep "a", "bc" and "ab", "c" apart."""
    found = hashlib.sha256()
    for part in parts:
        data = str(part).encode("utf-8", "surrogatepass")
        found.update(f"{len(data)}:".encode() + data)
    return found.hexdigest()[:16]
