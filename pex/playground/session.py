"""What a Playground works on: a draft, its answers, its file and its view.

There is one session for each draft in a kernel, so a cell that is run again finds everything as
it was, including runs in progress.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pex.core.canonical_json import digest
from pex.core.errors import PexError
from pex.core.reading import AmbiguousError
from pex.experiment.execution import Execution
from pex.experiment.experiment import Experiment
from pex.playground import drafting, images, saving, versions
from pex.playground.debounce import Debouncer
from pex.playground.draft import Column, Draft, Entry, Problem
from pex.playground.draft_files import FOLDER, DraftFile, Kept
from pex.playground.draft_view import document
from pex.playground.feedback import Feedback, FeedbackBook, text_id
from pex.playground.history import MOST_ENTRIES, History, with_cases, without_blank
from pex.playground.judges import KIND as JUDGE
from pex.playground.mlflow_feedback import MlflowFeedback, Recorded
from pex.playground.model_menu import ModelMenu
from pex.playground.request_code import request_code
from pex.playground.runs import Runs, Wanted, error_text, in_background
from pex.playground.shown import Shown
from pex.playground.table import Table, added_text, choices_of, read_table
from pex.results.results import Results

SETTLE_S = 0.4
"""Seconds from a change until the draft is saved, and sizes and models are checked."""
FEEDBACK = ("thumb", "note")
"""What an answer has in the view only: a draft keeps feedback by itself."""
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
        self._table: Table | None = None
        self._restored: dict[str, dict[str, Any]] = {}
        self._stale: dict[str, bool] = {}
        self._feedback = FeedbackBook()
        self._in_mlflow = MlflowFeedback(self._recorded, self._note)
        self._settling = Debouncer(SETTLE_S, self._settle)
        self.menu = ModelMenu(
            where=lambda: drafting.settings_of(self.base),
            used=lambda: drafting.used_models(self.base, self.draft),
            on_key=self._recheck,
        )
        project, settings = drafting.settings_of(base)
        self._file = DraftFile(project / settings.journal.path / FOLDER, key) if key else None
        self._first, self._notice = drafting.begin(base)
        self._begun_from = drafting.source_fingerprint(base)
        self.history = History(self._read_file() or self._first)

    @property
    def draft(self) -> Draft:
        """The draft as it is now."""
        return self.history.draft

    @property
    def results(self) -> Results | None:
        """The results of the last run."""
        return self.runs.results

    def reopen(self, base: Experiment | None, record: bool) -> None:
        """The cell was run again: its experiment may have changed, the draft stays."""
        with self._lock:
            self.record = record
            begun_from = drafting.source_fingerprint(base)
            self.base = base
            if begun_from != self._begun_from:
                self._first, _ = drafting.begin(base)
                self._notice = _restored_notice("", changed=True)
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
            self._first, self._notice = drafting.begin(self.base)
            self._begun_from = drafting.source_fingerprint(self.base)
            self.history.step(self._first)

        self._change(start)

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
        self._change(lambda: self._feedback.put(act))
        self._show_cells([cell])
        self._in_mlflow.trigger([cell])

    def add_cases(self, how: str, value: Any) -> None:
        """Add cases of the experiment, see `drafting.pick`; it may take seconds.

        Raises:
            PexError: there are none like this.
        """
        cases = drafting.pick(self.base, self.draft, how, value)
        self._change(lambda: self.history.step(with_cases(self.draft, cases)))

    def read_table(self, content: Mapping[str, Any], data: bytes | None) -> dict[str, Any]:
        """Read a table that somebody brings, see `table.read_table`; returns what to show of it.

        Raises:
            PexError: it cannot be read.
        """
        variables = self.draft.variables
        self._table = None
        try:
            found = read_table(content, data, variables)
        except AmbiguousError as error:
            return {"ok": False, **choices_of(error)}
        self._table = found
        room = MOST_ENTRIES - len(without_blank(self.draft).entries)
        return {"ok": True, "room": room, **found.shown(variables)}

    def add_table(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Add the first rows of the table that was read last, with the roles in `content`.

        Raises:
            PexError: they cannot be cases.
        """
        table, columns = self._table, content.get("columns")
        if table is None:
            raise PexError("there is no table to add: paste or open it again")
        limit = int(content.get("limit") or 1)
        cases = table.cases(columns if isinstance(columns, list) else [], limit)
        before = len(without_blank(self.draft).entries)
        self._change(lambda: self.history.step(with_cases(without_blank(self.draft), cases)))
        text = added_text(before, len(self.draft.entries), cases)
        self._said = text
        self._show_changes()
        return {"ok": True, "added": True, "text": text}

    def add_image(self, name: str, data: bytes) -> str:
        """Keep an image; returns the Markdown that stands for it in a message.

        Raises:
            PexError: it cannot be sent to a model.
        """
        return images.keep(drafting.settings_of(self.base)[0], data, name)

    def image(self, url: str) -> tuple[str, bytes]:
        """The media type and the content of an image that a message or a case names.

        Raises:
            PexError: it cannot be shown.
        """
        draft, base = self.draft, self.base
        folder = base.folder if base is not None else Path.cwd()
        for column in draft.columns:
            texts = [message.text for message in column.messages]
            if any(url in images.addresses(text) for text in texts):
                return images.read(url, texts, column.base, folder)
        return images.read_kept(url, drafting.settings_of(base)[0])

    def add_judge(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Add a judge as a check, or change one; returns why not if it cannot be."""
        act = {**content, "act": "add_check", "check": JUDGE}
        try:
            self.edit(act)
        except PexError as error:
            return {"ok": False, "text": error_text(error)}
        return {"ok": True}

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
            wanted = [c for c in draft.columns if columns is None or c.id in columns]
            rows = [e for e in draft.entries if entries is None or e.id in entries]
            rows = [e for e in rows if not draft.entry_problems[e.id]] or rows
            sound = [c for c in wanted if not draft.column_problems[c.id]] or wanted
            drafting.check_sound(draft, [c.id for c in sound], [e.id for e in rows])
            late = drafting.late_problems(draft, base, [c.id for c in sound], [e.id for e in rows])
            self._late.update(late)
            ready = [c for c in sound if not late[c.id]]
            if not ready:
                drafting.check_none([(c, late[c.id]) for c in sound])
            fingerprints = {_key(c, e): self._fingerprint(c, e) for c in ready for e in rows}
            asked = [
                c for c in ready
                if not all(self.runs.waits(_key(c, e), fingerprints[_key(c, e)]) for e in rows)
            ]  # fmt: skip
            if not asked:
                return self.runs.asking(_key(ready[0], rows[0]))
            experiment = drafting.experiment_of(
                draft, base, [c.id for c in asked], [e.id for e in rows]
            )
            keys = {(c.name, draft.cases[e.id].id, 1): _key(c, e) for c in asked for e in rows}
            for key in keys.values():
                self._restored.pop(key, None)
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
                "can_undo": self.history.can_undo,
                "can_redo": self.history.can_redo,
                "estimate": self._estimate,
                "notice": self._notice,
                "can_reset": not drafting.alike(self.draft, self._first),
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
        }

    def cells(self, keys: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """Answers as the view gets them: of these cells, or of all."""
        from pex.playground.shown import shown

        found = {}
        wanted = None if keys is None else set(keys)
        with self._lock:
            for column in self.draft.columns:
                for entry in self.draft.entries:
                    key = _key(column, entry)
                    if wanted is not None and key not in wanted:
                        continue
                    slot, kept = self.runs.slots.get(key), self._restored.get(key)
                    if slot is not None:
                        cell = shown(slot.cell, slot.number)
                        stale = slot.fingerprint != self._fingerprint(column, entry)
                    elif kept is not None:
                        cell, stale = dict(kept), kept["print"] != self._fingerprint(column, entry)
                        del cell["print"]
                    else:
                        continue
                    feedback = self._feedback.of(key, cell["id"])
                    said = {"thumb": feedback.thumb, "note": feedback.note}
                    found[key] = {**cell, "stale": stale, **said}
        return found

    def rendered(self, keys: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Complete answers as Markdown, see `shown.rendered`."""
        from pex.playground.shown import rendered

        return rendered(self.cells(keys))

    def differences(self, against: str) -> dict[str, Any]:
        """Each answer compared word by word with that of another variant, given by its id."""
        from pex.playground.shown import differences

        return differences(self.cells(), against)

    def save_to(self, content: Mapping[str, Any]) -> str:
        """Save to the place that the dialog names, and return the message for it.

        Raises:
            PexError: it cannot be saved.
        """
        where, overwrite = content.get("to"), bool(content.get("overwrite"))
        fields = {name: str(content.get(name) or "") for name in
                  ("variant", "name", "alias", "message", "path")}  # fmt: skip
        draft, new = self.draft, None
        if where == "library":
            text, new = saving.to_library(
                draft,
                self.base,
                fields["variant"],
                fields["name"],
                fields["alias"],
                fields["message"],
            )
        elif where == "prompty":
            text, new = saving.to_prompty(
                draft, self.base, fields["variant"], fields["path"], overwrite
            )
        elif where == "nightly":
            text = saving.to_nightly(draft, self.base, fields["path"], overwrite)
        elif where == "experiment":
            _, text = saving.to_experiment(draft, self.base, fields["path"], overwrite)
        else:
            raise PexError(f"a Playground cannot be saved to '{where}'")
        with self._lock:
            if new is not None and self.draft is draft:
                self.history.replace(new)
        self._show_changes()
        return text

    def code(self, kind: str = "pex", column: str = "", entry: str = "") -> str:
        """The cell that makes the same experiment and runs it, or one request for other programs.

        Args:
            kind: "pex", or a kind of `request_code`.
            column: the variant's id, for one request.
            entry: the case's id, for one request.

        Raises:
            PexError: there are problems; all of them are in it.
        """
        if kind == "pex":
            return saving.to_code(self.draft, self.base)
        return request_code(kind, self.draft, self.base, column, entry)

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
        self._change(lambda: self.history.step(versions.restored(self.draft, column, prompt)))

    def flush(self) -> None:
        """Write the draft and the last answers now."""
        if self._file is None:
            return
        with self._writing:  # an earlier draft is never written over a later one
            kept = self._to_keep()
            try:
                other = self._file.write(kept)
            except (OSError, TimeoutError) as error:
                other = f"the draft could not be saved: {error}"
        if other:
            self._error = other
            self._show_cells(())

    def _to_keep(self) -> Kept:
        with self._lock:
            cells = {
                key: {
                    **{name: value for name, value in cell.items() if name not in FEEDBACK},
                    "print": slot.fingerprint if slot else self._restored[key]["print"],
                }
                for key, cell in self.cells().items()
                for slot in [self.runs.slots.get(key)]
            }
            return Kept(
                self.draft,
                cells,
                self._begun_from,
                markdown=self.markdown,
                feedback=self._feedback,
            )

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

    def _recheck(self) -> None:
        """A key was entered: what could not be run may run now."""
        self._settling.trigger()

    def _settle(self) -> None:
        self.flush()
        self.check()

    def _show_changes(self) -> None:
        """Show the draft and which answers are out of date now; a moment later, save it."""
        with self._lock:
            now, first = self.draft, self._first
            sizes = [(len(d.columns), len(d.entries)) for d in (now, first)]
            if self._notice.startswith(drafting.SHOWN) and sizes[0] != sizes[1]:
                self._notice = ""  # who has chosen knows that there are others
            self._show_document()
            stale = self._stale_now()
            touched = [key for key, now in stale.items() if self._stale.get(key, False) != now]
            self._stale = stale
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
        found = [(key, self._recorded(key)) for key in self._feedback.cells()]
        self._in_mlflow.trigger(key for key, of in found if of is not None and of[1] != Feedback())

    def _recorded(self, key: str) -> tuple[Recorded, Feedback] | None:
        """The recorded run of a cell's answer, and the feedback on it."""
        with self._lock:
            slot = self.runs.slots.get(key)
            run = self.runs.recorded.get(slot.number) if slot is not None else None
            if slot is None or run is None or slot.cell.state != "answered":
                return None
            return run, self._feedback.of(key, text_id(slot.cell.text))

    def _note(self, text: str) -> None:
        self._said = text
        self._show_cells(())

    def _stale_now(self) -> dict[str, bool]:
        fingerprints = {
            **{key: kept["print"] for key, kept in self._restored.items()},
            **{key: slot.fingerprint for key, slot in self.runs.slots.items()},
        }
        return {
            key: fingerprints[key] != self._fingerprint(column, entry)
            for column in self.draft.columns
            for entry in self.draft.entries
            if (key := _key(column, entry)) in fingerprints
        }

    def _fingerprint(self, column: Column, entry: Entry) -> str:
        """Changes with the request of a cell, and with what is expected there."""
        case = self.draft.cases[entry.id]
        values = case.values
        inputs = [values.get(name) for name in column.variables]
        return digest([column.fingerprint, inputs, case.expected])

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
        self._restored, self.markdown = kept.cells, kept.markdown
        self._feedback = kept.feedback
        changed = kept.begun_from != self._begun_from
        self._notice = _restored_notice(kept.saved_at, changed=changed)
        self._begun_from = kept.begun_from
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


def _key(column: Column, entry: Entry) -> str:
    return f"{column.id}|{entry.id}"


def _restored_notice(saved_at: str, *, changed: bool) -> str:
    try:
        when = datetime.datetime.fromisoformat(saved_at)
        said = f"Your draft of {when.day} {when:%b}, {when:%H:%M}, was restored"
    except ValueError:
        said = "Your draft was restored"
    return f"{said}; its experiment has changed since." if changed else f"{said}."
