"""Syntax highlighting of code in an answer: the language, and the kind of each piece.

Pieces and not HTML, so nothing in an answer can become HTML. Only languages whose rules are fast
on any text, and only texts of a bounded size: a kernel that highlights cannot do anything else.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

from pex.core.safe_text import clean

MAX_CHARS = 30_000
"""Longer texts stay plain; each piece is an element of the page."""
MAX_LINE = 2_000
MAX_S = 0.15

_LANGUAGES = {
    "python": "python", "py": "python", "json": "json", "yaml": "yaml", "yml": "yaml",
    "javascript": "javascript", "js": "javascript", "typescript": "typescript", "ts": "typescript",
    "html": "html", "xml": "xml", "css": "css", "sql": "sql", "bash": "bash", "sh": "bash",
    "shell": "bash", "java": "java", "c": "c", "cpp": "cpp", "c++": "cpp", "go": "go",
    "rust": "rust", "r": "r", "toml": "toml", "diff": "diff",
}  # fmt: skip
"""The name of a language in a fence, and Pygments' name for it."""
_FENCED = re.compile(
    r"^[ \t]*```[ \t]*(?P<name>[\w+#-]*)[^\n]*\n(?P<code>.*?)(?=^[ \t]*```|\Z)",
    re.MULTILINE | re.DOTALL,
)
_SIGNS = (
    (re.compile(r"\s*[{\[]"), "json"),
    (re.compile(r"\s*<(?:!doctype html|html|div|p|body)\b", re.IGNORECASE), "html"),
    (re.compile(r"\s*<[?\w]"), "xml"),
    (re.compile(r"\s*(?:select|with|insert into|update|create table|delete from)\s", re.I), "sql"),
    (re.compile(r"(?:.*\n)?(?:def \w+\(|class \w+|import \w|from \w[\w.]* import )", re.S),
     "python"),
    (re.compile(r"#!.*\b(?:ba|z)?sh\b"), "bash"),
)  # fmt: skip
"""How the language of a text without a fence is recognised."""
_KINDS = (
    ("Comment", "comment"), ("Keyword.Constant", "atom"), ("Keyword", "keyword"),
    ("Name.Tag", "tag"), ("Name.Attribute", "attribute"), ("Name.Builtin", "builtin"),
    ("Name.Function", "def"), ("Name.Class", "def"), ("Name.Decorator", "meta"),
    ("Literal.String", "string"), ("Literal.Number", "number"), ("Operator.Word", "keyword"),
    ("Operator", "operator"), ("Generic.Deleted", "deleted"), ("Generic.Inserted", "inserted"),
)  # fmt: skip


def pieces(text: str) -> list[tuple[str, str]]:
    """A text as pieces of code: the kind of each (empty: none) and its text, cleaned.

    Fenced blocks (```) are highlighted; without any, the whole text is, if its start shows its
    language. Together the pieces are the text.

    Example:
        >>> pieces('{"a": 1}')
        [('', '{'), ('tag', '"a"'), ('', ': '), ('number', '1'), ('', '}')]
    """
    if len(text) > MAX_CHARS or max(map(len, text.split("\n"))) > MAX_LINE:
        return [("", clean(text))]
    until = time.monotonic() + MAX_S
    found: list[tuple[str, str]] = []
    for language, part in _parts(text):
        for kind, piece in _highlighted(language, part, until):
            if found and found[-1][0] == kind:
                found[-1] = (kind, found[-1][1] + piece)
            elif piece:
                found.append((kind, piece))
    return [(kind, clean(piece)) for kind, piece in found]


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """The parts of a text, each with its language; empty if it is unknown."""
    at = 0
    for block in _FENCED.finditer(text):
        yield "", text[at : block.start("code")]
        yield _LANGUAGES.get(block["name"].lower(), ""), block["code"]
        at = block.end()
    if at or "```" in text:
        yield "", text[at:]
        return
    yield next((language for sign, language in _SIGNS if sign.match(text)), ""), text


def _highlighted(language: str, text: str, until: float) -> Iterator[tuple[str, str]]:
    if not language or not text:
        yield "", text
        return
    from pygments.lexers import get_lexer_by_name

    # Unchanged: by default it would strip the text and add a newline.
    lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    at = 0
    # Not get_tokens, which changes line endings.
    for start, token, piece in lexer.get_tokens_unprocessed(text):
        yield _kind(token), piece
        at = start + len(piece)
        if time.monotonic() > until:
            break
    yield "", text[at:]


def _kind(token: Any) -> str:
    name = str(token).removeprefix("Token.")
    return next((kind for start, kind in _KINDS if name.startswith(start)), "")
