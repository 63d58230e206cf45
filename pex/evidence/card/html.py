"""A card as HTML: a page of its own, or a part of a notebook or a site."""

from __future__ import annotations

import datetime
import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from pex.core.safe_text import clean
from pex.evidence.card import words as card_words
from pex.evidence.card.data import CardData
from pex.evidence.card.text_change import shortened
from pex.report.safe_html import markdown_html
from pex.report.theme import page_style, style

_FOLDER = Path(__file__).parent


@functools.cache
def templates() -> Environment:
    """The templates of this room, with the words that cards use."""
    environment = Environment(
        loader=FileSystemLoader([_FOLDER, _FOLDER.parent / "site"]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        # Everything that a template prints comes from people or models.
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    environment.globals.update(
        lack=_missing,
        score=card_words.score_text,
        cost=card_words.cost_text,
        latency=card_words.latency_text,
        day=card_words.day,
        failures=card_words.failures_text,
        shortened=shortened,
        move_text=card_words.move_text,
        move_reason=card_words.move_reason,
        markdown_html=lambda text: Markup(markdown_html(text)),
    )
    return environment


@functools.cache
def card_style() -> str:
    """The style sheet of a card besides that of all tables."""
    return (_FOLDER / "card.css").read_text(encoding="utf-8")


def _missing(part: str) -> Markup:
    """What is said in place of a part, below its heading: without its name, code as code."""
    said = card_words.MISSING[part]
    _, _, rest = said.partition(": missing")
    text = f"Missing{rest}" if rest else said
    pieces = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if at % 2 else piece
        for at, piece in enumerate(pieces)
    )


def page(data: CardData) -> str:
    """The card as a file of its own, without links to anything outside."""
    now = card_words.minute(datetime.datetime.now(datetime.UTC))
    sheet = Markup(style() + page_style() + card_style())
    return templates().get_template("card_page.html.jinja").render(data=data, style=sheet, now=now)


def fragment(data: CardData, level: int = 3) -> str:
    """The card's contents, without its name and without a style sheet.

    Args:
        data: the card.
        level: the level of its headings.
    """
    macro = templates().get_template("card.html.jinja").module.card  # type: ignore[attr-defined]
    return str(macro(data, level))
