"""What every picture of the report is drawn with: text, lines, an axis, and the `svg` around them.

Colours are those of the page, by its variables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH = 420
"""Of the part with the marks, in pixels."""
SOFT = "var(--pex-soft, #7d8590)"
BACK = "var(--pex-back, transparent)"
MARK = "var(--pex-mark, #3b82f6)"


def draw_svg(parts: Sequence[str], label: str, width: float, height: float) -> str:
    """The picture of its parts; `label` is read out by a screen reader."""
    return (
        f'<svg class="plot" role="img" aria-label="{escape(label)}" '
        f'viewBox="0 0 {width:g} {height:g}" style="max-width:{width:g}px;width:100%">'
        f"{''.join(parts)}</svg>"
    )


def draw_text(
    x: float, y: float, text: str, anchor: str = "", soft: bool = False, bold: bool = False
) -> str:
    """Text at its baseline; `anchor` is SVG's `text-anchor`."""
    kind = ' class="soft"' if soft else ""
    place = f' text-anchor="{anchor}"' if anchor else ""
    weight = ' font-weight="600"' if bold else ""
    return f'<text{kind} x="{x:g}" y="{y:g}"{place}{weight}>{escape(text)}</text>'


def draw_line(
    x0: float, y0: float, x1: float, y1: float, *, kind: str = "", style: str = ""
) -> str:
    """A straight line; `kind` is a class of the page's style."""
    extra = (f' class="{kind}"' if kind else "") + (f' style="{style}"' if style else "")
    return f'<line x1="{x0:g}" y1="{y0:g}" x2="{x1:g}" y2="{y1:g}"{extra}/>'


class Axis:
    """From values to places across the picture."""

    def __init__(self, span: tuple[float, float], left: int, width: int = WIDTH) -> None:
        self.low, high = span
        self.spread = (high - self.low) or 1.0
        self.left = left
        self.width = width

    def x(self, value: float) -> float:
        """The position of a value, in pixels."""
        return round(self.left + (value - self.low) / self.spread * self.width, 1)

    def ticks(self) -> list[float]:
        """Round values within the axis, three to eight of them."""
        rough = self.spread / 4
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * k for k in (1, 2, 5, 10) if unit * k >= rough * 0.8)
        first = math.ceil(self.low / step)
        last = math.floor((self.low + self.spread) / step)
        return [k * step for k in range(first, last + 1)]
