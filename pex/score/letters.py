"""Finding the single letters that an answer names: "B" of A to D, not the article in "A whale"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from pex.score.reading import ANSWER

# Cyrillic and Greek letters that look like Latin ones.
_ALIKE = str.maketrans("АВЕКМНОРСТУХавеорсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEKMHOPCTYXabeopcyxABEZHIKMNOPTYX")
_WORDS = frozenset("aeiouyàèéòóавикосуяоу")
"""Letters that are also words, in languages with Latin and Cyrillic letters."""
_LETTER = "[^\\W\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]"
"""A letter of a word; Thai, Japanese, Chinese and Korean put no spaces around Latin letters."""
_AFTER = (
    r"(?:is|because|since|as|and|or|but|nor|would|could|should|must|seems?|looks?|fits|best|due|for|"
    r"was|are|ist|weil|und|oder|est|car|et|ou|es|porque)(?!\w)"
)
_AFTER_I = r"(?:is|because|since|and|or|but|fits|best|seems|looks)(?!\w)"
_BECAUSE = r"\s?[,;–—-]?\s?(?:because|since|as|for|due|weil|car|porque)(?!\w)"
_CALLED = r"(?i:option|choice|letter|answer|label|class|category|grade|antwort|variant)"
_BEFORE = rf"(?:{_CALLED}\s)"
_MARK = (
    rf"(?:{ANSWER}|(?:option|choice|letter|label|class|category|grade|variant|solution|verdict|"
    r"""correct|result|pick|lösung)["'*_`)]{0,4}\s{0,3}(?:\s(?:is|ist)(?!\w)|[:：=])(?!\s*not\b))"""
)
_JOINED = r"[^\w\n]{0,4}(?:[,/&+|]|(?:and|or|und|oder|et|ou|y)(?!\w))[^\w\n]{0,4}"


class Letters:
    """Finds the single letters among an answer's labels.

    The strongest is a letter alone (as the whole answer or as one line), or marked by the answer
    ("Answer: B", a box, "B, because …"); next is a separate upper-case letter, unless it is the
    first word of a sentence ("A whale …", "I think …"); last is a lower-case letter in parentheses
    or before a full stop, comma, colon or parenthesis. Only the strongest ones found count: two of
    them are two labels.

    Example:
        >>> letters = Letters(["A", "B", "C"])
        >>> letters.named("B, because a whale is a mammal"), letters.named("It is a whale.")
        ((2, ['B']), (0, []))
        >>> letters.named("A or B?")
        (1, ['A', 'B'])
    """

    def __init__(self, labels: Sequence[str], longer: Sequence[str] = ()) -> None:
        """Prepare the patterns.

        Args:
            labels: single letters.
            longer: labels of several characters; letters inside them do not count.
        """
        own = {_plain(item).casefold(): item for item in reversed(labels)}
        same = {name.upper().translate(_ALIKE): item for name, item in own.items()}
        looks = [chr(letter) for letter in _ALIKE] + [chr(letter) for letter in _ALIKE.values()]
        # Two labels that look alike differ only in their character codes.
        alike = {
            letter.casefold(): same[letter.translate(_ALIKE)]
            for letter in looks
            if letter.translate(_ALIKE) in same and len(same) == len(own)
        }
        self._names = alike | own
        upper, lower = (
            "".join(sorted({turn(name) for name in self._names if len(turn(name)) == 1}))
            for turn in (str.upper, str.lower)
        )
        genuine = "".join(sorted(name.upper() for name in own))
        # No word, apostrophe, initial or sign may continue after a letter: not A's, A.I., A-level.
        end = rf"(?!{_LETTER}|['’&+#-]\w|\.\w|[+#])"
        begin = rf"(?<!{_LETTER})(?<!\w['’&.-])(?<![Nn]/)"
        big, any_ = f"(?P<letter>[{upper}])", f"(?P<letter>[{upper}{lower}])"
        sure = f"(?P<letter>[{genuine}])"
        stop = r"(?=\W*(?:$|[.,;:!?)\]}\n]))"
        patterns = {
            "line": rf"^[^\w\n]*(?:{_BEFORE})?{any_}(?![+#])[^\w\n]*$",
            "boxed": rf"\\(?:boxed|fbox)\s?\{{(?:\\\w+\s?\{{)?\W{{0,3}}{any_}\W{{0,4}}\}}",
            "marked": rf"(?i:(?<!\w){_MARK})(?:\s?(?i:the|option|choice|letter)(?=\W))*"
            rf"[^\w\n]{{0,9}}(?:{big}{end}|(?P<small>[{lower}]){end}{stop})",
            "because": rf"\A\W{{0,9}}(?:{_BEFORE})?{any_}{end}{_BECAUSE}",
            "upper": rf"{begin}{sure}{end}",
            "lower": rf"\({any_}\)|\A\W{{0,9}}{any_}[.,):;](?!\w)|{_BEFORE}{any_}{end}{stop}",
        }
        once = {name: _numbered(pattern) for name, pattern in patterns.items()}
        self._patterns = {name: re.compile(p, re.MULTILINE) for name, p in once.items()}
        self._joined = re.compile(
            rf"{_JOINED}(?:{_BEFORE})?(?:([{upper}]){end}(?!\s(?:is|are|was|were|isn)(?!\w))"
            rf"|([{lower}]){end}{stop})"
        )
        words = "|".join(re.escape(_plain(item)) for item in sorted(longer, key=len, reverse=True))
        self._longer = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) if words else None

    def named(self, text: str) -> tuple[int, list[str]]:
        """The strength and the labels that a text names; 0 if it names none."""
        text = _plain(text)
        if self._longer is not None:
            text = self._longer.sub("\0", text)
        for strength, kinds in ((2, ("line", "boxed", "marked", "because")), (1, ("upper",))):
            found = [item for kind in kinds for item in self._found(text, kind)]
            if found:
                return strength, list(dict.fromkeys(found))
        found = self._found(text, "lower")
        return (1 if found else 0), list(dict.fromkeys(found))

    def _found(self, text: str, kind: str) -> list[str]:
        found = []
        for match in self._patterns[kind].finditer(text):
            letter = next(group for group in match.groups() if group)
            at = match.start(match.lastindex or 0)
            if kind in ("upper", "marked") and letter.isupper() and _is_word(text, at, letter):
                continue
            found.append(self._names[letter.casefold()])
            if kind in ("marked", "lower"):
                found += self._more(text, at + 1)
        return found

    def _more(self, text: str, at: int) -> Iterator[str]:
        """The letters that are joined to a marked one: "Answer: A or B" names two."""
        while joined := self._joined.match(text, at):
            letter = joined[1] or joined[2]
            at = joined.end()
            if letter.isupper() and _is_word(text, at - 1, letter):
                return
            yield self._names[letter.casefold()]


def is_letter(label: str) -> bool:
    """Whether a label is one letter of a script that has upper and lower case."""
    plain = _plain(label).strip()
    return len(plain) == 1 and plain.isalpha() and plain.upper() != plain.lower()


def _plain(text: str) -> str:
    # Underscores around a word are Markdown.
    if not text.isascii():  # also letters that are wide, bold or in a circle
        text = unicodedata.normalize("NFKC", text)
    return re.sub(r"(?<!\w)_++|(?<!_)_++(?!\w)", " ", text)


def _numbered(pattern: str) -> str:
    """A pattern with unnamed groups: a name may occur only once."""
    return re.sub(r"\(\?P<\w+>", "(", pattern)


def _is_word(text: str, at: int, letter: str) -> bool:
    """Whether an upper-case letter is a word of the sentence: "A whale", "I think"."""
    if letter.casefold() not in _WORDS:
        return False
    if re.search(rf"{_CALLED}\s$", text[max(0, at - 12) : at]):
        return False
    behind = text[at + 1 : at + 20]
    after = _AFTER_I if letter in "IІ" else _AFTER
    return re.match(
        r"[ \t]+[^\W\d_](?:[^\W\d_]|(?<![A-Z])|-)", behind
    ) is not None and not re.match(rf"(?i)[ \t]+{after}", behind)
