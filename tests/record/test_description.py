"""The note of a run: others' names and texts make no link, no image and no HTML in it."""

import re

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from pex.core.about import About
from pex.record.description import note, verdict_sentence, verdicts_of

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
          "hi": 0.2, "verdict": "better", "n_cases": 2, "yes_no": True, "candidate_score": 0.9,
          "baseline_score": 0.8, "more_cases": None}]
    )  # fmt: skip
    return note(summary, about(purpose=text), comparison, [text], {"x"})


def about(purpose: str = "", said: str = "") -> About:
    data = {"name": "n", "status": "finished", "started_at": "2026-01-01T00:00:00+00:00"}
    data |= {"elapsed_s": 1.0, "cases": 2, "repeats": 1, "variants": [], "prompts": []}
    data |= {"models": [], "scorers": [], "counts": {"requests": 2, "answered": 2, "errors": 0}}
    return About.from_json({**data, "purpose": purpose, "note": said})


def rows(*verdicts: str, **changes: object) -> pd.DataFrame:
    row = {"baseline": "short", "metric": "label", "diff": -0.125, "lo": -0.3, "hi": 0.05,
           "n_cases": 36, "yes_no": True, "candidate_score": 0.5, "baseline_score": 0.625,
           "more_cases": None, **changes}  # fmt: skip
    found = [{**row, "candidate": f"v{n}", "verdict": word} for n, word in enumerate(verdicts)]
    return pd.DataFrame(found)


def test_the_verdict_is_a_sentence_and_shares_are_in_percent() -> None:
    assert verdict_sentence(rows("undecided", more_cases=374)) == (
        "**No clear winner yet** between v0 and short: label 50 % instead of 62 % on 36 cases. "
        "About 370 more cases would decide."
    )
    assert verdict_sentence(rows("better", yes_no=False)) == (
        "**v0 is better than short**: label 0.5 instead of 0.625 on 36 cases."
    )
    assert verdict_sentence(rows("undecided", "worse", "undecided", "better")) == (
        "On label, compared with short: v3 **better**; v1 **worse**; v0, v2 **undecided**."
    )
    assert verdict_sentence(rows("undecided", "undecided")) == (
        "**No clear winner yet** on label: v0, v1 compared with short."
    )
    assert verdict_sentence(rows("undecided", diff=None)).startswith("**Not compared**: no case")
    both = pd.concat([rows("undecided"), rows("better", metric="words")])
    assert verdict_sentence(both, "words").startswith("**v0 is better than short**: words")
    summary = pd.DataFrame([{"variant": "a", "errors": 0}])
    written = note(summary, about(), rows("undecided"), [], {"label"})
    assert "| −12.5 points [−30, 5] |" in written


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
    html = MarkdownIt("commonmark", {"html": True}).render(
        note(summary, about(said=own), None, [], ())
    )
    assert '<a href="https://tickets.example/1">' in html
    assert "<img" not in html
    assert "<b>" not in html
