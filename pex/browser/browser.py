"""Browsing the prompts of the library and of the project's files: `pex.browse()`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pex.core.attempt import attempt
from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.core.prompt import Prompt
from pex.core.variant import grid
from pex.experiment.experiment import Experiment
from pex.guard.redact import redact
from pex.library import listing, registry
from pex.library.files import PromptFile, prompt_files, write_new
from pex.library.move_alias import move_alias, new_move
from pex.library.moves import Move
from pex.library.reference import Reference, check_alias, parse_reference
from pex.library.registry_api import get
from pex.project.listing import experiment_files
from pex.project.settings import load_settings
from pex.tracking.store import connect, errors_of, tracking_uri
from pex.tracking.store import registry_uri as registry_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from pex.browser.scores import VersionScore
    from pex.browser.versions import PromptRow, Version
    from pex.browser.widget import LibraryBrowser, Listing
    from pex.playground import Playground


def browse(name: str | None = None, *, tracking_uri: str | None = None) -> LibraryBrowser:
    """Look through the prompts of the library and of the project's files, in a notebook.

    Args:
        name: the prompt to show first, as "name", "name@alias" or "name/3".
        tracking_uri: a store other than the project's.

    Returns:
        The browser, which shows itself as the last thing in a cell; `.selected` is the prompt
        chosen in it.

    Raises:
        PexError: there is no such prompt, alias or version.
    """
    from pex.browser.widget import LibraryBrowser

    project = find_project()
    library = LibrarySource(project, registry_of(project, load_settings(project), tracking_uri))
    chosen = None if name is None else library.resolve(parse_reference(name))
    return LibraryBrowser(library, _open_in_playground, chosen)


class LibrarySource:
    """The contents of a browser: the library and the prompt files of one project.

    Args:
        project: its folder.
        uri: the MLflow store.
    """

    def __init__(self, project: Path, uri: str) -> None:
        self._project = project
        self._uri = uri
        self._client: MlflowClient | None = None
        self._entries: dict[str, listing.Entry] = {}
        self._files: list[tuple[PromptFile, int | None]] = []
        self._experiments: dict[str, str] = {}

    def listing(self) -> Listing:
        """All prompts; only those of the files if the store does not answer."""
        from pex.browser.widget import Listing

        where = redact(self._uri)
        files = prompt_files(self._project)
        self._client, self._entries = None, {}
        self._files = [(file, None) for file in files]
        try:
            self._read(files)
        except PexError as error:
            return Listing(self._rows(), where, error.message, error.hint or "")
        return Listing(self._rows(), where)

    def _read(self, files: Sequence[PromptFile]) -> None:
        client = self._client = connect(self._uri)
        self._entries = {entry.name: entry for entry in listing.entries(client, self._uri)}
        with errors_of(self._uri, "does not answer"):
            experiments = client.search_experiments(max_results=5000)
        self._experiments = {str(item.experiment_id): str(item.name) for item in experiments}
        readable = [file.prompt for file in files if file.prompt is not None]
        saved_as = iter(listing.versions_of(client, self._uri, readable, self._entries))
        self._files = [
            (file, next(saved_as) if file.prompt is not None else None) for file in files
        ]

    def _rows(self) -> list[PromptRow]:
        names = {*self._entries, *(file.name for file, _ in self._files)}
        return [self._row(name) for name in sorted(names, key=lambda name: (name.casefold(), name))]

    def _row(self, name: str) -> PromptRow:
        from pex.browser.versions import PromptRow

        entry = self._entries.get(name)
        files = [(file, version) for file, version in self._files if file.name == name]
        if entry is not None and entry.scratch and files:
            entry = None  # nobody saved it: it is a file and nothing else
        prompt = next((file.prompt for file, _ in files if file.prompt is not None), None)
        used = [
            self._experiments.get(identifier, "")
            for identifier in (entry.experiments if entry else ())
        ]
        used += [file.experiment or "" for file, _ in files]
        states = [self._state(file, version) for file, version in files]
        return PromptRow(
            name=name,
            version=entry.version if entry else None,
            aliases=entry.aliases if entry else {},
            used=[experiment for experiment in dict.fromkeys(used) if experiment],
            changed=entry.changed if entry else max(file.changed for file, _ in files),
            about=entry.description if entry and entry.description else _description(prompt),
            model=(entry.model if entry else None) or (prompt.model if prompt else None) or "",
            states=[state for state in dict.fromkeys(states) if state],
            scratch=entry is not None and entry.scratch,
        )

    def _state(self, file: PromptFile, version: int | None) -> str:
        """How a file compares with the library; empty if it is the newest version."""
        if file.problem is not None:
            return "file cannot be read"
        if self._client is None:
            return "file"
        entry = self._entries.get(file.name)
        if entry is None or entry.scratch:
            return "file only"
        if version is None:
            return f"file differs from version {entry.version}"
        return "" if version == entry.version else f"file is version {version}"

    def resolve(self, reference: Reference) -> tuple[str, str]:
        """The name and the key of the version that a reference means.

        Raises:
            PexError: there is no such prompt, alias or version.
        """
        name = reference.name
        self.listing()
        if reference.alias is not None or reference.version is not None:
            origin = registry.fetch(self._uri, reference).origin
            return name, str(parse_reference(str(origin)).version)
        known = {row.name for row in self._rows()}
        if name not in known:
            raise PexError(f"there is no prompt '{name}' in {redact(self._uri)} or in the files of "
                           f"{self._project}", hint=nearest(name, known))  # fmt: skip
        return name, ""

    def versions(self, name: str) -> list[Version]:
        """The files and the versions of a prompt, the newest version first."""
        from pex.browser.versions import Version

        files = [
            Version(
                f"file:{file.path}", file.path, (), {}, file.changed, "", "",
                self._state(file, version) or (f"the same as version {version}" if version else ""),
            )
            for file, version in self._files
            if file.name == name
        ]  # fmt: skip
        if name not in self._entries or self._client is None:
            return files
        saved, moves, _ = listing.editions(self._client, self._uri, name)
        return files + [
            Version(
                str(entry.version), f"version {entry.version}", entry.aliases,
                {alias: _move_text(moves[alias]) for alias in entry.aliases if alias in moves},
                entry.created, entry.by, entry.note, "",
            )
            for entry in saved
        ]  # fmt: skip

    def prompt(self, name: str, key: str) -> Prompt:
        """The prompt of a version.

        Raises:
            PexError: it is no longer there, or cannot be read.
        """
        if key.startswith("file:"):
            return Prompt.load(self._project / key.removeprefix("file:"))
        return registry.fetch(self._uri, parse_reference(f"{name}/{key}"))

    def scores(self, name: str) -> list[VersionScore]:
        """The scores of a prompt's versions in recorded runs, the newest run first.

        Raises:
            PexError: the store does not answer.
        """
        from pex.browser.scores import VersionScore
        from pex.record import prompts

        if name not in self._entries or self._client is None:
            return []
        saved, _, _ = listing.editions(self._client, self._uri, name)
        digests = {version.version: version.digest for version in saved}
        with errors_of(self._uri, "does not answer"):
            scores = prompts.scores(self._uri, name, digests, self._experiments)
        return [
            VersionScore(
                **{str(key): value for key, value in row.items() if key != "started_at"},
                when=row["started_at"].to_pydatetime(),
            )
            for row in scores.to_dict("records")
        ]

    def card(self, name: str) -> str:
        """The prompt's card as HTML.

        Raises:
            PexError: the store does not answer.
        """
        from pex.evidence.card.cards import card_in
        from pex.evidence.card.html import fragment

        settings = load_settings(self._project)
        own = self._uri == registry_of(self._project, settings)
        runs = tracking_uri(self._project, settings) if own else self._uri
        return fragment(card_in(self._project, runs, self._uri, name).data)

    def set_alias(self, name: str, alias: str, version: int, seen: int | None) -> str:
        """Point an alias to a version; `seen` is its version when the user decided.

        Raises:
            PexError: MLflow does not accept the alias, or it has been moved since.
        """
        check_alias(alias)
        client = connect(self._uri)
        found = get(client, self._uri, Reference(name, version=version))
        move_alias(client, self._uri, self._project, new_move(name, alias, seen, found))
        moved = f"moved from version {seen} to" if seen else "now points to"
        return f"{alias} {moved} version {version} of {name}."

    def save_file(self, prompt: Prompt) -> str:
        """Write `prompts/NAME.prompty`.

        Raises:
            PexError: a file with different content exists.
        """
        path, new = write_new(self._project, prompt)
        return f"Saved as {path}." if new else f"{path} already has this prompt."

    def save_to_library(self, prompt: Prompt) -> str:
        """Save a file's prompt to the library.

        Raises:
            PexError: MLflow cannot store it, or does not answer.
        """
        version = registry.save(prompt, tracking_uri=self._uri)
        done = "Saved as" if version.new else "It is already"
        return f"{done} version {version.version} of {version.name}."

    def code(self, name: str, version: Version) -> str:
        """The Python that loads a version; by its alias, if it has one."""
        if version.is_file:
            path = os.path.relpath(self._project / version.key.removeprefix("file:"))
            return f"pex.Prompt.load({Path(path).as_posix()!r})"
        place = f"@{version.aliases[0]}" if version.aliases else f"/{version.key}"
        return f'pex.library.load("{name}{place}")'


def _description(prompt: Prompt | None) -> str:
    return prompt.description if prompt is not None else ""


def _move_text(move: Move) -> str:
    at = f"{move.at.astimezone():%Y-%m-%d %H:%M}"
    change = f"moved from version {move.before} to {move.to}" if move.before else "set"
    text = f"{change} by {move.by}, {at}" if move.by else f"{change}, {at}"
    why = move.because or move.verdict
    return f"{text}: {why}" if why else text


def _open_in_playground(prompt: Prompt) -> Playground:
    """A Playground with the prompt in it, on the cases of the experiment that uses it."""
    from pex.playground import Playground

    name = (prompt.origin or f"{prompt.name}/{prompt.digest}").replace("/", "-")
    return Playground(_experiment_for(prompt) or prompt, name=name)


def _experiment_for(prompt: Prompt) -> Experiment | None:
    """The first experiment of the project that has a prompt of this name and cases that fit."""
    for path in experiment_files(find_project()).values():
        # A broken one, or other variables: the prompt can be tried without it.
        draft = attempt(lambda path=path: _draft_of(path, prompt))  # type: ignore[misc]
        if isinstance(draft, Experiment):
            return draft
    return None


def _draft_of(path: Path, prompt: Prompt) -> Experiment | None:
    """An experiment with this prompt in place of its own; None if it has none of that name."""
    experiment = Experiment.load(path)
    models = [v.model for v in experiment.variants if v.prompt.name == prompt.name]
    if not models:
        return None
    return experiment.drafted(grid([prompt], list(dict.fromkeys(models))), experiment.cases)
