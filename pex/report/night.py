"""The page of a night: the verdict first, then the changes, case by case, one HTML file."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from pex.core.safe_text import clean
from pex.report.tables import (
    NO_MATH,
    format_score,
    format_seconds,
    format_usd,
    reachable,
    summary_table,
)
from pex.report.theme import page_style, style
from pex.report.timeline import timeline_svg

MAX_BYTES = 1_300_000
"""Of the cases side by side, so the file can be mailed and opens at once."""

FIRST, OPEN = 10, 3
"""Cases of a list that are seen at once, and variants whose lists are open at first."""

WORDS = {"pass": "passed", "fail": "worse", "undecided": "not decided"}
_SIGNS = {"pass": "✓", "fail": "▼", "undecided": "?"}
_KINDS = {"pass": "good", "fail": "bad", "undecided": "soft"}


@functools.cache
def _templates() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "usd": format_usd, "pieces": pieces_html, "when": when, "mark": _mark,
        "same_answer": _same_answer, "stopped": _stopped, "seconds": format_seconds,
    }  # fmt: skip
    return environment


def page(night: Mapping[str, Any], base: str | None = None) -> str:
    """The text of the page.

    Args:
        night: what `pex.batch.night.document.document` gathers; texts of models are cleaned
            already and escaped here.
        base: the way from the page to the night's folder, `""` beside its notebooks; None: it goes
            elsewhere, so files are named and not linked.
    """
    template = _templates().get_template("night.html.jinja")
    style_sheet = Markup(night_style() + page_style())
    return template.render(**_page_data(night), href=_href(base), style=style_sheet)


def _href(base: str | None) -> Callable[[str], str]:
    return lambda path: "" if base is None else base + quote(path)


def part(night: Mapping[str, Any]) -> str:
    """The same as part of a notebook: in its colours, and readable where styles are removed.

    Args:
        night: as for `page`.
    """
    template = _templates().get_template("night_body.html.jinja")
    body = template.render(**_page_data(night), href=_href(None))
    return f'<div class="pex pex-night {NO_MATH}"><style>{night_style()}</style>{body}</div>'


def night_style() -> str:
    """The style sheet of the pages about a night, or about deployed traces."""
    return style() + (Path(__file__).parent / "night.css").read_text(encoding="utf-8")


def _page_data(night: Mapping[str, Any]) -> dict[str, Any]:
    """A night with its tables, its plots, and the cases that fit."""
    left = MAX_BYTES
    subjects = []
    for subject in night["subjects"]:
        binary = subject["metric"] in subject["yes_no"]
        trend = subject["trend"]
        cases, left = _cases_that_fit(subject, left)
        timeline = "" if trend is None else timeline_svg(trend, subject["metric"], binary)
        subjects.append(
            {
                **subject,
                "cases": cases,
                "table": Markup(
                    reachable(summary_table(subject["summary"], subject["yes_no"]), "Scores")
                ),
                "scored": _scored(subject),
                "beside": _score_rows(subject),
                "timeline": Markup(timeline),
            }
        )
    return {
        **night,
        "subjects": subjects,
        "kind": _kind(night),
        "first": FIRST,
        "failed": [
            job for job in night["jobs"] if job["status"] != "done" and not job.get("not_due")
        ],
        "not_due": [job for job in night["jobs"] if job.get("not_due")],
    }


def _cases_that_fit(subject: Mapping[str, Any], left: int) -> tuple[list[dict[str, Any]], int]:
    """The variants that have cases to show, what got worse first, and the bytes left then."""
    outcomes = {item.candidate: item.outcome for item in subject["judged"]}
    rank = {"fail": 0, None: 2}
    works = [work for work in subject["cases"] if _case_counts(work)]
    works.sort(key=lambda work: rank.get(outcomes.get(work.variant), 1))
    shown = []
    baselines = {item.baseline for item in subject["judged"]} if not subject["accepted"] else set()
    for place, work in enumerate(works):
        lost, left = _fitting(work.lost, left)
        failing, left = _fitting(work.failing, left)
        worse = outcomes.get(work.variant) == "fail"
        shown.append(
            {
                "of": work,
                "lost": lost,
                "failing": failing,
                "said": _case_counts(work),
                "open": place == 0 or (place < OPEN and (worse or len(works) <= OPEN)),
                "baseline": work.variant in baselines,
            }
        )
    return shown, left


def _case_counts(item: Any) -> str:
    """The counts of a variant's cases in a line; nothing if all are zero."""
    new = "all" if item.lost_new == item.lost_count else f"{item.lost_new:,} of them"
    fresh = f" ({new} new)" if item.lost_new else ""
    said = [
        f"{item.lost_count:,} worse than the baseline{fresh}" if item.lost_count else "",
        f"{item.failing_count:,} worse than last night" if item.failing_count else "",
        f"{item.fixed_count:,} better than last night" if item.fixed_count else "",
        f"{item.flaky_count:,} flaky" if item.flaky_count else "",
    ]
    return ", ".join(filter(None, said))


def _scored(subject: Mapping[str, Any]) -> bool:
    """Whether both nights have the score that is judged."""
    column, last = f"score.{subject['metric']}", subject["last_summary"]
    return last is not None and column in last.columns and column in subject["summary"].columns


def _score_rows(subject: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Score, cost, latency and errors of each variant, each beside last night's."""
    now, last = subject["summary"], subject["last_summary"]
    if last is None:
        return []
    written: dict[str, Callable[[Any], str]] = {}
    if _scored(subject):
        binary = subject["metric"] in subject["yes_no"]
        written[f"score.{subject['metric']}"] = functools.partial(format_score, yes_no=binary)
    written |= {"cost_usd": format_usd, "latency_s": format_seconds, "errors": "{:,}".format}
    before = last.set_index("variant")
    rows = []
    for row in now.to_dict("records"):
        known = row["variant"] in before.index
        cells = []
        for column, write in written.items():
            there = write(before.at[row["variant"], column]) if known else "–"
            cells += [write(row[column]), there]
        rows.append((str(row["variant"]), cells))
    return rows


def _same_answer(case: Any) -> bool:
    """Whether both answers are the same, so something else changed the score."""
    return "".join(text for _, text in case.now) == str(case.before)


def _stopped(status: str) -> str:
    return {
        "budget": "The budget stopped this run before all calls were made.",
        "interrupted": "This run was interrupted.",
    }.get(status, f"This run did not finish: {status}.")


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
    """A text in pieces as HTML: added text underlined, removed text struck through.

    Example:
        >>> str(pieces_html([("same", "a <b> "), ("gone", "x"), ("new", "y")]))
        'a &lt;b&gt; <del>x</del><ins>y</ins>'
    """
    tags = {"new": "ins", "gone": "del"}
    out = []
    for kind, text in pieces:
        shown = escape(clean(text), quote=False)
        tag = tags.get(kind)
        out.append(f"<{tag}>{shown}</{tag}>" if tag and text.strip() else shown)
    return Markup("".join(out))


def when(moment: datetime.datetime) -> str:
    """A moment in local time, as people write it."""
    return moment.astimezone().strftime("%a %d %b %Y, %H:%M %Z")


def _mark(outcome: str) -> Markup:
    text = f"{_SIGNS[outcome]} {WORDS[outcome]}"
    return Markup('<span class="pex-{}">{}</span>').format(_KINDS[outcome], text)
