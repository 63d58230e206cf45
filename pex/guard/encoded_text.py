"""Text that is encoded: decoded once, shown, and checked again."""

from __future__ import annotations

import base64
import binascii
import re
import string
from collections.abc import Callable, Iterator
from urllib.parse import unquote_to_bytes

from pex.guard.findings import Finding, visible
from pex.guard.orders import has_command
from pex.guard.phrases import lowered, may_have_phrases, phrases_in
from pex.guard.policy import PolicyOptions

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_LAST_LINE = re.compile(r"\r?\n[A-Za-z0-9+/]{1,76}={0,2}(?![^\s])")
_HEX_RUN = re.compile(r"[0-9A-Fa-fxXU+\\ ,:\n-]{16,}+")
_HEX = re.compile(r"(?:(?:0x|\\x|U\+00)?[0-9A-Fa-f]{2}[ ,:\n-]{0,2}){8,}+")
_OCTAL = re.compile(r"(?:\\[01][0-7]{2}){8,}")
_PERCENT = re.compile(
    r"(?:%[0-9A-Fa-f]{2}|[A-Za-z0-9._~+-]){0,4}(?:%[0-9A-Fa-f]{2}[A-Za-z0-9._~+-]{0,12}){4,}"
)
_ENTITIES = re.compile(r"(?:&#(?:x[0-9A-Fa-f]{2,6}|\d{2,7});?){6,}")
_ESCAPED = re.compile(r"(?:\\u(?:[0-9A-Fa-f]{4}|\{[0-9A-Fa-f]{1,6}\})){6,}")
_QUOTED = re.compile(r"(?:=[0-9A-F]{2}){8,}")
_MORSE = re.compile(r"(?:[.\-\u00b7\u2013\u2212]{1,6}[ /|]{1,3}){12,}[.\-\u00b7\u2013\u2212]{1,6}")
_BINARY = re.compile(r"[01]{8}(?:[ ,]?[01]{8}){7,}(?![01])")
_CODE = r"(?:3[2-9]|[4-9]\d|1[01]\d|12[0-6])"
_DECIMAL = re.compile(rf"{_CODE}(?:[ ,;]{{1,2}}{_CODE}){{11,}}(?!\d)")
_BASE32 = re.compile(r"[A-Z2-7]{24,}={0,6}")
_BRAILLE = re.compile("[\u2800-\u283f](?:[\u2800-\u283f ]){11,}")
_DATA_URL = re.compile(r"data:[a-z]{3,20}/[a-z0-9.+-]{1,60}[^,\s]{0,80},\Z")
_WORDS = re.compile(r"[A-Za-z]{2,}")
_SPACED = re.compile(r"(?<!\w)\w(?:[ .\-_*]\w){7,}(?!\w)")
_ROT13 = str.maketrans(
    string.ascii_letters,
    "".join(half[13:] + half[:13] for half in (string.ascii_lowercase, string.ascii_uppercase)),
)
_LEET_WORD = re.compile(r"[013457@$|][A-Za-z]")
_LEET = str.maketrans("013457@$!|", "oleastasil")
_MORSE_LETTERS = {
    ".-": "a", "-...": "b", "-.-.": "c", "-..": "d", ".": "e", "..-.": "f", "--.": "g", "....": "h",
    "..": "i", ".---": "j", "-.-": "k", ".-..": "l", "--": "m", "-.": "n", "---": "o", ".--.": "p",
    "--.-": "q", ".-.": "r", "...": "s", "-": "t", "..-": "u", "...-": "v", ".--": "w",
    "-..-": "x", "-.--": "y", "--..": "z", "-----": "0", ".----": "1", "..---": "2", "...--": "3",
    "....-": "4", ".....": "5", "-....": "6", "--...": "7", "---..": "8", "----.": "9",
}  # fmt: skip
_BRAILLE_LETTERS = dict(zip(
    bytes.fromhex("0103091911 0b1b130a1a 0507 0d1d15 0f1f17 0e1e 2527 3a2d 3d35"),
    "abcdefghijklmnopqrstuvwxyz", strict=True,
))  # fmt: skip
"""The six dots of a cell as bits, in the order of Unicode."""
_MOST = 100_000
"""Characters of one encoded run that are decoded; a longer run is a file, not a message."""

Again = Callable[[str], bool]
"""Whether a decoded text has a finding of its own."""


def find_encoded(text: str, policy: PolicyOptions, again: Again) -> Iterator[Finding]:
    """Readable text in base64, hexadecimal, percent signs, entities, Morse, ROT13 or backwards.

    It is a signal; if what is decoded has a known phrase or another finding, it is flagged.
    """
    rule = "encoded-text"
    for kind, start, end, decoded in _decoded(text):
        found = again(decoded) or (has_command(decoded) and not _is_attached(text, start))
        yield Finding(
            rule, start, end, "flag" if found else "signal",
            f"{kind} text" + (", with a finding in it" if found else ""), visible(decoded, 120),
        )  # fmt: skip
    for kind, changed in _changed(text):
        for start, end, words in phrases_in(changed):
            if kind == "reversed":
                start, end = len(text) - end, len(text) - start
            elif text[start:end].casefold() == words.casefold():
                continue  # the same without decoding
            yield Finding(rule, start, end, "flag", f"{kind} phrase", visible(words))
    for match in _SPACED.finditer(text):
        letters = re.sub(r"[ .\-_*]", "", match.group())
        if phrases_in(_with_spaces(letters)):
            yield Finding(rule, *match.span(), "flag", "a spaced phrase", visible(letters))


def _changed(text: str) -> Iterator[tuple[str, str]]:
    """The text in other forms, where a phrase may be in them."""
    low = lowered(text)
    for kind, change in (("ROT13", _rot13), ("reversed", _reversed)):
        if may_have_phrases(low, change):
            yield kind, change(text)
    if _LEET_WORD.search(text):
        yield "leetspeak", text.translate(_LEET)


def _rot13(text: str) -> str:
    return text.translate(_ROT13)


def _reversed(text: str) -> str:
    return text[::-1]


def _is_attached(text: str, start: int) -> bool:
    """Whether it is the part of a mail, whose text is encoded for the transport."""
    return "transfer-encoding" in text[max(0, start - 400) : start].lower()


def _with_spaces(letters: str) -> str:
    """Spaces between the words of phrases that were written without any."""
    return re.sub(
        r"(ignore|disregard|forget|all|previous|prior|the|your|system|above)(?=\w)", r"\1 ",
        letters, flags=re.I,
    )  # fmt: skip


def _decoded(text: str) -> Iterator[tuple[str, int, int, str]]:
    """The runs that decode to readable text: kind, start, end, text."""
    end = 0
    for start, stop in _base64_runs(text):
        if start < end or _DATA_URL.search(text, max(0, start - 160), start):
            continue
        told = _from_base64(text[start : min(stop, start + _MOST)])
        if told:
            end = stop
            yield "base64", start, stop, told
    for run in _HEX_RUN.finditer(text):
        for match in _HEX.finditer(text, *run.span()):
            told = _from_hex(match.group()[:_MOST])
            if told:
                yield "hexadecimal", *match.span(), told
    for kind, sign, pattern, decode in (
        ("percent-encoded", "%", _PERCENT, _from_percent),
        ("entity-encoded", "&#", _ENTITIES, _from_entities),
        ("escaped", "\\u", _ESCAPED, _from_escapes),
        ("Morse", "", _MORSE, _from_morse),
        ("octal", "\\", _OCTAL, _from_octal),
        ("quoted-printable", "=", _QUOTED, _from_quoted),
        ("binary", "", _BINARY, _from_binary),
        ("decimal", "", _DECIMAL, _from_decimal),
        ("base32", "", _BASE32, _from_base32),
        ("Braille", "", _BRAILLE, _from_braille),
    ):
        for match in pattern.finditer(text) if sign in text else ():
            told = decode(match.group()[:_MOST])
            if told:
                yield kind, *match.span(), told


def _base64_runs(text: str) -> Iterator[tuple[int, int]]:
    """Where base64 may stand: lines that belong together, then each line of its own."""
    lines: list[tuple[int, int]] = []
    for match in _BASE64.finditer(text):
        start, end = match.span()
        if lines and text[lines[-1][1] : start] not in ("\n", "\r\n"):
            yield from _together(text, lines)
            lines = []
        lines.append((start, end))
    yield from _together(text, lines)


def _together(text: str, lines: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    if lines:
        last = _LAST_LINE.match(text, lines[-1][1])
        if len(lines) > 1 or last:
            yield lines[0][0], last.end() if last else lines[-1][1]
        yield from lines


def _from_base64(run: str) -> str:
    run = "".join(run.split())
    if (run.isalpha() and (run.islower() or run.isupper())) or run.isdigit():
        return ""  # a long word, a number
    plain = run.rstrip("=").replace("-", "+").replace("_", "/")
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        return _readable(base64.b64decode(plain + "=" * (-len(plain) % 4)))
    except (binascii.Error, ValueError):
        return ""


def _from_hex(run: str) -> str:
    digits = re.sub(r"0x|\\x|U\+00|[ ,:\n-]", "", run)
    data = bytes.fromhex(digits[: len(digits) // 2 * 2])
    for zeros, code in ((data[::2], "utf-16-be"), (data[1::2], "utf-16-le")):
        if len(data) >= 16 and not any(zeros):
            return _readable(data.decode(code, "replace").encode("utf-8", "replace"))
    return _readable(data)


def _from_percent(run: str) -> str:
    told = unquote_to_bytes(run.replace("+", " "))
    return _readable(unquote_to_bytes(told) if told.count(b"%") >= 4 else told)


def _from_entities(run: str) -> str:
    import html

    return _readable(html.unescape(run).encode("utf-8", "replace"))


def _from_escapes(run: str) -> str:
    codes = (int(code.strip("{}"), 16) for code in run.split("\\u") if code)
    told = "".join(chr(code) if code < 0x110000 else "\ufffd" for code in codes)
    return _readable(told.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode())


def _from_morse(run: str) -> str:
    run = run.replace("\u00b7", ".").replace("\u2013", "-").replace("\u2212", "-")
    words = re.split(r" ?[/|] ?| {2,}", run)
    letters = [[_MORSE_LETTERS.get(code) for code in word.split()] for word in words]
    flat = [letter for word in letters for letter in word]
    if flat.count(None) > len(flat) / 10:
        return ""
    return " ".join("".join(letter or "?" for letter in word) for word in letters)


def _from_octal(run: str) -> str:
    return _readable(bytes(int(code, 8) for code in run.split("\\")[1:]))


def _from_quoted(run: str) -> str:
    return _readable(bytes.fromhex(run.replace("=", "")))


def _from_binary(run: str) -> str:
    bits = run.replace(" ", "").replace(",", "")
    return _readable(int(bits, 2).to_bytes(len(bits) // 8, "big")) if len(bits) < 8_000 else ""


def _from_decimal(run: str) -> str:
    return _readable(bytes(int(code) for code in re.findall(r"\d+", run)))


def _from_base32(run: str) -> str:
    run = run.rstrip("=")
    try:
        return _readable(base64.b32decode(run + "=" * (-len(run) % 8)))
    except (binascii.Error, ValueError):
        return ""


def _from_braille(run: str) -> str:
    letters = "".join(_BRAILLE_LETTERS.get(ord(char) - 0x2800, " ") for char in run)
    return letters.strip() if sum(map(str.isalpha, letters)) >= 8 else ""


def _readable(data: bytes) -> str:
    """The text of bytes if people could read it: words of letters, hardly anything else."""
    try:
        told = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    printable = sum(char.isprintable() or char in "\n\r\t" for char in told)
    letters = sum(not char.isascii() for char in told) + sum(map(len, _WORDS.findall(told)))
    if len(told) < 8 or printable < len(told) or letters < 0.6 * len(told):
        return ""
    return told
