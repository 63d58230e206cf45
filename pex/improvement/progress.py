"""Lines about what an improvement is doing: in a notebook one that changes, else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from pex.core.safe_text import clean
from pex.report.tables import fragment


@contextmanager
def progress(show: bool | None) -> Iterator[Callable[[str], None]]:
    """A function that is told a line about each step.

    Args:
        show: False for nothing; None shows it if the session is interactive.
    """
    from pex.widgets import in_notebook

    if show is False:
        yield lambda line: None
    elif in_notebook():
        output = _Line()
        try:
            yield output.say
        finally:
            output.clear()
    elif show or sys.stderr.isatty():
        yield _write
    else:
        yield lambda line: None


def _write(line: str) -> None:
    sys.stderr.write(clean(line) + "\n")
    sys.stderr.flush()


class _Line:
    """A line in a notebook that is replaced by the next one."""

    def __init__(self) -> None:
        self._handle: Any = None

    def say(self, line: str) -> None:
        """Show the line."""
        self._show(
            fragment(f'<div class="pex-soft" role="status">{escape(clean(line))}</div>'), line
        )

    def clear(self) -> None:
        """Leave nothing: the result says it all."""
        if self._handle is not None:
            self._show("", "")

    def _show(self, html: str, text: str) -> None:
        import IPython.display

        data = {"text/html": html, "text/plain": clean(text)}
        if self._handle is None:
            self._handle = IPython.display.display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
