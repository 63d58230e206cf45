"""What a Playground works on: the draft, its answers, its file, and the view of it.

There is one desk for each draft in a kernel, so that a cell that is run again finds everything as
it was, runs that go on included.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.canonical_json import digest
from pex.core.errors import PexError
from pex.experiment.execution import Execution
from pex.experiment.experiment import Experiment
from pex.playground import drafting, saving
from pex.playground.debounce import Later
from pex.playground.draft import Column, Draft, Entry, Problem
from pex.playground.draft_files import FOLDER, DraftFile, Kept
from pex.playground.draft_view import document
from pex.playground.history import History, with_cases
from pex.playground.runs import Trials, Wanted, said
from pex.results.results import Results

if TYPE_CHECKING:
    from pex.playground.widget import PlaygroundView

SAVE_S = 0.4
LOOK_S = 0.5
"""After the last act: so long until sizes and models are looked at again."""
VIEWS = 16
GONE = "This Playground was opened again; go on in the newer one."

_desks: dict[str, Desk] = {}


class Desk:
    """A draft and everything around it.

    Args:
        key: of the draft; "" for one that is not kept.
        base: the experiment that it begins from.
        record: whether runs are recorded in MLflow.
    """

    def __init__(self, key: str, base: Experiment | None, record: bool) -> None:
        self.key = key
        self.base = base
        self.record = record
        self.fresh = False
        self.trials = Trials(self._touch, self._on_end)
        self._lock = threading.RLock()
        self._rev = 0
        self._acked: dict[str, int] = {}
        self._view: PlaygroundView | None = None
        self._error = self._said = self._url = self._estimate = ""
        self._late: dict[str, list[Problem]] = {}
        self._models: list[str] = []
        self._restored: dict[str, dict[str, Any]] = {}
        self._stale: dict[str, bool] = {}
        self._keeper = Later(SAVE_S, self._keep, restart=False, daemon=False)
        self._looker = Later(LOOK_S, self._look, restart=True, daemon=True)
        project, settings = drafting.settings_of(base)
        self._file = DraftFile(project / settings.journal.path / FOLDER, key) if key else None
        self._first, self._notice = drafting.begin(base)
        self._begun_from = drafting.source_fingerprint(base)
        self.history = History(self._kept() or self._first)

    @property
    def draft(self) -> Draft:
        """The draft as it stands."""
        return self.history.draft

    @property
    def results(self) -> Results | None:
        """The results of the last run."""
        return self.trials.results

    def renew(self, base: Experiment | None, record: bool) -> None:
        """The cell was run again: its experiment may be another now, the draft stays."""
        with self._lock:
            self.record = record
            begun_from = drafting.source_fingerprint(base)
            self.base = base
            if begun_from != self._begun_from:
                self._first, _ = drafting.begin(base)
                self._notice = _of("", changed=True)
            self._error = ""

    def show(self) -> None:
        """Display the view; an earlier one says that it is of no use any more."""
        from pex.playground.widget import PlaygroundView

        with self._lock:
            old, self._view = self._view, None
            view = PlaygroundView(self.document(), self.cells, self.status, self.on_message)
            self._view = view
        if old is not None:
            old.close_view(GONE)
        view.show()
        self._looker.soon()
        if self.record:
            _apart(lambda: drafting.warm(self.base))

    def on_message(self, content: Mapping[str, Any]) -> None:
        """Do what somebody asks for in the view; a mistake becomes a sentence in its status."""
        kind, view = content.get("kind"), str(content.get("view", ""))
        if kind == "ready":
            self._settle()
        elif kind == "act":
            self._act(content, view)
        elif kind == "run":
            self._try(lambda: self.run(_ids(content, "variants"), _ids(content, "cases")))
        elif kind == "stop":
            self.trials.stop()
        elif kind == "difference":
            _apart(lambda: self._tell_differences(view, str(content.get("against", ""))))
        elif kind == "save":
            _apart(lambda: self._tell_saved(view, dict(content)))
        elif kind == "code":
            self._tell_code(view)

    def run(
        self,
        columns: Sequence[str] | None = None,
        entries: Sequence[str] | None = None,
        *,
        now: bool = False,
    ) -> Execution | None:
        """Ask for the answers of a part; what has a problem is left out.

        Args:
            columns: ids of variants; None: all.
            entries: ids of cases; None: all.
            now: begin before this returns, and give the handle.

        Raises:
            PexError: there is nothing that can be asked; all problems are in it.
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
                if not all(self.trials.waits(_key(c, e), fingerprints[_key(c, e)]) for e in rows)
            ]  # fmt: skip
            if not asked:
                return self.trials.asking(_key(ready[0], rows[0]))
            experiment = drafting.experiment_of(
                draft, base, [c.id for c in asked], [e.id for e in rows]
            )
            keys = {(c.name, draft.cases[e.id].id, 1): _key(c, e) for c in asked for e in rows}
            for key in keys.values():
                self._restored.pop(key, None)
            self._error = self._said = self._url = ""
            job = Wanted(experiment, keys, fingerprints, self.fresh, self.record)
        return self.trials.begin(job, now)

    def document(self) -> dict[str, Any]:
        """The draft as the view gets it."""
        with self._lock:
            return document(self.draft, self.base, self._late) | {
                "key": self.key,
                "rev": self._rev,
                "can_undo": self.history.can_undo,
                "can_redo": self.history.can_redo,
                "estimate": self._estimate,
                "models": self._models,
                "acked": dict(self._acked),
                "notice": self._notice,
                "can_reset": not drafting.alike(self.draft, self._first),
            }

    def status(self) -> dict[str, Any]:
        """How things stand, as the view gets it."""
        return {
            "running": self.trials.running,
            "line": self.trials.line,
            "said": self._said,
            "error": self._error or self.trials.error,
            "fresh": self.fresh,
            "url": self._url,
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
                    slot, kept = self.trials.slots.get(key), self._restored.get(key)
                    if slot is not None:
                        cell = shown(slot.cell, slot.number)
                        stale = slot.fingerprint != self._fingerprint(column, entry)
                    elif kept is not None:
                        cell, stale = dict(kept), kept["print"] != self._fingerprint(column, entry)
                        del cell["print"]
                    else:
                        continue
                    found[key] = {**cell, "stale": stale}
        return found

    def save_to(self, content: Mapping[str, Any]) -> str:
        """Save to where the dialog says; what is to be said of it.

        Raises:
            PexError: it cannot be saved.
        """
        where, overwrite = content.get("to"), bool(content.get("overwrite"))
        fields = {name: str(content.get(name) or "") for name in
                  ("variant", "name", "alias", "message", "path")}  # fmt: skip
        draft, new = self.draft, None
        if where == "library":
            text, new = saving.to_library(
                draft, fields["variant"], fields["name"], fields["alias"], fields["message"]
            )
        elif where == "prompty":
            text, new = saving.to_prompty(draft, fields["variant"], fields["path"], overwrite)
        elif where == "experiment":
            _, text = saving.to_experiment(draft, self.base, fields["path"], overwrite)
        else:
            raise PexError(f"a Playground cannot be saved to '{where}'")
        with self._lock:
            if new is not None and self.draft is draft:
                self.history.replace(new)
        self._changed()
        return text

    def flush(self) -> None:
        """Write the draft now."""
        self._keeper.cancel()
        self._keep()

    def _act(self, content: Mapping[str, Any], view: str) -> None:
        self._ack(view, content.get("mine"))
        how = content.get("from")
        if content.get("act") == "add_case" and how not in (None, "typed"):
            # The cases of the last run may have to come from MLflow, which takes seconds.
            _apart(lambda: self._try(lambda: self._add_cases(str(how), content.get("value"))))
            return
        self._try(lambda: self._do(content))

    def _do(self, content: Mapping[str, Any]) -> None:
        act = content.get("act")
        with self._lock:
            if act == "undo":
                self.history.undo()
            elif act == "redo":
                self.history.redo()
            elif act == "fresh":
                self.fresh = bool(content.get("value"))
            elif act == "reset":
                self._first, self._notice = drafting.begin(self.base)
                self._begun_from = drafting.source_fingerprint(self.base)
                self.history.step(self._first)
            else:
                self.history.do(content)

    def _add_cases(self, how: str, value: Any) -> None:
        cases = drafting.pick(self.base, self.draft, how, value)
        with self._lock:
            self.history.step(with_cases(self.draft, cases))

    def _try(self, act: Callable[[], object]) -> None:
        """Do something that somebody asked for in the view."""
        try:
            act()
            self._error = ""
        except PexError as error:
            self._error = said(error)
        except Exception as error:  # noqa: BLE001 - a traceback would land in some cell's output
            self._error = f"this failed inside of pex: {said(error)}"
        self._changed()

    def _ack(self, view: str, mine: Any) -> None:
        if not view or not isinstance(mine, int):
            return
        with self._lock:
            before = self._acked.pop(view, 0)
            self._acked[view] = max(before, mine)
            while len(self._acked) > VIEWS:
                del self._acked[next(iter(self._acked))]

    def _changed(self) -> None:
        """Show and keep what an act has changed."""
        with self._lock:
            self._rev += 1
            now, first = self.draft, self._first
            sizes = [(len(d.columns), len(d.entries)) for d in (now, first)]
            if self._notice.startswith(drafting.SHOWN) and sizes[0] != sizes[1]:
                self._notice = ""  # who has chosen knows that there are others
            if self._view is not None:
                self._view.set_doc(self.document())
            stale = self._stale_now()
            touched = [key for key, now in stale.items() if self._stale.get(key, False) != now]
            self._stale = stale
        self._touch(touched)
        self._keeper.soon()
        self._looker.soon()

    def _stale_now(self) -> dict[str, bool]:
        fingerprints = {
            **{key: kept["print"] for key, kept in self._restored.items()},
            **{key: slot.fingerprint for key, slot in self.trials.slots.items()},
        }
        return {
            key: fingerprints[key] != self._fingerprint(column, entry)
            for column in self.draft.columns
            for entry in self.draft.entries
            if (key := _key(column, entry)) in fingerprints
        }

    def _fingerprint(self, column: Column, entry: Entry) -> str:
        """Changes with what is asked in a cell, and what is expected there."""
        case = self.draft.cases[entry.id]
        inputs = [case.inputs.get(name) for name in column.variables]
        return digest([column.fingerprint, inputs, case.expected])

    def _touch(self, keys: Iterable[str]) -> None:
        view = self._view
        if view is not None:
            view.touch(keys)

    def _on_end(self, where: tuple[str, str]) -> None:
        self._said, self._url = where
        self._settle()
        self._keeper.soon()
        self._looker.soon()

    def _settle(self) -> None:
        view = self._view
        if view is not None:
            view.settle()

    def _look(self) -> None:
        """Size up a run of everything, and look at the models: half a second after an act."""
        with self._lock:
            draft, base, fresh = self.draft, self.base, self.fresh
        found = drafting.look(draft, base, fresh)
        with self._lock:
            if draft is not self.draft:
                return
            before = (self._estimate, self._late, self._models)
            self._estimate, self._late, self._models = found
            if found != before:
                self._rev += 1
                if self._view is not None:
                    self._view.set_doc(self.document())

    def _kept(self) -> Draft | None:
        """The draft as it was kept, with its answers."""
        if self._file is None:
            return None
        try:
            kept = self._file.read()
        except PexError as error:
            self._error = said(error)
            return None
        if kept is None:
            return None
        self._restored = kept.cells
        self._notice = _of(kept.saved_at, changed=kept.begun_from != self._begun_from)
        self._begun_from = kept.begun_from
        return kept.draft

    def _keep(self) -> None:
        """Write the draft and the last answers."""
        if self._file is None:
            return
        with self._lock:
            cells = {
                key: {**cell, "print": slot.fingerprint if slot else self._restored[key]["print"]}
                for key, cell in self.cells().items()
                for slot in [self.trials.slots.get(key)]
            }
            kept = Kept(self.draft, cells, self._begun_from)
        try:
            other = self._file.write(kept)
        except (OSError, TimeoutError) as error:
            other = f"the draft could not be saved: {error}"
        if other:
            self._error = other
            self._touch(())

    def _tell(self, kind: str, view: str, rest: Mapping[str, Any]) -> None:
        if self._view is not None:
            self._view.send({"kind": kind, "view": view, **rest})

    def _tell_differences(self, view: str, against: str) -> None:
        from pex.playground.shown import differences

        self._tell("difference", view, {"pieces": differences(self.cells(), against)})

    def _tell_saved(self, view: str, content: Mapping[str, Any]) -> None:
        try:
            self._tell("saved", view, {"ok": True, "text": self.save_to(content)})
        except (PexError, OSError) as error:
            self._tell("saved", view, {"ok": False, "text": said(error)})

    def _tell_code(self, view: str) -> None:
        try:
            text = saving.to_code(self.draft, self.base)
        except PexError as error:
            text = "".join(f"# {line}\n" for line in str(error).splitlines())
        self._tell("code", view, {"text": text})


def desk_of(key: str, base: Experiment | None, record: bool) -> Desk:
    """The desk of a draft: the one that is there already, or a new one."""
    found = _desks.get(key) if key else None
    if found is not None:
        found.renew(base, record)
        return found
    desk = Desk(key, base, record)
    if key:
        _desks[key] = desk
    return desk


def _key(column: Column, entry: Entry) -> str:
    return f"{column.id}|{entry.id}"


def _ids(content: Mapping[str, Any], name: str) -> list[str] | None:
    value = content.get(name)
    return [str(item) for item in value] if isinstance(value, list) else None


def _of(saved_at: str, *, changed: bool) -> str:
    """What is said of a draft that was found again."""
    try:
        when = datetime.datetime.fromisoformat(saved_at)
        said = f"Your draft of {when.day} {when:%b}, {when:%H:%M}, is here again"
    except ValueError:
        said = "Your draft is here again"
    return (
        f"{said}; the experiment that it began from has changed since." if changed else f"{said}."
    )


def _apart(act: Callable[[], None]) -> None:
    """Something that takes time, away from the thread that the kernel needs."""
    threading.Thread(target=act, name="pex-play", daemon=True).start()
