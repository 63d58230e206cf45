"""A ranking of three or more variants in sentences and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from pex.rating.preference import Target
from pex.rating.report import case_count, pair_count, percent, quoted, reliability
from pex.rating.standings import FEWEST, Standing, Standings
from pex.report.tables import fragment

if TYPE_CHECKING:
    import pandas as pd


def progress_line(rated: int, total: int, half: float | None, target: Target) -> str:
    """The progress in cases, without a hint of who is ahead or of pairs that come twice."""
    goal = f"±{target.precision * 100:.3g}"
    so_far = f"{rated:,} of {case_count(total)} rated"
    if half is None:
        return f"{so_far}; win rates within {goal} points are the goal"
    return f"{so_far}: ±{half * 100:.0f} points so far, {goal} is the goal"


def plain_headline(found: Standings) -> str:
    """Who is preferred, in a sentence for people who know no statistics."""
    return " ".join(part for part in _headline(found) if part)


def _headline(found: Standings) -> tuple[str, str]:
    """The verdict, and what it is seen by."""
    if not found.ratings:
        names = _listed([quoted(standing.variant) for standing in found.order])
        return f"No pair of {names} has been rated yet.", ""
    counts = "; ".join(_count(standing) for standing in found.order) + "."
    best = quoted(found.order[0].variant)
    if found.verdict is not None:
        return f"{best} is preferred to all others.", counts
    if found.surely_worse:
        beaten = _listed([quoted(name) for name in found.surely_worse])
        open_ = [quoted(s.variant) for s in found.order[1:] if s.variant not in found.surely_worse]
        return (
            f"{best} is preferred to {beaten}; between {best} and {_listed(open_, 'or')} there is "
            "no clear preference yet."
        ), counts
    return "No clear preference yet.", f"{counts} This can still be chance."


def explain(found: Standings, notes: Sequence[str] = ()) -> str:
    """The findings in sentences, a paragraph each, the most important first."""
    return "\n\n".join([plain_headline(found), *details(found), *notes, *_method(found)])


def details(found: Standings) -> list[str]:
    """What is known of each variant, what is left out, and how far it can be relied on."""
    sentences = [
        f"{quoted(standing.variant)} has a win rate of {percent(standing.share)}"
        f"{_interval(standing)} against a variant of average strength."
        for standing in found.order
        if standing.share is not None
    ]
    if not sentences and found.ratings:
        sentences.append("Not all variants have been compared yet, so there is no ranking.")
    elif found.ratings and found.order[0].low is None:
        sentences.append(
            f"Intervals, and so a verdict, need ratings of at least {FEWEST} cases (or groups of "
            "cases, if they have any)."
        )
    if found.more and (found.order[0].low is not None or not found.ratings):
        sentences.append(
            f"Win rates within ±{found.target.precision * 100:.3g} points need about "
            f"{found.more:,} more {'case' if found.more == 1 else 'cases'}."
        )
    if found.pairs.identical:
        sentences.append(
            f"{pair_count(len(found.pairs.identical))} had identical answers and were not shown."
        )
    if found.pairs.errors:
        sentences.append(
            f"{pair_count(found.pairs.errors)} with an error or without an answer are left out."
        )
    return [*sentences, *reliability(found)]


def table(found: Standings) -> pd.DataFrame:
    """One row per variant for all raters together, the best first, then for each rater."""
    import pandas as pd

    rows = []
    for rater, part in [("all", found.order), *found.by_rater.items()]:
        looks = [found.self_agreement[rater]] if rater in found.by_rater else []
        if rater == "all":
            looks = list(found.self_agreement.values())
        rows += [
            {
                "rater": rater, "variant": standing.variant, "ratings": standing.ratings,
                "wins": standing.wins, "ties": standing.ties, "both_bad": standing.both_bad,
                "losses": standing.losses, "share": standing.share, "lo": standing.low,
                "hi": standing.high, "enough": found.enough, "more_cases": found.more,
                "looked_twice": sum(item.of for item in looks),
                "same_twice": sum(item.same for item in looks),
            }
            for standing in part
        ]  # fmt: skip
    frame = pd.DataFrame(rows)
    return frame.astype({"share": "Float64", "lo": "Float64", "hi": "Float64"})


def result_html(found: Standings, notes: Sequence[str] = ()) -> str:
    """The result as HTML: one plain sentence, the ranking, the notes; methods folded."""
    verdict, counts = _headline(found)
    head = ["variant", "win rate", "", "better", "ties", "both bad", "worse"]
    titles = "".join(
        f'<th scope="col"{_number(n)}>{title}</th>' if title else "<td></td>"
        for n, title in enumerate(head)
    )
    body = (
        # Narrow pages scroll it, with keys too.
        '<div class="pex-scroll" tabindex="0" role="region" aria-label="Ranking">'
        f'<table class="pex-table"><caption>{case_count(found.cases)} rated; win rates against a '
        f"variant of average strength</caption><thead><tr>{titles}</tr></thead>"
        f"<tbody>{''.join(_row(standing, found) for standing in found.order)}</tbody></table></div>"
    )
    more = "".join(f"<li>{escape(text)}</li>" for text in [*details(found), *_method(found)])
    shown = "".join(f"<p>{escape(text)}</p>" for text in notes)
    return fragment(
        f'<div class="pex-rating-result"><p><strong>{escape(verdict)}</strong> {escape(counts)}</p>'
        f"{body if found.ratings else ''}{shown}<details><summary>Details</summary>"
        f'<ul class="pex-notes">{more}</ul></details></div>'
    )


def _row(standing: Standing, found: Standings) -> str:
    meter, share = "", "–"
    if standing.share is not None:
        share = f"{percent(standing.share)}{_interval(standing)}"
        ends = f"--pex-low:{standing.low or 0:.4f};--pex-high:{standing.high or 0:.4f}"
        meter = (
            f'<span class="pex-meter" aria-hidden="true" style="width:120px;margin-top:6px;'
            f'--pex-share:{standing.share:.4f};{ends}"></span>'
        )
    verdict = ""
    if standing.variant == found.verdict:
        verdict = ' <span class="pex-chip pex-chip-good">▲ preferred</span>'
    elif standing.variant in found.surely_worse:
        verdict = ' <span class="pex-chip pex-chip-bad">▼ worse</span>'
    counts = [standing.wins, standing.ties, standing.both_bad, standing.losses]
    cells = "".join(f'<td class="pex-number">{value:,}</td>' for value in counts)
    return (
        f'<tr><th scope="row">{escape(quoted(standing.variant)[1:-1])}{verdict}</th>'
        f'<td class="pex-number">{share}</td><td>{meter}</td>{cells}</tr>'
    )


def _method(found: Standings) -> list[str]:
    if all(standing.share is None for standing in found.order):
        return []
    return [
        "Strengths: Bradley-Terry; a tie counts as half a win for each. Intervals: whole cases or "
        "groups are drawn again, since choices within one are alike. A variant is called worse "
        "only if that holds with a correction for all others. You may stop once the intervals are "
        "narrow enough, not because one is ahead."
    ]


def _count(standing: Standing) -> str:
    of = f"{standing.wins:,} of {standing.ratings:,} comparisons"
    return f"{quoted(standing.variant)} was better in {of}"


def _interval(standing: Standing) -> str:
    if standing.low is None or standing.high is None:
        return ""
    return f" [{standing.low * 100:.0f}, {standing.high * 100:.0f}]"


def _number(column: int) -> str:
    return "" if column in (0, 2) else ' class="pex-number"'


def _listed(names: Sequence[str], word: str = "and") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"
