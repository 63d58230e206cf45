"""HTML read as a browser would: is it closed, and what does it say?"""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"br", "hr", "img", "input", "link", "meta"}


class _Reader(HTMLParser):
    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.texts.append(data)


def check_balanced(markup: str) -> list[str]:
    """Every element is closed where it was opened; returns the names of the tags."""
    found = _Reader(markup)
    assert found.wrong == []
    assert found.open == []
    return found.tags


def plain_text(markup: str) -> str:
    """What a reader sees, white space made one space; styles and scripts left out."""
    return " ".join("".join(_Reader(markup).texts).split())
