"""Pushing prompt files to the registry and pulling versions from it; nothing is merged."""

from __future__ import annotations

import dataclasses
import datetime
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pex.core import private
from pex.core.attempt import attempt
from pex.core.errors import PexError, nearest
from pex.core.project import check_inside, find_project
from pex.core.prompt import Prompt
from pex.library.content import encode
from pex.library.file_index import indexed_files
from pex.library.index import LibraryIndex
from pex.library.reference import Reference
from pex.library.registry import fetch, save_at
from pex.library.sync import (
    BOTH_CHANGED,
    FILE_ONLY,
    FILES_AHEAD,
    REGISTRY_AHEAD,
    REGISTRY_ONLY,
    SHARED,
    TWO_FILES,
    UNREADABLE,
    Standing,
    compare,
)
from pex.library.synced import Synced, mark_synced, read_synced
from pex.project.settings import load_settings
from pex.tracking.store import registry_uri

REPLACED = "replaced"


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """What happened to a prompt, in a sentence; `refused` if nothing could be done."""

    name: str
    sentence: str
    version: int | None = None
    refused: bool = False
    changed: bool = False


class Report(list[Done]):
    """What a push or a pull did, prompt by prompt; it prints as sentences."""

    def __str__(self) -> str:
        return "\n".join(item.sentence for item in self) or "Nothing to do."

    __repr__ = __str__

    @property
    def refused(self) -> bool:
        """Whether something could not be done."""
        return any(item.refused for item in self)


def push(
    *what: str,
    note: str = "",
    force: bool = False,
    dry_run: bool = False,
    policy: str | None = None,
    tracking_uri: str | None = None,
) -> Report:
    """Save prompt files as new versions where the file is ahead; nothing is merged.

    Args:
        what: names of prompts or paths of their files; none: every file in `prompts/`, and every
            prompt that the registry already has.
        note: the reason for the new versions.
        force: where both have changed, the file becomes the newest version.
        dry_run: only say what would happen.
        policy: "files", "registry" or "strict"; by default `[library] sync` in `pex.toml`.
        tracking_uri: a registry other than the project's.

    Returns:
        What happened to each prompt; it prints as sentences.

    Raises:
        PexError: a name that there is not, or the registry does not answer; what was pushed before
            stays.
    """
    project, uri, index = _opened(tracking_uri)
    chosen = choose(project, index, what, (FILES_AHEAD, FILE_ONLY))
    rule = policy or load_settings(project).library.sync
    return Report(_push(project, uri, item, rule, force, dry_run, note) for item in chosen)


def pull(
    *what: str, force: bool = False, dry_run: bool = False, tracking_uri: str | None = None
) -> Report:
    """Write the newest versions to files where the registry is ahead; nothing is merged.

    Args:
        what: names of prompts or paths of their files; none: all where the registry is ahead.
        force: replace files that have changed too; their text is kept in `.pex/replaced/`.
        dry_run: only say what would happen.
        tracking_uri: a registry other than the project's.

    Returns:
        What happened to each prompt; it prints as sentences.

    Raises:
        PexError: a name that there is not, the registry does not answer, or a file cannot be
            written.
    """
    project, uri, index = _opened(tracking_uri)
    chosen = choose(project, index, what, (REGISTRY_AHEAD,))
    return Report(_pull(project, uri, item, force, dry_run) for item in chosen)


def _opened(given: str | None) -> tuple[Path, str, LibraryIndex]:
    project = find_project()
    uri = registry_uri(project, load_settings(project), given)
    index = LibraryIndex(project, uri)
    index.refresh()
    return project, uri, index


def choose(
    project: Path, index: LibraryIndex, wanted: Sequence[str], states: Sequence[str]
) -> list[Standing]:
    """The prompts that a push or a pull is about.

    Args:
        project: the project's folder.
        index: the index of the registry, up to date.
        wanted: names or paths of files; none: every prompt of the library in one of the states,
            and those in conflict.
        states: the states that something can be done about.

    Raises:
        PexError: a name or a file that there is not; the nearest one is given.
    """
    files = indexed_files(project)
    found = compare(files, index.prompts(), read_synced(project))
    if not wanted:
        about = (*states, BOTH_CHANGED, TWO_FILES, UNREADABLE)
        return [item for item in found if item.state in about and item.is_meant]
    by_name = {item.name: item for item in found}
    paths = {file.path: file for file in files}
    chosen = []
    for text in wanted:
        path = Path(text)
        if path.suffix == ".prompty" or path.is_file():
            check_inside(str(path.absolute()), project, text)
            where = path.resolve()
            inside = where.relative_to(project).as_posix() if where.is_relative_to(project) else ""
            if inside not in paths:
                raise PexError(f"{text}: no such prompt file in the project",
                               hint=nearest(inside or text, paths))  # fmt: skip
            file = paths[inside]
            # The file was named, so it is the one, whatever others have its name.
            mark = {file.name: Synced(0, "", inside)}
            known = read_synced(project)
            if file.name in known:
                mark = {file.name: dataclasses.replace(known[file.name], path=inside)}
            chosen += [item for item in compare(files, index.prompts(), mark)
                       if item.name == file.name]  # fmt: skip
        elif text in by_name:
            chosen.append(by_name[text])
        else:
            raise PexError(f"there is no prompt '{text}' in the library or in the project's files",
                           hint=nearest(text, by_name))  # fmt: skip
    return chosen


def _push(
    project: Path, uri: str, item: Standing, policy: str, force: bool, dry_run: bool, note: str
) -> Done:
    ahead = item.state in (FILES_AHEAD, FILE_ONLY) or (item.state == BOTH_CHANGED and force)
    if not ahead or item.lookalike:
        wrong = item.state in (BOTH_CHANGED, TWO_FILES, UNREADABLE) or bool(item.lookalike)
        return Done(item.name, item.sentence, item.version, refused=wrong)
    if policy == "registry" and item.prompt is not None:
        return Done(
            item.name,
            f"{item.name}: not pushed: in this project the registry is the truth (sync = "
            '"registry" in pex.toml). pull replaces the file; --policy files pushes it.',
            refused=True,
        )
    newest = item.prompt.newest.version if item.prompt else 0
    assert item.file is not None  # it is ahead
    if dry_run:
        return Done(item.name, f"{item.name}: would save {item.file.path} as version {newest + 1}.")
    prompt = Prompt.load(project / item.file.path)
    found = attempt(lambda: save_at(uri, prompt, item.name, note=note, after=newest))
    if isinstance(found, PexError):
        hint = f" ({found.hint})" if found.hint else ""
        return Done(item.name, f"{item.name}: {found.message}{hint}", refused=True)
    sha256 = encode(prompt).sha256
    mark_synced(project, {item.name: Synced(found.version, sha256, item.file.path)})
    if not found.new:
        sentence = f"{item.name}: {item.file.path} was version {found.version} already."
        return Done(item.name, sentence, found.version)
    sentence = f"{item.name}: saved {item.file.path} as version {found.version}."
    if found.version > newest + 1:
        sentence += (
            f" Somebody else saved version {newest + 1} at the same moment: both are there; look "
            f"with `pexlab library diff {item.name} {newest + 1} {found.version}`."
        )
    return Done(item.name, sentence, found.version, changed=True)


def _pull(project: Path, uri: str, item: Standing, force: bool, dry_run: bool) -> Done:
    behind = item.state in (REGISTRY_AHEAD, REGISTRY_ONLY)
    forced = force and item.state in (BOTH_CHANGED, FILES_AHEAD)
    if not behind and not forced:
        wrong = item.state in (BOTH_CHANGED, TWO_FILES, UNREADABLE)
        return Done(item.name, item.sentence, item.version, refused=wrong)
    assert item.prompt is not None  # it is in the registry
    version = item.prompt.newest.version
    path = project / (item.file.path if item.file else f"{SHARED}{item.name}.prompty")
    shown = path.relative_to(project).as_posix()
    if dry_run:
        return Done(item.name, f"{item.name}: would write version {version} to {shown}.")
    prompt = fetch(uri, Reference(item.name, version=version))
    kept = _keep(project, path) if forced else None
    _write(path, prompt)
    here = encode(Prompt.load(path)).sha256
    sentence = f"{item.name}: wrote version {version} to {shown}."
    if kept is not None:
        sentence += f" The text that was there is in {kept}."
    if here != encode(prompt).sha256:
        names = ", ".join(f"'{name}'" for name in prompt.parts)
        sentence += f" It includes {names}, which is not the same here as in that version."
        return Done(item.name, sentence, version, changed=True)
    mark_synced(project, {item.name: Synced(version, here, shown)})
    return Done(item.name, sentence, version, changed=True)


def _write(path: Path, prompt: Prompt) -> None:
    """Replace a file at once, so that no reader sees half of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=".pull-", delete=False) as f:
            f.write(prompt.as_file().encode())
        part = Path(f.name)
        part.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        part.replace(path)
    except OSError as error:
        raise PexError(f"{path}: cannot be written: {error.strerror or error}") from None


def _keep(project: Path, path: Path) -> str:
    """Keep a file's text before it is replaced; returns where."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S-%f")
    folder = private.folder(project / private.STATE / REPLACED)
    kept = folder / f"{path.stem}-{now}.prompty"
    kept.write_bytes(path.read_bytes())
    return kept.relative_to(project).as_posix()
