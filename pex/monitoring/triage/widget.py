"""The queue in a notebook: the list and the whole trace beside each other, with keys.

The widget holds nothing of its own: decisions are in MLflow and in files, so a kernel that is
restarted goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets
from IPython.display import display

from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.monitoring.triage.decision import Decision
from pex.monitoring.triage.marks import GoneError, TakenError
from pex.widgets import shared
from pex.widgets.static_output import StaticOutput, static_html
from pex.widgets.subshell import answer_at_once

if TYPE_CHECKING:
    from pex.monitoring.triage.queue import Queue

_STATIC_ROWS = 50
_LINE = 160


class TriageWidget(anywidget.AnyWidget):
    """A queue with keys.

    Args:
        queue: the queue.
    """

    _esm = shared.script("monitoring/triage/triage")
    _css = shared.styles("monitoring/triage/triage")

    _state = traitlets.Dict().tag(sync=True)

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._shown = ""
        self._whole: dict[str, Any] | None = None
        self._serial, self._alike = 0, 1
        self._static: StaticOutput | None = None
        super().__init__(_state={})
        self._show(self._open(""))
        self.on_msg(self._on_message)
        answer_at_once(self)

    def __repr__(self) -> str:
        return repr(self._queue)

    def _ipython_display_(self) -> None:
        bundle = super()._repr_mimebundle_()
        assert bundle is not None  # an open widget always has one
        display(bundle[0], raw=True)
        self._static = StaticOutput(static_html(self._table()))

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        if not isinstance(content, Mapping):
            return
        try:
            self._show(self._act(content))
        except (PexError, OSError) as error:
            if isinstance(error, GoneError | TakenError):
                self._show(str(error))
            elif self._shown and not self._queue.waits(self._shown):  # part of it was decided
                with contextlib.suppress(PexError):
                    self._open("")
                self._show(str(error))
            else:
                self._show(str(error), keep=True)

    def _act(self, content: Mapping[str, Any]) -> str:
        kind, trace_id = content.get("kind"), str(content.get("id", ""))
        if kind == "open":
            return self._open(trace_id)
        if kind == "undo":
            last = self._queue.undo()
            self._open(last.trace_ids[0] if last.trace_ids else "")
            return f"Taken back: {last}"
        decision = self._decide(str(kind), trace_id, content)
        if decision is None:
            return ""
        taken = self._open("")
        return f"Decided: {decision}" + (f". {taken}" if taken else "")

    def _decide(self, kind: str, trace_id: str, content: Mapping[str, Any]) -> Decision | None:
        queue, reason = self._queue, str(content.get("reason", ""))
        text, alike = str(content.get("text", "")), content.get("alike") is True
        if kind in ("case", "path"):
            return queue.case(trace_id, text or None, reason, path=kind == "path")
        if kind == "requirement":
            return queue.requirement(trace_id, text, reason)
        if kind == "known":
            return queue.known(trace_id, text, reason, alike=alike)
        if kind == "not ours":
            return queue.not_ours(trace_id, reason, alike=alike)
        if kind == "incident":
            return queue.incident(trace_id, reason, alike=alike)
        return None

    def _open(self, trace_id: str) -> str:
        """Show a trace and claim it; the one shown before is given back."""
        before, said = self._shown, ""
        if trace_id:
            if before and before != trace_id:
                self._queue.release(before)
            self._shown = trace_id
            try:
                self._queue.claim(trace_id)
            except TakenError as error:
                said = str(error)
        else:
            item = self._queue.next()
            self._shown = item.trace_id if item else ""
        return said

    def _show(self, line: str, *, keep: bool = False) -> None:
        items = self._queue.items
        if not self._shown:
            self._whole = None
        elif self._whole is None or self._whole["id"] != self._shown:
            try:
                self._whole = {
                    "id": self._shown,
                    "parts": [list(part) for part in self._queue.details(self._shown)],
                    "answer": clean(self._queue.answer(self._shown)),
                }
            except PexError as error:
                self._whole = {"id": self._shown, "parts": [], "answer": ""}
                line = line or str(error)
        shown = None
        if self._whole is not None:
            # As long as it is shown it can be decided, also after the store did not answer.
            with contextlib.suppress(PexError):
                self._alike = len(self._queue.alike(self._shown))
            shown = self._whole | {"alike": self._alike}
        self._serial += 1
        self._state = {
            "serial": self._serial,  # the view waits for an answer, also for an equal one
            "waiting": len(self._queue),
            "decided": sum(len(one.trace_ids) for one in self._queue.decisions),
            "files": self._queue.has_files,
            "line": clean(line),
            "keep": keep,
            "items": [
                {
                    "id": item.trace_id,
                    "why": clean(item.why),
                    "cluster": clean(f"{item.cluster} ({item.size})"),
                    "text": clean(" ".join(item.text.split())[:_LINE]),
                    "about": clean(f"{item.started_at:%d %b %H:%M} UTC {item.prompt}".strip()),
                }
                for item in items
            ],
            "shown": shown,
        }
        if self._static is not None:
            self._static.replace(static_html(self._table()))

    def _table(self) -> str:
        items = self._queue.items[:_STATIC_ROWS]
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td>{html.escape(clean(text))}</td>"
                for text in (item.why, f"{item.cluster} ({item.size})", item.text[:_LINE],
                             item.trace_id)
            )
            + "</tr>"
            for item in items
        )  # fmt: skip
        head = "".join(f"<th>{name}</th>" for name in ("why", "cluster", "user", "trace"))
        note = f"<p>{html.escape(repr(self._queue))}; {len(items)} are shown, worst first.</p>"
        return f"{note}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
