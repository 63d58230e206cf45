"""The note of a run: others' names and texts make no link, no image and no HTML in it."""

import re

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from pex.record.description import note, verdicts_of

HOST = "http://evil.example"
TEXTS = [
    f"![i]({HOST}/i.png)",
    f"[l]({HOST})",
    f"<img src='{HOST}/i.png'>",
    f"`x` <script src={HOST}></script>",
    f"a|b ![i]({HOST}) | c",
    f"\\![i]({HOST})",
    "[r]: javascript:x",
    f"<style>@import '{HOST}'</style>",
]


def made(text: str) -> str:
    summary = pd.DataFrame(
        [{"variant": text, "errors": 0, "score.x": 1.0, "score.x.lo": 1.0, "score.x.hi": 1.0,
          "score.x.n": 2}]
    )  # fmt: skip
    comparison = pd.DataFrame(
        [{"baseline": text, "candidate": f"{text}2", "metric": "x", "diff": 0.1, "lo": 0.0,
          "hi": 0.2, "verdict": "better", "n_cases": 2}]
    )  # fmt: skip
    return note(summary, text, "", comparison, [text])


@pytest.mark.parametrize("text", TEXTS)
def test_others_words_are_words(text: str) -> None:
    written = made(text)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(written)
    tags = set(re.findall(r"<(\w+)", html))
    assert tags <= {"p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong"}
    assert "://" not in written
    # pex reads its own note again.
    assert verdicts_of(written) == {(f"{text}2", "x"): (text, "better")}


def test_a_note_of_ones_own_keeps_its_link_and_loads_nothing() -> None:
    summary = pd.DataFrame([{"variant": "a", "errors": 0}])
    own = "see [the ticket](https://tickets.example/1) ![i](https://tickets.example/i.png) <b>"
    html = MarkdownIt("commonmark", {"html": True}).render(note(summary, "", own, None, []))
    assert '<a href="https://tickets.example/1">' in html
    assert "<img" not in html
    assert "<b>" not in html
