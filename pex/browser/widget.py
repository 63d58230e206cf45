"""The library browser: a list of prompts, and of the chosen one its versions, text and scores.

What is shown is read on a thread, one thing after another, so that neither the page nor the kernel
waits for a slow store. The view holds nothing of its own: a reload of the page or a second view
gets all of it with the widget.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import anywidget
import traitlets
from IPython.display import display
from ipywidgets import Output

from pex.browser.scores import Scored, scored_shown, trends
from pex.browser.versions import (
    Edition,
    Row,
    difference,
    edition_shown,
    list_table,
    prompt_shown,
    row_shown,
)
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.shown import clean
from pex.widgets import shared
from pex.widgets.static_output import StaticOutput, static_html, static_text

PATIENCE_S = 10.0
"""How long the cell waits for the list, so that the static table can be written with it."""
MAX_SCORES = 300


@dataclass(frozen=True, slots=True)
class Listing:
    """The list; `problem` and `hint` say what kept a part of it away."""

    rows: Sequence[Row]
    where: str
    problem: str = ""
    hint: str = ""


class Source(Protocol):
    """Where a browser gets what it shows, and what it has done; each raises a `PexError`."""

    def listing(self) -> Listing:
        """All prompts."""

    def editions(self, name: str) -> list[Edition]:
        """Files and versions of a prompt, the newest first."""

    def prompt(self, name: str, key: str) -> Prompt:
        """The prompt of an edition."""

    def scores(self, name: str) -> list[Scored]:
        """How the versions did, the newest run first."""

    def set_alias(self, name: str, alias: str, version: int, seen: int | None) -> str:
        """Point an alias to a version; `seen` is where it pointed when somebody decided so."""

    def save_file(self, prompt: Prompt) -> str:
        """Write a prompt file; says which."""

    def keep(self, prompt: Prompt) -> str:
        """Save a file's prompt to the library; says as which version."""

    def code(self, name: str, edition: Edition) -> str:
        """The Python that loads an edition."""


class LibraryBrowser(anywidget.AnyWidget):
    """The prompts of a library and of a project's files, to look at, compare and pass on.

    Args:
        source: where they come from.
        on_open: opens a prompt elsewhere, and returns what is shown below the browser.
        chosen: the name, and the version or file, of the prompt that is shown first.
    """

    _esm = shared.script("browser/browser")
    _css = shared.styles("browser/browser")

    _list = traitlets.Dict().tag(sync=True)
    _prompt = traitlets.Dict().tag(sync=True)
    _difference = traitlets.Dict().tag(sync=True)
    _scores = traitlets.Dict().tag(sync=True)
    _said = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        source: Source,
        on_open: Callable[[Prompt], Any],
        chosen: tuple[str, str] | None = None,
    ) -> None:
        self._source = source
        self._on_open = on_open
        self._rows: Sequence[Row] = ()
        self._names: dict[str, str] = {}
        self._editions: Sequence[Edition] = ()
        self._wanted: tuple[str, str] | None = chosen
        self._shown: tuple[str, str] | None = None
        self._selected: Prompt | None = None
        self._jobs: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._static: StaticOutput | None = None
        self._below = Output()
        super().__init__(_list={"state": "loading", "rows": []})
        self.on_msg(self._on_message)
        self._later(self._load_list)
        if chosen is not None:
            self._choose(*chosen)

    def __repr__(self) -> str:
        chosen = f", {self._wanted[0]} chosen" if self._wanted else ""
        return clean(f"Library browser: {len(self._rows):,} prompts{chosen}")

    @property
    def selected(self) -> Prompt | None:
        """The chosen prompt; None where none is chosen or it cannot be read."""
        self._wait(60)
        return self._selected

    def _ipython_display_(self) -> None:
        """The widget, what is opened from it, and what is left without a kernel."""
        bundle = super()._repr_mimebundle_()
        assert bundle is not None  # an open widget always has one
        display(bundle[0], raw=True)
        display(self._below)
        static = StaticOutput(static_text("Reading the library; its prompts appear here."))
        # Written before the cell ends, or an exported page would not have it.
        self._wait(PATIENCE_S)
        self._static = static
        static.replace(self.html)

    @property
    def html(self) -> str:
        """The static table that a reader without a kernel sees."""
        if self._list["state"] == "loading":
            return static_text("Reading the library; its prompts appear here.")
        if not self._rows:
            said = self._list.get("problem") or "There are no prompts in the library yet."
            return static_text(said)
        return static_html(list_table(self._rows))

    def _later(self, job: Callable[[], None]) -> None:
        """Do it on the thread, after what is being done there; the thread ends with the last."""
        with self._lock:
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._do_jobs, name="pex-browser", daemon=True
                )
                self._thread.start()

    def _do_jobs(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._thread = None
                    return
                job = self._jobs.popleft()
            try:
                job()
            except PexError as error:
                self._say(error.message, error.hint or "", error=True)
            except Exception as error:
                # The thread goes on, and nobody is left waiting for what does not come.
                self._say(f"{type(error).__name__}: {error}", error=True)
                with self._lock:
                    self._thread = None
                raise

    def _wait(self, seconds: float) -> None:
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)

    def _say(self, text: str, hint: str = "", *, error: bool = False, of: str = "") -> None:
        self._said = {
            "text": clean(text),
            "hint": clean(hint),
            "error": error,
            "of": of,
            "n": self._said.get("n", 0) + 1,
        }

    def _load_list(self) -> None:
        self._list = {**self._list, "state": "loading"}
        found = Listing((), "")
        try:
            found = self._source.listing()
        except PexError as error:
            found = Listing((), "", error.message, error.hint or "")
        except Exception as error:
            found = Listing((), "", f"{type(error).__name__}: {error}")
            raise
        finally:
            self._rows = found.rows
            self._names = {clean(row.name): row.name for row in found.rows}
            self._list = {
                "state": "failed" if found.problem else "ready",
                "where": clean(found.where),
                "problem": clean(found.problem),
                "hint": clean(found.hint),
                "rows": [row_shown(row) for row in found.rows],
            }
            if self._static is not None:
                self._static.replace(self.html)

    def _choose(self, name: str, key: str = "") -> None:
        wanted = self._wanted = (name, key)

        def read() -> None:
            if self._wanted == wanted:  # else another was chosen meanwhile
                self._read(*wanted)

        self._later(read)

    def _read(self, name: str, key: str) -> None:
        """Read a prompt, then its difference and its scores."""
        before, self._selected = self._scores.get("name"), None
        try:
            self._editions = self._source.editions(name)
            edition = _find(self._editions, key)
            self._selected = self._source.prompt(name, edition.key)
        except PexError as error:
            problem = {"problem": clean(error.message), "hint": clean(error.hint or "")}
            self._shown = (name, key)
            self._show(problem)
            self._difference, self._scores = {}, {}
            return
        self._shown = (name, edition.key)
        code = self._source.code(name, edition)
        self._show({**prompt_shown(self._selected), "code": clean(code)})
        self._compare(_before(self._editions, edition))
        if before != clean(name):
            self._load_scores(name)

    def _show(self, shown: Mapping[str, Any]) -> None:
        name, key = self._shown or ("", "")
        row = next((row for row in self._rows if row.name == name), None)
        self._prompt = {
            "name": clean(name),
            "key": clean(key),
            "about": clean(row.about) if row else "",
            "used": [clean(item) for item in row.used] if row else [],
            "editions": [edition_shown(edition) for edition in self._editions],
            **shown,
        }

    def _compare(self, against: Edition | None) -> None:
        """The difference of the chosen prompt to another edition of it."""
        prompt, shown = self._selected, self._shown
        if prompt is None or shown is None or against is None:
            self._difference = {}
            return
        try:
            found = difference(prompt, self._source.prompt(shown[0], against.key))
        except PexError as error:
            found = {"text": clean(error.message), "facts": []}
        self._difference = {
            "of": [clean(part) for part in shown],
            "against": clean(against.key),
            **found,
        }

    def _load_scores(self, name: str) -> None:
        self._scores = {"name": clean(name), "ready": False}
        problem, found = "", []
        try:
            found = self._source.scores(name)
        except PexError as error:
            problem = error.message
        self._scores = {
            "name": clean(name),
            "ready": True,
            "problem": clean(problem),
            "rows": [scored_shown(item) for item in found[:MAX_SCORES]],
            "more": max(0, len(found) - MAX_SCORES),
            "trends": trends(found),
        }

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        what = content.get("kind") if isinstance(content, Mapping) else None
        if what == "refresh":
            self._later(self._load_list)
            if self._wanted is not None:
                self._scores = {}
                self._choose(*self._wanted)
        elif what == "choose":
            name = self._names.get(str(content.get("name")))
            if name is not None:
                here = self._shown is not None and self._shown[0] == name
                self._choose(name, self._key(content.get("key")) if here else "")
        elif what == "against":
            edition = _known(self._editions, self._key(content.get("key")))
            self._later(lambda: self._compare(edition))
        elif what == "copy":
            self._copy(content)
        elif what == "alias":
            self._later(lambda: self._set_alias(content))
        elif what == "file":
            self._later(lambda: self._act(self._source.save_file))
        elif what == "keep":
            self._later(lambda: self._act(self._source.keep))
        elif what == "play":
            self._open()

    def _key(self, shown: Any) -> str:
        """The key of an edition from what the browser knows of it."""
        return next((e.key for e in self._editions if clean(e.key) == shown), "")

    def _copy(self, content: Mapping[str, Any]) -> None:
        prompt = self.selected
        if prompt is not None:
            text = prompt.text.encode("utf-8", "replace")
            self.send({"kind": "copy", "view": content.get("view")}, buffers=[text])

    def _act(self, action: Callable[[Prompt], str]) -> None:
        """Do something with the chosen prompt, say what came of it, and read all again."""
        if self._selected is None or self._shown is None:
            return
        self._say(action(self._selected))
        self._load_list()
        self._read(*self._shown)

    def _set_alias(self, content: Mapping[str, Any]) -> None:
        edition = _known(self._editions, self._shown[1] if self._shown else "")
        if self._shown is None or edition is None or edition.is_file:
            return
        alias, seen = str(content.get("alias", "")).strip(), content.get("seen")
        name = self._shown[0]
        try:
            seen = seen if isinstance(seen, int) else None
            said = self._source.set_alias(name, alias, int(edition.key), seen)
        except PexError as error:
            self._say(error.message, error.hint or "", error=True, of="alias")
            return
        self._say(said, of="alias")
        self._load_list()
        self._read(*self._shown)

    def _open(self) -> None:
        """Open the chosen prompt; here, where what is displayed finds its way into the output."""
        prompt = self.selected
        if prompt is None:
            return
        try:
            opened = self._on_open(prompt)
        except PexError as error:
            self._say(error.message, error.hint or "", error=True)
            return
        self._below.clear_output()
        with self._below:
            display(opened)
        self._say(f"{prompt.name} is open below.")


def _find(editions: Sequence[Edition], key: str) -> Edition:
    """The edition of a key, else the newest version, else the first file.

    Raises:
        PexError: there is none at all.
    """
    found = _known(editions, key)
    if found is None and editions:
        found = next((edition for edition in editions if not edition.is_file), editions[0])
    if found is None:
        raise PexError("this prompt has no version and no file any more", hint="refresh the list")
    return found


def _known(editions: Sequence[Edition], key: str) -> Edition | None:
    return next((edition for edition in editions if edition.key == key), None)


def _before(editions: Sequence[Edition], chosen: Edition) -> Edition | None:
    """What an edition is first held against: a file against the newest version, else the last."""
    versions = [edition for edition in editions if not edition.is_file]
    if chosen.is_file:
        others = versions or [edition for edition in editions if edition is not chosen]
        return others[0] if others else None
    place = versions.index(chosen)
    return versions[place + 1] if place + 1 < len(versions) else None
