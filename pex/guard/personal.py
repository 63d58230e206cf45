"""Text that looks like a person's data: e-mail addresses, IBANs, card and telephone numbers.

Checksums keep false alarms low where there are any; a telephone number needs an international
prefix, or a word such as "tel" or brackets and the usual groups. Names and addresses are not
looked for. Every pattern takes linear time.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

EMAIL, IBAN, CARD, TELEPHONE = "e-mail address", "IBAN", "card number", "telephone number"
LONGEST = 200_000
"""Characters of a text that are looked at."""

_SPACES = (0xA0, 0x202F)
"""Spaces that do not break, as in numbers that were copied; the text keeps its length."""

_EMAIL = re.compile(
    r"(?<![\w.+%-])[^\W_][\w.%+-]{0,63}@(?:[\w-]{1,63}\.){1,5}[^\W\d_]{2,24}(?![\w-])"
)
_DOMAIN = re.compile(r"@(?:[\w-]{1,63}+\.){1,5}[^\W\d_]{2,24}(?![\w-])")
_EXAMPLE = re.compile(r"@(?:[\w-]+\.){0,5}(?:example(?:\.\w+)?|test|invalid|localhost)$", re.I)
# One may begin within what looks like another, so each place is looked at for itself.
_IBAN = re.compile(r"(?<![^\W_])(?=([A-Za-z]{2}[0-9]{2}[A-Za-z0-9 ]{11,40}))")
_CARD = re.compile(r"(?<![\w.,-])\d(?:[ -]?\d){12,18}(?![\w-]|[.,]\d)")
_GROUPED_LIKE_A_CARD = re.compile(
    r"[2-6](?:\d+|\d{3}[ -](?:\d{4}[ -])*\d+|\d{3}[ -]\d{6}[ -]\d{4,5})"
)
_OTHER_DIGIT = re.compile("[\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\uff10-\uff19]")
"""Arabic, Persian, Indian and full-width digits."""
_FOURS = re.compile(
    r"(?<![\w.,/-])[2-6]\d{3}(?P<by>[./_\u2013\u00b7|\t\n]|  |[ ]-[ ])\d{4}(?P=by)\d{4}(?P=by)\d{4}"
    r"(?![\w-]|[.,]\d)"
)
"""A card number with another separator than usual."""
_SEPARATOR = re.compile(r"\D+")
_DOUBLED = {str(digit): 2 * digit - 9 * (digit > 4) for digit in range(10)}
"""What a doubled digit counts in Luhn's sum."""
_THIRTEEN_DIGITS = re.compile(r"\d(?:[ -]?\d){12,}")
"""So many has a card number at least, in a text most of whose numbers are shorter."""
_TELEPHONE = re.compile(
    r"(?<![\w.+-])(?P<plus>\+|00)?+"
    r"(?P<rest>\(?\d{1,5}+\)?(?:[ ./-]{0,2}\(?\d{1,6}+\)?){1,7})(?!\w|[.,-]\d)"
)
_SEVEN_DIGITS = re.compile(r"\d(?:[ ()./-]{0,4}\d){6,}")
"""So many has a telephone number at least, and no more characters are between two of them."""
_NO_DIGIT = re.compile(r"\D")
_BEFORE = re.compile(
    r"\b(?:tel(?:e(?:ph|f)on[eo]?)?|(?:tele|cell|smart)?phone|mobile|cell|fax|call|ring|whatsapp|"
    r"handy|mobil|portable|rufnummer|téléphone|teléfono|móvil)(?:nummer| number| phone)?"
    r"[\s.:#]{0,3}(?:me |us |at |on |is |no\.? |nr\.? |number |unter |au |al ){0,2}$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"\b(?:order|invoice|ticket|case|item|article|part|ref|reference|sku|id|bestellung|auftrag|"
    r"rechnung|artikel|kunden|vertrag|commande|facture|pedido|factura)(?:s?nummer|s)?"
    r"(?:[\s.:#]{1,3}(?:no|nr|number|nummer|id|is)){0,2}[\s.:#]{0,3}$",
    re.IGNORECASE,
)
"""What stands before numbers of things."""
_GROUPED = re.compile(
    r"\(?0\d{1,4}\)?[ /]\d{3,8}(?:[ -]\d{2,8}){0,3}|\(\d{3}\) ?\d{3}-\d{4}|"
    r"(?:1[-.])?[2-9]\d\d([-.])[2-9]\d\d\1\d{4}"
)
_PAIRS = re.compile(r"0[1-9]([ .])\d\d(?:\1\d\d){3}(?![ .]\d\d?(?!\d))")
_NEXT = re.compile(r" +(?=\(?0\d{1,4}\)?[ /-]\d{5})")
"""Where a second number begins."""
_NO_TELEPHONE = re.compile(
    r"\d{4}[-./]\d{1,2}[-./]\d{1,2}(?![-./]?\d)|\d{1,2}[-./]\d{1,2}[-./]\d{2,4}(?![-./]?\d)|"
    r"(?:19|20)\d\d ?[-/] ?(?:19|20)\d\d(?![-./ ]?\d)|"
    r"\d\.\d+$|(?!\d\d\.\d\d\.\d\d\.\d\d$)(?:\d{1,3}\.){3}\d{1,3}$"
)
"""A date, a span of years, a decimal number, an address in a network."""
_AS_NUMBERS = {code: str(code - 55) for code in range(ord("A"), ord("Z") + 1)}
"""Of the letters in an IBAN: A is 10."""
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


def personal_data(
    text: str, *, longest: int | None = LONGEST, examples: bool = False
) -> list[PersonalData]:
    """The places in a text that look like a person's data, in their order.

    Args:
        text: any text.
        longest: the characters that are looked at; None for all.
        examples: whether addresses of the domains that are reserved for examples count too.

    Example:
        >>> found = personal_data("Write to ada@firm.org or call +44 20 7946 0958.")
        >>> [(item.kind, item.masked) for item in found]
        [('e-mail address', 'a…@….org'), ('telephone number', '+44…58')]
        >>> personal_data("Order 4711-0815 of 2026-11-30, version 10.4.22.1, 1 299,00 €")
        []
    """
    text = with_plain_spaces(text[:longest])
    return _in_order(
        text,
        (EMAIL, _emails(text, examples)),
        (IBAN, _ibans(text)),
        (CARD, _cards(text)),
        (TELEPHONE, _telephones(text)),
    )


def payment_data(text: str, most: int | None = None) -> list[PersonalData]:
    """The numbers of bank accounts and cards in a text, whose checksums are right.

    Args:
        text: the text.
        most: after so many of a kind no more are looked for; None: all are.

    Example:
        >>> [(item.kind, item.masked) for item in payment_data("IBAN GB82 WEST 1234 5698 7654 32")]
        [('IBAN', 'GB…32')]
    """
    text = with_plain_spaces(text)
    if _OTHER_DIGIT.search(text):
        text = "".join(str(unicodedata.digit(char, char)) for char in text)
    joined = _joined(text)  # as in GB82-WEST-1234-5698-7654-32
    ibans = itertools.islice(_ibans(joined), most)
    cards = itertools.islice(_cards(text), most)
    return _in_order(text, (IBAN, ibans), (CARD, cards))


def _joined(text: str) -> str:
    for separator in "-./_":
        text = text.replace(separator, " ")
    return text


def without_payment_data(text: str, mask: Callable[[str], str]) -> str:
    """The text without numbers of bank accounts, nor any that is as long as that of a card.

    It is for texts with a great many of them, where each checksum would take too long.

    Example:
        >>> without_payment_data("4111 1111 1111 1112, 12", str.upper)
        'CARD NUMBER, 12'
    """
    text = _THIRTEEN_DIGITS.sub(mask(CARD), text)
    parts: list[str] = []
    at = 0
    for start, end in _ibans(_joined(with_plain_spaces(text))):
        if start >= at:
            parts += text[at:start], mask(IBAN)
            at = end
    return "".join([*parts, text[at:]])


def _in_order(text: str, *kinds: tuple[str, Iterable[tuple[int, int]]]) -> list[PersonalData]:
    """The places of each kind without overlaps; the kinds that come first have precedence."""
    found: list[PersonalData] = []
    taken = bytearray(len(text))  # so that many places take no longer than few
    for kind, spans in kinds:
        for start, end in spans:
            if taken.find(1, start, end) < 0:
                taken[start:end] = b"\x01" * (end - start)
                found.append(PersonalData(kind, start, end, _masked(kind, text[start:end])))
    return sorted(found, key=lambda item: item.start)


def with_plain_spaces(text: str) -> str:
    """The text with ordinary spaces for those that do not break, of the same length."""
    for code in _SPACES:
        text = text.replace(chr(code), " ")
    return text


def _emails(text: str, examples: bool) -> Iterator[tuple[int, int]]:
    done = 0
    at = text.find("@")
    while at >= 0:
        # An address has one @, and no more than this on either side of it.
        match = _DOMAIN.match(text, at) and _EMAIL.search(text, max(done, at - 64), at + 350)
        if match and text.find("@", match.start()) == at:
            done = match.end()
            if examples or not _EXAMPLE.search(match[0]):
                yield match.span()
        at = text.find("@", at + 1)


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match[1][:2].upper())
        if length is None:
            continue
        start = match.start()
        letters = match[1].replace(" ", "")[:length]
        end = start + len(letters)
        while len(text[start:end].replace(" ", "")) < len(letters):
            end += 1
        whole = end == len(text) or not text[end].isalnum()
        # In small letters words look like it too: only the usual groups of four then.
        usual = letters.isupper() or text[start:end] in (letters, _in_fours(letters))
        if len(letters) == length and whole and usual and _mod97(letters):
            yield start, end


def _in_fours(letters: str) -> str:
    return " ".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def _mod97(letters: str) -> bool:
    moved = letters[4:] + letters[:4]
    return int(moved.upper().translate(_AS_NUMBERS)) % 97 == 1


def _cards(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for digits in _THIRTEEN_DIGITS.finditer(text):
        at = max(at, digits.start())
        while match := _CARD.search(text, at, digits.end() + 2):
            if match.start() >= digits.end():
                break
            at = match.end()
            for part in _beginnings(match[0]):  # a check number or a date may stand behind it
                if len(part) < 13:
                    break
                if _is_card(part):
                    at = match.start() + len(part)
                    yield match.start(), at
                    break

    for match in _FOURS.finditer(text):
        if _is_card(_SEPARATOR.sub(" ", match[0])):
            yield match.span()


def _beginnings(text: str) -> Iterator[str]:
    """The text, then what is before its last space, and so on."""
    while text:
        yield text
        text = text.rpartition(" ")[0].rstrip()


def _is_card(text: str) -> bool:
    if not _GROUPED_LIKE_A_CARD.fullmatch(text):
        return False
    digits = text.replace(" ", "").replace("-", "")
    if len(digits) < 13 or len(set(digits)) == 1:
        return False
    total = sum(map(int, digits[-1::-2])) + sum(map(_DOUBLED.__getitem__, digits[-2::-2]))
    return total % 10 == 0


def _telephones(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for digits in _SEVEN_DIGITS.finditer(text):  # most numbers in a text are shorter
        at = max(at, digits.start() - 2)
        # Three characters behind the digits are all that the pattern looks at.
        while match := _TELEPHONE.search(text, at, digits.end() + 3):
            if match.start() >= digits.end():
                break
            at = match.end()
            end = _end_of_number(text, match)
            if end is not None:
                yield match.start(), end
                at = end


def _end_of_number(text: str, match: re.Match[str]) -> int | None:
    """Where a telephone number ends that begins like the match; None if there is none."""
    start, plus = match.start(), match["plus"] or ""
    if len(_NO_DIGIT.sub("", match[0])) < 7:
        return None
    for part in _beginnings(_NEXT.split(match[0], maxsplit=1)[0]):
        digits = _NO_DIGIT.sub("", part[len(plus) :])
        if not 7 <= len(digits) <= 15:
            continue
        end = start + len(part)
        if (
            _is_dialled(plus, digits, part)
            or (_is_shaped(text, start, end) and not is_numbered(text, start))
            or (not is_date(part) and is_told(text, start))
        ):
            return end
    return None


def _is_dialled(plus: str, digits: str, text: str) -> bool:
    """Whether it begins with the code of a country, and is no round number."""
    if plus == "+":
        long_enough = len(digits) == 11 if digits[0] in "17" else len(digits) >= 8
        return long_enough and digits[0] != "0" and len(digits.rstrip("0")) > 3
    return plus == "00" and len(digits) >= 9 and " " in text


def is_told(text: str, start: int) -> bool:
    """Whether a word such as "tel" stands before a place."""
    return bool(_BEFORE.search(text[max(0, start - 40) : start]))


def is_numbered(text: str, start: int) -> bool:
    """Whether a word such as "order" or "invoice no." stands before a place."""
    return bool(_NUMBERED.search(text[max(0, start - 40) : start]))


def is_date(text: str) -> bool:
    """Whether digits are a date, a span of years, a decimal number or a network's address."""
    return bool(_NO_TELEPHONE.match(text))


def _is_shaped(text: str, start: int, end: int) -> bool:
    """Whether its groups are those of a telephone number."""
    pairs = _PAIRS.match(text, start)
    if pairs is not None and pairs.end() == end:
        return True
    grouped = _GROUPED.fullmatch(text, start, end)
    return grouped is not None and sum(map(str.isdigit, grouped[0])) >= 9


def _masked(kind: str, text: str) -> str:
    if kind == EMAIL:
        return f"{text[0]}…@….{text.rpartition('.')[2]}"
    if kind == TELEPHONE:
        return f"{text[:3]}…{text[-2:]}"
    return f"{text[:2]}…{text[-2:]}"
