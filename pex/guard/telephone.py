"""Whether what is written like a telephone number is one: by the numbering plans of countries.

`pex.guard.personal` finds the candidates by their shape, the package phonenumbers knows the plans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pex.guard import personal

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

COMMON = ("US", "GB", "DE", "FR", "ES", "IT", "AT", "CH", "NL", "BE", "PL", "IE", "AU", "IN")
"""The countries whose plans are tried for a number without its country's code."""
_ANY = re.compile(r"(?<![\w.+,/-])\(?0?\d{1,4}\)?(?:[ .-]\(?\d{2,6}\)?){2,5}(?![\w/]|[.,:-]\d)")
"""Groups that are a number only in a country that was named."""
_NO_DIGIT = re.compile(r"\D")


def check_regions(regions: Sequence[str]) -> tuple[str, ...]:
    """The codes of countries as phonenumbers has them.

    Raises:
        ValueError: a code that it does not know.

    Example:
        >>> check_regions(["de", "GB"])
        ('DE', 'GB')
    """
    if not regions:
        return ()
    import phonenumbers

    known = sorted(phonenumbers.SUPPORTED_REGIONS)
    codes = tuple(code.upper() for code in regions)
    for code in codes:
        if code not in known:
            raise ValueError(
                f"there is no region '{code}' for telephone numbers: "
                "use codes of two letters, such as DE or US"
            )
    return codes


def more_candidates(text: str) -> Iterator[tuple[int, int]]:
    """Places of groups of digits that are telephone numbers in some countries."""
    for match in _ANY.finditer(text):
        digits = sum(map(str.isdigit, match[0]))
        named = personal.is_numbered(text, match.start())
        if 9 <= digits <= 12 and not named and not personal.is_date(match[0]):
            yield match.span()


class Plans:
    """Numbering plans for one pass over texts: a number that comes again is not parsed again.

    It holds the numbers, so it must not outlive the pass.

    Args:
        regions: codes of countries; those of `COMMON` if there are none.

    Example:
        >>> plans = Plans(["DE"])
        >>> plans.same_number("030 901820") == plans.same_number("+49 30 901820")
        True
        >>> plans.is_telephone("Room 030 901820", 5, 15, sure=False)
        True
    """

    def __init__(self, regions: Sequence[str] = ()) -> None:
        self._regions = regions
        self._known: dict[str, tuple[str, bool]] = {}

    def is_telephone(self, text: str, start: int, end: int, sure: bool) -> bool:
        """Whether a plan has the number, or a word or its writing says that it is one.

        A number that people write with groups and its country's code, or after a word such as
        "tel", is hidden too if it is only possible: made-up and mistyped numbers are.

        Args:
            text: the whole text.
            start: where the number begins.
            end: where it ends.
            sure: whether it was found by `personal_data`; a number that was not has to be valid.
        """
        part = text[start:end]
        # (555) 123-4567 is how numbers of stories are written, and nothing else is.
        if sure and (part.startswith("(") or personal.is_told(text, start)):
            return True
        valid, possible = self._number(part)
        grouped = sure and not part.lstrip("+").isdigit()
        return bool(valid) or (possible and grouped)

    def same_number(self, part: str) -> str:
        """One way to write a number, whether with its country's code or without.

        Args:
            part: the number as it is written.
        """
        return self._number(part)[0] or _NO_DIGIT.sub("", part)

    def _number(self, part: str) -> tuple[str, bool]:
        """The valid number, else nothing; and whether one with a country's code is possible."""
        if part not in self._known:
            self._known[part] = _number(part, self._regions)
        return self._known[part]


def _number(part: str, regions: Sequence[str]) -> tuple[str, bool]:
    import phonenumbers

    international = part.startswith(("+", "00"))
    possible = False
    for number in _parsed(part, regions):
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), True
        possible = possible or (international and phonenumbers.is_possible_number(number))
    return "", possible


def _parsed(part: str, regions: Sequence[str]) -> Iterator[PhoneNumber]:
    import phonenumbers

    if part.startswith("00"):
        part = "+" + part[2:].lstrip()
    tried: Sequence[str | None] = [None] if part.startswith("+") else regions or COMMON
    for region in tried:
        try:
            yield phonenumbers.parse(part, region)
        except phonenumbers.NumberParseException:
            continue
