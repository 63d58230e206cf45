"""Finds texts that are like a held-out one, or like one before, among many.

A held-out text is compared with every candidate that shares enough runs of characters with it, so
none is missed for want of luck; among the candidates themselves, MinHash chooses the pairs that
are compared (A. Broder, Compression and Complexity of Sequences 1997, 21-29).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pex.cases.near_duplicates import LONGEST, normalised

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HELD_OUT = 0.85
"""From this likeness on, a text counts as a held-out one reworded."""
SAME = 0.9
"""From this likeness on, a text counts as one before it."""
_SHORTEST = 12
"""Characters; shorter texts are compared for equality only: 'yes' is not a reworded 'yet'."""
_SHORT, _LEAST_SHORT, _LEAST_LONG = 400, 0.3, 0.5
_BUCKETS = 1 << 16
_BANDS, _ROWS = 12, 3
_SEED = 20_240_601
_MIX = 0x9E3779B97F4A7C15


class HeldOutTexts:
    """Texts of cases that no training data may contain, also reworded.

    Args:
        texts: the texts.

    Example:
        >>> held = HeldOutTexts(["The lamp I ordered arrived broken."])
        >>> held.find(["the lamp I ordered has arrived broken!", "Where is my chair?"])
        [(0, 0.917), None]
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = [normalised(text) for text in texts]
        self._place: dict[str, int] = {}
        for number, text in enumerate(self._texts):
            self._place.setdefault(text, number)
        self._kept = [_bounded(text) for text in self._texts]
        self._sides: list[tuple[int, NDArray[np.int_], Any, NDArray[np.int_]]] = []
        for size in (3, 5):
            chosen = [
                number for number, text in enumerate(self._kept)
                if len(text) >= _SHORTEST and _fits(text, size)
            ]  # fmt: skip
            if chosen:
                import numpy as np

                sets, _ = _runs([self._kept[number] for number in chosen], size)
                sets.sum_duplicates()
                sets.data[:] = 1
                counts = np.asarray(sets.sum(axis=1)).ravel()
                self._sides.append((size, np.array(chosen), sets.T.tocsr(), counts))

    def __len__(self) -> int:
        return len(self._texts)

    def find(self, texts: Sequence[str]) -> list[tuple[int, float] | None]:
        """For each text, the held-out one that it is like and how much; None if there is none.

        Args:
            texts: some hundreds at a time.
        """
        candidates = [normalised(text) for text in texts]
        found: list[tuple[int, float] | None] = [
            (self._place[text], 1.0) if text in self._place else None for text in candidates
        ]
        kept = [_bounded(text) for text in candidates]
        longest = max(map(len, self._kept), default=0)
        for side in self._sides:
            size = side[0]
            open_ones = [
                at for at, text in enumerate(kept)
                if found[at] is None and len(text) >= _SHORTEST and _fits(text, size)
                # Two short texts are compared by their short runs.
                and (size == 3 or max(longest, len(text)) > _SHORT)
            ]  # fmt: skip
            if open_ones:
                self._find(kept, open_ones, side, found)
        return found

    def _find(
        self,
        kept: Sequence[str],
        open_ones: Sequence[int],
        side: tuple[int, NDArray[np.int_], Any, NDArray[np.int_]],
        found: list[tuple[int, float] | None],
    ) -> None:
        import numpy as np

        size, numbers, runs_of, counts = side
        own, lengths = _runs([kept[at] for at in open_ones], size)
        shared = (own @ runs_of).tocoo()
        least = _LEAST_SHORT if size == 3 else _LEAST_LONG
        near = shared.data >= least * np.minimum(lengths[shared.row], counts[shared.col])
        for row, column in sorted(
            zip(shared.row[near].tolist(), shared.col[near].tolist(), strict=True)
        ):
            at, number = open_ones[row], int(numbers[column])
            likeness = _likeness(kept[at], self._kept[number])
            best = found[at]
            if likeness >= HELD_OUT and (best is None or likeness > best[1]):
                found[at] = number, likeness


class ReadyText(NamedTuple):
    """A text to compare: normalised, the part that is compared, and its keys."""

    exact: str
    kept: str
    keys: list[int]


class SeenTexts:
    """Texts one after the other: which of them are like one before.

    Example:
        >>> seen = SeenTexts()
        >>> [seen.add(text) for text in ("A blue lamp, please.", "A chair.", "a blue lamp please!")]
        [None, None, 0]
    """

    def __init__(self) -> None:
        import numpy as np

        dice = np.random.default_rng(_SEED)
        count = _BANDS * _ROWS
        self._times = dice.integers(1, 2**32, count, dtype="uint32") | np.uint32(1)
        self._plus = dice.integers(0, 2**32, count, dtype="uint32")
        self._exact: dict[str, int] = {}
        self._kept: list[str] = []
        self._buckets: dict[int, int | list[int]] = {}

    def ready(self, texts: Sequence[str]) -> list[ReadyText]:
        """Texts as `add` takes them: some hundreds at a time are made ready faster than one.

        Args:
            texts: the texts.
        """
        exact = [normalised(text) for text in texts]
        kept = [_bounded(text) for text in exact]
        keys: list[list[int]] = [[] for _ in texts]
        for size, fits in ((3, range(_SHORTEST, _SHORT + 1)), (5, range(_SHORT + 1, 10**9))):
            chosen = [at for at, text in enumerate(kept) if len(text) in fits]
            if chosen:
                found = self._keys([kept[at] for at in chosen], size)
                for at, own in zip(chosen, found, strict=True):
                    keys[at] = own
        return [ReadyText(*parts) for parts in zip(exact, kept, keys, strict=True)]

    def add(self, text: str | ReadyText) -> int | None:
        """The place of an earlier text that this one is like; None if it is new.

        Args:
            text: the text; it gets the next place.
        """
        from rapidfuzz import fuzz

        one = self.ready([text])[0] if isinstance(text, str) else text
        place = len(self._kept)
        first = self._exact.setdefault(one.exact, place)
        if first != place:
            self._kept.append("")
            return first
        self._kept.append(one.kept)
        buckets = self._buckets
        near: set[int] = set()
        for key in one.keys:
            there = buckets.get(key)
            if there is not None:
                near.update((there,) if isinstance(there, int) else there)
        for other in sorted(near):
            if fuzz.ratio(one.kept, self._kept[other], score_cutoff=100 * SAME):
                return other
        for key in one.keys:
            there = buckets.setdefault(key, place)
            if isinstance(there, list):
                if len(there) < 200:  # a form letter: its first two hundred will do
                    there.append(place)
            elif there != place:
                buckets[key] = [there, place]
        return None

    def _keys(self, texts: Sequence[str], size: int) -> list[list[int]]:
        """For each text a number for each band; texts with an equal one are compared."""
        import numpy as np

        hashes, counts = _shingles_of(texts, size)
        begin = np.cumsum(counts) - counts
        keys = np.zeros((len(texts), _BANDS), dtype="uint64")
        for number, (times, plus) in enumerate(zip(self._times, self._plus, strict=True)):
            least = np.minimum.reduceat(hashes * times + plus, begin)
            band = number // _ROWS
            keys[:, band] = (keys[:, band] + least + np.uint64(band + 1)) * np.uint64(_MIX)
        return keys.tolist()


def _likeness(one: str, two: str) -> float:
    """The share of characters in common, also with the words in another order."""
    from rapidfuzz import fuzz

    score = fuzz.ratio(one, two, score_cutoff=100 * HELD_OUT)
    if not score:
        score = fuzz.token_sort_ratio(one, two, score_cutoff=100 * SAME)
    return round(float(score) / 100, 3)


def _fits(text: str, size: int) -> bool:
    """Short texts by runs of three characters, long ones of five, those between by both."""
    return len(text) <= _SHORT if size == 3 else len(text) >= 0.6 * _SHORT


def _bounded(text: str) -> str:
    half = LONGEST // 2
    return text if len(text) <= LONGEST else text[:half] + text[-half:]


def _shingles(text: str, size: int) -> NDArray[np.uint32]:
    import numpy as np

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="uint32")
    count = max(1, len(codes) - size + 1)
    found = np.zeros(count, dtype="uint32")
    for offset in range(min(size, len(codes))):
        found = found * np.uint32(0x01000193) ^ codes[offset : offset + count]
        found *= np.uint32(0x9E3779B1)
    return found


def _shingles_of(texts: Sequence[str], size: int) -> tuple[NDArray[np.uint32], NDArray[np.int_]]:
    """The hashes of all runs of all texts one after the other, and how many each text has.

    Args:
        texts: none shorter than `size`.
        size: the characters of a run.
    """
    import numpy as np

    hashes = _shingles("".join(texts), size)
    lengths = np.array([len(text) for text in texts])
    counts = lengths - size + 1
    place = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return hashes[np.flatnonzero(place < np.repeat(counts, lengths))], counts


def _runs(texts: Sequence[str], size: int) -> tuple[Any, NDArray[np.int_]]:
    """A sparse row for each text with a 1 for each of its runs, and how many runs it has.

    Runs are hashed into columns; one that is in a text twice is there twice. A product with dense
    rows would be spread over all cores and cost more.

    Args:
        texts: none shorter than `size`.
        size: the characters of a run.
    """
    import numpy as np
    from scipy.sparse import csr_matrix

    hashes, counts = _shingles_of(texts, size)
    columns = (hashes >> np.uint32(16)).astype("int32")
    ends = np.concatenate([[0], np.cumsum(counts)])
    ones = np.ones(len(columns), dtype="int32")
    return csr_matrix((ones, columns, ends), shape=(len(texts), _BUCKETS)), counts
