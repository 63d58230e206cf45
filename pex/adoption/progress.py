"""The progress of an adoption over all prompts: a bar in a terminal, one line in a notebook."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TextIO

from pex.core.events import Answered, Event, Failed
from pex.core.safe_text import clean

if TYPE_CHECKING:
    from rich.progress import Progress as RichBar

EVERY_S = 0.25
QUIET_S = 10.0
"""Between two lines where the stream is not a terminal."""


class Progress:
    """Counts the answers of several runs made one after the other, and shows how far they are.

    Args:
        tasks: how many runs there are.
        total: how many answers they have together.
        show: False for nothing; None shows it if the session is interactive.
        stream: where a terminal's bar goes.
    """

    def __init__(
        self, tasks: int, total: int, show: bool | None = None, stream: TextIO | None = None
    ) -> None:
        self._tasks, self._total = tasks, total
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()
        self._number, self._name = 0, ""
        self.answers = self.errors = 0
        self.spent_usd = 0.0
        self._told_at = time.monotonic()
        self._bar: RichBar | None = None
        self._handle: Any = None
        self._way = self._open(show)

    def _open(self, show: bool | None) -> str:
        if show is False:
            return ""
        from pex.widgets import in_notebook

        if in_notebook():
            from IPython import display

            self._handle = display.display(_Html(self.html()), display_id=True)  # type: ignore[no-untyped-call]
            return "notebook"
        if self._stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                BarColumn(bar_width=20),
                TextColumn("{task.description}", markup=False),
                console=Console(file=self._stream),
            )
            self._bar.add_task(self.line(), total=self._total)
            self._bar.start()
            return "terminal"
        return "lines" if show else ""

    def begin(self, name: str) -> None:
        """The next run begins."""
        self._number, self._name = self._number + 1, name
        self._tell()

    def on_event(self, event: Event) -> None:
        """Count an event of a run."""
        if isinstance(event, Answered | Failed):
            with self._lock:
                self.answers += 1
                self.errors += isinstance(event, Failed)
                if isinstance(event, Answered) and not event.answer.from_journal:
                    self.spent_usd += event.answer.cost_usd or 0.0
            self._tell()

    @property
    def shown(self) -> bool:
        """Whether anything is shown, so that events need to be listened to."""
        return bool(self._way)

    def line(self) -> str:
        """How far it is, in a line."""
        errors = f", {self.errors:,} errors" if self.errors else ""
        name = f" · {self._name}" if self._name else ""
        return clean(
            f"prompt {self._number:,} of {self._tasks:,}{name} · {self.answers:,} of "
            f"{self._total:,} answers{errors} · ${self.spent_usd:.4g}"
        )

    def html(self) -> str:
        """The same with a bar, for a notebook."""
        from pex.report.safe_html import escaped
        from pex.report.tables import fragment

        line = escaped(self.line())
        return fragment(
            f'<p><progress max="{max(1, self._total)}" value="{self.answers}" '
            f'aria-label="Progress"></progress> {line}</p>'
        )

    def close(self) -> None:
        """Leave the last state where it is."""
        self._told_at = 0.0
        self._tell()
        if self._bar is not None:
            self._bar.stop()

    def _tell(self) -> None:
        now = time.monotonic()
        if not self._way or now - self._told_at < (QUIET_S if self._way == "lines" else EVERY_S):
            return
        self._told_at = now
        if self._bar is not None:
            task = self._bar.task_ids[0]
            self._bar.update(task, completed=self.answers, description=self.line())
        elif self._handle is not None:
            self._handle.update(_Html(self.html()))
        else:
            self._stream.write(f"{self.line()}\n")
            self._stream.flush()


class _Html:
    """HTML for IPython's display, with the text beside it."""

    def __init__(self, html: str) -> None:
        self._html = html

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return "adoption"
