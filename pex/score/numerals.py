"""Numbers as written in answers: one numeral after the other, each read as a whole."""

from __future__ import annotations

import dataclasses
import math
import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction

# Repetitions are bounded or cannot overlap: a hostile answer takes linear time.
_SPACE = "[ \u00a0\u2002-\u200a\u202f]"
_THOUSANDS = "[ '’ʼ_\u00a0\u2002-\u200a\u202f]"
_MINUS = "−–-"  # a hyphen, a minus, and the dash that word processors put for one
_VULGAR = "¼-¾⅐-⅞"
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"
_FRAC = r"\\(?:[dtcsx]|nice)?frac"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_MONTH = (  # in English, German, French, Spanish, Italian and Portuguese
    r"(?i:jan(?:uary?|vier|eiro)?|gennaio|enero|feb(?:ruary?|braio|rero)?|février|fevereiro"
    r"|mar(?:ch|s|zo)?|märz|março|a[pv]r(?:il|ile)?|abr(?:il)?|ma[iy]o?|maggio"
    r"|june?|juni|juin|junio|junho|giugno|july?|juli|juillet|julio|julho|luglio"
    r"|aug(?:ust)?|août|agosto|sept?(?:ember|embre|iembre)?|settembre|setembro"
    r"|o[ck]t(?:ober|obre)?|octubre|ottobre|outubro|nov(?:ember|embre|iembre|embro)?"
    r"|de[cz](?:ember|embre|iembre|embro)?|décembre|dicembre|diciembre)\.?"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th|er|º)?"

_HOURS, _MINUTES, _SECONDS = (
    r"(?:h|hrs?|hours?|Std\.?|Stunden?)",
    r"(?:m|mins?|minutes?|Min\.?|Minuten?)",
    r"(?:s|secs?|seconds?|Sek\.?|Sekunden?)",
)
_ALSO = r"(?:,|\s(?:and|und))?\s?\d{1,2}"
_IN_TWO_UNITS = (
    rf"(?:\s?{_HOURS}{_ALSO}\s?{_MINUTES}(?!\w)"  # 1h 30m
    rf"|\s?{_MINUTES}{_ALSO}\s?{_SECONDS}(?!\w)"
    rf"|\s?(?:ft|feet|foot|['’′]){_ALSO}(?:\s?(?:in|inch|inches)(?!\w)|[\"”″])"  # 5 ft 10 in
    rf"|\s?(?:lbs?|pounds?){_ALSO}\s?(?:oz|ounces?)(?!\w)"
    r"|\s?°\s?\d{1,2}\s?['’′](?:\s?\d{1,2}(?:\.\d{1,9})?\s?[\"”″])?)"  # 40° 26′
)

_NOT_READ = rf"""
    (?:https?://|www\.)\S+
  | (?<!\d)\d{{4}}[-‑]\d{{1,2}}[-‑]\d{{1,2}}(?:[T ]\d{{1,2}}:\d{{2}}[\d:.,]{{0,9}}Z?)?(?!\w)
  | (?<![\d-])(?:19|20)\d\d-(?:0\d|1[0-2])(?![\w-])
  | (?<![\d/])(?:19|20)\d\d/\d\d(?![\d/])
  | (?<!\d)\d{{4}}-W\d\d(?:-\d)?(?!\w)
  | (?<![\d.,]){_DAY}\.?\s(?:of\s|de\s)?{_MONTH},?\s(?:de\s)?\d{{4}}(?!\d)
  | (?<![\w.,])\d{{1,2}}[-/]{_MONTH}[-/]\d{{2,4}}(?!\w)
  | (?<!\d)\d{{2,4}}\s?[年년]\s?\d{{1,2}}\s?[月월](?:\s?\d{{1,2}}\s?[日号號일])?
  | (?<!\d)\d{{1,2}}\s?[月월]\s?\d{{1,2}}\s?[日号號일]
  | (?<!\d)\d{{1,2}}\s?[时時点點시]\s?\d{{1,2}}\s?[分분]
  | (?<!\w){_MONTH}\s{_DAY},?\s?\d{{4}}(?!\d)
  | (?<![\d/])\d{{1,9}}(?:/\d{{1,9}}){{2,9}}(?!\d)
  | \+\d{{1,4}}(?:{_SPACE}|[-(/)]){{1,2}}(?=(?:[ \u00a0()/-]{{0,2}}\d){{6,14}}(?!\w))
      (?!\d{{3}}(?:{_SPACE}\d{{3}}){{0,1}}(?![ \u00a0\d-]))[\d \u00a0()/-]{{5,24}}\d  # telephones
  | \+\d{{10,15}}(?![\d.,])
  | (?<![\w.,])\d{{3}}[ ]\d{{3}}[ ]\d{{4}}(?![\d.,])
  | \(\d{{2,5}}\)[ -]?\d{{3,4}}[ -]\d{{3,4}}(?!\d)
  | \(0\d{{1,5}}\)[ -]?\d{{2,9}}(?:[ -]\d{{2,9}}){{0,4}}(?!\d)
  | (?<![\w.,])\d{{3}}-\d{{4}}(?![\w-])
  | (?<![\w.,:])\d{{1,2}}(?:[.:]\d\d)?\s?(?:[ap]m|[AP]M|[ap]\.m\.)(?!\w)
  | (?<![\w.,:])\d{{1,2}}(?:[.:]\d\d)?\s?(?:Uhr|o['’]clock)(?!\w)
  | (?<![\w.,])\d{{1,9}}{_IN_TWO_UNITS}
  | (?<![\w.,])\$?\d{{1,32}}_\{{?\d{{1,2}}\}}?(?!\w)  # of another base
  | (?<![\w.,])0\d{{1,4}}(?:[ /-]\d{{2,9}}){{1,6}}(?!\d)
  | (?<![\w.,])\d{{4}}(?:[ -]\d{{4}}){{3}}(?!\d)  # cards
  | (?<![\w.,])(?=[^\W_]{{0,32}}\d)[\da-fA-F]{{1,32}}(?:-[\da-fA-F]{{1,32}}){{2,8}}(?!\w)  # ids
  | (?<![\w.,-])\d{{1,9}}-0\d{{1,8}}(?!\w)
  | (?<![\w.,:])\d{{1,9}}(?::\d{{1,9}}){{1,9}}(?:[.,]\d+)?  # times
  | (?<![\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?:/\d+)?(?![\d.]\d|\d)  # addresses
  | (?<![\d.])(?![1-9]\d{{0,2}}(?:\.\d{{3}}){{2,}}(?!\.?\d))\d+(?:\.\d+){{2,}}  # versions
  | 0[xX][\da-fA-F]+
  | (?:\d[\d.,]{{0,20}})?\s?(?:\\sqrt(?:\[\d{{1,3}}\])?|√)\s?(?:\{{[^{{}}]{{0,60}}\}}|\d+)?  # roots
  | (?<![\d.,])\d{{1,9}}(?:[.,/]\d{{1,9}})?\s?(?:π|\\pi(?![a-z]))
  | {_FRAC}\s?\{{[^{{}}]{{0,60}}\}}\s?\{{[^{{}}]{{0,60}}\}}
  | (?<=[^\W_])(?:\^|\*\*)\(?[-+−]?\d{{1,9}}
  | (?<![\w.,])(?!\d+(?:[eE]\d+|[cdkm]?m[23])(?!\w))\d{{1,32}}[^\W\d_]{{1,32}}\d\w*  # 3D4, 4x4
"""

_SCALES: dict[str, int] = {
    "k": 10**3, "thousand": 10**3, "tsd": 10**3, "tausend": 10**3, "hundred": 100,
    "m": 10**6, "mm": 10**6, "mn": 10**6, "mln": 10**6, "mio": 10**6, "million": 10**6,
    "b": 10**9, "bn": 10**9, "bln": 10**9, "billion": 10**9, "mrd": 10**9, "milliard": 10**9,
    "t": 10**12, "tn": 10**12, "trn": 10**12, "trillion": 10**12,
    "lakh": 10**5, "crore": 10**7, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8,
}  # fmt: skip
_SCALE_WORD = (
    r"(?i:hundred|thousand|million|billion|trillion|lakh|crore|tausend|tsd|milliard"
    r"|mio|mrd|mln|mn|bln|bn|trn|tn)(?i:en|s|es)?\b"
)

_POWER = r"(?:\s?\^\s?|\*\*|\s\*\*\s)"
_NUMBER = rf"""
    (?:(?P<word>(?<!\d)(?<!\d\s)\b(?i:minus|negative)\s+)|(?<![^\W_])(?P<sign>[+{_MINUS}]))?
    (?:[$€£¥₹₩₽]|(?<![^\W_])(?:USD|EUR|GBP|CHF|JPY|CNY|INR)(?=\d))?
    (?:(?<![\d.,/])(?P<whole>\d{{1,9}})(?:{_SPACE}|-|\sand\s)
        (?=\d{{1,4}}\s?[/⁄]\s?\d{{1,4}}(?![\d/⁄]))
      |(?<![\d.,/])(?P<before>\d{{1,9}})\s?(?=[{_VULGAR}])
    )?
    (?:(?P<vulgar>[{_VULGAR}])|(?<!\d)(?P<number>
        [1-9]\d{{0,2}}(?:,\d{{3}})+(?!\d)(?:\.\d+)?               # 1,234  1,234.5
      | [1-9]\d?(?:,\d{{2}}){{1,5}},\d{{3}}(?!\d)(?:\.\d+)?       # 1,23,456
      | [1-9]\d{{0,2}}(?:\.\d{{3}})+(?:,\d+)                      # 1.234,5
      | [1-9]\d{{0,2}}(?:\.\d{{3}}){{2,}}(?!\d)                   # 1.234.567
      | [1-9]\d{{0,2}}(?:{_THOUSANDS}\d{{3}})+(?!\d)(?:[.,]\d+)?  # 1 234,5
      | \d+(?:[.,]\d+)?                                           # 1234  3.5  3,5
      | (?<!\w)\.\d+                                              # .5
    ))
    (?P<exponent>[eE][-+−]?\d+)?
    (?:\s?[x×*·⋅]\s?10(?:{_POWER}\(?(?P<ten>[-+−]?\d{{1,9}})\)?|(?P<raised>[{_RAISED}]{{1,9}})))?
    (?:{_POWER}\(?(?P<power>[-+−]?\d{{1,9}})\)?|(?P<tens>(?<=10)[{_RAISED}]{{1,9}}))?
    (?:\s?[/⁄]\s?(?P<under>\d{{1,3}}(?:,\d{{3}})+|\d{{1,9}}(?:[.,]\d{{1,9}})?))?
    (?:(?P<scale>[kKMBT]|MM|bn|mn|tn)(?![\w-])|(?P<han>[万萬亿億])
      |(?P<scales>(?:{_SPACE}?-?{_SCALE_WORD}){{1,3}}))?
"""

# Thai, Lao, Burmese, Khmer, Japanese, Chinese, Korean: a digit in them is not part of a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"


def _beside_unspaced(pattern: str) -> str:
    """A pattern that does not treat letters of scripts without spaces as part of the same word."""
    for old, new in (
        (r"(?<![\w", f"(?<![^\\W{_UNSPACED}])(?<!["),
        (r"(?<!\w)", f"(?<![^\\W{_UNSPACED}])"),
        (r"(?<![^\W_])", f"(?<![^\\W_{_UNSPACED}])"),
        (r"(?![\w-])", f"(?![^\\W{_UNSPACED}]|-)"),
        (r"(?!\w)", f"(?![^\\W{_UNSPACED}])"),
        (r"[^\W\d_]", f"[^\\W\\d_{_UNSPACED}]"),
    ):
        pattern = pattern.replace(old, new)
    return pattern


_TOKEN = re.compile(
    # Most of a text is words: they are skipped before anything else is tried.
    rf"\s++|[^\W\d_{_VULGAR}]++(?![\w.-]|\s?\d|\s[$€£¥₹₩₽−-]|://)|"
    rf"(?P<skipped>{_beside_unspaced(_NOT_READ)})|{_beside_unspaced(_NUMBER)}"
    # a word, with its digits: B2, v1.5
    + _beside_unspaced(r"|[^\W\d_]+\d\w*(?:[.,]\d\w*)*|[^\W\d_]\w*")
    + r"|[^\W\d_]",
    re.VERBOSE,
)

_TWO_READINGS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_LONGEST = 400
"""Digits; a floating-point number has at most 309 before its decimal point."""

_TYPED = str.maketrans("，．－﹣＋％／＄٬٫", ",.--+%/$,.")
_LATEX = (
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[,;:!]|\\ |(?<=\d)~(?=\d)"), "\u202f"),
    (re.compile(r"\\([$%#&_])"), r"\1"),
    (re.compile(r"\\times(?![a-zA-Z])"), "×"),
    (re.compile(r"\\cdot(?![a-zA-Z])"), "·"),
    (re.compile(r"\^\s?\{\s?([-+−]?\d{1,9})\s?\}"), r"^\1"),
    (re.compile(rf"(?<=\d)\s?(?={_FRAC})"), " "),
    (re.compile(rf"{_FRAC}\s?(\d)\s?(\d)(?!\d)"), r"\1/\2"),
    (
        re.compile(
            r"\\(?:[dtcsx]|nice)?frac\s?\{\s?([-+−]?[\d.,]{1,20})\s?\}\s?\{\s?([\d.,]{1,20})\s?\}"
        ),
        r"\1/\2",
    ),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Numeral:
    """A number in a text.

    `value` is its reading; `other` is its second reading, if it has one separator with three
    digits after it; `start` and `end` are its position.
    """

    value: Fraction
    other: Fraction | None
    start: int
    end: int


def as_typed(text: str) -> str:
    r"""A text with its numbers as typed on a keyboard: plain digits, LaTeX removed.

    Example:
        >>> as_typed(r"$1{,}234$ and \frac{3}{4}, ４٢")
        '$1,234$ and 3/4, 42'
    """
    if not text.isascii():
        text = text.translate(_TYPED)
        text = re.sub(r"[^\D0-9]", _digit, text)
    if "\\" in text or "{" in text:
        for pattern, better in _LATEX:
            text = pattern.sub(better, text)
    return text


def _digit(match: re.Match[str]) -> str:
    return str(unicodedata.decimal(match[0]))


def numerals(text: str) -> Iterator[Numeral | str]:
    """The numbers in a text from left to right; lookalikes that are not numbers come as strings.

    Args:
        text: a text from `as_typed`.

    Example:
        >>> [str(n.value) if isinstance(n, Numeral) else n for n in numerals("2 on 2024-05-01: 3/4")]
        ['2', '2024-05-01', '3/4']
    """  # noqa: E501 - the example is one line
    for match in _TOKEN.finditer(text):
        if match["skipped"] is not None:
            if any(character.isdigit() for character in match[0]):
                yield match[0].strip()
        elif match["number"] is not None or match["vulgar"] is not None:
            yield _numeral(match) or match[0].strip()


def _numeral(match: re.Match[str]) -> Numeral | None:
    digits = match["number"]
    if digits is None:
        first: Fraction | None = _vulgar(match["vulgar"])
        other = None
    else:
        first = _plain(digits)
        other = _plain(digits, turned=True) if _TWO_READINGS.fullmatch(digits) else None
    values = [None if value is None else _whole(match, value) for value in (first, other)]
    if values[0] is None:
        return None
    return Numeral(values[0], values[1], match.start(), match.end())


def _vulgar(character: str) -> Fraction:
    return Fraction(unicodedata.numeric(character)).limit_denominator(100)


def _plain(digits: str, turned: bool = False) -> Fraction | None:
    """The value of digits with their separators; `turned` swaps comma and point."""
    if len(digits) > _LONGEST:
        return None
    if turned:
        digits = digits.translate(str.maketrans(",.", ".,"))
    digits = re.sub(_THOUSANDS, "", digits)
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma >= 0 and point >= 0:  # the last of two separators separates decimals
        thousands = "," if comma < point else "."
        digits = digits.replace(thousands, "").replace(",", ".")
    elif digits.count(",") > 1 or re.fullmatch(r"[1-9]\d{0,2},\d{3}", digits):
        digits = digits.replace(",", "")
    elif digits.count(".") > 1:
        digits = digits.replace(".", "")
    return Fraction(digits.replace(",", "."))


def _whole(match: re.Match[str], value: Fraction) -> Fraction | None:
    """A value adjusted for the text around its digits; None if the whole is not a number."""
    found: Fraction | None = value
    for exponent in (match["exponent"] and match["exponent"][1:], match["ten"], match["raised"]):
        if exponent and found is not None:
            tens = _raised(Fraction(10), exponent)
            found = None if tens is None else found * tens
    if found is not None and (match["power"] or match["tens"]):
        found = _raised(found, match["power"] or match["tens"])
    if found is not None and match["under"]:
        under = _plain(match["under"])
        found = found / under if under else None
    whole = match["whole"] or match["before"]
    if found is not None and whole:
        found += int(whole)
    if found is None:
        return None
    for scale in (match["scale"], match["han"], *re.findall(r"[^\W\d_]+", match["scales"] or "")):
        if scale:
            found *= _scale(scale)
    negative = match["word"] is not None or (match["sign"] or "+") != "+"
    return (-found if negative else found) if _finite(found) else None


def _scale(word: str) -> int:
    name = word.casefold()
    known = [key for key in _SCALES if name == key or (len(key) > 3 and name.startswith(key))]
    return _SCALES[name if name in _SCALES else known[0]] if known else _SCALES[name[:3]]


def _raised(base: Fraction, exponent: str) -> Fraction | None:
    plain = "".join(
        character if character in "+-" else str(unicodedata.digit(character, 0))
        for character in exponent.translate(str.maketrans("−⁻⁺", "--+"))
    )
    if not re.fullmatch(r"[-+]?\d{1,4}", plain) or (base == 0 and plain.startswith("-")):
        return None
    power = int(plain)
    if abs(power) * max(1, base.numerator.bit_length(), base.denominator.bit_length()) > 4000:
        return None
    return base**power


def _finite(value: Fraction) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False
