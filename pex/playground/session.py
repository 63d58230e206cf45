"""What a Playground works on: a draft, its answers, its file and its view.

There is one session for each draft in a kernel, so a cell that is run again finds everything as
it was, including runs in progress.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from pex.core.errors import PexError
from pex.experiment.execution import Execution
from pex.experiment.experiment import Experiment
from pex.playground import drafting, images, saving, versions
from pex.playground.answers import Answers, cell_key, fingerprint
from pex.playground.beginning import Beginning, alike, source_fingerprint
from pex.playground.chat.chats import Chats
from pex.playground.debounce import Debouncer
from pex.playground.draft import Draft, Problem
from pex.playground.draft_files import FOLDER, DraftFile, Kept
from pex.playground.draft_view import document
from pex.playground.error_text import error_text
from pex.playground.feedback import Feedback
from pex.playground.history import History, with_cases
from pex.playground.imports import Imports
from pex.playground.mlflow_feedback import MlflowFeedback, Recorded
from pex.playground.model_menu import ModelMenu
from pex.playground.runs import Runs, Wanted, in_background
from pex.playground.shown import Shown

SETTLE_S = 0.4
"""Seconds from a change until the draft is saved, and sizes and models are checked."""
GONE = "This Playground was opened again; continue in the newer one."

_sessions: dict[str, Session] = {}


class View(Protocol):
    """What a session needs of the view that shows it."""

    acked: dict[str, int]

    def show(self) -> None:
        """Display it."""

    def set_doc(self, doc: Shown) -> None:
        """Show a document."""

    def touch(self, keys: Iterable[str] = ()) -> None:
        """Show the status and these answers, soon."""

    def settle(self) -> None:
        """Show everything, and leave it for readers without a kernel."""

    def close_view(self, why: str) -> None:
        """Say that this view is no longer used."""


class Session:
    """A draft and everything around it.

    Args:
        key: of the draft; "" for one that is not kept.
        base: the experiment that it starts from.
        record: whether runs are recorded in MLflow.
    """

    def __init__(self, key: str, base: Experiment | None, record: bool) -> None:
        self.key = key
        self.base = base
        self.record = record
        self.fresh = False
        self.markdown = False
        self.runs = Runs(self._show_cells, self._on_run_end)
        self._lock = threading.RLock()
        self._writing = threading.Lock()
        self._view: View | None = None
        self._error = self._said = self._estimate = ""
        self._late: dict[str, list[Problem]] = {}
        self._answers = Answers(self.runs)
        self._in_mlflow = MlflowFeedback(self._recorded, self._note)
        self._settling = Debouncer(SETTLE_S, self._settle)
        self.menu = ModelMenu(
            where=lambda: drafting.settings_of(self.base),
            used=lambda: drafting.used_models(self.base, self.draft),
            on_key=self._settling.trigger,
        )
        self.imports = Imports(
            draft=lambda: self.draft, base=lambda: self.base, step=self._step, say=self._say
        )
        self.chats = Chats(
            self.runs, draft=lambda: self.draft, base=lambda: self.base, step=self._step,
            replace=self._replace, fresh=lambda: self.fresh, say=self._say, fail=self.fail,
        )  # fmt: skip
        project, settings = drafting.settings_of(base)
        self._file = DraftFile(project / settings.journal.path / FOLDER, key) if key else None
        self._beginning = Beginning(base)
        self.history = History(self._read_file() or self._beginning.first)

    @property
    def draft(self) -> Draft:
        """The draft as it is now."""
        return self.history.draft

    def reopen(self, base: Experiment | None, record: bool) -> None:
        """The cell was run again: its experiment may have changed, the draft stays."""
        with self._lock:
            self.record = record
            self.base = base
            self._beginning.reopen(base)
            self._error = ""

    def show(self, new_view: Callable[[Session, dict[str, int]], View]) -> None:
        """Display a new view; an earlier one says that it is no longer used.

        Args:
            new_view: makes it, from the session and the messages that an earlier one carried out.
        """
        with self._lock:
            old = self._view
            view = self._view = new_view(self, old.acked if old is not None else {})
        if old is not None:
            old.close_view(GONE)
        view.show()
        self._settling.trigger()
        if self.record:
            in_background(lambda: drafting.warm(self.base))

    def edit(self, act: Mapping[str, Any]) -> None:
        """Take a step in the draft, see `history.done`.

        Raises:
            PexError: there is no such act, or it does not fit the draft, which is unchanged.
        """
        self._change(lambda: self.history.do(act))

    def undo(self) -> None:
        """Go one step back."""
        self._change(self.history.undo)

    def redo(self) -> None:
        """Take a step again that was undone."""
        self._change(self.history.redo)

    def reset(self) -> None:
        """Start again from the experiment as it is now; this can be undone."""

        def start() -> None:
            self._beginning = Beginning(self.base)
            self.history.step(self._beginning.first)

        self._change(start)

    def follow_source(self) -> None:
        """If the experiment has changed, take its prompts and cases; conversations stay."""
        if source_fingerprint(self.base) == self._beginning.fingerprint:
            return

        def follow() -> None:
            self._beginning = Beginning(self.base)
            first = self._beginning.first
            there = {column.id for column in first.columns}
            chats = tuple(chat for chat in self.draft.chats if chat.column in there)
            self.history.step(dataclasses.replace(first, chats=chats))

        self._change(follow)

    def set_fresh(self, fresh: bool) -> None:
        """Whether runs ask for new answers, even if the journal has some."""

        def change() -> None:
            self.fresh = fresh

        self._change(change)

    def set_markdown(self, markdown: bool) -> None:
        """Whether answers are shown as Markdown; the draft remembers it."""

        def change() -> None:
            self.markdown = markdown

        self._change(change)

    def give_feedback(self, act: Mapping[str, Any]) -> None:
        """A thumb or a note on an answer: kept with the draft, and on the answer's trace.

        Raises:
            PexError: see `FeedbackBook.put`.
        """
        cell = str(act.get("cell"))
        self._change(lambda: self._answers.feedback.put(act))
        self._show_cells([cell])
        self._in_mlflow.trigger([cell])

    def add_cases(self, how: str, value: Any) -> None:
        """Add cases of the experiment, see `drafting.pick`; it may take seconds.

        Raises:
            PexError: there are none like this.
        """
        cases = drafting.pick(self.base, self.draft, how, value)
        self._step(lambda draft: with_cases(draft, cases))

    def fail(self, error: Exception) -> None:
        """Show why something could not be done."""
        internal = "" if isinstance(error, PexError) else "internal error: "
        self._error = internal + error_text(error)
        self._show_changes()

    def run(
        self,
        columns: Sequence[str] | None = None,
        entries: Sequence[str] | None = None,
        *,
        now: bool = False,
    ) -> Execution | None:
        """Run a part of the draft; what has a problem is left out.

        Args:
            columns: ids of variants; None: all.
            entries: ids of cases; None: all.
            now: start before this returns, and return the handle.

        Raises:
            PexError: nothing can be run; all problems are in it.
        """
        with self._lock:
            draft, base = self.draft, self.base
            sound, rows = drafting.sound_part(draft, columns, entries)
            late = drafting.late_problems(draft, base, [c.id for c in sound], [e.id for e in rows])
            self._late.update(late)
            ready = [c for c in sound if not late[c.id]]
            if not ready:
                drafting.check_none([(c, late[c.id]) for c in sound])
            fingerprints = {cell_key(c, e): fingerprint(draft, c, e) for c in ready for e in rows}
            asked = [
                c
                for c in ready
                for keys in [[cell_key(c, e) for e in rows]]
                if not all(self.runs.waits(key, fingerprints[key]) for key in keys)
            ]
            if not asked:
                return self.runs.asking(cell_key(ready[0], rows[0]))
            experiment = drafting.experiment_of(
                draft, base, [c.id for c in asked], [e.id for e in rows]
            )
            keys = {(c.name, draft.cases[e.id].id, 1): cell_key(c, e) for c in asked for e in rows}
            self._answers.forget_restored(keys.values())
            self._error = self._said = ""
            job = Wanted(experiment, keys, fingerprints, self.fresh, self.record)
        execution = self.runs.begin(job, now)
        self._show_changes()
        return execution

    def open_recorded(self, view: str, send: Callable[[Mapping[str, Any]], None]) -> None:
        """Send a view the address of the last run's page, or why there is none."""
        link = self.runs.link
        if link is not None:
            link.open(view, send)

    def stop(self) -> None:
        """Stop all runs now; answers that are there stay."""
        self.runs.stop()

    def document(self) -> dict[str, Any]:
        """The draft as the view gets it."""
        with self._lock:
            return document(self.draft, self.base, self._late) | {
                "key": self.key,
                "chats": self.chats.shown(self.draft),
                "chat_alone": self.chats.alone,
                "can_undo": self.history.can_undo,
                "can_redo": self.history.can_redo,
                "estimate": self._estimate,
                "notice": self._beginning.notice,
                "can_reset": not alike(self.draft, self._beginning.first),
            }

    def status(self) -> dict[str, Any]:
        """Runs and messages, as the view gets them."""
        link = self.runs.link
        return {
            "running": self.runs.running,
            "line": self.runs.line,
            "said": self._said,
            "error": self._error or self.runs.error,
            "fresh": self.fresh,
            "markdown": self.markdown,
            "recorded": link.shown() if link is not None else None,
            "chat_usd": self.chats.status(self.draft),
        }

    def cells(self, keys: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """Answers as the view gets them: of these cells, or of all."""
        with self._lock:
            wanted = None if keys is None else list(keys)
            found = self._answers.shown(self.draft, wanted)
            return found | self.chats.cells(self.draft, wanted)

    def save_to(self, content: Mapping[str, Any]) -> str:
        """Save to the place that the dialog names, see `saving.save`; returns the message for it.

        Raises:
            PexError: it cannot be saved.
        """
        draft = self.draft
        text, new = saving.save(draft, self.base, content)
        with self._lock:
            if new is not None and self.draft is draft:
                self.history.replace(new)
        self._show_changes()
        return text

    def code(self, kind: str = "pex", column: str = "", entry: str = "") -> str:
        """The draft, or one request of it, as code, see `saving.to_code`.

        Raises:
            PexError: there are problems; all of them are in it.
        """
        return saving.to_code(self.draft, self.base, kind, column, entry)

    def versions(self, column: Any) -> dict[str, Any]:
        """Earlier versions of a variant's prompt, see `versions.versions_of`."""
        return versions.versions_of(self.draft, self.base, column)

    def restore(self, act: Mapping[str, Any]) -> None:
        """Put an earlier version of a prompt into the editor, see `versions.restored`.

        Raises:
            PexError: there is no such version or variant.
        """
        prompt, column = versions.load(self.base, str(act.get("key"))), act.get("variant")
        images.keep_data(drafting.settings_of(self.base)[0], prompt.messages)
        self._step(lambda draft: versions.restored(draft, column, prompt))

    def flush(self) -> None:
        """Write the draft and the last answers now."""
        if self._file is None:
            return
        with self._writing:  # an earlier draft is never written over a later one
            with self._lock:
                said, chat_usd = self.chats.to_keep(self.draft)
                kept = Kept(
                    self.draft,
                    self._answers.to_keep(self.draft),
                    self._beginning.fingerprint,
                    markdown=self.markdown,
                    feedback=self._answers.feedback,
                    said=said,
                    chat_usd=chat_usd,
                )
            try:
                other = self._file.write(kept)
            except (OSError, TimeoutError) as error:
                other = f"the draft could not be saved: {error}"
        if other:
            self._error = other
            self._show_cells(())

    def check(self) -> None:
        """Estimate a run of everything, and look for problems with models and cases."""
        with self._lock:
            draft, base, fresh = self.draft, self.base, self.fresh
        found = drafting.look(draft, base, fresh)
        with self._lock:
            if draft is not self.draft:
                return
            self._estimate, self._late = found
            self._show_document()

    def _change(self, change: Callable[[], object]) -> None:
        with self._lock:
            change()
            self._error = ""
        self._show_changes()

    def _step(self, next_draft: Callable[[Draft], Draft]) -> None:
        """Take a step to the draft that is made from the one that is there."""
        self._change(lambda: self.history.step(next_draft(self.draft)))

    def _replace(self, next_draft: Callable[[Draft], Draft]) -> None:
        """Go on to that draft without a step that can be undone."""
        self._change(lambda: self.history.replace(next_draft(self.draft)))

    def _say(self, text: str) -> None:
        """Show what was done."""
        self._said = text
        self._show_changes()

    def _settle(self) -> None:
        self.flush()
        self.check()

    def _show_changes(self) -> None:
        """Show the draft and which answers are out of date now; a moment later, save it."""
        with self._lock:
            self._beginning.follow(self.draft)
            self._show_document()
            touched = [*self._answers.turned(self.draft), *self.chats.turned(self.draft)]
        self._show_cells(touched)
        self._settling.trigger()

    def _show_document(self) -> None:
        """Called with the lock, so documents are shown in the order in which they were made."""
        if self._view is not None:
            self._view.set_doc(self.document())

    def _show_cells(self, keys: Iterable[str]) -> None:
        view = self._view
        if view is not None:
            view.touch(keys)

    def _on_run_end(self) -> None:
        self._said = ""
        view = self._view
        if view is not None:
            view.settle()
        self._settling.trigger()
        with self._lock:
            rated = self._answers.rated()
        self._in_mlflow.trigger(rated)

    def _recorded(self, key: str) -> tuple[Recorded, Feedback] | None:
        """The recorded run of a cell's answer, and the feedback on it."""
        with self._lock:
            return self._answers.recorded(key)

    def _note(self, text: str) -> None:
        self._said = text
        self._show_cells(())

    def _read_file(self) -> Draft | None:
        """The draft as it was saved; its answers are restored too."""
        if self._file is None:
            return None
        try:
            kept = self._file.read()
        except PexError as error:
            self._error = error_text(error)
            return None
        if kept is None:
            return None
        self._answers.restore(kept.cells, kept.feedback)
        self.chats.restore(kept.said, kept.chat_usd)
        self.markdown = kept.markdown
        self._beginning.restore(kept)
        return kept.draft


def session_of(key: str, base: Experiment | None, record: bool) -> Session:
    """The session of a draft: the one that is there already, or a new one."""
    found = _sessions.get(key) if key else None
    if found is not None:
        found.reopen(base, record)
        return found
    session = Session(key, base, record)
    if key:
        _sessions[key] = session
    return session
