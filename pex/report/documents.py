"""Documents, images and recordings of cases in tables and pages that load nothing from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pex.core.about import About
from pex.core.document_preview import Preview, Previews
from pex.core.project import current_folder, find_project
from pex.report.safe_html import escaped

Show = Callable[[str, Any], Preview | None]
"""The preview of a column's value; None if it is not the path of a document."""

MOST_BYTES = 300_000
"""Of pictures and sounds in one table; further documents have only their name."""
_MOST_SOUND = 100_000


def previews_of(about: About) -> Previews:
    """The previews of a recorded run, whose paths start from the project that is open."""
    file = about.cases_file
    folder = current_folder() if file is None else (find_project() / file.path).parent
    return Previews([item.text for item in about.prompts], folder, about.renamed)


class Figures:
    """Previews as HTML, as long as they are not too large together."""

    def __init__(self, show: Show | None) -> None:
        self._show = show
        self._left = MOST_BYTES

    def __call__(self, column: str, value: Any) -> str:
        """A figure for a value; empty if it is not a document."""
        preview = self._show(column, value) if self._show is not None else None
        if preview is None:
            return ""
        inside = ""
        if preview.picture and len(preview.picture) <= self._left:
            width, height = preview.size
            inside = (
                f'<img src="{escaped(preview.picture)}" width="{width}" height="{height}" '
                f'alt="{escaped(preview.name)}, first page or picture">'
            )
        elif preview.sound and len(preview.sound) <= min(self._left, _MOST_SOUND):
            inside = (
                f'<audio controls preload="metadata" src="{escaped(preview.sound)}" '
                f'aria-label="{escaped(preview.name)}"></audio>'
            )
        self._left -= len(inside)
        said = f"{escaped(preview.name)} · {escaped(preview.facts)}"
        return f'<figure class="pex-document">{inside}<figcaption>{said}</figcaption></figure>'
