"""The frontier in words and as a table: what each variant costs, and the cheapest that will do."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from pex.compare.frontier import Frontier, Standing
from pex.compare.verdict import NO_WORSE, UNDECIDED, WORSE
from pex.report.plots.paper import listed
from pex.report.plots.pareto import Choice
from pex.report.tables import format_interval, format_score, format_seconds, format_usd, minus
from pex.report.terminal import text_table

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORDS = {"cost_usd": ("cheap", "cost"), "latency_s": ("fast", "latency")}
NAMED = "◆"
"""Marks the named variant, beside its colour."""


def comparative(found: Frontier) -> str:
    """`cheaper` or `faster`."""
    return "cheaper" if found.against == "cost_usd" else "faster"


def amount(found: Frontier, item: Standing) -> str:
    """What a variant takes: USD per 1,000 answers, or the median time of one."""
    if found.against == "cost_usd":
        return f"{format_usd(item.x)} per 1,000 answers"
    return f"{format_seconds(item.x)} per answer"


def points(found: Frontier, value: float, sign: bool = True) -> str:
    """A difference of scores: in points if they are yes/no."""
    if not found.yes_no:
        return minus(f"{value:+.3g}" if sign else f"{value:.3g}")
    said = f"{100 * value:+.1f}" if sign else f"{100 * value:.3g}"
    said = said.removesuffix(".0")
    return minus(f"{said} point{'s' * (abs(value) != 0.01)}")


def finding(found: Frontier) -> list[str]:
    """What the frontier says, in sentences; the first names the variant to use.

    A cheaper variant that is undecided is named too, with about how many more cases it needs.
    """
    best, chosen = found.best, found.chosen
    if best is None:
        return [f"The score or the {_WORDS[found.against][1]} of every variant is unknown."]
    word = comparative(found)
    est = f"{_WORDS[found.against][0]}est"
    cheaper = [item for item in found.standings if item.x < best.x]
    if not cheaper:
        said = [f"Highest score on these cases, and {est}: {best.variant} ({amount(found, best)})."]
    elif found.margin is None:
        said = [
            f"Best: {best.variant} ({amount(found, best)}). Without a margin no {word} variant can "
            "be shown to be no worse: frontier(margin=…), or a gate on this score."
        ]
    elif chosen is None or chosen is best:
        said = [
            f"No {word} variant is shown to be no worse than the best, {best.variant} "
            f"({amount(found, best)})."
        ]
    else:
        instead = format_usd(best.x) if found.against == "cost_usd" else format_seconds(best.x)
        lower = points(found, chosen.difference or 0.0)
        said = [
            f"{est.capitalize()} that is shown to be no worse than the best ({best.variant}): "
            f"{chosen.variant}, {amount(found, chosen)} instead of {instead} ({lower})."
        ]
    limit = best.x if chosen is None else chosen.x
    said += _others(found, [item for item in cheaper if item.x < limit])
    if found.left_out:
        said.append(
            f"Left out, score or {_WORDS[found.against][1]} unknown: {listed(found.left_out)}."
        )
    if not found.calibrated:
        said.append("The judge is not calibrated against people.")
    return said


def _others(found: Frontier, cheaper: Sequence[Standing]) -> list[str]:
    """The variants that cost less than the named one, and why they are not named."""
    word, said = comparative(found), []
    for item in sorted(cheaper, key=lambda item: item.x):
        if item.verdict == UNDECIDED and found.margin is not None:
            many = "about" if item.more_cases is not None else ""
            why = (
                f"needs {many} {item.more_cases:,} more cases"
                if item.more_cases is not None
                else "more cases would not show it, if the difference is as it appears"
            )
            gap = points(found, item.difference) if item.difference is not None else "no cases"
            said.append(
                f"{item.variant} is {word} ({amount(found, item)}) but undecided ({gap}): {why}."
            )
    worse = [item.variant for item in cheaper if item.verdict == WORSE]
    if worse:
        said.append(f"{word.capitalize()} and worse: {listed(worse)}.")
    return said


def choice(found: Frontier) -> Choice:
    """The named variant and the first sentence, for the plots."""
    return Choice(found.named, finding(found)[0] if found.best is not None else "")


def how(found: Frontier) -> str:
    """How it was decided, in a sentence; empty if nothing was tested."""
    if found.margin is None or not found.family:
        return ""
    tests = f"{found.family} comparison{'s' * (found.family != 1)}"
    return (
        f"No worse: paired on the same cases, margin {points(found, found.margin, sign=False)}, "
        f"{100 * found.confidence:g} % one-sided, Holm's correction for {tests}."
    )


def _verdict(found: Frontier, item: Standing) -> str:
    if item.verdict is None:
        return f"not {comparative(found)}"
    if item.verdict == NO_WORSE or item.verdict != UNDECIDED or found.margin is None:
        return item.verdict
    return item.verdict + (f", {item.more_cases:,} more cases" if item.more_cases else "")


def _rows(found: Frontier) -> tuple[list[str], list[list[str]]]:
    head = ["variant", found.metric, "per 1,000 answers", "one answer", "against the best",
            "dominated by"]  # fmt: skip
    rows = []
    for item in found.standings:
        interval = format_interval(item.low, item.high, found.yes_no)
        cost = format_usd(item.usd_per_1000)
        if math.isfinite(item.seconds_per_1000):
            cost += f", {format_seconds(item.seconds_per_1000)}"
        mark = f"{NAMED} " if item.variant == found.named else ""
        rows.append([
            mark + item.variant, f"{format_score(item.score, found.yes_no)} {interval}".strip(),
            cost, format_seconds(item.latency_s), _verdict(found, item), item.dominated_by or "",
        ])  # fmt: skip
    return head, rows


def frontier_text(found: Frontier) -> str:
    """The finding and the table as plain text."""
    head, rows = _rows(found)
    lines = [*finding(found), text_table(rows, head, right=(1, 2, 3)) if rows else "", how(found)]
    return "\n".join(line for line in lines if line)


def frontier_html(found: Frontier) -> str:
    """The same as HTML, without its style."""
    first, *rest = (escape(text) for text in finding(found))
    out = [f"<p><strong>{first}</strong>{''.join(f' {text}' for text in rest)}</p>"]
    head, rows = _rows(found)
    if rows:
        out.append('<div class="pex-scroll"><table class="pex-table"><thead><tr>')
        for number, title in enumerate(head):
            kind = ' class="pex-number"' if number in (1, 2, 3) else ""
            out.append(f'<th scope="col"{kind}>{escape(title)}</th>')
        out.append("</tr></thead><tbody>")
        for item, cells in zip(found.standings, rows, strict=True):
            soft = ' class="pex-soft"' if item.dominated_by else ""
            out.append(f'<tr{soft}><th scope="row">{escape(cells[0])}</th>')
            for number, cell in enumerate(cells[1:], 1):
                kind = ' class="pex-number"' if number in (1, 2, 3) else ""
                out.append(f"<td{kind}>{escape(cell)}</td>")
            out.append("</tr>")
        note = (
            f"{NAMED} the variant to use. Seconds per 1,000 answers: one after the other; one "
            f"answer: the median. {how(found)}"
        )
        out.append(f"</tbody><caption>{escape(note.strip())}</caption></table></div>")
    return "".join(out)
