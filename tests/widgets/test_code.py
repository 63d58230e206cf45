"""Code in an answer, coloured: the same text, and quick whatever it is."""

import random
import time

import pytest

from pex.core.safe_text import clean
from pex.widgets.code import pieces
from tests.helpers.made import HOSTILE


def joined(text: str) -> str:
    return "".join(piece for _, piece in pieces(text))


def kinds(text: str) -> dict[str, str]:
    return {piece: kind for kind, piece in pieces(text) if kind}


def test_a_fenced_block_is_coloured_in_its_language_and_the_prose_around_it_is_not() -> None:
    text = 'Here is class def:\n```python\ndef f(x):\n    return "a" + 1  # so\n```\nthat is all.'
    assert joined(text) == text
    assert kinds(text) == {
        "def": "keyword", "f": "def", "return": "keyword", '"a"': "string", "+": "operator",
        "1": "number", "# so": "comment",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "word", "kind"),
    [
        ('{"a": true}', '"a"', "tag"),
        ("SELECT a FROM t", "SELECT", "keyword"),
        ("<p class='x'>y</p>", "class", "attribute"),
        ("# note\nimport os\n", "import", "keyword"),
        ("```js\nconst a = 1;", "const", "keyword"),
        ("```diff\n-a\n+b\n```", "-a", "deleted"),
    ],
)
def test_what_it_is_written_in_is_seen(text: str, word: str, kind: str) -> None:
    assert joined(text) == text
    assert kinds(text)[word] == kind


@pytest.mark.parametrize(
    "text", ["It is positive.", "```nolanguage\nx = 1\n```", "", "a\r\n b \n\n"]
)
def test_what_is_no_known_code_stays_plain(text: str) -> None:
    assert kinds(text) == {}
    assert joined(text) == clean(text)


def test_no_text_takes_long_or_loses_anything() -> None:
    dice = random.Random(2)
    marks = "[({<`*_\"'\\/#-=\n \t\x00\x1b"
    languages = ("python", "sql", "html", "r", "go")
    texts = list(HOSTILE)
    for mark in marks:
        texts += [f"```{name}\n{(mark * 1900 + chr(10)) * 15}" for name in languages]
    texts += [f"```{name}\n" + "".join(dice.choices(marks, k=20_000)) for name in languages]
    slowest = 0.0
    for text in texts:
        begun = time.thread_time()
        assert joined(text) == clean(text)
        slowest = max(slowest, time.thread_time() - begun)
    assert slowest < 3
