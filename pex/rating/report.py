"""What came of a rating by hand, in sentences, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from pex.rating.preference import LEAST, Findings, Preference, Rules
from pex.report.svg_pen import MARK, WIDTH, draw_line, draw_svg, draw_text
from pex.report.tables import cut, fragment

if TYPE_CHECKING:
    import pandas as pd

_MOST = 60


def progress_line(total: Preference, rules: Rules) -> str:
    """How far it is, without a word of who is ahead: the rater reads it between two pairs."""
    asked = f"{rules.precision * 100:.3g}"
    if total.half_width is None:
        return f"For a win rate to within {asked} percentage points: about {_cases(total.more)}"
    width = f"{total.half_width * 100:.0f} percentage points"
    now = f"{_cases(total.cases)} rated; the win rate is known to within {width}"
    if total.enough:
        return f"{now}: enough, {asked} was asked for"
    if total.half_width <= rules.precision:
        return f"{now}; {_cases(LEAST)} is the least to stop at"
    return f"{now}, about {total.more:,} more would make it {asked}"


def explain(found: Findings, notes: Sequence[str] = ()) -> str:
    """The findings in sentences, a paragraph each, the most important first.

    Args:
        found: what came of it.
        notes: what else is to be said.
    """
    return "\n\n".join([headline(found), *_details(found), *notes, *_method(found.total)])


def headline(found: Findings) -> str:
    """The verdict, with the figures that it stands on."""
    first, second = map(_name, found.pairs.variants)
    total = found.total
    if total.share is None:
        return f"No pair of {first} and {second} has been rated yet."
    if found.verdict is None:
        begin = f"Undecided between {first} and {second}"
    else:
        winner = _name(found.verdict)
        begin = f"{winner} is preferred to {second if winner == first else first}"
    return (
        f"{begin}: {first} has a win rate of {_percent(total.share)} {_ends(total)} over "
        f"{_cases(total.cases)}; 50 % would be neither."
    )


def _details(found: Findings) -> list[str]:
    total, pairs = found.total, found.pairs
    first, second = map(_name, pairs.variants)
    said = [progress_line(total, found.rules) + "."]
    left = len({pair.case_id for pair in pairs.different}) - total.cases
    if total.more > left:
        there = f"Only {_cases(left)} are" if left else "No case is"
        said.append(
            f"{there} left to rate; that precision needs a run with about "
            f"{_cases(total.more - left)} more in it."
        )
    if total.ratings:
        said.append(
            f"{first} was better in {total.wins} ratings, {second} in {total.losses}; "
            f"{total.ties} ties, both bad in {total.both_bad} (each counts as half a win)."
        )
    if pairs.identical and found.over_all is not None:
        said.append(
            f"{_pairs(len(pairs.identical))} had twice the same answer and were not shown. "
            f"With these as ties the win rate of {first} is {_percent(found.over_all)}."
        )
    elif pairs.identical:
        said.append(f"{_pairs(len(pairs.identical))} had twice the same answer and are not shown.")
    if pairs.errors:
        said.append(f"{_pairs(pairs.errors)} with an error or without an answer are left out.")
    return [*said, *_trust(found)]


def _trust(found: Findings) -> list[str]:
    """What the ratings are worth."""
    said = []
    for rater, looks in found.oneself.items():
        if looks.of:
            said.append(
                f"Agreement of {_name(rater)} with themselves: {looks.same} of {looks.of} pairs "
                "that came a second time, sides swapped, got the same verdict"
                f"{_share(looks.low, looks.high)}."
            )
    if found.raters is not None:
        alpha = found.raters.alpha
        beyond = "alpha is not defined: all say the same" if alpha is None else (
            f"Krippendorff's alpha {alpha:.2f}; 0 is chance, 1 perfect"
        )  # fmt: skip
        said.append(
            f"Agreement between raters: the same verdict on {found.raters.same} of "
            f"{_pairs(found.raters.of)} that two or more rated ({beyond})."
        )
    elif len(found.of_raters) > 1:
        said.append("No pair was rated by two raters, so their agreement is not known.")
    if found.sides is not None:
        sides = found.sides
        said.append(
            f"The answer on the left was chosen in {_percent(sides.share)} of the choices "
            f"[{sides.low * 100:.0f}, {sides.high * 100:.0f}]"
            + (": raters lean to one side." if sides.p < 0.05 else ".")
        )
    return said


def _method(total: Preference) -> list[str]:
    how = {
        "Tango": "Interval: Tango's for the difference of wins and losses on the same cases.",
        "clustered": "Interval: Student's t with the standard error from sums within cases or "
        "groups, since what is said within one is alike.",
        "Wilson": "Interval: Wilson's, over cases or groups that all say the same.",
    }.get(total.method)
    if how is None:
        return []
    return [
        f"{how} You may stop once it is narrow enough, not because one side is ahead. That neither "
        f"is preferred: p = {_p(total.p_always)}, which holds however often one looks."
    ]


def table(found: Findings) -> pd.DataFrame:
    """One row for all raters together, and one for each."""
    import pandas as pd

    rows = []
    for rater, part in [("all", found.total), *found.of_raters.items()]:
        looks = [found.oneself[rater]] if part is not found.total else found.oneself.values()
        rows.append(
            {
                "rater": rater, "variant": found.pairs.variants[0],
                "against": found.pairs.variants[1], "cases": part.cases, "ratings": part.ratings,
                "wins": part.wins, "ties": part.ties, "both_bad": part.both_bad,
                "losses": part.losses, "share": part.share, "lo": part.low, "hi": part.high,
                "enough": part.enough, "more_cases": part.more,
                "looked_twice": sum(item.of for item in looks),
                "same_twice": sum(item.same for item in looks),
            }
        )  # fmt: skip
    frame = pd.DataFrame(rows)
    return frame.astype({"share": "Float64", "lo": "Float64", "hi": "Float64"})


def result_html(found: Findings, notes: Sequence[str] = ()) -> str:
    """The result as a piece of HTML: verdict, picture, table, what to mind."""
    head = ["rater", "cases", "better", "ties", "both bad", "worse", "win rate", "the same again"]
    first, second = map(_name, found.pairs.variants)
    parts = [("all raters", found.total), *found.of_raters.items()]
    if len(found.of_raters) == 1:
        parts = parts[1:]
    rows = "".join(_row(name, part, found) for name, part in parts)
    titles = "".join(f'<th scope="col"{_number(n)}>{title}</th>' for n, title in enumerate(head))
    body = (
        # Narrow pages scroll it, with keys too.
        '<div class="pex-scroll" tabindex="0" role="region" aria-label="Ratings">'
        f'<table class="pex-table"><caption>{escape(first)} against '
        f"{escape(second)}</caption><thead><tr>{titles}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )
    more = "".join(
        f"<li>{escape(text)}</li>" for text in [*_details(found), *notes, *_method(found.total)]
    )
    return fragment(
        f'<div class="pex-rating-result"><p><strong>{escape(headline(found))}</strong></p>'
        f'{growth_svg(found.steps, first)}{body}<ul class="pex-notes">{more}</ul></div>'
    )


def _row(name: str, part: Preference, found: Findings) -> str:
    looks = [found.oneself[name]] if part is not found.total else found.oneself.values()
    twice, same = sum(item.of for item in looks), sum(item.same for item in looks)
    cells = [
        part.cases, part.wins, part.ties, part.both_bad, part.losses,
        "–" if part.share is None else f"{_percent(part.share)} {_ends(part)}",
        f"{same} of {twice}" if twice else "–",
    ]  # fmt: skip
    row = "".join(f'<td class="pex-number">{cell}</td>' for cell in cells)
    return f'<tr><th scope="row">{escape(_short(name))}</th>{row}</tr>'


def _number(column: int) -> str:
    return ' class="pex-number"' if column else ""


def _ends(part: Preference) -> str:
    assert part.low is not None  # whoever has a share has an interval
    assert part.high is not None
    return f"[{part.low * 100:.0f}, {part.high * 100:.0f}]"


def _share(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{low * 100:.0f}, {high * 100:.0f}]"


def _p(value: float) -> str:
    return "0.001 or less" if value < 0.001 else f"{float(f'{value:.2g}'):g}"


def _short(name: Any) -> str:
    return cut(str(name), _MOST)


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _name(name: str) -> str:
    return f"'{_short(name)}'"


def _cases(count: int) -> str:
    return f"{count:,} case" if count == 1 else f"{count:,} cases"


def _pairs(count: int) -> str:
    return f"{count:,} pair" if count == 1 else f"{count:,} pairs"


def growth_svg(steps: Sequence[Preference], name: str) -> str:
    """A win rate with its interval, as it grew with the cases that were rated.

    Args:
        steps: the preference after so many ratings, at least one each.
        name: whose win rate it is.

    Returns:
        An `svg` element; nothing where there are not two steps.
    """
    if len(steps) < 2:
        return ""
    last, left, top, height = steps[-1], 48, 24, 120
    bottom = top + height

    def at(step: Preference, value: float | None) -> str:
        x = left + step.cases / last.cases * WIDTH
        return f"{x:.1f},{top + (1 - (value or 0.0)) * height:.1f}"

    out = [draw_text(left, 12, f"win rate of {name}", bold=True)]
    for tick in (0.0, 0.5, 1.0):
        y = top + (1 - tick) * height
        dashes = ";stroke-dasharray:4 3" if tick == 0.5 else ""
        style = f"stroke:var(--pex-line, #8b949e){dashes}"
        out.append(draw_line(left, y, left + WIDTH, y, style=style))
        out.append(draw_text(left - 6, y + 4, f"{tick * 100:.0f} %", "end", True))
    band = [at(step, step.low) for step in steps] + [at(s, s.high) for s in reversed(steps)]
    out.append(f'<polygon points="{" ".join(band)}" style="fill:{MARK};opacity:.2"/>')
    path = " ".join(at(step, step.share) for step in steps)
    out.append(f'<polyline points="{path}" style="fill:none;stroke:{MARK};stroke-width:2"/>')
    out.append(draw_text(left + WIDTH, bottom + 16, f"{last.cases} cases rated", "end", True))
    label = f"win rate of {name} after each case, at the end {(last.share or 0) * 100:.0f} %"
    # Outside of the report nothing else says what its letters look like.
    shown = ['<g style="fill:currentColor;font-size:12px">', *out, "</g>"]
    return draw_svg(shown, label, left + WIDTH + 8, bottom + 22)
