"""The result of a rating by hand in sentences, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from pex.rating.preference import MIN_CASES, Agreement, Findings, Preference, Target
from pex.report.svg_pen import MARK, WIDTH, draw_line, draw_svg, draw_text
from pex.report.tables import cut, fragment

if TYPE_CHECKING:
    import pandas as pd

    from pex.stats.preference import PositionBias

_MAX_NAME_CHARS = 60


def progress_line(total: Preference, target: Target) -> str:
    """The progress, without a hint of who is ahead: the rater reads it between two pairs."""
    goal = f"±{target.precision * 100:.3g}"
    if total.half_width is None:
        return f"A win rate within {goal} points needs about {case_count(total.more)}"
    so_far = f"{case_count(total.cases)} rated: ±{total.half_width * 100:.0f} points so far"
    if total.enough:
        return f"{so_far}; enough, {goal} is the goal"
    if total.half_width <= target.precision:
        return f"{so_far}; at least {case_count(MIN_CASES)} are needed"
    return f"{so_far}; {goal} needs about {total.more:,} more"


def explain(found: Findings, notes: Sequence[str] = ()) -> str:
    """The findings in sentences, a paragraph each, the most important first.

    Args:
        found: the result.
        notes: other sentences.
    """
    method = _method(found.total)
    return "\n\n".join([plain_headline(found), *figures(found), *_details(found), *notes, *method])


def plain_headline(found: Findings) -> str:
    """Who is preferred, in a sentence for people who know no statistics."""
    first, second = map(quoted, found.pairs.variants)
    total = found.total
    if not total.ratings or total.share is None:
        return f"No pair of {first} and {second} has been rated yet."
    neither = total.ties + total.both_bad
    counts = f"{first} was better {times(total.wins)}, {second} {times(total.losses)}"
    counts += f", neither {times(neither)}" if neither else ""
    if found.verdict is None:
        return f"No clear preference yet: {counts}. This can still be chance."
    winner = quoted(found.verdict)
    return f"{winner} is preferred to {second if winner == first else first}: {counts}."


def times(count: int) -> str:
    """How often something was."""
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count:,} times")


def figures(found: Findings) -> list[str]:
    """The verdict with its figures, in a sentence; none without ratings."""
    return [] if found.total.share is None else [_headline(found)]


def _headline(found: Findings) -> str:
    first, second = map(quoted, found.pairs.variants)
    total = found.total
    assert total.share is not None
    if found.verdict is None:
        begin = f"Undecided between {first} and {second}"
    else:
        winner = quoted(found.verdict)
        begin = f"{winner} is preferred to {second if winner == first else first}"
    return (
        f"{begin}: {first} has a win rate of {percent(total.share)} {_interval_text(total)} over "
        f"{case_count(total.cases)}; 50 % = no preference."
    )


def _details(found: Findings) -> list[str]:
    total, pairs = found.total, found.pairs
    first, second = map(quoted, pairs.variants)
    sentences = [progress_line(total, found.target) + "."]
    left = len({pair.case_id for pair in pairs.different}) - total.cases
    if total.more > left:
        there = f"Only {case_count(left)} are" if left else "No case is"
        sentences.append(
            f"{there} left to rate; that precision needs a run with about "
            f"{total.more - left:,} more."
        )
    if total.ratings:
        sentences.append(
            f"{first} was better in {total.wins} ratings, {second} in {total.losses}; "
            f"{total.ties} ties, both bad in {total.both_bad} (each counts as half a win)."
        )
    if pairs.identical and found.share_with_ties is not None:
        sentences.append(
            f"{pair_count(len(pairs.identical))} had identical answers and were not shown. "
            f"Counting these as ties, the win rate of {first} is {percent(found.share_with_ties)}."
        )
    elif pairs.identical:
        sentences.append(
            f"{pair_count(len(pairs.identical))} had identical answers and are not shown."
        )
    if pairs.errors:
        sentences.append(
            f"{pair_count(pairs.errors)} with an error or without an answer are left out."
        )
    return [*sentences, *reliability(found)]


class Reliable(Protocol):
    """What tells how far ratings can be relied on."""

    @property
    def by_rater(self) -> Mapping[str, object]:
        """What each rater gave."""

    @property
    def self_agreement(self) -> Mapping[str, Agreement]:
        """Each rater's agreement with themselves."""

    @property
    def rater_agreement(self) -> Agreement | None:
        """Raters' agreement with each other."""

    @property
    def sides(self) -> PositionBias | None:
        """Whether one side is preferred as such."""


def reliability(
    found: Reliable,
    noun: str = "pair",
    shown: str = "pairs that were shown a second time, with sides swapped,",
) -> list[str]:
    """How far the ratings can be relied on.

    Args:
        found: the result.
        noun: what was rated.
        shown: what came a second time.
    """
    sentences = []
    for rater, looks in found.self_agreement.items():
        if looks.of:
            sentences.append(
                f"Consistency of {quoted(rater)}: {looks.same} of {looks.of} {shown} got the same "
                "verdict"
                f"{_agreement_interval(looks.low, looks.high)}."
            )
    if found.rater_agreement is not None:
        alpha = found.rater_agreement.alpha
        beyond = "alpha is undefined: all verdicts are the same" if alpha is None else (
            f"Krippendorff's alpha {alpha:.2f}; 0 is chance, 1 perfect"
        )  # fmt: skip
        sentences.append(
            f"Agreement between raters: the same verdict on {found.rater_agreement.same} of "
            f"{found.rater_agreement.of:,} {noun}{'s' * (found.rater_agreement.of != 1)} rated by "
            f"two or more ({beyond})."
        )
    elif len(found.by_rater) > 1:
        sentences.append(f"No {noun} was rated by two raters, so their agreement is unknown.")
    if found.sides is not None:
        sides = found.sides
        sentences.append(
            f"The answer on the left was chosen in {percent(sides.share)} of the choices "
            f"[{sides.low * 100:.0f}, {sides.high * 100:.0f}]"
            + (": raters lean to one side." if sides.p < 0.05 else ".")
        )
    return sentences


def _method(total: Preference) -> list[str]:
    interval = {
        "Tango": "Interval: Tango's for the difference of wins and losses on the same cases.",
        "clustered": "Interval: Student's t with standard errors clustered by case or group, "
        "since verdicts within one are alike.",
        "Wilson": "Interval: Wilson's, over cases or groups, since all verdicts are the same.",
    }.get(total.method)
    if interval is None:
        return []
    return [
        f"{interval} You may stop once it is narrow enough, not because one side is ahead. "
        f"p = {_p_text(total.p_always)} for no preference, valid however often you look."
    ]


def table(found: Findings) -> pd.DataFrame:
    """One row for all raters together, and one for each."""
    import pandas as pd

    rows = []
    for rater, part in [("all", found.total), *found.by_rater.items()]:
        looks = (
            [found.self_agreement[rater]]
            if part is not found.total
            else found.self_agreement.values()
        )
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
    """The result as HTML: one plain sentence and the notes; picture, table and methods folded."""
    head = ["rater", "cases", "better", "ties", "both bad", "worse", "win rate", "consistent"]
    first, second = map(quoted, found.pairs.variants)
    parts = [("all raters", found.total), *found.by_rater.items()]
    if len(found.by_rater) == 1:
        parts = parts[1:]
    rows = "".join(_table_row(name, part, found) for name, part in parts)
    titles = "".join(
        f'<th scope="col"{_number_class(n)}>{title}</th>' for n, title in enumerate(head)
    )
    body = (
        # Narrow pages scroll it, with keys too.
        '<div class="pex-scroll" tabindex="0" role="region" aria-label="Ratings">'
        f'<table class="pex-table"><caption>{escape(first)} compared with '
        f"{escape(second)}</caption><thead><tr>{titles}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )
    said = [*figures(found), *_details(found), *_method(found.total)]
    more = "".join(f"<li>{escape(text)}</li>" for text in said)
    shown = "".join(f"<p>{escape(text)}</p>" for text in notes)
    return fragment(
        f'<div class="pex-rating-result"><p><strong>{escape(plain_headline(found))}</strong></p>'
        f"{shown}<details><summary>Details</summary>{growth_svg(found.steps, first)}{body}"
        f'<ul class="pex-notes">{more}</ul></details></div>'
    )


def _table_row(name: str, part: Preference, found: Findings) -> str:
    looks = (
        [found.self_agreement[name]] if part is not found.total else found.self_agreement.values()
    )
    twice, same = sum(item.of for item in looks), sum(item.same for item in looks)
    cells = [
        part.cases, part.wins, part.ties, part.both_bad, part.losses,
        "–" if part.share is None else f"{percent(part.share)} {_interval_text(part)}",
        f"{same} of {twice}" if twice else "–",
    ]  # fmt: skip
    row = "".join(f'<td class="pex-number">{cell}</td>' for cell in cells)
    return f'<tr><th scope="row">{escape(_shortened(name))}</th>{row}</tr>'


def _number_class(column: int) -> str:
    return ' class="pex-number"' if column else ""


def _interval_text(part: Preference) -> str:
    assert part.low is not None  # a share has an interval
    assert part.high is not None
    return f"[{part.low * 100:.0f}, {part.high * 100:.0f}]"


def _agreement_interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{low * 100:.0f}, {high * 100:.0f}]"


def _p_text(value: float) -> str:
    return "0.001 or less" if value < 0.001 else f"{float(f'{value:.2g}'):g}"


def _shortened(name: Any) -> str:
    return cut(str(name), _MAX_NAME_CHARS)


def percent(share: float) -> str:
    """A share without decimals."""
    return f"{share * 100:.0f} %"


def quoted(name: str) -> str:
    """A variant's name in a sentence."""
    return f"'{_shortened(name)}'"


def case_count(count: int) -> str:
    """A number of cases."""
    return f"{count:,} case" if count == 1 else f"{count:,} cases"


def pair_count(count: int) -> str:
    """A number of pairs."""
    return f"{count:,} pair" if count == 1 else f"{count:,} pairs"


def growth_svg(steps: Sequence[Preference], name: str) -> str:
    """A win rate with its interval, as it developed with the cases rated.

    Args:
        steps: the preference after so many ratings, at least one each.
        name: the variant.

    Returns:
        An `svg` element; empty if there are fewer than two steps.
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
    # Outside of a report nothing else sets its font.
    shown = ['<g style="fill:currentColor;font-size:12px">', *out, "</g>"]
    return draw_svg(shown, label, left + WIDTH + 8, bottom + 22)
