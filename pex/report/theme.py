"""The colours of everything that is shown, light and dark, in one place.

In JupyterLab text and background have the theme's colours; a page of its own follows the system.
"""

from __future__ import annotations

import functools
from pathlib import Path

_DARK = "--pex-good: #4cc46a; --pex-bad: #ff7b72; --pex-warn: #d9a441; --pex-mark: #58a6ff;"
"""On a dark background, whoever draws it."""

_DARK_PAGE = (
    "--pex-text: #e6edf3; --pex-soft: #9198a1; --pex-line: #3d444d; --pex-back: #0d1117; "
    "--pex-band: #151b23;"
)
"""The other colours, which JupyterLab's theme sets elsewhere."""


@functools.cache
def style() -> str:
    """The style sheet of all tables; it touches nothing outside `.pex`."""
    sheet = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    return f'{sheet}[data-jp-theme-light="false"] .pex {{ {_DARK} }}\n'


def page_style(scope: str = ".pex") -> str:
    """The style sheet that an HTML file of its own has besides: light or dark, light on paper.

    Args:
        scope: the CSS selector of what has the colours.
    """
    return (
        ":root { color-scheme: light dark; }\n"
        "body { margin: 0; background: #fff; }\n"
        "@media screen and (prefers-color-scheme: dark) {\n"
        f"  {scope} {{ {_DARK} {_DARK_PAGE} }}\n"
        "  body { background: #0d1117; }\n"
        "}\n"
        "@media print { :root { color-scheme: light; } }\n"
    )
