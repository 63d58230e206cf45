"""The live view of a run in a notebook: progress, running scores, answers as they come.

The rows are kept here and sent in batches; a view that is opened late, a second one, or a reload
of the page asks for them ("ready") and gets them all. A cell that blocks the kernel keeps that
question waiting, so everything is also sent a few times unasked while a run begins. Beside the
widget stands a static table in an output of its own, hidden while the widget lives: it is what a
reader without a kernel sees.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from IPython.display import HTML, DisplayHandle, display

from pex.core.call import Answer
from pex.core.events import (
    Answered,
    Away,
    Delta,
    Done,
    Event,
    Failed,
    Judging,
    Place,
    Queued,
    Retried,
    Scored,
    Spent,
    Started,
)
from pex.core.score import Score
from pex.report.tables import cut, fragment, style
from pex.widgets.tally import Tally

BATCH_S = 0.05
UNASKED_S = (0.3, 1.0, 3.0, 8.0)
CHUNK = 500
MAX_CASES = 200
MAX_CHARS = 400
_HERE = Path(__file__).parent


class LiveGrid(anywidget.AnyWidget):
    """Cases x variants, filling while a run goes on.

    Args:
        cases: for each case id, its inputs as a short text, and a note such as what is expected.
        on_stop: called when somebody presses Stop; without it there is no such button.
    """

    _esm = _HERE / "live.js"
    _css = style() + (_HERE / "live.css").read_text(encoding="utf-8")

    _begin = traitlets.Dict().tag(sync=True)

    def __init__(
        self, cases: Mapping[str, tuple[str, str]], on_stop: Callable[[], None] | None = None
    ) -> None:
        super().__init__()
        self._cases = dict(cases)
        self._on_stop = on_stop
        self._tally = Tally()
        self._shown: set[str] = set()
        self._asked = False
        self._begun_at = time.monotonic()
        self._cells: dict[Place, dict[str, Any]] = {}
        self._sums: dict[str, dict[str, list[float]]] = {}
        self._changed: set[Place] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self.on_msg(self._on_message)
        self._sender = threading.Thread(target=self._send_batches, name="pex-view", daemon=True)
        self._sender.start()

    def __repr__(self) -> str:
        return f"Live view of a run: {self._tally.line()}"

    def on_event(self, event: Event) -> None:
        """Take in an event; returns at once, the view follows within 50 ms."""
        with self._lock:
            self._tally.add(event)
            if isinstance(event, Queued):
                self._open(event)
            elif (
                not isinstance(event, Done | Spent | Away | Judging)
                and event.place[1] in self._shown
            ):
                cell = self._cells.setdefault(event.place, {"place": event.place})
                cell |= _grown(cell, event) if isinstance(event, Delta) else _cell(event, cell)
                self._changed.add(event.place)
            if isinstance(event, Scored):
                self._add_scores(event.place[0], event.scores)
        self._wake.set()

    def close_run(self) -> None:
        """Send what is left; the view stays as it is then."""
        self._closed = True
        self._wake.set()
        self._sender.join(timeout=5)

    def _open(self, begun: Queued) -> None:
        shown = begun.case_ids[:MAX_CASES]
        self._shown = set(shown)
        self._begun_at = time.monotonic()
        self._begin = {
            "variants": begun.variants,
            "cases": [
                [case_id, *(cut(text, MAX_CHARS) for text in self._cases[case_id])]
                for case_id in shown
            ],
            "cut": len(begun.case_ids) - len(shown),
            "can_stop": self._on_stop is not None,
        }

    def _add_scores(self, variant: str, scores: Mapping[str, Score]) -> None:
        for name, score in scores.items():
            if score.value is not None:
                values = self._sums.setdefault(variant, {}).setdefault(name, [])
                values.append(float(score.value))

    def _send_batches(self) -> None:
        unasked = list(UNASKED_S)
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            if unasked and not self._asked and time.monotonic() - self._begun_at > unasked[0]:
                unasked.pop(0)
                self._send_everything()
            else:
                self._send_changes()
            # Messages are what costs, not what is in them: at most twenty a second.
            time.sleep(BATCH_S)
        self._send_everything()

    def _send_changes(self) -> None:
        with self._lock:
            cells = [self._cells[place] for place in self._changed]
            self._changed.clear()
            head = self._head()
        self.send({"kind": "cells", "cells": cells, **head})

    def _head(self) -> dict[str, Any]:
        tally = self._tally
        scores = {
            variant: " · ".join(_running(name, values) for name, values in by_name.items())
            for variant, by_name in self._sums.items()
        }
        return {
            "done": tally.done,
            "total": tally.total,
            "line": tally.line(),
            "status": tally.status,
            "scores": scores,
        }

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        if content == "stop" and self._on_stop is not None:
            self._on_stop()
        elif content == "ready":
            self._asked = True
            self._send_everything()

    def _send_everything(self) -> None:
        with self._lock:
            self._changed.clear()
            cells, head = list(self._cells.values()), self._head()
        for start in range(0, len(cells) or 1, CHUNK):
            self.send({"kind": "cells", "cells": cells[start : start + CHUNK], **head})


class StaticOutput:
    """The static table beside a widget: "running" at first, the results at the end."""

    def __init__(self) -> None:
        handle = display(HTML(_static("Running; the results appear here.")), display_id=True)
        assert isinstance(handle, DisplayHandle)  # display_id=True always gives one
        self._handle = handle

    def finish(self, html: str) -> None:
        """Put the results there; `html` must be escaped."""
        self._handle.update(HTML(f'<div class="pex-static">{html}</div>'))


def show(grid: LiveGrid) -> StaticOutput:
    """Show the widget and, for readers without a kernel, the static table behind it."""
    display(grid)
    return StaticOutput()


def _static(text: str) -> str:
    return f'<div class="pex-static">{fragment(f"<p>{escape(text)}</p>")}</div>'


def _grown(cell: dict[str, Any], delta: Delta) -> dict[str, Any]:
    """The cell with some more of an answer that is still coming."""
    before = cell["text"] if cell.get("state") == "growing" else ""
    return {"state": "growing", "text": cut(before + delta.text, MAX_CHARS)}


def _cell(
    event: Started | Retried | Answered | Failed | Scored, cell: Mapping[str, Any]
) -> dict[str, Any]:
    if isinstance(event, Started):
        return {"state": "asked", "text": "asking…"}
    if isinstance(event, Retried):
        return {"state": "asked", "text": f"{event.error_kind}, again in {event.wait_s:.1f} s"}
    if isinstance(event, Answered | Failed):
        return _answer(event.answer)
    # A judge's score comes after those of the scorers and joins them.
    before = cell.get("scores", [])
    return {"scores": [*before, *(_score(name, score) for name, score in event.scores.items())]}


def _answer(answer: Answer) -> dict[str, Any]:
    if answer.error is not None:
        text = f"{answer.error_kind}: {cut(answer.error, MAX_CHARS)}"
        return {"state": "error", "text": text}
    text = cut(answer.output or "", MAX_CHARS) or "(empty answer)"
    return {"state": "answered", "text": text, "latency": answer.latency_s}


def _score(name: str, score: Score) -> list[str]:
    """Kind, text and reason of a score."""
    if score.error is not None:
        return ["bad", f"! {name} failed", score.error]
    if score.value is None:
        return ["none", "", score.reason or ""]
    if isinstance(score.value, bool):
        kind, sign = ("good", "✓") if score.value else ("bad", "✗")
        return [kind, f"{sign} {name}", score.reason or ""]
    return ["number", f"{name} {score.value:.3g}", score.reason or ""]


def _running(name: str, values: list[float]) -> str:
    mean = math.fsum(values) / len(values)
    if all(value in (0.0, 1.0) for value in values):
        return f"{name} {mean:.0%} of {len(values)}"
    return f"{name} {mean:.3g}"
