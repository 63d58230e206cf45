"""The text of a table or page that pex made, for readers that show no HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_SKIPPED = {"style", "script", "svg", "template", "title"}
_BLOCKS = {
    "article", "blockquote", "br", "caption", "dd", "details", "div", "dl", "dt", "h1", "h2", "h3",
    "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "section", "summary", "table", "tr", "ul",
}  # fmt: skip
_CELLS = {"td", "th"}
_CHUNK = 8_192
_CUT = "… cut here."
_CELL, _PART = "\x1e", "\x1f"
"""Before a cell and between its parts, until white space is removed; pex shows neither of them."""


def html_text(html: str, max_chars: int = 10_000) -> str:
    """The words of a piece of HTML, one line for each row of a table.

    For what pex wrote itself: every element that has to be closed is closed.

    Args:
        html: the HTML.
        max_chars: how much is kept; the last line then says that it was cut.

    Returns:
        Plain text without style sheets, scripts and tags.

    Example:
        >>> rows = "<tr><th>a</th><td>b</td></tr><tr><th>c</th><td>1 &lt; 2</td></tr>"
        >>> print(html_text(f"<p>Two:</p><table>{rows}</table>"))
        Two:
        a | b
        c | 1 < 2
    """
    reader = _Reader()
    for start in range(0, len(html), _CHUNK):
        reader.feed(html[start : start + _CHUNK])
        if reader.length > 2 * max_chars:  # enough, whatever white space goes
            break
    else:
        reader.close()
    return _cut(_tidy("".join(reader.parts)), max_chars)


def _tidy(text: str) -> str:
    lines = (_line(line) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _line(text: str) -> str:
    cells = (re.split(rf"\s*{_PART}\s*", cell) for cell in text.split(_CELL))
    joined = (" · ".join(part for part in parts if part.strip()) for parts in cells)
    return re.sub(r"\s+", " ", " | ".join(joined)).strip()


def _cut(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else f"{text[:max_chars].rstrip()}\n{_CUT}"


class _Reader(HTMLParser):
    """Collects the text; a cell is one line, whatever is in it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.length = 0
        self._skipped = 0
        self._cell = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SKIPPED:
            self._skipped += 1
        elif tag == "tr":
            self._cell = 0
            self._add("\n")
        elif tag in _CELLS:
            self._cell += 1
            self._add(_CELL if self._cell > 1 else "")
        elif tag == "caption":
            self._cell = 0
            self._break()
        elif tag in _BLOCKS or "pex-chip" in (dict(attrs).get("class") or "").split():
            self._break()
        elif tag == "img":
            self._add(dict(attrs).get("alt") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED:
            self._skipped = max(0, self._skipped - 1)
        elif tag in ("tr", "table"):
            self._cell = 0
            self._break()
        elif tag in _BLOCKS:
            self._break()

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._add(" ".join(data.split("\n")) if self._cell else data)

    def _break(self) -> None:
        self._add(_PART if self._cell else "\n")

    def _add(self, text: str) -> None:
        if text:
            self.parts.append(text)
            self.length += len(text)
