"""The result grid: cases x variants x repeats, live while a run goes on and afterwards.

The rows are kept here. A view gets the first of them with the widget, the others in chunks from a
thread, and requests what it is missing; so a late view, a second one or a reload of the page
fills by itself. Sorting, filtering, searching and opened cells are calculated here; the browser
keeps only short texts of the rows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets
from IPython.display import display

from pex.core.cases import Case
from pex.core.events import (
    Answered,
    Delta,
    Event,
    Failed,
    Queued,
    Retried,
    Scored,
    Started,
)
from pex.core.safe_text import clean
from pex.core.spreadsheet import table_text
from pex.core.text import value_text
from pex.report.documents import Show
from pex.widgets import rows, shared
from pex.widgets.case_form import Editing, apply_edit, edit_form
from pex.widgets.cell_details import MODES, Messages, RequestBody, cell_details
from pex.widgets.conditions import offered_conditions
from pex.widgets.heads import Head, finished_heads, running_head
from pex.widgets.live_cell import cell_after
from pex.widgets.notebook_cell import close_earlier
from pex.widgets.query import KINDS, SORTS, Query, find_rows, tags_and_groups
from pex.widgets.recorded import RunLink
from pex.widgets.sheet import Sheet
from pex.widgets.static_output import RUNNING, StaticOutput, static_table, static_text
from pex.widgets.subshell import answer_at_once
from pex.widgets.tally import Tally

if TYPE_CHECKING:
    import pandas as pd

BATCH_S = 0.05
"""Between two messages of a run; the number of messages costs, not their size."""
PUSH_AFTER_S = (0.3, 1.0, 3.0, 8.0)
"""After its start a run pushes all rows: a view cannot ask while a cell blocks the kernel."""
HEAD_S = 0.25
"""Between two updates of the line above the grid."""
REORDER_S = 1.0
CHUNKS_PER_MESSAGE = 10
"""Chunks in one message."""
PUSHED_CHUNKS = 400
"""Chunks that a view gets without requesting them; it keeps as many."""
MAX_VIEWS = 16
MAX_TEXTS = 50
"""Rows whose whole answers are sent in one message."""


class ResultGrid(anywidget.AnyWidget):
    """Cases x variants in a notebook.

    Args:
        sheet: the rows; empty at the start of a run.
        on_stop: called when somebody presses Stop; None hides the button.
        messages: gives the messages that were sent, for opened cells.
        editing: edits cases from opened cells; None hides that.
        trace_url: the address of a trace, if it has one.
        request: gives the body of a request, for opened cells.
        blocks: the run keeps the kernel busy; a Stop that does not get through interrupts it.
        previews: gives pictures of the documents that cases name.
    """

    _esm = shared.script("widgets/grid")
    _css = shared.styles("widgets/grid")

    _begin = traitlets.Dict().tag(sync=True)
    _head = traitlets.Dict().tag(sync=True)
    _first = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        sheet: Sheet,
        on_stop: Callable[[], None] | None = None,
        messages: Messages | None = None,
        editing: Editing | None = None,
        trace_url: Callable[[str], str | None] | None = None,
        request: RequestBody | None = None,
        *,
        blocks: bool = False,
        previews: Show | None = None,
    ) -> None:
        self._blocks = blocks
        self._previews = previews
        self._sheet = sheet
        self._editing = editing
        self._trace_url = trace_url
        self._on_stop = on_stop
        self._messages = messages
        self._request = request
        self._frame: pd.DataFrame | None = None
        self._summary: pd.DataFrame | None = None
        self._html: str | None = None
        self._recorded: RunLink | None = None
        self._statics: list[StaticOutput] = []
        self._selected: list[tuple[int, int]] = []
        self._queries: dict[str, Query] = {}
        self._tally = Tally()
        self._sums: dict[str, dict[str, list[float]]] = {}
        self._changed: set[tuple[int, int]] = set()
        self._lock = threading.RLock()
        self._pushing = threading.Lock()
        self._wake = threading.Event()
        self._sender: threading.Thread | None = None
        self._closed = threading.Event()
        super().__init__(
            _begin=self._about(), _head=self._state(), _first=rows.chunk(sheet, 0)
        )  # fmt: skip
        self.on_msg(self._on_message)
        answer_at_once(self)

    def __repr__(self) -> str:
        said = self._tally.line() if self._tally.total else f"{len(self._sheet):,} rows"
        return f"Result grid: {said}, {len(self._sheet.variants)} variants"

    def _ipython_display_(self) -> None:
        """The widget and, in its own output, a static table for readers without a kernel."""
        self.open()  # it may have been closed when its cell was executed again
        close_earlier(self)
        bundle = super()._repr_mimebundle_()
        assert bundle is not None  # an open widget always has one
        with self._pushing:  # sending rows at the same time would slow down both
            display(bundle[0], raw=True)
            self._statics.append(StaticOutput(self.html))

    @property
    def html(self) -> str:
        """The static table that a reader without a kernel sees."""
        if self._html is None:
            self._html = static_text(RUNNING)
            if self._frame is not None and self._summary is not None:
                self._html = static_table(self._sheet, self._frame, self._summary, self._previews)
        return self._html

    @property
    def selection(self) -> pd.DataFrame:
        """The selected answers as rows of `results.frame`; empty if none is selected."""
        import pandas as pd

        with self._lock:
            cells = list(self._selected)
        if self._frame is not None:
            return self._frame.iloc[self._sheet.positions(cells)]
        names = ["variant", "case_id", "repeat", "state", "output"]
        return pd.DataFrame(self._running_rows(cells), columns=names)

    def finish(
        self, frame: pd.DataFrame, summary: pd.DataFrame, yes_no: set[str], link: RunLink | None
        = None,
    ) -> None:  # fmt: skip
        """Show the results of a run that has ended.

        Args:
            frame: the long frame.
            summary: one row per variant.
            yes_no: the scores that are yes or no.
            link: where it is recorded, if it is.
        """
        with self._lock:
            self._recorded = link
            self._sheet.fill(frame, yes_no)
            self._frame, self._summary = frame, summary
            self._changed.clear()
        with self.hold_sync():  # one message instead of three
            self._begin, self._head = self._about(), self._state()
            self._first = rows.chunk(self._sheet, 0)
        self._html = None
        for static in self._statics:
            static.replace(self.html)

    def on_event(self, event: Event) -> None:
        """Handle an event of a run; returns at once, the view follows within 50 ms."""
        with self._lock:
            self._tally.add(event)
            if isinstance(event, Queued) and self._sender is None:
                self._sender = threading.Thread(
                    target=self._send_updates, name="pex-view", daemon=True
                )
                self._sender.start()
            if isinstance(event, Started | Delta | Retried | Answered | Failed | Scored):
                cell = cell_after(self._sheet.cell(event.place), event)
                position = self._sheet.put(event.place, cell)
                if position is not None:
                    self._mark_changed(*position)
            if isinstance(event, Scored):
                self._add_scores(event)
        self._wake.set()

    def close_run(self) -> None:
        """Send the last changes; the view does not change after that."""
        self._closed.set()
        self._wake.set()
        if self._sender is not None:
            self._sender.join(timeout=5)
        self._send_changes()
        self._send_head()
        self._push()

    def _about(self) -> dict[str, Any]:
        sheet = self._sheet
        return {
            "variants": [clean(name) for name in sheet.variants],
            "baseline": sheet.baseline,
            "rows": len(sheet),
            "chunk": rows.CHUNK,
            "kept": PUSHED_CHUNKS,
            "kinds": [[kind, text] for kind, text in KINDS.items()],
            "slices": [clean(part) for part in tags_and_groups(sheet.lines)],
            "scores": [clean(name) for name in sheet.score_names],
            "sorts": [[name, text] for name, text in SORTS.items()],
            "tests": offered_conditions(sheet),
            "can_stop": self._on_stop is not None,
            "blocks": self._blocks,
            "recorded": self._recorded.shown() if self._recorded else None,
        }

    def _state(self) -> dict[str, Any]:
        tally = self._tally
        live = tally.total > 0
        return {
            "done": tally.done,
            "total": tally.total,
            "line": tally.line() if live else "",
            "status": tally.status if live else "finished",
            "columns": self._heads(),
        }

    def _heads(self) -> list[Head]:
        if self._summary is not None:
            return finished_heads(self._sheet, self._summary)
        return [running_head(self._sums.get(name, {})) for name in self._sheet.variants]

    def _mark_changed(self, row: int, column: int) -> None:
        self._changed.add((row, column))
        if column == self._sheet.baseline:  # the others are compared with it
            cells = self._sheet.row(row)
            self._changed |= {(row, n) for n, cell in enumerate(cells) if cell is not None}

    def _add_scores(self, event: Scored) -> None:
        by_name = self._sums.setdefault(event.place[0], {})
        for name, score in event.scores.items():
            if score.value is not None:
                by_name.setdefault(name, []).append(float(score.value))

    def _send_updates(self) -> None:
        """Send changes while a run goes on; runs on its own thread."""
        begun = ordered = time.monotonic()
        headed, behind = -HEAD_S, False
        pushes = list(PUSH_AFTER_S)
        while not self._closed.is_set():
            # Once a second even without events: the line shows times.
            self._wake.wait(HEAD_S if behind else 1.0)
            self._wake.clear()
            self._send_changes()
            now = time.monotonic()
            behind = now - headed < HEAD_S
            if not behind:
                headed = now
                self._send_head()
            if pushes and now - begun > pushes[0]:
                pushes.pop(0)
                self._push()
            if now - ordered > REORDER_S:
                ordered = now
                self._reorder()
            self._closed.wait(BATCH_S)

    def _send_changes(self) -> None:
        with self._lock:
            cells = [
                [row, column, rows.cell_for_view(self._sheet, row, column)]
                for row, column in self._changed
            ]
            self._changed.clear()
        if cells:
            self.send({"kind": "cells", "cells": cells})

    def _send_head(self) -> None:
        with self._lock:
            head = self._state()
            if self._begin["scores"] != self._sheet.score_names:
                self._begin = self._about()
        self._head = head

    def _push(self) -> None:
        """Send the first chunks; all of them if there are not too many."""
        with self._pushing:
            self._send_chunks(range(min(rows.chunk_count(self._sheet), PUSHED_CHUNKS)))

    def _send_chunks(self, numbers: Sequence[int]) -> None:
        for start in range(0, len(numbers), CHUNKS_PER_MESSAGE):
            part = list(numbers[start : start + CHUNKS_PER_MESSAGE])
            with self._lock:
                buffers = [rows.chunk(self._sheet, number) for number in part]
            self.send({"kind": "rows", "chunks": part}, buffers=buffers)

    def _send_texts(self, view: str, numbers: Sequence[int]) -> None:
        """Send the answers of rows at greater length, for a view that shows whole answers."""
        with self._lock:
            found = [
                [row, rows.long_texts(self._sheet, row)]
                for row in numbers[:MAX_TEXTS]
                if row in range(len(self._sheet))
            ]
        self.send({"kind": "texts", "view": view, "rows": found})

    def _reorder(self) -> None:
        for view, query in list(self._queries.items()):
            if not query.plain:
                self._send_order(view, query)

    def _send_order(self, view: str, query: Query) -> None:
        with self._lock:
            found = find_rows(self._sheet, query)
        self.send({"kind": "order", "view": view}, buffers=[rows.pack_numbers(found)])

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        kind = content.get("kind") if isinstance(content, Mapping) else None
        if kind == "stop" and self._on_stop is not None:
            self._on_stop()
        elif kind == "ready":
            threading.Thread(target=self._push, name="pex-rows", daemon=True).start()
        elif kind == "rows":
            known = range(rows.chunk_count(self._sheet))
            self._send_chunks(
                [n for n in content["chunks"] if n in known][: 2 * CHUNKS_PER_MESSAGE]
            )
        elif kind == "texts":
            self._send_texts(str(content["view"]), content["rows"])
        elif kind == "query":
            self._set_query(str(content["view"]), Query.from_message(content))
        elif kind == "bye":
            self._queries.pop(str(content["view"]), None)
        elif kind in ("open", "edit", "keep"):
            self._open(content, kind)
        elif kind == "select":
            wide, cells = len(self._sheet.variants), rows.unpack_numbers(buffers[0])
            with self._lock:
                self._selected = [divmod(cell, wide) for cell in cells]
        elif kind == "export":
            self._export(content)
        elif kind == "page" and self._recorded is not None:
            self._recorded.open(content.get("view"), self.send)

    def _set_query(self, view: str, query: Query) -> None:
        self._queries.pop(view, None)
        self._queries[view] = query
        while len(self._queries) > MAX_VIEWS:
            del self._queries[next(iter(self._queries))]
        self._send_order(view, query)

    def _open(self, content: Mapping[str, Any], kind: str) -> None:
        row, column, mode = int(content["row"]), int(content["column"]), content.get("mode")
        if not (0 <= row < len(self._sheet) and 0 <= column < len(self._sheet.variants)):
            return
        about = {"view": content["view"], "row": row, "column": column}
        if kind != "open":
            self.send({"kind": kind, **about, **self._edit(content, row, column)})
            return
        with self._lock:
            shown = cell_details(
                self._sheet, row, column, self._messages, mode if mode in MODES else "text",
                self._trace_url, self._request, self._previews,
            )  # fmt: skip
        more = {"place": [row, column], "edits": self._editing is not None}
        self.send({"kind": "opened", **about, "cell": shown | more})

    def _edit(self, content: Mapping[str, Any], row: int, column: int) -> dict[str, Any]:
        if self._editing is None:
            return {}
        place, cell = self._sheet.place(row, column), self._sheet.row(row)[column]
        if content["kind"] == "edit":
            return edit_form(self._editing, place[1], cell, str(content.get("what")))
        shown, case = apply_edit(self._editing, place[1], cell, content)
        if case is not None:
            self._show_expected(row, case)
        return shown

    def _show_expected(self, row: int, case: Case) -> None:
        """Show a corrected expected answer in all rows of its case."""
        with self._lock:
            self._sheet.line(row).expected = (
                "" if case.expected is None else value_text(case.expected)
            )
        first = row - row % self._sheet.repeats
        chunks = {n // rows.CHUNK for n in range(first, first + self._sheet.repeats)}
        self._first, self._html = rows.chunk(self._sheet, 0), None
        self._send_chunks(sorted(chunks))

    def _export(self, content: Mapping[str, Any]) -> None:
        frame = self.selection
        if not len(frame) and self._frame is not None:
            query = self._queries.get(str(content["view"]), Query())
            wide = len(self._sheet.variants)
            cells = [(row, c) for row in find_rows(self._sheet, query) for c in range(wide)]
            frame = self._frame.iloc[self._sheet.positions(cells)]
        paste = content.get("form") == "tabs"
        text = table_text(frame, "\t" if paste else ",")
        about = {"view": content["view"], "form": content.get("form"), "count": len(frame)}
        self.send({"kind": "export", **about}, buffers=[text.encode()])

    def _running_rows(self, cells: Sequence[tuple[int, int]]) -> list[tuple[Any, ...]]:
        """Cells as rows of a frame, while a run goes on."""
        found = [(cell, self._sheet.row(cell[0])[cell[1]]) for cell in cells]
        return [
            (*self._sheet.place(*at), cell.state, cell.text)
            for at, cell in found
            if cell is not None
        ]


def show(frame: pd.DataFrame, summary: pd.DataFrame, sheet: Sheet, yes_no: set[str],
         messages: Messages | None = None, editing: Editing | None = None,
         trace_url: Callable[[str], str | None] | None = None,
         request: RequestBody | None = None,
         link: RunLink | None = None, previews: Show | None = None) -> ResultGrid:  # fmt: skip
    """The grid of a run that has ended; it shows itself as the last thing in a cell."""
    grid = ResultGrid(sheet, None, messages, editing, trace_url, request, previews=previews)
    grid.finish(frame, summary, yes_no, link)
    return grid
