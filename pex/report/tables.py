"""Tables for notebooks, reports and terminals, and how their numbers are written.

Model output is hostile text: it is escaped here, in the one place where it becomes HTML.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from pex.report.terminal import text_table
from pex.report.theme import style
from pex.score.pass_k import pass_k_scores
from pex.score.unusual_answers import UNUSUAL, columns

if TYPE_CHECKING:
    import pandas as pd


NO_MATH = "mathjax_ignore tex2jax_ignore"
"""The classes that keep MathJax, which JupyterLab and exported pages run, off others' texts."""


def fragment(content: str) -> str:
    """A piece of HTML that brings its own style along."""
    return f'<div class="pex {NO_MATH}"><style>{style()}</style>{content}</div>'


def summary_scores(summary: pd.DataFrame) -> list[str]:
    """The names of the scores in a summary."""
    return [column[6:-2] for column in summary.columns if column.endswith(".n")]


_MOST_SCORES = 6
"""Columns of scores that a table has room for; with more, the parts of scores are left out."""


def shown_scores(summary: pd.DataFrame) -> tuple[list[str], str]:
    """The scores that a table shows, and what it says of those left out, else an empty string.

    Parts are scores of a score, as `fields.name` is one of `fields`.
    """
    names = summary_scores(summary)
    whole = [name for name in names if name.rpartition(".")[0] not in names]
    left_out = len(names) - len(whole)
    if len(names) <= _MOST_SCORES or not left_out:
        return names, ""
    parts = "1 part of a score is" if left_out == 1 else f"{left_out} parts of scores are"
    return whole, f"{parts} not shown: results.summary() has them."


def minus(number: str) -> str:
    """A written number with the minus sign in place of the hyphen that Python puts there."""
    return number.replace("-", "−")


def format_score(value: float, yes_no: bool) -> str:
    """A score as people read it: a share in percent, any other number to three digits.

    Example:
        >>> format_score(0.8166, True), format_score(0.53218, False), format_score(float("nan"), True)
        ('82 %', '0.532', '–')
    """  # noqa: E501 - the example is one line
    if math.isnan(value):
        return "–"
    return f"{value * 100:.0f} %" if yes_no else minus(f"{value:.3g}")


def format_interval(low: float, high: float, yes_no: bool) -> str:
    """The ends of an interval, without their unit, which the value has."""
    if math.isnan(low):
        return ""
    if yes_no:
        return f"[{low * 100:.0f}, {high * 100:.0f}]"
    return minus(f"[{low:.3g}, {high:.3g}]")


def format_usd(value: float) -> str:
    """An amount of money.

    Example:
        >>> format_usd(0.0), format_usd(0.0123), format_usd(12.5), format_usd(float("nan"))
        ('free', '$0.0123', '$12.50', 'unknown')
    """
    if math.isnan(value):
        return "unknown"
    if value == 0:
        return "free"
    return f"${value:.3g}" if value < 0.1 else f"${value:.2f}"


def format_seconds(value: float) -> str:
    """A time.

    Example:
        >>> format_seconds(0.2134), format_seconds(3.21), format_seconds(75), format_seconds(7300)
        ('213 ms', '3.2 s', '75 s', '2.0 h')
    """
    if math.isnan(value):
        return "–"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 10:
        return f"{value:.1f} s"
    if value < 300:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 3600 else f"{value / 3600:.1f} h"


def reachable(table: str, name: str) -> str:
    """Tables whose boxes can be scrolled by keys if they are wider than the page.

    Args:
        table: one or more, as `summary_table` makes them.
        name: what a screen reader says of each box.

    Example:
        >>> reachable('<div class="pex-scroll"></div>', "Scores")
        '<div class="pex-scroll" tabindex="0" role="group" aria-label="Scores"></div>'
    """
    box = '<div class="pex-scroll"'
    return str(table).replace(box, f'{box} tabindex="0" role="group" aria-label="{escape(name)}"')


def _pass_k(record: Mapping[Any, Any], name: str) -> str:
    """pass^k of a variant with its interval; how many cases it is about, if not all."""
    value, low, high, cases = (
        record[f"score.{name}.pass_k{end}"] for end in ("", ".lo", ".hi", ".cases")
    )
    if value != value or cases == 0:  # missing: no case has enough answers
        return "–"
    note = f" (of {int(cases):,})" if cases < record[f"score.{name}.n"] else ""
    return f"{format_score(value, True)} {format_interval(low, high, True)}{note}"


def _rows(summary: pd.DataFrame, yes_no: Collection[str]) -> tuple[list[str], list[list[str]]]:
    """Head and cells of the summary as plain text; scores as two cells, value and interval."""
    names, passes = shown_scores(summary)[0], pass_k_scores(summary)
    odd = columns(summary)
    counted = _token_columns(summary)
    head = ["variant", *names, *(f"{name} pass^{k}" for name, k in passes.items()),
            "errors", *(UNUSUAL[name] for name in odd), *counted.values(),
            "cost", "latency"]  # fmt: skip
    rows = []
    for record in summary.to_dict("records"):
        cells = [str(record["variant"])]
        for name in names:
            binary = name in yes_no
            value = format_score(record[f"score.{name}"], binary)
            interval = format_interval(
                record[f"score.{name}.lo"], record[f"score.{name}.hi"], binary
            )
            failed = record[f"score.{name}.errors"]
            note = f" ({failed} not scored)" if failed else ""
            cells.append(f"{value} {interval}{note}".strip())
        cells += [_pass_k(record, name) for name in passes]
        cells += [str(record["errors"]), *(str(record[name]) for name in odd)]
        cells += [_tokens(record, name) for name in counted]
        cells.append(format_usd(record["cost_usd"]))
        cells.append(format_seconds(record["latency_s"]))
        rows.append(cells)
    return head, rows


_COUNTED = {
    "cached_tokens": "from cache",
    "cache_write_tokens": "written to cache",
    "reasoning_tokens": "reasoning",
}
"""Tokens at a price of their own, or that nobody sees: shown if there are any."""


def _token_columns(summary: pd.DataFrame) -> dict[str, str]:
    there = (name for name in _COUNTED if name in summary.columns and summary[name].any())
    return {name: _COUNTED[name] for name in there}


def _tokens(record: Mapping[Any, Any], name: str) -> str:
    """A part of the tokens, as a share of all that were sent or generated."""
    whole = "completion_tokens" if name == "reasoning_tokens" else "prompt_tokens"
    return f"{100 * record[name] / record[whole]:.0f} %" if record[whole] else "–"


def summary_text(summary: pd.DataFrame, yes_no: Collection[str]) -> str:
    """The summary as aligned plain text."""
    head, rows = _rows(summary, yes_no)
    left_out = shown_scores(summary)[1]
    return "\n".join(filter(None, [text_table(rows, head, right=range(1, len(head))), left_out]))


def summary_table(
    summary: pd.DataFrame, yes_no: Collection[str], titles: Mapping[str, str] | None = None
) -> str:
    """The summary as an HTML table, without its style; `titles` are scores in words."""
    names, left_out = shown_scores(summary)
    titles = dict(titles or {})
    passes = pass_k_scores(summary)
    titles |= {f"{n} pass^{k}": f"{titles.get(n, n)} pass^{k}" for n, k in passes.items()}
    best = {
        name: summary[f"score.{name}"].max()
        for name in names
        if name in yes_no and len(summary) > 1
    }
    head, rows = _rows(summary, yes_no)
    out = ['<div class="pex-scroll"><table class="pex-table"><thead><tr>']
    for number, title in enumerate(head):
        kind = ' class="pex-number"' if number else ""
        out.append(f'<th scope="col"{kind}>{escape(titles.get(title, title))}</th>')
    out.append("</tr></thead><tbody>")
    for record, cells in zip(summary.to_dict("records"), rows, strict=True):
        out.append(f'<tr><th scope="row">{escape(cells[0])}</th>')
        for number, cell in enumerate(cells[1:]):
            name = names[number] if number < len(names) else None
            top = name in best and record[f"score.{name}"] == best[name]
            value, mark, interval = cell.partition("[")
            content = escape(value.strip())
            if top:
                content = f'<span class="pex-best">▲ {content}</span>'
                content += '<span class="pex-visually-hidden"> highest</span>'
            if mark:
                content += f' <span class="pex-interval">[{escape(interval)}</span>'
            out.append(f'<td class="pex-number">{content}</td>')
        out.append("</tr>")
    out.append("</tbody>")
    note = "Scores: mean over the cases with its 95 % interval. Latency: median of a call."
    counted = _token_columns(summary)
    if {"cached_tokens", "cache_write_tokens"} & counted.keys():
        note += " From and written to the provider's cache: share of the prompt tokens."
    if "reasoning_tokens" in counted:
        note += " Reasoning: share of the generated tokens, included in the cost."
    if passes:
        note += " pass^k: the chance that all k repeats of a case pass."
    if best:
        note += " ▲ highest value; the difference can be chance."
    if left_out:
        note += f" {left_out}"
    out.append(f"<caption>{note}</caption></table></div>")
    return "".join(out)


def summary_html(summary: pd.DataFrame, yes_no: Collection[str]) -> str:
    """The summary as a piece of HTML for a notebook."""
    return fragment(summary_table(summary, yes_no))


def remarks_html(said: Sequence[str]) -> str:
    """What is unusual about the answers, as a list below the table; nothing if there is none."""
    if not said:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in said)
    return fragment(f'<ul class="pex-notes" aria-label="Remarks">{items}</ul>')


def cut(text: str, max_chars: int) -> str:
    """At most so many characters of a text, and how many more there are."""
    if len(text) <= max_chars:
        return text
    return f"{text[:max_chars]}… ({len(text) - max_chars:,} more characters)"
