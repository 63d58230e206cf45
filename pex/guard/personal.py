"""Text that looks like a person's data: e-mail addresses, IBANs, card and telephone numbers.

Checksums keep false alarms low where there are any; a telephone number needs an international
prefix, or a word such as "tel" or brackets and the usual groups. Names and addresses are not
looked for. Every pattern takes linear time.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

EMAIL, IBAN, CARD, TELEPHONE = "e-mail address", "IBAN", "card number", "telephone number"
LONGEST = 200_000
"""Characters of a text that are looked at."""

_EMAIL = re.compile(
    r"(?<![\w.+%-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@"
    r"(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24}(?![\w-])"
)
_EXAMPLE = re.compile(r"@(?:[\w-]+\.){0,5}(?:example(?:\.\w+)?|test|invalid|localhost)$", re.I)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){3,8}(?![A-Za-z0-9])")
_CARD = re.compile(r"(?<![\w.,-])\d(?:[ -]?\d){12,18}(?![\w-]|[.,]\d)")
_TELEPHONE = re.compile(
    r"(?<![\w.+-])(?P<plus>\+|00)?"
    r"(?P<rest>\(?\d{1,5}\)?(?:[ ./-]{0,2}\(?\d{1,6}\)?){1,7})(?!\w|[.,-]\d)"
)
_BEFORE = re.compile(
    r"(?:tel|phone|mobile|cell|fax|call|ring|whatsapp|handy|telefon|mobil|portable|rufnummer|"
    r"téléphone|teléfono|móvil)(?:e|a|efon|ephone|ephone number|number|nummer)?[\s.:#]{0,3}"
    r"(?:me |us |at |on |is |no\.? |nr\.? |number |unter |au |al ){0,2}$",
    re.IGNORECASE,
)
_GROUPED = re.compile(r"\(?0\d{1,4}\)?[ /]\d{3,8}(?:[ -]\d{2,8}){0,3}|\(\d{3}\) ?\d{3}-\d{4}")
_DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}")
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BR": 29, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20,
    "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18,
    "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27, "JO": 30,
    "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24,
    "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28,
    "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class PersonalData:
    """A place in a text that looks like a person's data.

    `start` and `end` are positions of characters; `masked` shows its kind and shape only.
    """

    kind: str
    start: int
    end: int
    masked: str


def personal_data(text: str) -> list[PersonalData]:
    """The places in a text that look like a person's data, in their order.

    Addresses of the domains that are reserved for examples are left out.

    Example:
        >>> found = personal_data("Write to ada@firm.org or call +44 20 7946 0958.")
        >>> [(item.kind, item.masked) for item in found]
        [('e-mail address', 'a…@….org'), ('telephone number', '+44…58')]
        >>> personal_data("Order 4711-0815 of 2026-11-30, version 10.4.22.1, 1 299,00 €")
        []
    """
    text = text[:LONGEST]
    found: list[PersonalData] = []
    for kind, spans in (
        (EMAIL, _emails(text)),
        (IBAN, _ibans(text)),
        (CARD, _cards(text)),
        (TELEPHONE, _telephones(text)),
    ):
        for start, end in spans:
            if not any(start < other.end and other.start < end for other in found):
                found.append(PersonalData(kind, start, end, _masked(kind, text[start:end])))
    return sorted(found, key=lambda item: item.start)


def _emails(text: str) -> Iterator[tuple[int, int]]:
    for match in _EMAIL.finditer(text):
        if not _EXAMPLE.search(match[0]):
            yield match.span()


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match[0][:2])
        if length is None:
            continue
        end, letters = match.start(), ""
        while len(letters) < length and end < match.end():
            letters += text[end].strip()
            end += 1
        whole = end == len(text) or not text[end].isalnum()
        if len(letters) == length and whole and _mod97(letters):
            yield match.start(), end


def _mod97(letters: str) -> bool:
    moved = letters[4:] + letters[:4]
    return int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if digits[0] in "23456" and len(set(digits)) > 1 and _grouped_like_a_card(match[0]):
            total = 0
            for place, digit in enumerate(reversed(digits)):
                number = int(digit) * (2 if place % 2 else 1)
                total += number - 9 if number > 9 else number
            if total % 10 == 0:
                yield match.span()


def _grouped_like_a_card(text: str) -> bool:
    sizes = [len(part) for part in re.split(r"[ -]", text)]
    return (
        len(sizes) == 1 or sizes[:-1] == [4] * (len(sizes) - 1) or sizes in ([4, 6, 5], [4, 6, 4])
    )


def _telephones(text: str) -> Iterator[tuple[int, int]]:
    for match in _TELEPHONE.finditer(text):
        digits = re.sub(r"\D", "", match["rest"])
        if not 7 <= len(digits) <= 15 or _DATE.fullmatch(match[0].strip()):
            continue
        before = text[max(0, match.start() - 40) : match.start()]
        international = match["plus"] == "+" and len(digits) >= 8 and digits[0] != "0"
        dialled = match["plus"] == "00" and len(digits) >= 9 and " " in match[0]
        grouped = _GROUPED.fullmatch(match[0]) and len(digits) >= 9
        if international or dialled or _BEFORE.search(before) or grouped:
            yield match.span()


def _masked(kind: str, text: str) -> str:
    if kind == EMAIL:
        return f"{text[0]}…@….{text.rpartition('.')[2]}"
    if kind == TELEPHONE:
        return f"{text[:3]}…{text[-2:]}"
    return f"{text[:2]}…{text[-2:]}"
