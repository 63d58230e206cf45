"""Finds texts that are like a held-out one, or like one before, among many.

A held-out text is compared with every candidate that shares enough runs of characters with it, so
none is missed for want of luck; among the candidates themselves, MinHash chooses the pairs that
are compared (A. Broder, Compression and Complexity of Sequences 1997, 21-29).
"""

from __future__ import annotations

import array
import hashlib
from collections.abc import Callable, Iterator, Sequence
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
_FOLDED, _MOST_FOLDED = 1 << 13, 1000
_BANDS, _ROWS = 12, 3
_SEED = 20_240_601
_MIX = 0x9E3779B97F4A7C15
MOST_IN_A_BUCKET = 200
"""Of form letters, the first two hundred are compared."""


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
        self._sides: list[_Side] = []
        for size in (3, 5):
            chosen = [
                number for number, text in enumerate(self._kept)
                if len(text) >= _SHORTEST and _fits(text, size)
            ]  # fmt: skip
            if chosen:
                self._sides.append(_Side(chosen, [self._kept[at] for at in chosen], size))

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
            size = side.size
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
        side: _Side,
        found: list[tuple[int, float] | None],
    ) -> None:
        for row, number in side.near([kept[at] for at in open_ones]):
            at = open_ones[row]
            likeness = _likeness(kept[at], self._kept[number])
            best = found[at]
            if likeness >= HELD_OUT and (best is None or likeness > best[1]):
                found[at] = number, likeness


class _Side:
    """Held-out texts by their runs of characters, hashed into buckets.

    Args:
        numbers: of the texts.
        texts: the texts.
        size: the characters of a run.
    """

    def __init__(self, numbers: Sequence[int], texts: Sequence[str], size: int) -> None:
        import numpy as np

        self.size = size
        self._numbers = numbers
        sets, _ = _runs(texts, size)
        sets.sum_duplicates()
        sets.data[:] = 1
        self._counts = np.asarray(sets.sum(axis=1)).ravel()
        self._runs_of = sets.T.tocsr()
        self._folded: NDArray[np.uint16] | None = None
        if len(texts) <= _MOST_FOLDED:
            self._folded = np.zeros((_FOLDED, len(texts)), dtype="uint16")
            rows, columns = sets.nonzero()
            self._folded[columns % _FOLDED, rows] = 1

    def near(self, texts: Sequence[str]) -> Iterator[tuple[int, int]]:
        """The place of each text and the number of a held-out one that share enough runs."""
        import numpy as np

        own, lengths = _runs(texts, self.size)
        least = _LEAST_SHORT if self.size == 3 else _LEAST_LONG
        rows = np.arange(len(texts))
        if self._folded is not None:
            rows = np.flatnonzero(self._may_be_near(own, lengths, least))
        shared = (own[rows] @ self._runs_of).tocoo()
        near = shared.data >= least * np.minimum(
            lengths[rows[shared.row]], self._counts[shared.col]
        )
        pairs = zip(rows[shared.row[near]].tolist(), shared.col[near].tolist(), strict=True)
        for row, column in sorted(pairs):
            yield row, self._numbers[column]

    def _may_be_near(self, own: Any, lengths: NDArray[np.int_], least: float) -> NDArray[np.bool_]:
        """Which texts may share enough runs with any: in fewer buckets, all share more."""
        import numpy as np
        from scipy.sparse import csr_matrix

        folded = csr_matrix(
            (own.data.astype("uint16"), own.indices % _FOLDED, own.indptr),
            shape=(len(lengths), _FOLDED),
        )
        most = folded @ self._folded
        enough = most >= least * np.minimum(lengths[:, None], self._counts)
        return np.asarray(enough.any(axis=1))


class TextKeys(NamedTuple):
    """What texts are compared by: a hash of each normalised one, and its keys; 0 is no key."""

    exact: list[bytes]
    keys: NDArray[np.uint64]


def text_keys(texts: Sequence[str]) -> TextKeys:
    """What `SeenTexts` needs of texts before it can be told about them.

    Args:
        texts: some hundreds at a time, which takes less time than one by one.
    """
    import numpy as np

    exact = [normalised(text) for text in texts]
    kept = [_bounded(text) for text in exact]
    keys = np.zeros((len(texts), _BANDS), dtype="uint64")
    for size, fits in ((3, range(_SHORTEST, _SHORT + 1)), (5, range(_SHORT + 1, 10**9))):
        chosen = [at for at, text in enumerate(kept) if len(text) in fits]
        if chosen:
            keys[chosen] = _band_keys([kept[at] for at in chosen], size)
    return TextKeys([text_hash(text) for text in exact], keys)


class SharedKeys(NamedTuple):
    """The keys that two texts or more have, as numbers from 0.

    `first` and `of_text` have the numbers of each text, one text after the other; `places` says
    where in a list each key has room for all texts with it.
    """

    first: array.array[int]
    of_text: array.array[int]
    places: array.array[int]


def shared_keys(keys: NDArray[np.uint64]) -> SharedKeys:
    """The keys of texts that another text has too.

    Args:
        keys: those of all texts, as `text_keys` gives them.
    """
    import numpy as np

    flat = np.sort(keys, axis=None)
    shared = np.unique(flat[1:][flat[1:] == flat[:-1]])
    shared = shared[shared != 0]
    number = np.searchsorted(shared, keys)
    there = shared[number.clip(max=len(shared) - 1)] == keys if len(shared) else keys < 0
    of_text = number[there]
    room = np.bincount(of_text, minlength=len(shared))
    return SharedKeys(
        array.array("q", [0, *np.cumsum(there.sum(axis=1)).tolist()]),
        array.array("q", of_text.tolist()),
        array.array("q", [0, *np.cumsum(room).tolist()]),
    )


class SeenTexts:
    """Texts one after the other: which of them are like one before.

    Most keys belong to one text only. They are left out first, so that little is remembered of
    a text that is like no other.

    Args:
        shared: the keys of each text that another has too, as `shared_keys` gives them.

    Example:
        >>> texts = ["A blue lamp, please.", "A chair.", "a blue lamp please!"]
        >>> exact, keys = text_keys(texts)
        >>> seen = SeenTexts(shared_keys(keys))
        >>> [seen.add(at, exact[at], lambda: texts[at]) for at in range(3)]
        [None, None, 0]
    """

    def __init__(self, shared: SharedKeys) -> None:
        from rapidfuzz import fuzz

        self._ratio = fuzz.ratio
        self._shared = shared
        self._exact: dict[bytes, int] = {}
        self._kept: dict[int, str] = {}
        self._with_key = array.array("q", bytes(8 * len(shared.of_text)))
        self._count = array.array("q", bytes(8 * len(shared.places)))

    def add(self, place: int, exact: bytes, text: Callable[[], str]) -> int | None:
        """The place of an earlier text that this one is like; None if it is new.

        Args:
            place: its place, which is its row of the keys.
            exact: its hash, as `text_keys` gives it.
            text: gives the text; called if there may be one like it.
        """
        earlier = self._exact.setdefault(exact, place)
        if earlier != place:
            return earlier
        first, of_text, places = self._shared
        keys = of_text[first[place] : first[place + 1]]
        if not keys:
            return None
        kept = _bounded(normalised(text()))
        near: set[int] = set()
        for key in keys:
            near.update(self._with_key[places[key] : places[key] + self._count[key]])
        for other in sorted(near):
            if self._ratio(kept, self._kept[other], score_cutoff=100 * SAME):
                return other
        self._kept[place] = kept
        for key in keys:
            if self._count[key] < MOST_IN_A_BUCKET:
                self._with_key[places[key] + self._count[key]] = place
                self._count[key] += 1
        return None


def _band_keys(texts: Sequence[str], size: int) -> NDArray[np.uint64]:
    """For each text a number for each band; texts with an equal one are compared."""
    import numpy as np

    dice = np.random.default_rng(_SEED)
    count = _BANDS * _ROWS
    times = dice.integers(1, 2**32, count, dtype="uint32") | np.uint32(1)
    plus = dice.integers(0, 2**32, count, dtype="uint32")
    hashes, counts = _shingles_of(texts, size)
    begin = np.cumsum(counts) - counts
    keys = np.zeros((len(texts), _BANDS), dtype="uint64")
    for number in range(count):
        least = np.minimum.reduceat(hashes * times[number] + plus[number], begin)
        band = number // _ROWS
        keys[:, band] = (keys[:, band] + least + np.uint64(band + 1)) * np.uint64(_MIX)
    return keys


def text_hash(text: str) -> bytes:
    """Sixteen bytes that stand for a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


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

    Runs are hashed into columns; one that is in a text twice is there twice.

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
