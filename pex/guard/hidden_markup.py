"""What markup hides from people and a model reads: comments, invisible elements, addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pex.guard.findings import Finding, visible
from pex.guard.orders import speaks_to_a_model
from pex.guard.phrases import phrases_in
from pex.guard.policy import PolicyOptions

_TAG = re.compile(
    r"<[a-z][a-z0-9]{0,15}\b(?P<attributes>[^<>]{0,600})>(?P<inside>[^<]{1,5000})", re.I
)
_NOT_SHOWN = re.compile(
    r"display\s?:\s?none|visibility\s?:\s?hidden|font-size\s?:\s?0|opacity\s?:\s?0(?!\.[1-9])"
    r"|color\s?:\s?(?:#fff(?:fff)?\b|white|transparent)|\bhidden\b|text-indent\s?:\s?-\d{3,}",
    re.I,
)
_MOST = 5_000
_TITLE = re.compile(r"\]\([^()\s]{0,500}\s{1,3}[\"'](?P<inside>[^\"'\n]{10,1000})[\"']\)")
_ALT = re.compile(
    r"!\[(?P<inside>[^\[\]\n]{20,1000})\]\(|\balt\s?=\s?\"(?P<alt>[^\"\n]{20,1000})\""
)
_NOTE = re.compile(
    r"^\[(?://|comment)\]:\s?(?:#|<>)\s?[(\"'](?P<inside>[^\n]{5,1000})[)\"']", re.M | re.I
)


_BLANK_ADDRESS = re.compile(
    r"(?:\]\(|\bsrc\s?=\s?[\"'])https?://[^\s\"'()<>{}\[\]]{1,300}[=/]"
    r"(?:\{[^{}\n]{1,60}\}|\[[^\[\]\n]{1,60}\]|<[^<>\n]{1,60}>|\$\w{1,40}|[A-Z_]{4,40}\b)"
)
_ANSWER = re.compile(
    r"\b(?:repl(?:y|ies)|respon[ds]\w*|answer\w*|output|summar\w+|antwort\w*|respuesta|réponse)\b",
    re.I,
)


def find_hidden_markup(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """Hidden text that speaks to a model; other comments and hidden elements are usual."""
    for what, start, end, inside in _hidden(text):
        if phrases_in(inside) or speaks_to_a_model(inside):
            yield Finding(
                "hidden-markup", start, end, "flag", f"{what} speaks to a model",
                visible(inside.strip(), 120),
            )  # fmt: skip

    for found in _BLANK_ADDRESS.finditer(text) if "://" in text else ():
        if _ANSWER.search(text, max(0, found.start() - 300), found.end() + 300):
            yield Finding(
                "hidden-markup", *found.span(), "flag", "an address with a blank for an answer",
                visible(found[0], 120),
            )  # fmt: skip


def _hidden(text: str) -> Iterator[tuple[str, int, int, str]]:
    """What markup hides: what it is, start, end, the text."""
    start = text.find("<!--")
    while start >= 0 and (end := text.find("-->", start + 4)) >= 0:
        yield "a comment", start, end + 3, text[start + 4 : end][:_MOST]
        start = text.find("<!--", end)
    if "<" in text:
        for found in _TAG.finditer(text):
            if _NOT_SHOWN.search(found["attributes"]):
                yield "an element that is not shown", *found.span(), found["inside"]
    if "](" in text:
        for found in _TITLE.finditer(text):
            yield "a link's title", *found.span(), found["inside"]
    if "![" in text or "alt" in text.lower():
        for found in _ALT.finditer(text):
            yield "an image's description", *found.span(), found["inside"] or found["alt"]
    if "]:" in text:
        for found in _NOTE.finditer(text):
            yield "a comment", *found.span(), found["inside"]
