"""The progress of a run on a terminal: a bar, or a line now and then if it is not a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

from pex.core.events import Done, Event, Queued
from pex.widgets.tally import Tally

if TYPE_CHECKING:
    from rich.progress import Progress, Task, TaskID
    from rich.text import Text

QUIET_S = 10.0
"""Seconds between two lines if the stream is not a terminal (CI, cron)."""


class TerminalProgress:
    """Listens to a run and shows its progress.

    Args:
        stream: where to write; a bar on a terminal, plain lines elsewhere.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._tally = Tally()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._said_at = 0.0

    def on_event(self, event: Event) -> None:
        """Handle an event of the run."""
        self._tally.add(event)
        if isinstance(event, Queued):
            self._said_at = time.monotonic()
            if self._stream.isatty():
                self._open(event.total)
        elif self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._tally.done, total=self._tally.total)
        elif isinstance(event, Done) or time.monotonic() - self._said_at > QUIET_S:
            self._said_at = time.monotonic()
            self._stream.write(f"{self._tally.line()}\n")
            self._stream.flush()

    def close(self) -> None:
        """Leave the last state on the terminal."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _open(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, ProgressColumn
        from rich.text import Text

        tally = self._tally

        class Line(ProgressColumn):
            """The line when it is drawn: times go on between events; it wraps and is never cut."""

            def render(self, task: Task) -> Text:
                return Text(tally.line())

        self._bar = Progress(
            BarColumn(bar_width=20),
            Line(),
            console=Console(file=self._stream),
            refresh_per_second=4,
        )
        self._task = self._bar.add_task("run", total=total)
        self._bar.start()
