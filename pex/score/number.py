"""The scorer `number`: the number that an answer gives, whatever text surrounds it."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.score import Score
from pex.core.text import value_text
from pex.score.base import Rule, needs_expected
from pex.score.numerals import Numeral, as_typed, numerals
from pex.score.reading import ANSWER, shorten

_BOXED = re.compile(r"\\(?:boxed|fbox)\s?\{")
_HASHES = re.compile(r"^\s{0,3}####\s{0,9}([^\n]*)$", re.MULTILINE)
_MARK = re.compile(rf"(?i)(?<!\w){ANSWER}")
_FILLER = re.compile(
    r"""(?ix) (?: [\s*_"'’`$€£¥₹([{:=≈~→-]
      | (?:about|approximately|approx\.?|around|roughly|exactly|just|only|simply|therefore|thus|so
          |equal\ to|equals|a\ total\ of|[a-z]\s?=)(?![a-z]) )* """
)
_SEPARATED = {
    ",": re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d+,\d+)"),
    ".": re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+)"),
}
"""Numbers with a separator, by the decimal sign."""
_SENTENCE = re.compile(r"\n|[.;!?](?=\s)")
_LAST, _BOX = 20, 500
"""The number of marks that are read, from the end, and of characters after each."""


def number(tolerance: float, relative: float) -> Rule:
    """The number in the answer is the expected one, within a tolerance.

    `find_number` describes which number of an answer counts, and how it is read. `tolerance` is in
    the units of the number, `relative` a share of the expected one; the wider of the two applies.
    `1,234` and `1.234` have two readings each, with a thousands or a decimal separator: in an
    answer, the one that fits the expected number counts.
    """

    def rule(answer: Answer, case: Case, expected: Any) -> Score:
        wanted = _expected(value_text(expected), case.decimal)
        if isinstance(wanted, str):
            raise ValueError(f"the expected answer {expected!r} {wanted}")
        given, skipped = _found(answer.output or "")
        if given is None:
            return Score(False, reason=_nothing(skipped))
        readings = [given.value] if given.other is None else [given.value, given.other]
        best = min(readings, key=lambda value: abs(value - wanted))
        right = near(best, wanted, tolerance, relative)
        read = best if right else given.value
        return Score(right, reason=f"reads {shown_number(read)}, expected {shown_number(wanted)}")

    return needs_expected(rule)


def near(given: Fraction, wanted: Fraction, tolerance: float, relative: float) -> bool:
    """Whether a number is the wanted one within a tolerance; `number` says how it is given."""
    if given == wanted:
        return True
    limit = max(tolerance, relative * abs(float(wanted)))
    if limit == 0:
        # A third has as many digits as fit; whole numbers are compared exactly.
        whole = given.denominator == wanted.denominator == 1
        return not whole and float(given) == float(wanted)
    off = float(abs(given - wanted))
    # 3.1 - 3 is a little more than 0.1 in binary.
    return off <= limit or math.isclose(off, limit, rel_tol=1e-9)


def shown_number(value: Fraction) -> str:
    """A number as it is written in a reason."""
    if value.denominator == 1 and len(str(abs(value.numerator))) <= 25:
        return str(value.numerator)
    return f"{float(value):.10g}"


def _nothing(skipped: Sequence[str]) -> str:
    if not skipped:
        return "no number in the answer"
    return f"no number in the answer: '{shorten(skipped[-1])}' is not read as one"


def check_numbers(cases: Sequence[Case]) -> None:
    """Raise a `PexError` if a case expects something other than one number."""
    for case in cases:
        if case.expected is None:
            continue
        wanted = _expected(value_text(case.expected), case.decimal)
        if isinstance(wanted, str):
            shown = shorten(value_text(case.expected))
            raise PexError(f"case '{case.id}' expects '{shown}', which {wanted}")


def _expected(text: str, decimal: str = "") -> Fraction | str:
    """The number that a case expects, or the error in it.

    Args:
        text: the expected answer.
        decimal: the decimal sign of the file, if it is known: it decides what 1.234 and 1,234 are.

    Example:
        >>> _expected("1,234"), _expected("1,234", ","), _expected("1.234", ",")
        (Fraction(1234, 1), Fraction(617, 500), Fraction(1234, 1))
    """
    text = as_typed(text)
    if decimal and _SEPARATED[decimal].fullmatch(text.strip()):
        thousands = "." if decimal == "," else ","
        text = text.replace(thousands, "").replace(decimal, ".")
    marked = _marked(text)
    if marked is not None:
        return marked.value
    found = list(numerals(text))
    values = [item for item in found if isinstance(item, Numeral)]
    if not values:
        said = f": '{shorten(str(found[-1]))}' is not read as one" if found else ""
        return f"has no number in it{said}"
    if len(found) > 1:
        return f"has {len(found)} numbers: it is unclear which one counts"
    return values[0].value


def find_number(text: str) -> float | None:
    r"""The number that a text gives, None if there is none.

    A marked number counts first: the last in a `\boxed{…}`, after `####`, or after "answer:" or
    "the answer is"; otherwise the last in the text. "The answer is 5. I used 2 apples." gives 5.

    A number is read as a whole or not at all. Fractions (3/4, 1 1/2, ½), powers (1.2e-3, 1.2×10^3,
    2^10), LaTeX, and 1.2k, 3M, 4 bn, 5 million are read. Dates, times, amounts in two units
    (1h 30m), ratios, versions, addresses, telephone numbers, roots and digits in a word (B2, v1.5)
    are not. Units, currencies and percent signs are ignored, and so are thousands separators:
    commas, points, spaces, apostrophes and underscores between groups of three digits (of two in
    1,23,456). If there is only one separator, with three digits after it, a comma separates
    thousands and a point decimals; after a leading 0 both separate decimals. Parentheses do not
    mean minus.

    Example:
        >>> find_number("It costs 1,234.50 €."), find_number("1.234,5 kg"), find_number("about 3%")
        (1234.5, 1234.5, 3.0)
        >>> find_number("1,234 people, then -7"), find_number("3,5"), find_number("none")
        (-7.0, 3.5, None)
        >>> find_number(r"\frac{3}{4}"), find_number("Answer: 1.2k"), find_number("on 2024-05-01")
        (0.75, 1200.0, None)
    """
    found, _ = _found(text)
    return None if found is None else float(found.value)


def _found(text: str) -> tuple[Numeral | None, list[str]]:
    """The number that counts, and the texts that were skipped."""
    text = as_typed(text)
    marked = _marked(text)
    if marked is not None:
        return marked, []
    last, skipped = None, []
    for item in numerals(text):
        if isinstance(item, Numeral):
            last = item
        else:
            skipped.append(item)
    return last, skipped


def _marked(text: str) -> Numeral | None:
    """The number that the text itself marks as its answer."""
    for match in _last(_BOXED, text):
        inside = _inside(text[match.end() : match.end() + _BOX])
        found = [item for item in numerals(inside) if isinstance(item, Numeral)]
        if found:
            return found[-1]
    for match in _last(_HASHES, text):
        found = [item for item in numerals(match[1]) if isinstance(item, Numeral)]
        # Only a number alone may follow: "#### 2. Multiply" is a heading.
        if len(found) == 1 and not re.search(r"[^\W\d_]{2}", match[1]):
            return found[0]
    for match in _last(_MARK, text):
        said = _said(text[match.end() : match.end() + _BOX])
        if said is not None:
            return said
    return None


def _last(mark: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """The occurrences of a mark, from the end of a text."""
    return reversed(deque(mark.finditer(text), _LAST))


def _inside(text: str) -> str:
    """A text up to its closing brace."""
    depth = 1
    for position, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[:position]
    return text


def _said(text: str) -> Numeral | None:
    """The number right after a mark; for an equation, the part after its last sign."""
    begin = _FILLER.match(text)
    start = begin.end() if begin else 0
    # The sign of a number is not filler.
    while start and text[start - 1] in "-$€£¥₹":
        start -= 1
    end = _SENTENCE.search(text, start)
    said = text[start : end.start() if end else len(text)]
    first = next(numerals(said), None)
    if not isinstance(first, Numeral) or first.start > 0:
        return None
    if "=" in said:
        behind = said.rpartition("=")[2]
        return next((item for item in numerals(behind) if isinstance(item, Numeral)), first)
    return first
