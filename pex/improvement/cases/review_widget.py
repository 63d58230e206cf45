"""Proposals reviewed in a notebook, with keys: accept, reject, edit, undo, previous, next.

The widget holds nothing of its own: proposals and decisions are in the file, so a kernel that is
restarted goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets
from IPython.display import display

from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.core.text import value_text
from pex.improvement.cases.proposed import Proposals
from pex.widgets import shared
from pex.widgets.static_output import StaticOutput, static_text
from pex.widgets.subshell import answer_at_once

_MOST_CHARS = 20_000
_LINE_CHARS = 60


class ReviewWidget(anywidget.AnyWidget):
    """One open proposal at a time.

    Args:
        proposals: the proposals.
    """

    _esm = shared.script("improvement/cases/review")
    _css = shared.styles("improvement/cases/review")

    _state = traitlets.Dict().tag(sync=True)

    def __init__(self, proposals: Proposals) -> None:
        self._proposals = proposals
        self._open = [item.case for item in proposals.open()]
        self._total, self._place = len(self._open), 0
        self._rejected: list[str] = []
        self._serial = 0
        self._static: StaticOutput | None = None
        super().__init__(_state={})
        self._show("")
        self.on_msg(self._on_message)
        answer_at_once(self)

    def __repr__(self) -> str:
        return clean(f"Review of proposed cases: {self._count()}")

    def _ipython_display_(self) -> None:
        bundle = super()._repr_mimebundle_()
        assert bundle is not None  # an open widget always has one
        display(bundle[0], raw=True)
        self._static = StaticOutput(static_text(f"{self!r}."))

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        if not isinstance(content, Mapping):
            return
        kind, case_id = content.get("kind"), str(content.get("id"))
        try:
            self._show(self._act(kind, case_id, content))
        except (PexError, OSError) as error:
            self._show(str(error), keep_editing=True)

    def _act(self, kind: Any, case_id: str, content: Mapping[str, Any]) -> str:
        if kind == "go" and self._open:
            self._place = (self._place + int(content.get("by", 1))) % len(self._open)
            return ""
        if kind == "undo":
            if not self._rejected:
                return "Nothing to undo: an accepted case is in the file of cases."
            self._proposals.reopen(self._rejected[-1])
            back = self._rejected.pop()
            self._open = [item.case for item in self._proposals.open()]
            self._place = next(n for n, case in enumerate(self._open) if case.id == back)
            return "The rejection was taken back."
        case = next((case for case in self._open if case.id == case_id), None)
        if case is None or kind not in ("accept", "reject"):
            return ""
        if kind == "accept":
            self._proposals.accept(case.id, _changes(case, content.get("changes")))
            said = "Accepted"
        else:
            self._proposals.reject(case.id)
            self._rejected.append(case.id)
            said = "Rejected"
        self._open.remove(case)
        self._place = min(self._place, max(0, len(self._open) - 1))
        text = " ".join(value_text(next(iter(case.inputs.values()))).split())
        return f"{said}: {text if len(text) <= _LINE_CHARS else text[: _LINE_CHARS - 1] + '…'}"

    def _count(self) -> str:
        return f"{self._total - len(self._open)} of {self._total} decided"

    def _show(self, line: str, *, keep_editing: bool = False) -> None:
        case = self._open[self._place] if self._open else None
        self._serial += 1
        self._state = {
            "serial": self._serial,  # the view waits for an answer, also for an equal one
            "total": self._total,
            "decided": self._total - len(self._open),
            "count": self._count(),
            "line": clean(line),
            "keep_editing": keep_editing,
            "end": "All proposals are decided." if self._total else "No proposed case waits.",
            "shown": None if case is None else _shown(case),
        }
        if self._static is not None:
            self._static.replace(static_text(f"{self!r}."))


def _shown(case: Case) -> dict[str, Any]:
    rows = [_row(name, value) for name, value in case.inputs.items()]
    if case.expected is not None:
        rows.append(_row("expected", case.expected))
    origin = case.provenance
    said = f"{origin.way}, by {origin.model}, from case {origin.seed}" if origin else ""
    return {"id": case.id, "rows": rows, "origin": clean(said)}


def _row(name: str, value: Any) -> list[Any]:
    text = clean(value_text(value))
    editable = isinstance(value, str) and text == value and len(text) <= _MOST_CHARS
    return [clean(name), text[:_MOST_CHARS], editable]


def _changes(case: Case, given: Any) -> dict[str, Any]:
    """The strings that were edited; anything else in the message is left out."""
    values = {**case.inputs, "expected": case.expected}
    if not isinstance(given, Mapping):
        return {}
    return {
        str(name): str(value) for name, value in given.items() if isinstance(values.get(name), str)
    }
