"""A text in paragraphs that a notebook renders instead of quoting."""

from __future__ import annotations

from html import escape

from pex.report.tables import fragment


class RichText(str):
    r"""A string that a notebook shows as paragraphs and a prompt of Python without quotes.

    Example:
        >>> RichText("One.\n\nTwo.")
        One.
        <BLANKLINE>
        Two.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        parts = (escape(part).replace("\n", "<br>") for part in self.split("\n\n"))
        return fragment("".join(f'<p style="max-width:75ch">{part}</p>' for part in parts))
