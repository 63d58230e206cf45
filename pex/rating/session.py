"""One rater before the pairs: what comes next, what was said, what is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pex.core.errors import PexError
from pex.core.plain_json import replace_surrogates
from pex.rating.order import Pair, Turn, turns
from pex.rating.preference import now
from pex.rating.store import CHOICES, MAX_NAME, MAX_NOTE, Choice, Rated, RatingFile


class Sitting:
    """The turns of one rater, those first that were first, with what was said of them so far.

    Args:
        rater: who.
        pairs: what is rated.
        variants: the two names, in the order of the pairs' answers.
        file: where the ratings are kept.
        seed: of order and sides.
    """

    def __init__(
        self,
        rater: str,
        pairs: Sequence[Pair],
        variants: tuple[str, str],
        file: RatingFile,
        seed: int,
    ) -> None:
        self.rater = rater
        self._variants = variants
        self._file = file
        said = {rated.key: rated for rated in file.ratings}
        self.turns = [self._as_rated(turn, said) for turn in turns(pairs, rater, seed)]
        self._said = [said.get(self._key(turn)) for turn in self.turns]

    def __len__(self) -> int:
        return len(self.turns)

    @property
    def done(self) -> int:
        """How many turns are rated."""
        return sum(rated is not None for rated in self._said)

    @property
    def position(self) -> int:
        """The first turn that is not rated; their number where all are."""
        return self._said.index(None) if None in self._said else len(self)

    def said(self, number: int) -> Rated | None:
        """What the rater said of a turn."""
        return self._said[number]

    def rate(self, number: int, choice: str, reasons: Sequence[str] = (), note: str = "") -> Rated:
        """Keep what the rater says of a turn; it is on disk when this returns.

        Raises:
            PexError: no such turn or choice, or the disk refused.
        """
        if not 0 <= number < len(self):
            raise PexError(f"there is no pair {number + 1}", hint=f"there are {len(self)}")
        turn = self.turns[number]
        rated = rating_of(turn, self.rater, self._variants, choice, reasons, note)
        self._file.add([rated])
        self._said[number] = rated
        return rated

    def _key(self, turn: Turn) -> tuple[str, str, bool]:
        return self.rater, turn.pair.id, turn.second_look

    def _as_rated(self, turn: Turn, said: dict[tuple[str, str, bool], Rated]) -> Turn:
        """A pair that was rated is seen again as it was then, whatever the seed is now."""
        rated = said.get(self._key(turn))
        if rated is None:
            return turn
        return dataclasses.replace(turn, swapped=rated.left == self._variants[1])


def rating_of(
    turn: Turn,
    rater: str,
    variants: tuple[str, str],
    choice: str,
    reasons: Sequence[str] = (),
    note: str = "",
    at: str | None = None,
) -> Rated:
    """A rating of a turn.

    Raises:
        PexError: there is no such choice.
    """
    known: dict[str, Choice] = {name: name for name in CHOICES}
    if choice not in known:
        raise PexError(f"there is no choice '{choice}'", hint=f"one of {', '.join(CHOICES)}")
    left, right = reversed(variants) if turn.swapped else variants
    return Rated(
        pair=turn.pair.id,
        case_id=turn.pair.case_id,
        repeat=turn.pair.repeat,
        rater=rater,
        left=left,
        right=right,
        choice=known[choice],
        reasons=tuple(map(replace_surrogates, reasons)),
        note=replace_surrogates(note[:MAX_NOTE]),
        at=at or now(),
        second_look=turn.second_look,
        group=turn.pair.group or "",
    )


def rater_name(name: str) -> str:
    """A rater's name as it is written down.

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
