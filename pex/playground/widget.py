"""The Playground's view: messages from the browser become calls, and what they change goes back.

A change of the draft goes to the browser as what differs from the last document, because a
keystroke changes one field of one variant or case.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets
from IPython.display import display

from pex.core.errors import PexError
from pex.playground.draft_view import changes
from pex.playground.error_text import error_text
from pex.playground.judges import KIND as JUDGE
from pex.playground.runs import in_background
from pex.playground.shown import Shown, differences, rendered, static_draft
from pex.widgets import shared
from pex.widgets.static_output import StaticOutput
from pex.widgets.subshell import answer_at_once

if TYPE_CHECKING:
    from pex.playground.session import Session

BATCH_S = 0.05
"""Between two messages with answers."""
VIEWS = 16
"""At most so many browser views are remembered, with the last message of each."""


class PlaygroundView(anywidget.AnyWidget):
    """The view of a session in a notebook.

    Args:
        session: what is shown and worked on.
        acked: the number of the last message that was carried out for each browser view; an
            earlier view of the same session has the same one, and can still get messages.
    """

    _esm = shared.script("playground/widget")
    _css = shared.styles(
        "playground/playground",
        "playground/answers",
        "playground/code",
        "playground/versions",
        "playground/table",
        "playground/images",
        "playground/json_fields",
        "playground/chat/chat",
    )

    _doc = traitlets.Dict().tag(sync=True)
    _change = traitlets.Dict().tag(sync=True)
    _cells = traitlets.Dict().tag(sync=True)
    _status = traitlets.Dict().tag(sync=True)

    def __init__(self, session: Session, acked: dict[str, int] | None = None) -> None:
        self.acked = acked if acked is not None else {}
        self._session = session
        self._static: StaticOutput | None = None
        self._gone: dict[str, str] = {}
        self._touched: set[str] = set()
        self._stirred = False
        self._following = False
        self._guard = threading.Lock()
        doc = {**session.document(), "acked": dict(self.acked), "rev": 0}
        super().__init__(_doc=doc, _status=session.status(), _cells=session.cells())
        self.on_msg(self._on_message)
        answer_at_once(self)

    def __repr__(self) -> str:
        counts = {"variant": len(self._doc["variants"]), "case": len(self._doc["cases"])}
        shown = [f"{count} {what}{'s' * (count != 1)}" for what, count in counts.items()]
        return f"Playground: {' x '.join(shown)}"

    def show(self) -> None:
        """Display it and, in an output of its own, a static copy for readers without a kernel."""
        bundle = super()._repr_mimebundle_()
        assert bundle is not None  # an open widget always has one
        display(bundle[0], raw=True)
        self._static = StaticOutput(static_draft(self._doc, self._cells))

    def set_doc(self, doc: Shown) -> None:
        """Show a document, by sending what differs from the last one."""
        with self._guard:
            doc = {**doc, "acked": dict(self.acked)}
            before = self._doc
            change = changes(before, doc)
            if not change:
                return
            rev = before["rev"]
            # In place: nothing is sent, and a page that is opened later still gets all of it.
            before.update(doc, rev=rev + 1)
            self._change = {"from": rev, "rev": rev + 1, **change}

    def touch(self, keys: Iterable[str] = ()) -> None:
        """Show the status and these answers; within 50 ms, together with others."""
        with self._guard:
            self._touched.update(keys)
            self._stirred = True
            if self._following:
                return
            self._following = True
        threading.Thread(target=self._follow, name="pex-play-view", daemon=True).start()

    def settle(self) -> None:
        """Show everything, and leave it for readers without a kernel."""
        self._show_status()
        self._cells = self._session.cells()
        if self._static is not None:
            self._static.replace(static_draft(self._doc, self._cells))

    def close_view(self, why: str) -> None:
        """Say that this view is no longer used."""
        self._gone = {"gone": why}
        self._show_status()

    def _show_status(self) -> None:
        self._status = {**self._session.status(), **self._gone}

    def _follow(self) -> None:
        """A thread of its own, only while something changes."""
        while True:
            with self._guard:
                keys, self._touched = self._touched, set()
                if not self._stirred:
                    self._following = False
                    return
                self._stirred = False
            self._show_status()
            if keys:
                self.send({"kind": "cells", "cells": self._session.cells(keys)})
            time.sleep(BATCH_S)

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        """Do what somebody asks for in the browser."""
        if not isinstance(content, Mapping):
            return
        session, view = self._session, str(content.get("view", ""))
        match content.get("kind"):
            case "ready":
                self.settle()
            case "document":
                with self._guard:  # no change overtakes it
                    self.send_state("_doc")
            case "act":
                self._act(content, view)
            case "run":
                variants, cases = _ids(content, "variants"), _ids(content, "cases")
                self._attempt(lambda: session.run(variants, cases))
            case "stop":
                session.stop()
            case "difference":
                in_background(lambda: self._send_differences(content, view))
            case "markdown":
                in_background(lambda: self._send_markdown(content, view))
            case "save":
                in_background(lambda: self._save(content, view))
            case "code":
                in_background(lambda: self._send_code(content, view))
            case "page":
                session.open_recorded(view, self.send)
            case "versions":
                in_background(lambda: self._send_versions(content, view))
            case "models":
                session.menu.open(self._to(view), content.get("ask"))
            case "key":
                session.menu.enter(content, self._to(view))
            case "judge":
                self._add_judge(content, view)
            case "image":
                data = bytes(buffers[0]) if buffers else None
                in_background(lambda: self._image(content, data, view))
            case "table" | "add_table":
                data = bytes(buffers[0]) if buffers else None
                in_background(lambda: self._table(content, data, view))

    def _act(self, content: Mapping[str, Any], view: str) -> None:
        self._acknowledge(view, content.get("mine"))
        session, act, how = self._session, content.get("act"), content.get("from")
        if act == "undo":
            self._attempt(session.undo)
        elif act == "redo":
            self._attempt(session.redo)
        elif act == "reset":
            self._attempt(session.reset)
        elif act == "fresh":
            self._attempt(lambda: session.set_fresh(bool(content.get("value"))))
        elif act == "restore":  # the library may take a moment
            in_background(lambda: self._attempt(lambda: session.restore(content)))
        elif act == "chat":
            self._attempt(lambda: session.chats.act(content))
        elif act == "feedback":
            self._attempt(lambda: session.give_feedback(content))
        elif act == "markdown":
            self._attempt(lambda: session.set_markdown(bool(content.get("value"))))
        elif act == "add_case" and how not in (None, "typed"):
            # The cases of the last run may have to come from MLflow, which takes seconds.
            add = lambda: session.add_cases(str(how), content.get("value"))  # noqa: E731
            in_background(lambda: self._attempt(add))
        else:
            self._attempt(lambda: session.edit(content))

    def _attempt(self, do: Callable[[], object]) -> None:
        try:
            do()
        except Exception as error:  # noqa: BLE001 - a traceback would be in some cell's output
            self._session.fail(error)

    def _acknowledge(self, view: str, number: Any) -> None:
        """The next document says that this message was carried out."""
        if not view or not isinstance(number, int):
            return
        with self._guard:
            before = self.acked.pop(view, 0)
            self.acked[view] = max(before, number)
            while len(self.acked) > VIEWS:
                self.acked.pop(next(iter(self.acked)), None)

    def _send_differences(self, content: Mapping[str, Any], view: str) -> None:
        pieces = differences(self._session.cells(), str(content.get("against", "")))
        self.send({"kind": "difference", "view": view, "pieces": pieces})

    def _send_markdown(self, content: Mapping[str, Any], view: str) -> None:
        html = rendered(self._session.cells(_ids(content, "cells") or []))
        self.send({"kind": "markdown", "view": view, "html": html})

    def _send_versions(self, content: Mapping[str, Any], view: str) -> None:
        column, found = content.get("variant"), dict[str, Any]()
        try:
            found = {"ok": True, **self._session.versions(column)}
        except Exception as error:  # noqa: BLE001 - a traceback would be in some cell's output
            found = {"ok": False, "text": error_text(error)}
        self.send({"kind": "versions", "view": view, "variant": column, **found})

    def _save(self, content: Mapping[str, Any], view: str) -> None:
        try:
            ok, text = True, self._session.save_to(content)
        except (PexError, OSError) as error:
            ok, text = False, error_text(error)
        self.send({"kind": "saved", "view": view, "ok": ok, "text": text})

    def _to(self, view: str) -> Callable[[dict[str, Any]], None]:
        """Sends messages to one browser view, from any thread."""
        return lambda message: self.send({**message, "view": view})

    def _add_judge(self, content: Mapping[str, Any], view: str) -> None:
        """Add a judge as a check, or change one; its dialog says why not."""
        found = dict[str, Any](ok=True)
        try:
            self._session.edit({**content, "act": "add_check", "check": JUDGE})
        except PexError as error:
            found = {"ok": False, "text": error_text(error)}
        self.send({"kind": "judge", "view": view, **found})

    def _table(self, content: Mapping[str, Any], data: bytes | None, view: str) -> None:
        """Read a table that somebody brings, or add the cases of the last one."""
        add = content.get("kind") == "add_table"
        imports = self._session.imports
        try:
            found = imports.add_table(content) if add else imports.read_table(content, data)
        except Exception as error:  # noqa: BLE001 - a traceback would be in some cell's output
            found = {"ok": False, "text": error_text(error)}
        self.send({"kind": "table", "view": view, **found})

    def _image(self, content: Mapping[str, Any], data: bytes | None, view: str) -> None:
        """Keep an image or document that somebody brings, or send one that the draft names."""
        imports, url = self._session.imports, str(content.get("url", ""))
        document, name = content.get("document"), str(content.get("name", ""))
        buffers, found = [], dict[str, Any]()
        try:
            if document is not None and data is not None:
                found = {"ok": True, "text": imports.add_document(str(document), name, data)}
            elif document is not None:
                found = {"ok": True, "preview": imports.document(name, url)}
            elif data is not None:
                found = {"ok": True, "text": imports.add_image(name, data)}
            else:
                kind, image = imports.image(url)
                found, buffers = {"ok": True, "type": kind}, [image]
        except Exception as error:  # noqa: BLE001 - a traceback would be in some cell's output
            found = {"ok": False, "text": error_text(error)}
        self.send({"kind": "image", "view": view, "id": content.get("id"), **found}, buffers)

    def _send_code(self, content: Mapping[str, Any], view: str) -> None:
        kind, column, entry = (str(content.get(name, "")) for name in ("of", "variant", "case"))
        try:
            text = self._session.code(kind or "pex", column, entry)
        except PexError as error:
            text = "".join(f"# {line}\n" for line in str(error).splitlines())
        chosen = {"of": kind, "variant": column, "case": entry}
        self.send({"kind": "code", "view": view, "text": text, **chosen})


def _ids(content: Mapping[str, Any], name: str) -> list[str] | None:
    value = content.get(name)
    return [str(item) for item in value] if isinstance(value, list) else None
