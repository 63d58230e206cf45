"""Pairs of answers and what raters said of them, made up."""

from pex.rating.order import Pair
from pex.rating.store import PairRating

CHOICES = {"a": "left", "b": "right", "t": "tie", "x": "both bad"}


def pairs(count: int, group: int = 1) -> dict[str, Pair]:
    return {
        f"p{n}": Pair(f"p{n}", f"c{n}", 1, f"g{n // group}", "x", "y", n, ("a", "b"))
        for n in range(count)
    }


def said(letters: str, rater: str = "ada", second: bool = False) -> list[PairRating]:
    """A letter for each pair: a or b is better, t a tie, x both bad, - not rated."""
    return [
        PairRating(f"p{n}", f"c{n}", 1, rater, "a", "b", CHOICES[c], (), "", f"{n:04}", second)
        for n, c in enumerate(letters)
        if c != "-"
    ]


def many(count: int) -> list[Pair]:
    return [Pair(f"p{n}", f"c{n}", 1, None, "x", "y", n, ("a", "b")) for n in range(count)]
