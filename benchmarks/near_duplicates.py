"""Near-duplicates among many texts: CPU seconds, and what MinHash finds of what is there.

    python benchmarks/near_duplicates.py [20000]

The texts are sentences of English words as frequent as in English; one in ten is a copy of another
one with changed letters, words or order. `found` and `right` compare MinHash with all pairs of a
sample, `exact` is the comparison of all pairs.
"""

from __future__ import annotations

import itertools
import random
import sys
import time

from figures import figure

from pex.cases import near_duplicates as module

LETTERS = "eeeeeettttaaaooiinnsshhrrdlcumwfgypbvk"


def words(chance: random.Random, count: int) -> list[str]:
    return [
        "".join(chance.choice(LETTERS) for _ in range(min(12, 1 + int(chance.gammavariate(4, 1)))))
        for _ in range(count)
    ]


def changed(text: str, chance: random.Random) -> str:
    """A copy with up to a tenth of it changed, in one of three ways."""
    parts = text.split()
    way = chance.randrange(3)
    for _ in range(max(1, int(len(parts) * chance.random() * 0.1))):
        place = chance.randrange(len(parts))
        if way == 0:
            parts[place] = chance.choice(parts)
        elif way == 1:
            parts.insert(place, parts.pop())
        else:
            letters = list(parts[place])
            letters[chance.randrange(len(letters))] = chance.choice(LETTERS)
            parts[place] = "".join(letters)
    return " ".join(parts)


def corpus(count: int, mean: int, seed: int = 0) -> list[str]:
    chance = random.Random(seed)
    known = words(chance, 5000)
    weights = list(itertools.accumulate(1 / (rank + 2) for rank in range(len(known))))
    texts: list[str] = []
    while len(texts) < count:
        if texts and chance.random() < 0.1:
            texts.append(changed(chance.choice(texts), chance))
        else:
            size = max(3, int(chance.expovariate(1 / mean)))
            texts.append(" ".join(chance.choices(known, cum_weights=weights, k=size)))
    return texts


def pairs_by(way: str, texts: list[str]) -> tuple[dict[tuple[int, int], float], float]:
    begun = time.process_time()
    kept = module.EXACT_UP_TO, module.EXACT_CHARACTERS
    module.EXACT_UP_TO = module.EXACT_CHARACTERS = 0 if way == "minhash" else 10**9
    try:
        found = {(a, b): likeness for a, b, likeness in module.near_duplicates(texts)}
    finally:
        module.EXACT_UP_TO, module.EXACT_CHARACTERS = kept
    return found, time.process_time() - begun


def main(count: int) -> None:
    for mean in (15, 60, 150):
        texts = corpus(count, mean)
        found, seconds = pairs_by("minhash", texts)
        length = sum(map(len, texts)) / len(texts)
        print(f"{count:,} texts of {length:.0f} characters: {len(found):,} pairs, {seconds:.1f} s")
        sample = texts[: min(2000, count)]
        all_pairs, exact = pairs_by("exact", sample)
        some, quick = pairs_by("minhash", sample)
        both = all_pairs.keys() & some.keys()
        print(
            f"  of {len(sample):,}: {len(all_pairs):,} pairs, "
            f"found {len(both) / len(all_pairs):.1%}, right {len(both) / max(1, len(some)):.1%} "
            f"(exact {exact:.1f} s, minhash {quick:.1f} s)"
        )
        what = f"{len(sample):,} texts of {length:.0f} characters"
        figure(f"MinHash, {what}", quick, "CPU s", floor=exact, floor_name="all pairs")
        figure(
            f"found by MinHash, {what}", len(both), "pairs",
            floor=len(all_pairs), floor_name="all pairs",
        )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
