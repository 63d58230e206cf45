"""The encoding of a text file that does not say it: UTF-8 if it can be, else by its letters."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Sequence

_SAMPLE_BYTES = 2_000_000
_FITS = 0.97
"""The share of the characters outside ASCII that must be plausible."""

_LANGUAGES = {
    "cp1252": (
        "äöüß", "äöåé", "æøåé", "àâæçéèêëîïôœùûü", "áéíñóúü", "ãáàâçéêíóôõú", "àèéìíîòóù",
        "áéíýóúþæöð", "áàâäéèêëïíóöúü", "àçéèíïóòúü",
    ),
    "cp1250": (
        "ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîşţșț", "čšž",
        "äöüß",
    ),
    "cp1251": ("абвгдежзийклмнопрстуфхцчшщъыьэюяё", "абвгдеєжзиіїйклмнопрстуфхцчшщьюяґ"),
    "cp1253": ("αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋΐΰ",),
    "cp1254": ("çğıöşüâîû",),
    "cp1255": ("אבגדהוזחטיךכלםמןנסעףפץצקרשת",),
    "cp1256": ("ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىيپچگ",),
}  # fmt: skip
"""The letters of the languages that are written with each encoding, in lower case."""

_SAME = {"mac_roman": "cp1252", "cp850": "cp1252", "cp852": "cp1250", "koi8-r": "cp1251"}
"""Other encodings of the same languages: of older Macs, of DOS, of Unix."""

_EVERYDAY = {"gb18030": ("gb2312", 0xB0, 0xD7), "big5": ("big5", 0xA4, 0xC6)}
_WIDE = ("cp932", "gb18030", "euc-kr", "big5")
_PUNCTUATION = frozenset("“”„‘’‚–—…€£¥§°«»‹›•·´©®™½¼¾²³µ×±¡¿ªº†\u00a0\u00ad№")
_WITHIN = frozenset("’‘·\u00ad")
"""Punctuation that can be between two letters."""
_BEFORE_LETTERS = frozenset("“”„‘’‚–—…«»‹›•·©µ¡¿\u00a0\u00ad†°")
_AFTER_LETTERS = frozenset("“”‘’–—…«»‹›•·©®™²³ªº°\u00a0\u00ad†")
"""Punctuation that can touch a letter without a space: "m²" and "°C", but not "³ber"."""

_WORDS = frozenset("àáâåæèéêìíòóôöøúý")
"""Latin letters that are words by themselves."""

_NOWHERE = {
    family: re.compile(pattern)
    for family, pattern in {
        # Spanish has ñ before a vowel only, and French few consonants after œ.
        "cp1252": r"ñ(?![aeiouáéíóúü])|œ(?=[bcgjkmpqrvwxzæ])|[êîñ]æ|þ$",
        # Polish writes ni before a vowel, and no word begins with ą, ę or ń; Slovak ŕ and ĺ are
        # between consonants; Czech ů and ě follow consonants, ě only some of them.
        "cp1250": r"ń(?=[aeiouyóąę])|^[ąęńŕĺůě]|[aeiouyáéíóúäô][ŕĺů]|[ŕĺ](?=[aeiouyáéíóúäô]|$)"
        r"|[^bdfmnptv]ě|ă(?=[eo])|q[úű]|ď(?=[eiv])",
        # Hebrew has letters that end a word, and letters that cannot.
        "cp1255": r"[ךםןףץ](?=\w)|[מנצ]$",
        "cp1253": r"ς(?=\w)|σ$|^[ΐΰ]|[ΐΰ]$",
        "cp1254": r"^ğ",
    }.items()
}
"""Letters where no language written so has them; each pattern is for one lower-case word."""

_VOWELS = {"cp1251": "аеиоуыэюяёєії", "cp1253": "αεηιουωάέήίόύώϊϋΐΰ"}
_FEWEST_VOWELS = {"cp1251": 0.3, "cp1253": 0.4}
"""Their share among the letters, so Hebrew is not read as Cyrillic, nor Cyrillic as Greek."""

NAMES = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250",
    "cp1251": "Windows-1251",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
    "cp1255": "Windows-1255",
    "cp1256": "Windows-1256",
    "mac_roman": "Mac Roman",
    "cp850": "DOS (cp850)",
    "cp852": "DOS (cp852)",
    "koi8-r": "KOI8-R",
    "cp932": "Shift JIS",
    "gb18030": "GB 18030",
    "euc-kr": "EUC-KR",
    "big5": "Big5",
}
"""What people call them."""


def called(encoding: str) -> str:
    """The name of an encoding for people.

    Example:
        >>> called("cp1252"), called("latin-1")
        ('Windows-1252', 'latin-1')
    """
    return NAMES.get(encoding, encoding)


def is_known(encoding: str) -> bool:
    """Whether it is the name of a text encoding."""
    try:
        info = codecs.lookup(encoding)
    except (LookupError, ValueError):
        return False
    return bool(getattr(info, "_is_text_encoding", True))


def candidates(data: bytes) -> list[str]:
    """The encodings in which bytes are plausible text; of those that give the same text, one.

    Returns:
        Usually one, the most common first; none if they are plausible in no encoding.

    Example:
        >>> candidates("Grüße".encode()), candidates("Grüße".encode("cp1252"))
        (['utf-8'], ['cp1252'])
        >>> candidates("zażółć gęślą jaźń".encode("cp1250")), candidates("você".encode("cp1252"))
        (['cp1250'], ['cp1252', 'cp1250'])
    """
    wide = _utf_16(data)
    if wide:
        return [wide]
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return _by_letters(data)
    return ["utf-8"]


def _utf_16(data: bytes) -> str:
    """UTF-16, by its byte order mark or because every other byte is zero; else an empty string."""
    if data[:2] == b"\xff\xfe":
        return "utf-16-le"
    if data[:2] == b"\xfe\xff":
        return "utf-16-be"
    head = data[:4]
    if len(head) == 4 and head.count(0) == 2 and head[0] != head[1]:
        if head[1] == 0 and head[3] == 0:
            return "utf-16-le"
        if head[0] == 0 and head[2] == 0:
            return "utf-16-be"
    return ""


def _by_letters(data: bytes) -> list[str]:
    """The encodings that fit.

    Those in which one language has all letters of the file; if there are none, those in which
    several languages together have them, Windows's before those of older systems.
    """
    sample = _sample(data)
    both = [*_LANGUAGES, *_SAME]
    for group, together in ((both, False), (list(_LANGUAGES), True), (list(_SAME), True)):
        found = _fitting(data, sample, group, together)
        if found:
            return found
    found = _fitting(data, sample, list(_WIDE), True)
    # Korean uses half of the pairs of bytes that Chinese does, so what fits both is Korean.
    return ["euc-kr"] if "euc-kr" in found else found


def _fitting(data: bytes, sample: bytes, group: Sequence[str], together: bool) -> list[str]:
    seen: dict[str, str] = {}
    for encoding in group:
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        text = sample.decode(encoding, "ignore")
        if _share(text, encoding, together=together) >= _FITS:
            seen.setdefault(text, encoding)
    return list(seen.values())


def _sample(data: bytes) -> bytes:
    """The lines with bytes outside ASCII: the others say nothing."""
    lines = [line for line in data.splitlines() if not line.isascii()]
    return b"\n".join(lines)[:_SAMPLE_BYTES]


def _share(text: str, encoding: str, *, together: bool) -> float:
    """The share of characters outside ASCII that a language written so has.

    Args:
        text: the text as this encoding reads it.
        encoding: its name.
        together: the letters of all languages count, for a file in several.
    """
    places = [at for at, character in enumerate(text) if ord(character) > 127]
    if not places:
        return 0.0
    if encoding in _WIDE:
        share = sum(_is_wide(text, at, encoding) for at in places) / len(places)
        kana = sum(0x3040 <= ord(text[at]) <= 0x30FF for at in places)
        return 0.0 if encoding == "cp932" and kana < len(places) / 5 else share
    family = _SAME.get(encoding, encoding)
    if family in _VOWELS:
        letters = [text[at].lower() for at in places if text[at].isalpha()]
        vowels = sum(letter in _VOWELS[family] for letter in letters)
        if vowels < _FEWEST_VOWELS[family] * len(letters):
            return 0.0
        if encoding == "koi8-r" and sum(text[at].isupper() for at in places) > len(letters) / 2:
            return 0.0  # its capitals are where others have small letters
    languages: Sequence[str] = _LANGUAGES[family]
    if family in _NOWHERE and not together and _has_odd_word(text, _NOWHERE[family]):
        return 0.0
    alphabets = ["".join(languages)] if together else languages
    return max(sum(_fits(text, at, letters) for at in places) for letters in alphabets) / len(
        places
    )


def _has_odd_word(text: str, nowhere: re.Pattern[str]) -> bool:
    """Whether most words outside ASCII have a letter where it cannot be; names may."""
    words = [word for word in re.findall(r"\w+", text.lower()) if not word.isascii()]
    return sum(nowhere.search(word) is not None for word in words) * 2 > len(words)


def _fits(text: str, at: int, letters: str) -> bool:
    character = text[at]
    before, after = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    if character in _PUNCTUATION:
        if before.isalpha() and after.isalpha():
            return character in _WITHIN
        if after.isalpha():
            return character in _BEFORE_LETTERS
        return not before.isalpha() or character in _AFTER_LETTERS
    if character.lower() not in letters:
        return False
    if _is_ascii_letter(before + after) and not unicodedata.name(character).startswith("LATIN"):
        return False  # no word is in two scripts
    # An upper-case letter after a lower-case one, or alone, is a sign of the wrong encoding.
    alone = not before.isalpha() and not after.isalpha()
    if alone and character not in _WORDS and unicodedata.name(character).startswith("LATIN"):
        return False
    within = before.isalpha() and after.islower()
    return not (character.isupper() and (before.islower() or within or alone))


def _is_ascii_letter(neighbours: str) -> bool:
    return any(letter.isascii() and letter.isalpha() for letter in neighbours)


def _is_wide(text: str, at: int, encoding: str) -> bool:
    """Whether an East Asian language written so has the character, next to another one."""
    neighbours = text[at - 1 : at] + text[at + 1 : at + 2]
    if all(neighbour.isascii() for neighbour in neighbours):
        return False
    character = text[at]
    code = ord(character)
    if 0x3000 <= code <= 0x303F or 0xFF01 <= code <= 0xFF5E:
        return True
    kana, hangul = 0x3040 <= code <= 0x30FF, 0xAC00 <= code <= 0xD7A3
    if encoding == "euc-kr" or hangul:
        return hangul and encoding == "euc-kr"
    if encoding == "cp932" or kana:
        return encoding == "cp932" and (kana or 0x4E00 <= code <= 0x9FFF)
    # The everyday characters come first in each table.
    table, first, last = _EVERYDAY[encoding]
    encoded = character.encode(table, "ignore")
    return len(encoded) == 2 and first <= encoded[0] <= last
