"""Texts that are equal or nearly equal: found among thousands within seconds.

Likeness is the share of characters that two texts have in common, in the same order, from 0 to 1
(rapidfuzz's ratio), after letters are folded to one case and white space to one space. Up to
`EXACT_UP_TO` texts, all pairs are compared. Above it, MinHash chooses the pairs that are compared,
so a few pairs near the threshold may be missed: `benchmarks/near_duplicates.py` measures how many.
"""

from __future__ import annotations

import collections
import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXACT_UP_TO = 5000
"""More different texts than this are compared by way of MinHash."""
EXACT_CHARACTERS = 800_000
"""So are texts that are longer than this together: comparing all pairs would take minutes."""
LONGEST = 4000
"""Of a longer text, only the first and the last half of so many characters are compared."""
MOST_EACH = 50
"""A text with so many near-duplicates before it is not compared with any other."""

_SHORT = 400
_SHINGLES_SHORT, _SHINGLES_LONG = 3, 5
# So many bands of so many rows: at 0.9, a pair whose differences are spread evenly over the text
# shares at least a third of its shingles, one with changed words more than half.
_BANDS, _ROWS = 40, 4
_LEAST_SHARED = 0.2
_BUCKETS = 2048
_BLOCK = 256


def near_duplicates(texts: Sequence[str], at_least: float = 0.9) -> list[tuple[int, int, float]]:
    """The pairs of texts that are equal or nearly equal, with their likeness from 0 to 1.

    A text that equals an earlier one is paired with the first of its kind only, and a text that
    is like very many others with some of them, so the list stays short; `clusters` puts them
    together all the same. Empty texts equal each other.

    Args:
        texts: the texts; of very long ones, only the beginning and the end are compared.
        at_least: the likeness that a pair must have, from 0.5 to 1.

    Returns:
        Pairs of positions, the smaller one first, in their order.

    Raises:
        PexError: `at_least` is not within 0.5 and 1.

    Example:
        >>> near_duplicates(["The lamp is broken.", "the lamp  is broken!", "Where is it?"])
        [(0, 1, 0.947)]
    """
    if isinstance(at_least, bool) or not 0.5 <= at_least <= 1:
        raise PexError(f"at_least: expected a likeness between 0.5 and 1, got {at_least!r}")
    first: dict[str, int] = {}
    pairs: list[tuple[int, int, float]] = []
    for number, text in enumerate(map(normalised, texts)):
        place = first.setdefault(text, number)
        if place != number:
            pairs.append((place, number, 1.0))
    if at_least < 1:
        different, places = [*first], [*first.values()]
        small = len(different) <= EXACT_UP_TO and sum(map(len, first)) <= EXACT_CHARACTERS
        alike = _among_all(different, at_least) if small else _by_minhash(different, at_least)
        for one, two, likeness in alike:
            left, right = sorted((places[one], places[two]))
            pairs.append((left, right, min(round(likeness, 3), 0.999)))
    return sorted(set(pairs))


def clusters(texts: Sequence[str], at_least: float = 0.9) -> list[list[int]]:
    """The groups of texts that near-duplicates link, also by way of others; no text stands alone.

    Example:
        >>> clusters(["A lamp, please.", "Where is it?", "a lamp please", "A lamp, please!"])
        [[0, 2, 3]]
    """
    parent = list(range(len(texts)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for one, two, _ in near_duplicates(texts, at_least):
        left, right = sorted((root(one), root(two)))
        parent[right] = left
    found: dict[int, list[int]] = collections.defaultdict(list)
    for number in range(len(texts)):
        found[root(number)].append(number)
    return [members for members in found.values() if len(members) > 1]


def normalised(text: str) -> str:
    """A text as it is compared: one case, one space between words.

    Example:
        >>> normalised("  Hello    WORLD ")
        'hello world'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _among_all(texts: Sequence[str], at_least: float) -> Iterator[tuple[int, int, float]]:
    """Compare all pairs whose lengths and shingles allow it; no pair is missed."""
    import numpy as np

    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    kept = [_bounded(texts[number]) for number in order]
    whole = np.array([len(texts[number]) for number in order])
    sizes = np.array([len(text) for text in kept])
    sets = _shingle_sets(kept)
    counts = sets.sum(axis=1)
    before = np.zeros(len(kept), dtype=int)
    for start in range(0, len(kept), _BLOCK):
        stop = min(start + _BLOCK, len(kept))
        end = int(
            np.searchsorted(whole, whole[stop - 1] * (2 - at_least) / at_least + 1e-9, "right")
        )
        # One inserted or deleted character changes at most five of the shingles of three.
        shared = sets[start:stop] @ sets[start:end].T
        apart = counts[start:stop, None] + counts[None, start:end] - 2 * shared
        most = 5 * (1 - at_least) * (sizes[start:stop, None] + sizes[None, start:end]) + 1e-6
        later = np.arange(start, end)[None, :] > np.arange(start, stop)[:, None]
        for row, columns in _by_row((apart <= most) & later):
            one = start + row
            wanted = start + columns
            wanted = wanted[before[wanted] < MOST_EACH]
            for two, likeness in _alike(kept[one], wanted, kept, at_least):
                before[two] += 1
                yield order[one], order[two], likeness


def _by_minhash(texts: Sequence[str], at_least: float) -> Iterator[tuple[int, int, float]]:
    """Compare the pairs that share many shingles, by an index of MinHashes.

    Short and long texts have an index each: most long texts share many short shingles. Those of
    middle length are in both, so that a pair of one of each is found.
    """
    least = _SHORT * at_least / (2 - at_least)
    short = [number for number, text in enumerate(texts) if len(text) <= _SHORT]
    long = [number for number, text in enumerate(texts) if len(text) >= least]
    yield from _by_index(texts, short, _SHINGLES_SHORT, at_least)
    yield from _by_index(texts, long, _SHINGLES_LONG, at_least)


def _by_index(
    texts: Sequence[str], numbers: Sequence[int], size: int, at_least: float
) -> Iterator[tuple[int, int, float]]:
    import numpy as np
    from datasketch import MinHash

    kept = [_bounded(texts[number]) for number in numbers]
    lengths = np.array([len(texts[number]) for number in numbers])
    hashes = np.zeros((len(kept), _BANDS * _ROWS), dtype="uint32")
    blank = MinHash(num_perm=_BANDS * _ROWS, hashfunc=int, scheme="affine32")
    longer = (2 - at_least) / at_least
    # Where texts with equal hashes in a band are. Datasketch's own index finds the same, slower.
    places: dict[tuple[int, bytes], list[int]] = collections.defaultdict(list)
    for two, text in enumerate(kept):
        minhash = blank.copy()
        minhash.update_batch(_shingles(text, size).tolist())
        hashes[two] = minhash.hashvalues
        packed = hashes[two].tobytes()
        step = 4 * _ROWS
        keys = [(band, packed[band * step : (band + 1) * step]) for band in range(_BANDS)]
        near = np.array(sorted(set().union(*(places.get(key, ()) for key in keys))), dtype=int)
        if len(near):
            low, high = lengths[two] / longer - 1e-9, lengths[two] * longer + 1e-9
            near = near[(lengths[near] >= low) & (lengths[near] <= high)]
            near = near[(hashes[near] == hashes[two]).mean(axis=1) >= _LEAST_SHARED]
        alike = list(itertools.islice(_alike(text, near, kept, at_least), MOST_EACH))
        for one, likeness in alike:
            yield numbers[one], numbers[two], likeness
        if len(alike) < MOST_EACH:
            for key in keys:
                places[key].append(two)


def _alike(
    text: str, near: NDArray[np.int_], kept: Sequence[str], at_least: float
) -> Iterator[tuple[int, float]]:
    from rapidfuzz import fuzz

    for number in near.tolist():
        likeness = fuzz.ratio(text, kept[number], score_cutoff=100 * at_least) / 100
        if likeness >= at_least:
            yield number, likeness


def _bounded(text: str) -> str:
    half = LONGEST // 2
    return text if len(text) <= LONGEST else text[:half] + text[-half:]


def _shingles(text: str, size: int) -> NDArray[np.uint32]:
    """A number for each different run of `size` characters; a short text is one run."""
    import numpy as np

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="uint32")
    if len(codes) < size:
        codes = np.concatenate([codes, np.zeros(size - len(codes), dtype="uint32")])
    count = len(codes) - size + 1
    found = np.zeros(count, dtype="uint32")
    for offset in range(size):
        found = found * np.uint32(0x01000193) ^ codes[offset : offset + count]
        found *= np.uint32(0x9E3779B1)
    return np.unique(found)


def _shingle_sets(texts: Sequence[str]) -> NDArray[np.float32]:
    """A row for each text with a 1 for each of its shingles, hashed into few columns."""
    import numpy as np

    sets = np.zeros((len(texts), _BUCKETS), dtype="float32")
    for row, text in enumerate(texts):
        if text:
            sets[row, _shingles(text, _SHINGLES_SHORT) >> np.uint32(21)] = 1
    return sets


def _by_row(mask: Any) -> Iterator[tuple[int, NDArray[np.int_]]]:
    import numpy as np

    for row in np.flatnonzero(mask.any(axis=1)).tolist():
        yield row, np.flatnonzero(mask[row])
