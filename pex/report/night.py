"""The page of a night: the verdict first, then what changed, case by case, one HTML file."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, Template
from markupsafe import Markup

from pex.report.tables import format_seconds, format_usd, style, summary_table
from pex.report.timeline import timeline_svg

MAX_BYTES = 1_300_000
"""Of the cases side by side, so that the file can be mailed and opens at once."""

WORDS = {"pass": "passed", "fail": "worse", "undecided": "not decided"}
_SIGNS = {"pass": "✓", "fail": "▼", "undecided": "?"}
_KINDS = {"pass": "good", "fail": "bad", "undecided": "soft"}


@functools.cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "usd": format_usd, "seconds": format_seconds, "pieces": pieces_html, "when": when,
        "mark": _mark,
    }  # fmt: skip
    return environment.get_template("night.html.jinja")


def page(night: Mapping[str, Any]) -> str:
    """The text of the page.

    Args:
        night: what `pex.batch.night.morning.document` gathers; texts of models are cleaned already
            and escaped here.
    """
    left = MAX_BYTES
    subjects = []
    for subject in night["subjects"]:
        binary = subject["metric"] in subject["yes_no"]
        trend = subject["trend"]
        subjects.append(
            {
                **subject,
                "cases": [],
                "table": Markup(summary_table(subject["summary"], subject["yes_no"])),
                "timeline": Markup(
                    "" if trend is None else timeline_svg(trend, subject["metric"], binary)
                ),
            }
        )
        for item in subject["cases"]:
            lost, left = _fitting(item.lost, left)
            failing, left = _fitting(item.failing, left)
            subjects[-1]["cases"].append({"of": item, "lost": lost, "failing": failing})
    return _template().render(
        **{**night, "subjects": subjects},
        style=Markup(style()),
        kind=_kind(night),
        failed=[job for job in night["jobs"] if job["status"] != "done"],
    )


def _kind(night: Mapping[str, Any]) -> str:
    """The colour of the verdict: bad, soft or good; its words say the same."""
    if night["outcome"] == "fail" or night["code"] in (4, 5):
        return "bad"
    return "good" if night["outcome"] == "pass" else "soft"


def _fitting(cases: Sequence[Any], left: int) -> tuple[list[Any], int]:
    """The first cases that still fit into the page, and the bytes that are left then."""
    kept = []
    for case in cases:
        texts = [case.inputs, case.expected, case.before, *(text for _, text in case.now)]
        left -= sum(len(escape(text).encode()) for text in texts) + 500 + 20 * len(case.now)
        if left < 0:
            break
        kept.append(case)
    return kept, max(left, 0)


def pieces_html(pieces: Sequence[tuple[str, str]]) -> Markup:
    """A text in pieces as HTML: what is new underlined, what is gone struck through.

    Example:
        >>> str(pieces_html([("same", "a <b> "), ("gone", "x"), ("new", "y")]))
        'a &lt;b&gt; <del>x</del><ins>y</ins>'
    """
    tags = {"new": "ins", "gone": "del"}
    out = []
    for kind, text in pieces:
        shown = escape(text, quote=False)
        tag = tags.get(kind)
        out.append(f"<{tag}>{shown}</{tag}>" if tag and text.strip() else shown)
    return Markup("".join(out))


def when(moment: datetime.datetime) -> str:
    """A moment as people here say it."""
    return moment.astimezone().strftime("%a %d %b %Y, %H:%M %Z")


def _mark(outcome: str) -> Markup:
    text = f"{_SIGNS[outcome]} {WORDS[outcome]}"
    return Markup('<span class="pex-{}">{}</span>').format(_KINDS[outcome], text)
