"""The scorer `number`: the last number in an answer, whatever is written around it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.score import Score
from pex.score.base import Rule, needs_expected
from pex.score.reading import shorten, text_of

# Repetitions are bounded or cannot overlap: a hostile answer takes linear time.
_TOKEN = re.compile(
    r"""
    (?:(?<![^\W_])(?P<sign>[-+−]))?
    (?:[$€£¥₹₩₽]|(?<![^\W_])(?:USD|EUR|GBP|CHF|JPY|CNY|INR)(?=\d))?
    (?<![\d])(?P<number>
        [1-9]\d{0,2}(?:,\d{3})+(?!\d)(?:\.\d+)?             # 1,234  1,234.5
      | [1-9]\d?(?:,\d{2}){1,5},\d{3}(?!\d)(?:\.\d+)?       # 1,23,456
      | [1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)                    # 1.234,5
      | [1-9]\d{0,2}(?:\.\d{3}){2,}(?!\d)                   # 1.234.567
      | [1-9]\d{0,2}(?:[ '’_\u00a0\u202f]\d{3})+(?!\d)(?:[.,]\d+)?  # 1 234,5
      | \d+(?:[.,]\d+)?                                     # 1234  3.5  3,5
      | \.\d+                                               # .5
    )(?P<exponent>[eE][-+]?\d+)?
    | [^\W\d_]\w*(?:[.,]\d\w*)*                             # a word, with its digits: B2, v1.5
    """,
    re.VERBOSE,
)


def number(tolerance: float, relative: float) -> Rule:
    """The last number in the answer is the expected one, within a tolerance.

    `tolerance` is in the units of the number, `relative` a share of the expected one; the wider
    of the two holds.
    """

    def rule(answer: Answer, case: Case, expected: Any) -> Score:
        wanted = find_number(text_of(expected))
        if wanted is None:
            raise ValueError(f"the expected answer {expected!r} has no number in it")
        given = find_number(answer.output or "")
        if given is None:
            return Score(False, reason="no number in the answer")
        off, limit = abs(given - wanted), max(tolerance, relative * abs(wanted))
        # 3.1 - 3 is a little more than 0.1 in binary.
        right = off <= limit or math.isclose(off, limit, rel_tol=1e-9)
        return Score(right, reason=f"reads {given:.10g}, expected {wanted:.10g}")

    return needs_expected(rule)


def check_numbers(cases: Sequence[Case]) -> None:
    """Raise a `PexError` where a case expects something without a number in it."""
    for case in cases:
        if case.expected is not None and find_number(text_of(case.expected)) is None:
            shown = shorten(text_of(case.expected))
            raise PexError(f"case '{case.id}' expects '{shown}', which has no number in it")


def find_number(text: str) -> float | None:
    """The last number in a text, None where there is none.

    Units, currencies and percent signs are left out, and so are separators of thousands: commas,
    points, spaces, apostrophes and underscores between groups of three digits. Where only one
    separator stands, with three digits behind it, a comma separates thousands and a point
    decimals; after a leading 0 both separate decimals. Digits in a word (B2, v1.5) are no number.

    Example:
        >>> find_number("It costs 1,234.50 €."), find_number("1.234,5 kg"), find_number("about 3%")
        (1234.5, 1234.5, 3.0)
        >>> find_number("1,234 people, then -7"), find_number("3,5"), find_number("none")
        (-7.0, 3.5, None)
    """
    last = None
    for match in _TOKEN.finditer(text):
        if match["number"] is not None:
            value = _parse(match["number"], match["sign"], match["exponent"])
            if math.isfinite(value):
                last = value
    return last


def _parse(digits: str, sign: str | None, exponent: str | None) -> float:
    digits = re.sub(r"[ '’_\u00a0\u202f]", "", digits)
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma >= 0 and point >= 0:  # the last of two separators separates decimals
        thousands = "," if comma < point else "."
        digits = digits.replace(thousands, "").replace(",", ".")
    elif digits.count(",") > 1 or re.fullmatch(r"[1-9]\d{0,2},\d{3}", digits):
        digits = digits.replace(",", "")
    elif digits.count(".") > 1:
        digits = digits.replace(".", "")
    value = float(digits.replace(",", ".") + (exponent or ""))
    return -value if sign in ("-", "−") else value
