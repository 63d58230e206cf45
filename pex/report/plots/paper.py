"""What all plots share: ink, titles and captions, labels, numbers, and the empty picture.

Nothing here draws data. Texts come in plain and are escaped where they reach plotly, which
renders some HTML in labels and, where MathJax is loaded, formulas between dollar signs.
"""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError, nearest

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

INK = "#7d8590"
"""A grey that can be read on white and on black."""

GRID = "rgba(125,133,144,0.25)"
MARK = "#3b82f6"
GOOD = "#2a9d5c"
BAD = "#e5534b"
WARM = "#d97706"

MAX_POINTS = 2000
"""Marks in one picture; more make a browser slow and tell nobody anything."""

MAX_LINES = 200
"""Labelled rows in one picture: about 6,000 pixels of scrolling."""

MAX_LABEL = 36
_CAPTION_WIDTH = 100
_STEP = 30
_GAP = 66


def plain(text: str) -> str:
    """A text that plotly shows as it is.

    Args:
        text: any text, also a hostile one.

    Example:
        >>> plain("<b>no</b> more than $1")
        '&lt;b&gt;no&lt;/b&gt; more than &#36;1'
    """
    return escape(" ".join(text.split()), quote=False).replace("$", "&#36;")


def shorten(text: str, max_chars: int = MAX_LABEL) -> str:
    """A text cut in its middle, because names of variants differ at both ends.

    Args:
        text: a name or a short text; white space is made one space.
        max_chars: length of what comes back, at most.

    Example:
        >>> shorten("short|gpt-4.1-mini|temperature=0.7", 20)
        'short|gpt-4.…ure=0.7'
    """
    text = " ".join(text.split())
    if len(text) <= max_chars:
        return text
    head = max_chars * 3 // 5
    return f"{text[:head]}…{text[head + 1 - max_chars :]}"


def labels(names: Iterable[str], max_chars: int = MAX_LABEL) -> list[str]:
    """Names at a length that fits, numbered where cutting made different ones equal.

    Example:
        >>> labels(["a" * 9 + "x" + "b" * 9, "a" * 9 + "y" + "b" * 9, "c"], 11)
        ['aaaaaa…bbbb (1)', 'aaaaaa…bbbb (2)', 'c']
    """
    names = list(names)
    cut = {name: shorten(name, max_chars) for name in dict.fromkeys(names)}
    often = Counter(cut.values())
    seen: Counter[str] = Counter()
    for name, text in list(cut.items()):
        if often[text] > 1:
            seen[text] += 1
            cut[name] = f"{text} ({seen[text]})"
    return [cut[name] for name in names]


def number(value: float) -> str:
    """A number to three digits, without an exponent where people would write none.

    Example:
        >>> number(0.53218), number(12345.6), number(-2.0)
        ('0.532', '12,346', '−2')
    """
    text = f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"
    return text.replace("-", "−")


def change(value: float, binary: bool) -> str:
    """A difference with its sign.

    Args:
        value: percentage points, or the unit of the score.
        binary: whether these are points: then with one decimal.

    Example:
        >>> change(8.38, True), change(-0.0123, False), change(0.0, True)
        ('+8.4', '−0.0123', '0')
    """
    text = f"{abs(value):.1f}" if binary else number(abs(value))
    if not text.strip("0."):
        return "0"
    return f"{'−' if value < 0 else '+'}{text}"


def rounded(value: float, points: bool) -> float:
    """A number at the digits that mean something: a tenth of a point, else three digits."""
    if not math.isfinite(value):
        return math.nan
    return round(value, 1) if points else float(f"{value:.3g}")


def count(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    Example:
        >>> count(1, "case"), count(1200, "case")
        ('1 case', '1,200 cases')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence, shortened; after four the number of the others.

    Example:
        >>> listed(["a", "b", "c"]), listed(list("abcdef"))
        ('a, b, c', 'a, b, c, d and 2 more')
    """
    first = ", ".join(shorten(name) for name in names[:4])
    return first if len(names) <= 4 else f"{first} and {len(names) - 4} more"


def need(frame: pd.DataFrame, columns: Iterable[str], plot: str) -> None:
    """Refuse a frame that lacks a column.

    Raises:
        PexError: a column is missing; the hint names the nearest one that there is.
    """
    there = [str(column) for column in frame.columns]
    for column in columns:
        if column not in there:
            raise PexError(
                f"{plot}: the frame has no column '{column}'", hint=nearest(column, there)
            )


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dicts; a missing number of a nullable column (a comparison's) is NaN."""
    nullable = {name: "float64" for name, kind in frame.dtypes.items() if str(kind) == "Float64"}
    plain_floats = frame.astype(nullable)
    return [{str(k): v for k, v in row.items()} for row in plain_floats.to_dict("records")]


def segments(
    ends: Iterable[tuple[float, float, float, float]],
) -> tuple[list[float | None], list[float | None]]:
    """Many separate lines as one trace; a line with an end that is not a number is left out.

    Args:
        ends: x0, y0, x1, y1 of each.
    """
    xs: list[float | None] = []
    ys: list[float | None] = []
    for x0, y0, x1, y1 in ends:
        if all(map(math.isfinite, (x0, y0, x1, y1))):
            xs += [x0, x1, None]
            ys += [y0, y1, None]
    return xs, ys


def stacked(sizes: Sequence[int]) -> tuple[Figure, int]:
    """A figure of panels below each other, each as high as its rows need, and its height.

    Args:
        sizes: the number of rows of each panel.
    """
    from plotly.subplots import make_subplots

    heights = [_STEP * size + 14 for size in sizes]
    total = sum(heights) + _GAP * (len(sizes) - 1)
    spacing = _GAP / total if len(sizes) > 1 else 0
    figure = make_subplots(rows=len(sizes), cols=1, row_heights=heights, vertical_spacing=spacing)
    return figure, total


def name_rows(figure: Figure, names: Sequence[str], row: int, col: int = 1) -> None:
    """Write names at the rows 0, 1, 2 … of a panel, the first on top.

    Positions are numbers: names as categories would merge equal ones, and plotly takes names
    such as "1" or "2024-05" for numbers and dates.
    """
    figure.update_yaxes(
        tickmode="array",
        tickvals=list(range(len(names))),
        ticktext=[plain(name) for name in names],
        range=[len(names) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
        ticklabelstandoff=8,
        row=row,
        col=col,
    )


def head_panel(figure: Figure, text: str, panel: int) -> None:
    """A heading at the left above a panel."""
    figure.add_annotation(
        text=plain(text),
        xref="paper",
        x=0,
        xanchor="left",
        yref=f"y{panel if panel > 1 else ''} domain",
        y=1,
        yanchor="bottom",
        showarrow=False,
        font={"size": 13},
    )


def beside(figure: Figure, texts: Sequence[str], panel: int) -> None:
    """Texts at the right of the rows of a panel."""
    for position, text in enumerate(texts):
        figure.add_annotation(
            text=plain(text),
            xref="paper",
            x=1,
            xanchor="left",
            xshift=8,
            yref=f"y{panel if panel > 1 else ''}",
            y=position,
            showarrow=False,
        )


def width_of(texts: Iterable[str]) -> int:
    """Pixels that the longest of some texts needs."""
    return 24 + 7 * max(map(len, texts), default=0)


def lay_out(
    figure: Figure,
    title: str,
    caption: str,
    *,
    height: int,
    left: int = 70,
    right: int = 30,
    below: int = 44,
) -> Figure:
    """Give a figure its title, its caption and the look that all share.

    Args:
        figure: the drawn figure.
        title: what it is; plain text.
        caption: what to see; plain text of any length.
        height: pixels between the caption and the lower axis.
        left: pixels for labels at the left.
        right: pixels at the right.
        below: pixels for axis labels and the legend.
    """
    lines = textwrap.wrap(caption, _CAPTION_WIDTH, break_on_hyphens=False)
    top = 68 + 21 * len(lines)
    text = "".join(f"<br><sup>{plain(line)}</sup>" for line in lines)
    figure.update_xaxes(gridcolor=GRID, zeroline=False, title_font_size=13, title_standoff=8)
    figure.update_layout(
        template="none",
        title={
            "text": plain(title) + text,
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 30, "l": 12},
        },
        height=top + height + below,
        margin={"l": left, "r": right, "t": top, "b": below},
        font={"color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={"bgcolor": "#24292f", "font": {"color": "#ffffff"}, "align": "left"},
        legend={
            "orientation": "h",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "x": 0,
            "traceorder": "normal",
        },
    )
    return figure


def empty(title: str, why: str) -> Figure:
    """The figure for no data, which says why.

    Args:
        title: what would have been drawn.
        why: plain words that follow "nothing to draw: ".
    """
    from plotly.graph_objects import Figure

    figure = Figure()
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return lay_out(figure, title, f"nothing to draw: {why}", height=20)
