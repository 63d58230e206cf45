"""The Playground's view: what is typed goes to Python, documents and answers come back.

It knows nothing of drafts and runs: it hands on what it is given, and asks who made it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import anywidget
import traitlets
from IPython.display import display

from pex.playground.shown import Shown, static_draft
from pex.widgets import shared
from pex.widgets.static_output import StaticOutput
from pex.widgets.subshell import answer_at_once

BATCH_S = 0.05
"""Between two messages with answers."""


class PlaygroundView(anywidget.AnyWidget):
    """The view of a draft in a notebook.

    Args:
        doc: the document.
        read: gives the answers of these keys, or all of them for None.
        status: gives how things stand.
        on_message: called for whatever somebody does in the view.
    """

    _esm = shared.script("playground/widget")
    _css = shared.styles("playground/playground")

    _doc = traitlets.Dict().tag(sync=True)
    _cells = traitlets.Dict().tag(sync=True)
    _status = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        doc: Shown,
        read: Callable[[Iterable[str] | None], dict[str, Shown]],
        status: Callable[[], Shown],
        on_message: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._read = read
        self._read_status = status
        self._on = on_message
        self._static: StaticOutput | None = None
        self._touched: set[str] = set()
        self._stirred = False
        self._following = False
        self._guard = threading.Lock()
        super().__init__(_doc=doc, _status=status(), _cells=read(None))
        self.on_msg(self._on_message)
        answer_at_once(self)

    def __repr__(self) -> str:
        counts = {"variant": len(self._doc["variants"]), "case": len(self._doc["cases"])}
        shown = [f"{count} {what}{'s' * (count != 1)}" for what, count in counts.items()]
        return f"Playground: {' x '.join(shown)}"

    def show(self) -> None:
        """Display it and, in an output of its own, what is left of it without a kernel."""
        bundle = super()._repr_mimebundle_()
        assert bundle is not None  # an open widget always has one
        display(bundle[0], raw=True)
        self._static = StaticOutput(static_draft(self._doc, self._cells))

    def set_doc(self, doc: Shown) -> None:
        """Show a document."""
        self._doc = doc

    def touch(self, keys: Iterable[str] = ()) -> None:
        """Show how things stand now, and these answers; within 50 ms, together with others."""
        with self._guard:
            self._touched.update(keys)
            self._stirred = True
            if self._following:
                return
            self._following = True
        threading.Thread(target=self._follow, name="pex-view", daemon=True).start()

    def settle(self) -> None:
        """Show everything, and leave it for readers without a kernel."""
        self._status = self._read_status()
        self._cells = self._read(None)
        if self._static is not None:
            self._static.replace(static_draft(self._doc, self._cells))

    def close_view(self, why: str) -> None:
        """Say that this view is of no use any more."""
        self._status = {**self._read_status(), "gone": why}

    def _follow(self) -> None:
        """A thread of its own, only while something changes."""
        while True:
            with self._guard:
                keys, self._touched = self._touched, set()
                if not self._stirred:
                    self._following = False
                    return
                self._stirred = False
            self._status = self._read_status()
            if keys:
                self.send({"kind": "cells", "cells": self._read(keys)})
            time.sleep(BATCH_S)

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        if isinstance(content, Mapping):
            self._on(content)
