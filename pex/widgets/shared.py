"""What all widgets share: their style, and their helpers in the browser.

A widget's script is `shared.js` followed by its own, its style the tables' style,
`shared.css` and its own: plain files, so nothing is bundled, imported or fetched.
"""

from __future__ import annotations

import functools
from pathlib import Path

from pex.report.tables import style

_ROOMS = Path(__file__).parent.parent


@functools.cache
def script(*names: str) -> str:
    """The script of a widget: what all share, then its own.

    Args:
        names: of the widget's files, as `room/file` without the ending; the last has the
            `export default`.
    """
    return "\n".join(
        (_ROOMS / f"{part}.js").read_text("utf-8") for part in ("widgets/shared", *names)
    )


@functools.cache
def styles(name: str) -> str:
    """The style of a widget: that of tables, what all widgets share, then its own (`room/file`)."""
    files = (_ROOMS / f"{part}.css" for part in ("widgets/shared", name))
    return "\n".join([style(), *(file.read_text("utf-8") for file in files)])
