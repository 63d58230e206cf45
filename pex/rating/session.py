"""A session of one rater: which pair is next, and the ratings given so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Generic

from pex.core.errors import PexError
from pex.core.text import replace_surrogates
from pex.rating.order import Answer, Pair, Presentation, presentation_order
from pex.rating.preference import now
from pex.rating.store import CHOICES, MAX_NAME, MAX_NOTE, Choice, PairRating, Rated, RatingFile


class RatingSession(Generic[Rated]):
    """The pairs or answers of one rater in their order, with the ratings given so far.

    Args:
        rater: the rater's name.
        pairs: the pairs to rate.
        file: the file with the ratings.
        seed: of the random order and sides.
        make: makes a rating of what was shown: from rater, choice, reasons and note.
    """

    def __init__(
        self,
        rater: str,
        pairs: Sequence[Pair | Answer],
        file: RatingFile[Rated],
        seed: int,
        make: Callable[[Presentation, str, str, Sequence[str], str], Rated],
    ) -> None:
        self._make = make
        self.rater = rater
        self._file = file
        known = {rating.key: rating for rating in file.ratings}
        self.order = [
            self._as_rated(shown, known) for shown in presentation_order(pairs, rater, seed)
        ]
        self._ratings = [known.get(self._key(shown)) for shown in self.order]

    def __len__(self) -> int:
        return len(self.order)

    @property
    def done(self) -> int:
        """How many pairs are rated."""
        return sum(rating is not None for rating in self._ratings)

    @property
    def position(self) -> int:
        """The first pair that is not rated; their number if all are."""
        return self._ratings.index(None) if None in self._ratings else len(self)

    def rating(self, number: int) -> Rated | None:
        """The rating of a pair, by its number in the order."""
        return self._ratings[number]

    def rate(self, number: int, choice: str, reasons: Sequence[str] = (), note: str = "") -> Rated:
        """Store a rating; it is on disk when this returns.

        Raises:
            PexError: there is no such pair or choice, or the file could not be written.
        """
        if not 0 <= number < len(self):
            raise PexError(f"there is no pair {number + 1}", hint=f"there are {len(self)}")
        rating = self._make(self.order[number], self.rater, choice, reasons, note)
        self._file.add([rating])
        self._ratings[number] = rating
        return rating

    def _key(self, shown: Presentation) -> tuple[str, str, bool]:
        return self.rater, shown.pair.id, shown.second_look

    def _as_rated(
        self, shown: Presentation, known: dict[tuple[str, str, bool], Rated]
    ) -> Presentation:
        """A rated pair is shown with the same sides as then, whatever the seed is now."""
        rating = known.get(self._key(shown))
        if not isinstance(rating, PairRating):
            return shown
        return dataclasses.replace(shown, swapped=rating.left == shown.pair.variants[1])


def make_rating(
    shown: Presentation,
    rater: str,
    choice: str,
    reasons: Sequence[str] = (),
    note: str = "",
    at: str | None = None,
) -> PairRating:
    """The rating of a pair as it was shown.

    Raises:
        PexError: there is no such choice.
    """
    if not isinstance(shown.pair, Pair):
        raise TypeError("an answer alone has no sides")
    known: dict[str, Choice] = {name: name for name in CHOICES}
    if choice not in known:
        raise PexError(f"there is no choice '{choice}'", hint=f"one of {', '.join(CHOICES)}")
    left, right = reversed(shown.pair.variants) if shown.swapped else shown.pair.variants
    return PairRating(
        pair=shown.pair.id,
        case_id=shown.pair.case_id,
        repeat=shown.pair.repeat,
        rater=rater,
        left=left,
        right=right,
        choice=known[choice],
        reasons=tuple(map(replace_surrogates, reasons)),
        note=replace_surrogates(note[:MAX_NOTE]),
        at=at or now(),
        second_look=shown.second_look,
        group=shown.pair.group or "",
    )


def rater_name(name: str) -> str:
    """A rater's name as it is stored.

    Raises:
        PexError: it is empty or too long.

    Example:
        >>> rater_name("  Ada   Lovelace ")
        'Ada Lovelace'
    """
    found = " ".join("".join(c for c in name if c.isprintable() or c.isspace()).split())
    if not found or len(found) > MAX_NAME:
        raise PexError(
            f"a rater's name has 1 to {MAX_NAME} characters, got {len(found)}",
            hint="for example rate(rater='ada')",
        )
    return found
