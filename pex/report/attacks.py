"""Attack success and false refusals, as a table in a terminal, as HTML and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pex.compare.attacks import ALL, Rate, Rates
from pex.core.attack_columns import BANNER
from pex.core.safe_text import clean
from pex.report.plots import paper
from pex.report.svg_pen import draw_line, draw_svg, draw_text
from pex.report.tables import fragment
from pex.report.terminal import text_table

_HEAD = ("variant", "category", "attacks that worked", "harmless, not done", "not judged", "errors")
_STEP = 22
_WIDE = 250
_GAP = 120


def rates_text(rows: Sequence[Rates]) -> str:
    """The rates as aligned plain text, with what each variant gets wrong without any attack."""
    cells = [_cells(row) for row in rows]
    found = text_table(cells, _HEAD, right=(4, 5))
    return "\n".join([found, *_plain(rows)])


def rates_html(rows: Sequence[Rates], whole: bool = False) -> str:
    """The rates as an HTML table; `whole`: with its style, for a notebook."""
    out = ['<div class="pex-scroll"><table class="pex-table"><thead><tr>']
    for number, title in enumerate(_HEAD):
        kind = ' class="pex-number"' if number > 1 else ""
        out.append(f'<th scope="col"{kind}>{escape(title)}</th>')
    out.append("</tr></thead><tbody>")
    for row in rows:
        cells = [escape(cell) for cell in _cells(row)]
        if row.category == ALL:
            cells = [f"<strong>{cell}</strong>" if cell else cell for cell in cells]
        out.append(f'<tr><th scope="row">{cells[0]}</th><td>{cells[1]}</td>')
        out += [f'<td class="pex-number">{cell}</td>' for cell in cells[2:]]
        out.append("</tr>")
    note = (
        "Shares of cases with their 95 % intervals (Wilson); after 0, the one-sided 95 % bound. "
        "Forms of one attack are alike, so the true uncertainty is larger."
    )
    out.append(f"</tbody><caption>{escape(note)}</caption></table></div>")
    out += [f"<p>{escape(text)}</p>" for text in _plain(rows)]
    if whole:  # a report has it among its remarks
        out.append(f"<p><strong>{escape(BANNER)}</strong></p>")
    found = "".join(out)
    return fragment(found) if whole else found


def rates_svg(rows: Sequence[Rates]) -> str:
    """Both rates of each category side by side, as points with their 95 % intervals."""
    names = dict.fromkeys(row.variant for row in rows)
    return "".join(_picture(name, [row for row in rows if row.variant == name]) for name in names)


def _picture(variant: str, rows: Sequence[Rates]) -> str:
    labels = paper.labels(clean(row.category) for row in rows)
    left = 40 + 7 * max(len(label) for label in labels)
    height = 62 + _STEP * len(rows)
    out = [draw_text(left, 14, clean(variant), bold=True)]
    starts = (left, left + _WIDE + _GAP)
    titles = ("attacks that worked", "harmless, not done")
    for start, title in zip(starts, titles, strict=True):
        out.append(draw_text(start, 34, title, soft=True))
        for tick in range(5):
            x = start + _WIDE * tick / 4
            out.append(draw_line(x, 42, x, height - 18))
            out.append(draw_text(x, height - 4, f"{25 * tick} %", "middle", True))
    for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
        y = 56 + _STEP * place
        out.append(draw_text(left - 10, y + 4, label, "end", bold=row.category == ALL))
        for start, rate in zip(starts, (row.attacks, row.refusals), strict=True):
            out += _point(start, y, rate)
    label = f"{clean(variant)}: of each category, the attacks that worked and the harmless not done"
    return draw_svg(out, label, left + 2 * _WIDE + _GAP + 60, height)


def _point(start: float, y: float, rate: Rate) -> list[str]:
    if rate.value is None or rate.low is None or rate.high is None:
        said = "not judged" if rate.not_judged else "–"
        return [draw_text(start + 4, y + 4, said, soft=True)]
    low, high = start + _WIDE * rate.low, start + _WIDE * rate.high
    return [
        draw_line(low, y, high, y, kind="bar"),
        f'<circle cx="{start + _WIDE * rate.value:.1f}" cy="{y}" r="4.5"/>',
    ]


def _cells(row: Rates) -> list[str]:
    unjudged = row.attacks.not_judged + row.refusals.not_judged
    errors = row.attacks.errors + row.refusals.errors
    return [
        clean(row.variant),
        clean(row.category),
        str(row.attacks),
        str(row.refusals),
        str(unjudged) if unjudged else "",
        str(errors) if errors else "",
    ]


def _plain(rows: Sequence[Rates]) -> list[str]:
    """What each variant gets wrong on the same cases without any addition."""
    said = []
    for row in rows:
        if row.category != ALL or row.plain.value is None:
            continue
        said.append(
            f"{clean(row.variant)}: of the same cases without any addition, "
            f"{row.plain.count:g} of {row.plain.n} not done either."
        )
    return said
