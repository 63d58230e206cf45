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
from pex.core.includes import among
from pex.core.project import find_project
from pex.core.prompt import Prompt
from pex.library.content import encode
from pex.library.file_index import indexed_files
from pex.library.index import LibraryIndex
from pex.library.reference import Reference
from pex.library.registry import fetch, save_at
from pex.library.sync import (
    BOTH_CHANGED,
    CHANGED_BACK,
    FILE_ONLY,
    FILES_AHEAD,
    IN_STEP,
    POLICIES,
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
    rule = policy or load_settings(project).library.sync
    if rule not in POLICIES:
        raise PexError(f"there is no policy '{rule}'", hint=nearest(rule, POLICIES))
    chosen = choose(project, index, what, (FILES_AHEAD, FILE_ONLY))
    # Also of prompts that only runs registered, which are not in the library: numbers go on.
    newest = {item.name: item.newest.version for item in index.prompts(scratch=True)}
    done = [
        _push(project, uri, item, newest.get(item.name, 0), rule, force, dry_run, note)
        for item in chosen
    ]
    if not dry_run:
        _note_in_step(project, index)
    return Report(done)


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
    done = [_pull(project, uri, item, force, dry_run) for item in chosen]
    if dry_run:
        return Report(done)
    # What one file includes may have come with another, so they are compared at the end.
    standing = {item.name: item for item in _note_in_step(project, index)}
    return Report(_with_remark(item, standing.get(item.name)) for item in done)


def _note_in_step(project: Path, index: LibraryIndex) -> list[Standing]:
    """Compare again, and note for each file that is in step what it is."""
    index.refresh()
    known = read_synced(project)
    found = compare(indexed_files(project), index.prompts(), known)
    marks = {
        item.name: Synced(item.version, item.file.sha256, item.file.path, item.saved_otherwise)
        for item in found
        if item.state == IN_STEP and item.is_meant and item.file and item.version is not None
    }
    if marks:
        mark_synced(project, marks)
    return found


def _with_remark(done: Done, standing: Standing | None) -> Done:
    """What happened, with what is still different although the file was written."""
    if not done.changed or standing is None or standing.state == IN_STEP:
        return done
    if standing.state == UNREADABLE:
        return dataclasses.replace(done, sentence=f"{done.sentence} {standing.sentence}")
    includes = standing.file.includes if standing.file else ()
    names = ", ".join(f"'{name}'" for name in includes)
    differs = f"It includes {names}, which is not the same here as in that version."
    return dataclasses.replace(done, sentence=f"{done.sentence} {differs}") if names else done


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
    files, prompts, synced = indexed_files(project), index.prompts(), read_synced(project)
    found = compare(files, prompts, synced)
    if not wanted:
        about = (*states, BOTH_CHANGED, TWO_FILES, UNREADABLE)
        return [item for item in found if item.state in about and item.is_meant]
    by_name = {item.name: item for item in found}
    paths = {file.path: file for file in files}
    chosen = []
    for text in wanted:
        path = Path(text)
        if path.suffix == ".prompty" or path.is_file():
            file = paths.get(_inside(project, path))
            if file is None:
                raise PexError(
                    f"{text}: no such prompt file in the project",
                    hint=nearest(_inside(project, path) or text, paths),
                )
            # The file was named, so it is the one, whatever others have its name.
            mark = synced.get(file.name, Synced(0, "", ""))
            named = {file.name: dataclasses.replace(mark, path=file.path)}
            chosen += [item for item in compare(files, prompts, named) if item.name == file.name]
        elif text in by_name:
            chosen.append(by_name[text])
        else:
            raise PexError(
                f"there is no prompt '{text}' in the library or in the project's files",
                hint=nearest(text, by_name),
            )
    return chosen


def _inside(project: Path, path: Path) -> str:
    """A file's path relative to the project, empty if it is elsewhere."""
    where = path.resolve()
    return where.relative_to(project).as_posix() if where.is_relative_to(project) else ""


def _push(
    project: Path,
    uri: str,
    item: Standing,
    newest: int,
    policy: str,
    force: bool,
    dry_run: bool,
    note: str,
) -> Done:
    ahead = item.state in (FILES_AHEAD, FILE_ONLY) or (item.state == BOTH_CHANGED and force)
    if not ahead or item.lookalike:
        wrong = item.state in (BOTH_CHANGED, TWO_FILES, UNREADABLE) or bool(item.lookalike)
        return Done(item.name, item.sentence, item.version, refused=wrong or force)
    if policy == "registry" and item.prompt is not None:
        return Done(
            item.name,
            f"{item.name}: not pushed: in this project the registry is the truth (sync = "
            '"registry" in pex.toml). pull replaces the file; --policy files pushes it.',
            refused=True,
        )
    assert item.file is not None  # it is ahead
    if dry_run:
        what = "the next version" if newest else "version 1"
        return Done(item.name, f"{item.name}: would save {item.file.path} as {what}.")
    prompt = Prompt.load(project / item.file.path)
    found = attempt(lambda: save_at(uri, prompt, item.name, note=note, after=newest))
    if isinstance(found, PexError):
        hint = f" ({found.hint})" if found.hint else ""
        return Done(item.name, f"{item.name}: {found.message}{hint}", refused=True)
    mark_synced(project, {item.name: Synced(found.version, encode(prompt).sha256, item.file.path)})
    if not found.new:
        sentence = f"{item.name}: {item.file.path} was version {found.version} already."
        return Done(item.name, sentence, found.version)
    sentence = f"{item.name}: saved {item.file.path} as version {found.version}."
    between = attempt(lambda: fetch(uri, Reference(item.name, version=newest + 1)))
    # Numbers of deleted versions are not given again, so a gap alone says nothing.
    if found.version > newest + 1 and isinstance(between, Prompt):
        sentence += (
            f" Somebody else saved version {newest + 1} at the same moment: both are there; look "
            f"with `pexlab library diff {item.name} {newest + 1} {found.version}`."
        )
    return Done(item.name, sentence, found.version, changed=True)


def _pull(project: Path, uri: str, item: Standing, force: bool, dry_run: bool) -> Done:
    behind = item.state in (REGISTRY_AHEAD, REGISTRY_ONLY, CHANGED_BACK)
    forced = force and item.state in (BOTH_CHANGED, FILES_AHEAD)
    if not behind and not forced:
        wrong = item.state in (BOTH_CHANGED, TWO_FILES, UNREADABLE)
        return Done(item.name, item.sentence, item.version, refused=wrong)
    assert item.prompt is not None  # it is in the registry
    newest = item.prompt.newest
    path = project / (item.file.path if item.file else f"{SHARED}{item.name}.prompty")
    shown = path.relative_to(project).as_posix()
    if item.file is None and path.exists():
        return Done(
            item.name,
            f"{item.name}: not pulled: {shown} is another prompt's file. Move it, or write this "
            f"one elsewhere: pexlab library pull {item.name} --to FILE",
            refused=True,
        )
    if dry_run:
        return Done(item.name, f"{item.name}: would write version {newest.version} to {shown}.")
    prompt = fetch(uri, Reference(item.name, version=newest.version))
    text = _file_text(prompt, path)
    sentence = f"{item.name}: wrote version {newest.version} to {shown}."
    if forced:
        sentence += f" The text that was there is in {keep_replaced(project, path)}."
    for part in _write_parts(project, path.parent, prompt):
        sentence += f" It includes {part}, which was not here and is written too."
    _write(path, text)
    written = attempt(lambda: encode(Prompt.load(path)).sha256)
    if isinstance(written, str) and text != prompt.file_text:
        saved = newest.sha256 or ""
        mark_synced(project, {item.name: Synced(newest.version, written, shown, saved)})
    return Done(item.name, sentence, newest.version, changed=True)


def _file_text(prompt: Prompt, path: Path) -> str:
    """The text of the file for a version, under its name in the library."""
    if prompt.file_text is not None:
        text = prompt.file_text
        found = Prompt.parse(text, prompt.name, prompt.name, among(prompt.parts, prompt.name))
        return text if found.name == prompt.name else prompt.changed(name=prompt.name).as_file()
    old = attempt(lambda: Prompt.load(path))
    if not isinstance(old, Prompt):
        return prompt.as_file()
    # Plain MLflow saved it: what it cannot hold, such as the owner, stays as it is in the file.
    return old.changed(
        name=prompt.name,
        messages=prompt.messages,
        model=prompt.model or old.model,
        params=prompt.params or old.params,
        response_schema=prompt.response_schema,
    ).as_file()


def _write_parts(project: Path, folder: Path, prompt: Prompt) -> list[str]:
    """Write included texts that are neither beside the file nor in `prompts/`; returns where."""
    written = []
    for name, text in prompt.parts.items():
        shared = project / SHARED / f"{name}.prompty"
        if not (folder / shared.name).exists() and not shared.exists():
            _write(shared, f"---\nname: {name}\n---\n{text}\n")
            written.append(shared.relative_to(project).as_posix())
    return written


def _write(path: Path, text: str) -> None:
    """Replace a file at once, so that no reader sees half of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=".pull-", delete=False) as f:
            f.write(text.encode())
        part = Path(f.name)
        part.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        part.replace(path)
    except OSError as error:
        raise PexError(f"{path}: cannot be written: {error.strerror or error}") from None


def keep_replaced(project: Path, path: Path) -> str:
    """Keep a file's text in `.pex/replaced/` before it is replaced; returns where.

    Raises:
        PexError: it cannot be kept, so nothing may be replaced.
    """
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S-%f")
    try:
        folder = private.folder(private.state(project) / REPLACED)
        kept = folder / f"{path.stem}-{now}{path.suffix}"
        kept.write_bytes(path.read_bytes())
    except OSError as error:
        raise PexError(f"{path}: its text cannot be kept: {error.strerror or error}") from None
    return kept.relative_to(project).as_posix()
