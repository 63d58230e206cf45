"""The library browser: a list of prompts, and of the chosen one its versions, text and scores.

Data is read on a separate thread, one item after another, so neither the page nor the kernel
waits for a slow store. The view stores nothing itself: a reloaded page or a second view gets
everything from the widget.
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

from pex.browser.scores import VersionScore, score_for_view, trends
from pex.browser.versions import (
    PromptRow,
    Version,
    list_table,
    prompt_difference,
    prompt_for_view,
    row_for_view,
    version_for_view,
)
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.safe_text import clean
from pex.core.text import replace_surrogates
from pex.report.tables import cut
from pex.widgets import shared
from pex.widgets.static_output import StaticOutput, static_html, static_text

PATIENCE_S = 10.0
"""How long the cell waits for the list, so the static table can be written with it."""
MAX_ABOUT = 2_000
MAX_SCORES = 300


@dataclass(frozen=True, slots=True)
class Listing:
    """The list of prompts; `problem` and `hint` explain a missing part."""

    rows: Sequence[PromptRow]
    where: str
    problem: str = ""
    hint: str = ""


class Source(Protocol):
    """The data and actions of a browser; each method raises a `PexError` if it fails."""

    def listing(self) -> Listing:
        """All prompts."""

    def versions(self, name: str) -> list[Version]:
        """The files and versions of a prompt, the newest version first."""

    def prompt(self, name: str, key: str) -> Prompt:
        """The prompt of a version."""

    def scores(self, name: str) -> list[VersionScore]:
        """The scores of the versions, the newest run first."""

    def card(self, name: str) -> str:
        """The prompt's card as HTML, with everything in it escaped."""

    def set_alias(self, name: str, alias: str, version: int, seen: int | None) -> str:
        """Point an alias to a version; `seen` is its version when the user decided."""

    def save_file(self, prompt: Prompt) -> str:
        """Write a prompt file; returns a sentence that names it."""

    def save_to_library(self, prompt: Prompt) -> str:
        """Save a file's prompt to the library; returns a sentence with its version."""

    def code(self, name: str, version: Version) -> str:
        """The Python that loads a version."""


class LibraryBrowser(anywidget.AnyWidget):
    """The prompts of a library and of a project's files, to read, compare and use.

    Args:
        source: the source of the prompts.
        on_open: opens a prompt, and returns the view to show below the browser.
        chosen: the name and the version or file of the prompt that is shown first.
    """

    _esm = shared.script("browser/browser")
    _css = shared.styles("browser/browser", "evidence/card/card")

    _list = traitlets.Dict().tag(sync=True)
    _prompt = traitlets.Dict().tag(sync=True)
    _difference = traitlets.Dict().tag(sync=True)
    _scores = traitlets.Dict().tag(sync=True)
    _card = traitlets.Dict().tag(sync=True)
    _said = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        source: Source,
        on_open: Callable[[Prompt], Any],
        chosen: tuple[str, str] | None = None,
    ) -> None:
        self._source = source
        self._on_open = on_open
        self._rows: Sequence[PromptRow] = ()
        self._names: dict[str, str] = {}
        self._versions: Sequence[Version] = ()
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
        self._enqueue(self._load_list)
        if chosen is not None:
            self._choose(*chosen)

    def __repr__(self) -> str:
        chosen = f", {self._wanted[0]} chosen" if self._wanted else ""
        return clean(f"Library browser: {len(self._rows):,} prompts{chosen}")

    @property
    def selected(self) -> Prompt | None:
        """The chosen prompt; None if none is chosen or it cannot be read."""
        self._wait(60)
        return self._selected

    def _ipython_display_(self) -> None:
        """Show the widget, what it opens, and a static table for readers without a kernel."""
        bundle = super()._repr_mimebundle_()
        assert bundle is not None  # an open widget always has one
        display(bundle[0], raw=True)
        # A reader without a kernel would see its text, `Output()`, and nothing below it.
        display({**self._below._repr_mimebundle_(), "text/plain": ""}, raw=True)
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
            return static_text(
                self._list.get("problem") or "There are no prompts in the library yet."
            )
        return static_html(list_table(self._rows))

    def _enqueue(self, job: Callable[[], None]) -> None:
        """Run a job on the thread, after the jobs before it; the thread ends with the last one."""
        with self._lock:
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run_jobs, name="pex-browser", daemon=True
                )
                self._thread.start()

    def _run_jobs(self) -> None:
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
                # The next job starts another thread, so nobody waits forever.
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
        listing = Listing((), "")
        try:
            listing = self._source.listing()
        except PexError as error:
            listing = Listing((), "", error.message, error.hint or "")
        except Exception as error:
            listing = Listing((), "", f"{type(error).__name__}: {error}")
            raise
        finally:
            self._rows = listing.rows
            self._names = {clean(row.name): row.name for row in listing.rows}
            self._list = {
                "state": "failed" if listing.problem else "ready",
                "where": clean(listing.where),
                "problem": clean(listing.problem),
                "hint": clean(listing.hint),
                "rows": [row_for_view(row) for row in listing.rows],
            }
            if self._static is not None:
                self._static.replace(self.html)

    def _choose(self, name: str, key: str = "") -> None:
        wanted = self._wanted = (name, key)

        def read() -> None:
            if self._wanted == wanted:  # else another has been chosen
                self._read(*wanted)

        self._enqueue(read)

    def _read(self, name: str, key: str) -> None:
        """Read a prompt, then its difference and its scores."""
        scored_name, self._selected = self._scores.get("name"), None
        try:
            self._versions = self._source.versions(name)
            version = _version_or_newest(self._versions, key)
            self._selected = self._source.prompt(name, version.key)
        except PexError as error:
            problem = {"problem": clean(error.message), "hint": clean(error.hint or "")}
            self._shown = (name, key)
            self._show(problem)
            self._difference, self._scores = {}, {}
            return
        self._shown = (name, version.key)
        code = self._source.code(name, version)
        self._show({**prompt_for_view(self._selected), "code": clean(code)})
        self._compare(_default_comparison(self._versions, version))
        if scored_name != clean(name):
            self._load_scores(name)

    def _show(self, shown: Mapping[str, Any]) -> None:
        name, key = self._shown or ("", "")
        row = next((row for row in self._rows if row.name == name), None)
        about = row.about if row else ""
        if self._selected is not None:  # not that of another version
            about = self._selected.description
        self._prompt = {
            "name": clean(name),
            "key": clean(key),
            "about": clean(cut(about, MAX_ABOUT)),
            "used": [clean(item) for item in row.used] if row else [],
            "versions": [version_for_view(version) for version in self._versions],
            **shown,
        }

    def _compare(self, against: Version | None) -> None:
        """The difference between the chosen prompt and another version of it."""
        prompt, shown = self._selected, self._shown
        if prompt is None or shown is None or against is None:
            self._difference = {}
            return
        try:
            changes = prompt_difference(prompt, self._source.prompt(shown[0], against.key))
        except PexError as error:
            changes = {"text": clean(error.message), "facts": []}
        self._difference = {
            "of": [clean(part) for part in shown],
            "against": clean(against.key),
            **changes,
        }

    def _load_scores(self, name: str) -> None:
        self._scores = {"name": clean(name), "ready": False}
        problem, scores = "", []
        try:
            scores = self._source.scores(name)
        except PexError as error:
            problem = error.message
        self._scores = {
            "name": clean(name),
            "ready": True,
            "problem": clean(problem),
            "rows": [score_for_view(score) for score in scores[:MAX_SCORES]],
            "more": max(0, len(scores) - MAX_SCORES),
            "trends": trends(scores),
        }

    def _load_card(self, name: str) -> None:
        """The card: it reads runs and cases, so only who opens it waits for it."""
        if self._shown is None or self._shown[0] != name:
            return  # another prompt has been chosen
        self._card = {"name": clean(name), "ready": False}
        html, problem = "", ""
        try:
            html = self._source.card(name)
        except PexError as error:
            problem = ": ".join(part for part in (error.message, error.hint) if part)
        self._card = {"name": clean(name), "ready": True, "html": html, "problem": clean(problem)}

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        kind = content.get("kind") if isinstance(content, Mapping) else None
        if kind == "refresh":
            self._enqueue(self._load_list)
            if self._wanted is not None:
                self._scores, self._card = {}, {}
                self._choose(*self._wanted)
        elif kind == "choose":
            name = self._names.get(str(content.get("name")))
            if name is not None:
                here = self._shown is not None and self._shown[0] == name
                self._choose(name, self._key(content.get("key")) if here else "")
        elif kind == "card":
            name = self._names.get(str(content.get("name")))
            if name is not None:
                self._enqueue(lambda: self._load_card(name))
        elif kind == "against":
            version = _find_version(self._versions, self._key(content.get("key")))
            self._enqueue(lambda: self._compare(version))
        elif kind == "copy":
            self._copy(content)
        elif kind == "alias":
            self._enqueue(lambda: self._set_alias(content))
        elif kind == "file":
            self._enqueue(lambda: self._act(self._source.save_file))
        elif kind == "keep":
            self._enqueue(lambda: self._act(self._source.save_to_library))
        elif kind == "play":
            self._open()

    def _key(self, shown: Any) -> str:
        """The key of a version from the cleaned one that the view has."""
        return next((v.key for v in self._versions if clean(v.key) == shown), "")

    def _copy(self, content: Mapping[str, Any]) -> None:
        prompt = self.selected
        if prompt is not None:
            text = replace_surrogates(prompt.text).encode()
            self.send({"kind": "copy", "view": content.get("view")}, buffers=[text])

    def _act(self, action: Callable[[Prompt], str]) -> None:
        """Do something with the chosen prompt, show the result, and read everything again."""
        if self._selected is None or self._shown is None:
            return
        self._say(action(self._selected))
        self._load_list()
        self._read(*self._shown)

    def _set_alias(self, content: Mapping[str, Any]) -> None:
        version = _find_version(self._versions, self._shown[1] if self._shown else "")
        if self._shown is None or version is None or version.is_file:
            return
        alias, seen = str(content.get("alias", "")).strip(), content.get("seen")
        name = self._shown[0]
        try:
            seen = seen if isinstance(seen, int) else None
            done = self._source.set_alias(name, alias, int(version.key), seen)
        except PexError as error:
            self._say(error.message, error.hint or "", error=True, of="alias")
            return
        self._say(done, of="alias")
        self._load_list()
        self._read(*self._shown)

    def _open(self) -> None:
        """Open the chosen prompt; on this thread, so its display goes into the output."""
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


def _find_version(versions: Sequence[Version], key: str) -> Version | None:
    return next((version for version in versions if version.key == key), None)


def _version_or_newest(versions: Sequence[Version], key: str) -> Version:
    """The version of a key, else the newest in the library, else the first file.

    Raises:
        PexError: there is none at all.
    """
    version = _find_version(versions, key)
    if version is None and versions:
        version = next((saved for saved in versions if not saved.is_file), versions[0])
    if version is None:
        raise PexError("this prompt no longer has a version or a file", hint="refresh the list")
    return version


def _default_comparison(versions: Sequence[Version], chosen: Version) -> Version | None:
    """The default comparison: a file with the newest version, a version with the previous one."""
    saved = [version for version in versions if not version.is_file]
    if chosen.is_file:
        others = saved or [version for version in versions if version is not chosen]
        return others[0] if others else None
    position = saved.index(chosen)
    return saved[position + 1] if position + 1 < len(saved) else None
