"""What a rater is asked, and what can be chosen: the better of two, a number, a category."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pex.core.errors import PexError

MOST = 10
"""A key for each number or category: 1 to 9, and 0."""
_LONGEST = 40


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """One kind of rating.

    `noun` is what is rated, `choices` are value, text and key of each. `values` are the numbers
    behind the choices; for categories, 1 for the first and 0 for the others.
    """

    noun: str
    question: str
    choices: tuple[tuple[str, str, str], ...]
    nothing: str
    values: tuple[float, ...] = ()
    is_scale: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The values of the choices, as they are stored."""
        return tuple(value for value, _, _ in self.choices)

    @property
    def low(self) -> float:
        """The lowest number."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The highest number."""
        return max(self.values)

    def value(self, choice: str) -> float:
        """The number behind a choice."""
        return self.values[self.names.index(choice)]

    def intro(self, count: int) -> str:
        """What comes, in a sentence or two."""
        some = f"1 {self.noun}" if count == 1 else f"{count:,} {self.noun}s"
        if self.values:
            return f"{some}, one after the other, without names. {self.question}"
        return (
            f"{some} of answers to the same case, without names. Which of the two, A or B, is "
            "better?"
        )


PAIRS = Form(
    "pair",
    "Which answer is better?",
    (("left", "A is better", "1"), ("tie", "Tie", "0"), ("both bad", "Both bad", "9"),
     ("right", "B is better", "2")),
    "There is nothing to rate: no case has two answers that differ.",
)  # fmt: skip


def scale_form(scale: int | Sequence[int]) -> Form:
    """A scale of whole numbers.

    Args:
        scale: the highest number of one that begins with 1; or the lowest and the highest.

    Raises:
        PexError: it is neither, or has more than ten steps.

    Example:
        >>> scale_form(5).names, scale_form((0, 3)).values
        (('1', '2', '3', '4', '5'), (0.0, 1.0, 2.0, 3.0))
    """
    ends = tuple(scale) if isinstance(scale, Sequence) else (1, scale)
    whole = all(isinstance(end, int) and not isinstance(end, bool) for end in ends)
    if isinstance(scale, bool) or len(ends) != 2 or not whole or ends[0] >= ends[1]:
        raise PexError(
            f"scale={scale!r}: expected the highest number, or the lowest and the highest",
            hint="scale=5 is 1 to 5; scale=(0, 3) is 0 to 3",
        )
    numbers = range(ends[0], ends[1] + 1)
    if len(numbers) > MOST:
        raise PexError(f"scale={scale!r}: {len(numbers):,} steps; at most {MOST}, one for each key")
    digits = ends[0] >= 0 and ends[1] <= 9
    keys = [str(number) if digits else str((n + 1) % 10) for n, number in enumerate(numbers)]
    return Form(
        "answer",
        f"How good is the answer, from {ends[0]} (worst) to {ends[1]} (best)?",
        tuple((str(number), str(number), key) for number, key in zip(numbers, keys, strict=True)),
        "There is nothing to rate: there are no answers.",
        tuple(map(float, numbers)),
        is_scale=True,
    )


def category_form(categories: Sequence[str]) -> Form:
    """Categories; the first one is what an answer should be.

    Raises:
        PexError: fewer than two or too many, two equal ones, or one that is not a short string.

    Example:
        >>> category_form(["good", "minor", "bad"]).value("good")
        1.0
    """
    names = [categories] if isinstance(categories, str) else list(categories)
    short = all(isinstance(n, str) and 0 < len(n.strip()) <= _LONGEST for n in names)
    if not short or not 2 <= len(names) <= MOST or len(set(names)) < len(names):
        raise PexError(
            f"categories: expected 2 to {MOST} different short strings, got {names!r}",
            hint='the best one first: categories=["good", "minor", "bad"]',
        )
    keys = [str((n + 1) % 10) for n in range(len(names))]
    return Form(
        "answer",
        "What is the answer?",
        tuple((name, name, key) for name, key in zip(names, keys, strict=True)),
        "There is nothing to rate: there are no answers.",
        tuple(float(n == 0) for n in range(len(names))),
    )
