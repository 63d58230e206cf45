"""Letters that look like others: of another script inside one word, or styled ones.

A text in several scripts is normal; a word of Latin letters with a Cyrillic one inside is not.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import unicodedata
from collections.abc import Iterator

from pex.guard.findings import Finding, visible
from pex.guard.orders import has_command
from pex.guard.phrases import phrases_in
from pex.guard.policy import PolicyOptions

_FOREIGN = (
    "\u0370-\u03ff\u1f00-\u1fff\u0400-\u052f\u0531-\u0587\u13a0-\u13f5\uab70-\uabbf\u2c80-\u2cff"
)
_LATIN = "A-Za-z\u00c0-\u024f"
_BORDER = re.compile(f"[{_LATIN}][{_FOREIGN}]|[{_FOREIGN}][{_LATIN}]")
_RUN = re.compile(f"[{_FOREIGN}]+|[^{_FOREIGN}]+")
_OTHER = re.compile(f"[{_FOREIGN}]")
_BEGIN_OF_WORD, _END_OF_WORD = re.compile(r"[^\W_]+"), re.compile(r"[^\W_]+\Z")
_MOST_WORDS = 2_000
_WHOLE_FOREIGN = re.compile(f"(?<![\\w])[{_FOREIGN}]{{3,}}(?![\\w])")
_STYLE = (
    "\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7cb\u249c-\u24e9\U0001f110-\U0001f189"
    "\u1d00-\u1d2b\u1d2c-\u1d6a\u2102-\u2134\u02b0-\u02b8\u2071\u207f\u0250\u0254\u0258\u025f"
    "\u0261\u0262\u0265\u0279\u026a\u026f\u0274\u0280\u0287\u028c-\u028f\u0299\u029c\u029e\u029f"
    "\u01dd\u1d09\ua730\ua731\ua7ee"
)
"""Full-width, mathematical, enclosed, small-capital, raised and turned letters."""
_STYLED = re.compile(f"[{_STYLE}](?:[ \u3000]?(?:[{_STYLE}]|[a-z](?=[ \u3000]?[{_STYLE}])))*+")
_TURNED = str.maketrans(
    "\u0250\u0254\u01dd\u0258\u025f\u0183\u0261\u0265\u1d09\u0131\u027e\u029e\u026f\u0279\u0287"
    "\u028c\u028d\u028e\u1d00\u0299\u1d04\u1d05\u1d07\ua730\u0262\u029c\u026a\u1d0a\u1d0b\u029f"
    "\u1d0d\u0274\u1d0f\u1d18\u0280\ua731\u1d1b\u1d1c\u1d20\u1d21\u028f\u1d22",
    "aceefgghiijkmrtvwyabcdefghijklmnoprstuvwyz",
)
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LONG, _LONGER = 12, 24


def find_look_alike(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """Words in which letters of another script stand for Latin ones.

    The letters are those of Unicode's table of confusable characters (UTS #39), as the package
    `confusable_homoglyphs` has it.
    """
    end, used = 0, None
    judged: dict[str, Finding | None] = {}
    for border in _BORDER.finditer(text):
        if border.start() < end:
            continue
        start, end = _word_around(text, border.start())
        word = text[start:end]
        if word not in judged:
            if len(judged) == _MOST_WORDS:
                yield Finding(
                    "look-alike-letters", start, len(text), "flag",
                    f"more than {_MOST_WORDS:,} different words of two scripts",
                )  # fmt: skip
                return
            if used is None:
                used = _WHOLE_FOREIGN.search(text) is not None
            judged[word] = _judge(word, used)
        found = judged[word]
        if found is not None:
            yield dataclasses.replace(found, start=start, end=end)


def _judge(word: str, used: bool) -> Finding | None:
    """A word of two scripts; `used` says whether the text has whole words of the other script."""
    rule, message = "look-alike-letters", "a word of two scripts that looks like one"
    foreign = [char for char in word if char.isalpha() and not _is_latin(char)]
    runs = len(_RUN.findall(word))
    if not all(map(latin_twin, foreign)):
        # As in kΩ, Δt or TGFβ, which nobody takes for Latin letters; but Latin letters can
        # stand for others as well, within a word.
        latin = [char for char in word if _is_latin(char)]
        if runs < 3 or not all(char in _latin_twins() for char in latin):
            return None
        return Finding(rule, 0, 0, "flag", message, f"{visible(word)} ({_names(latin)})")
    if runs == 2 and (used or (len(foreign) == 1 and _is_greek(foreign[0]))):
        # A suffix or prefix of a language that is written in the text, or one Greek letter.
        return None
    twin = with_latin_twins(word)
    return Finding(rule, 0, 0, "flag", message, f"{visible(twin)} ({_names(foreign)})", "", twin)


def _word_around(text: str, at: int) -> tuple[int, int]:
    """The letters and digits around a place, at most 100 on either side."""
    before = _END_OF_WORD.search(text[max(0, at - 100) : at])
    after = _BEGIN_OF_WORD.match(text, at, at + 100)
    return at - len(before[0] if before else ""), after.end() if after else at + 1


def with_latin_twins(text: str) -> str:
    """The text with Latin letters where those of other scripts look like them.

    Example:
        >>> with_latin_twins("p\u0430yp\u0430l")
        'paypal'
    """
    return text.translate(_twin_table())


@functools.cache
def _twin_table() -> dict[int, str]:
    others = (char for char in map(chr, range(0x370, 0x2D00)) if _OTHER.match(char))
    return {ord(char): twin for char in others if (twin := latin_twin(char))}


@functools.lru_cache(maxsize=4096)
def _is_latin(char: str) -> bool:
    return unicodedata.name(char, "").startswith("LATIN")


def _is_greek(char: str) -> bool:
    return unicodedata.name(char, "").startswith("GREEK")


def _names(chars: list[str]) -> str:
    scripts = {unicodedata.name(char, "?").partition(" ")[0].title() for char in chars}
    return f"{len(chars)} {' and '.join(sorted(scripts))}"


@functools.cache
def _latin_twins() -> frozenset[str]:
    """The Latin letters that look like a Cyrillic or Greek one."""
    return frozenset(filter(None, map(latin_twin, map(chr, range(0x370, 0x460)))))


@functools.lru_cache(maxsize=4096)
def latin_twin(char: str) -> str:
    """The ASCII letter that a letter of another script looks like; empty if it is like none.

    Example:
        >>> latin_twin("\u0430"), latin_twin("\u0416")
        ('a', '')
    """
    from confusable_homoglyphs.confusables import confusables_data

    twins = [found["c"] for found in confusables_data.get(char, ())]
    return next((one for one in twins if len(one) == 1 and one.isascii() and one.isalpha()), "")


def find_styled(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """Letters of a mathematical, full-width or enclosed style; long runs of them hide a text.

    Full-width letters are usual among Chinese, Japanese and Korean.
    """
    cjk: bool | None = None
    for found in _STYLED.finditer(text):
        start, end = found.span()
        plain = _plain(found.group())
        letters = sum(char.isalpha() for char in plain)
        if letters < 3:
            continue
        if cjk is None:
            cjk = _CJK.search(text) is not None
        hidden = letters >= _LONG and not cjk and (letters >= _LONGER or _has_order(plain))
        yield Finding(
            "styled-letters", start, end, "flag" if hidden else "signal",
            "a text in styled letters" if hidden else "styled letters", visible(plain), "", plain,
        )  # fmt: skip


def _plain(styled: str) -> str:
    return unicodedata.normalize("NFKC", styled.translate(_TURNED))


def _has_order(plain: str) -> bool:
    return any(has_command(text) or bool(phrases_in(text)) for text in (plain, plain[::-1]))


def without_styles(text: str) -> str:
    """The text with plain letters for styled ones."""
    return _STYLED.sub(lambda found: _plain(found[0]), text)
