"""Which side is ahead, the prompt files or the registry, and what a push or a pull would do.

A file and the newest version are compared by the hash of their content. Which of them has changed
follows from the version that they last had in common (`pex.library.synced`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pex.library.file_index import IndexedFile, indexed_files
from pex.library.index import IndexedPrompt, IndexedVersion, LibraryIndex
from pex.library.synced import Synced, read_synced

IN_STEP = "in step"
FILES_AHEAD = "files ahead"
REGISTRY_AHEAD = "registry ahead"
BOTH_CHANGED = "both changed"
CHANGED_BACK = "changed back"
FILE_ONLY = "file only"
REGISTRY_ONLY = "registry only"
TWO_FILES = "two files"
UNREADABLE = "cannot be read"
STATES = (
    IN_STEP, FILES_AHEAD, REGISTRY_AHEAD, BOTH_CHANGED, CHANGED_BACK, FILE_ONLY, REGISTRY_ONLY,
    TWO_FILES, UNREADABLE,
)  # fmt: skip
SHARED = "prompts/"
"""The folder whose files are meant for the library, whether it has them yet or not."""
POLICIES = ("files", "registry", "strict")
"""Which side is the truth: the files, the registry, or both, which must be the same."""
_ALLOWED = {
    "files": (IN_STEP, FILES_AHEAD, CHANGED_BACK, FILE_ONLY, REGISTRY_ONLY),
    "registry": (IN_STEP, REGISTRY_AHEAD, FILE_ONLY, REGISTRY_ONLY),
    "strict": (IN_STEP,),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """How a prompt's file compares with the registry.

    `file` is the file that belongs to it, `version` the version with the file's content (None if
    no version has it), `base` the last common version, `others` further files of this name.
    """

    name: str
    state: str
    file: IndexedFile | None
    prompt: IndexedPrompt | None
    version: int | None = None
    base: int | None = None
    others: tuple[IndexedFile, ...] = ()
    lookalike: str = ""
    """A prompt of the registry whose name differs only by upper and lower case."""

    @property
    def saved_otherwise(self) -> str | None:
        """The version's own hash where it is not the file's: then only the mark ties them."""
        if self.file is None or self.prompt is None:
            return None
        same = (item.sha256 or "" for item in self.prompt.versions if item.version == self.version)
        saved = next(same, None)
        return None if saved == self.file.sha256 else saved

    @property
    def sentence(self) -> str:
        """Which side is ahead and what would happen."""
        return _lookalike(self) if self.lookalike else _SENTENCES[self.state](self)

    def is_allowed(self, policy: str) -> bool:
        """Whether a policy lets this stand: "files", "registry" or "strict"."""
        if self.lookalike and self.is_meant:
            return False
        if self.state == FILE_ONLY and not self.is_meant:
            return True  # an experiment's own prompt, which nobody has put into the library
        return self.state in _ALLOWED[policy]

    @property
    def is_meant(self) -> bool:
        """Whether it belongs to the library: it is there, or its file is in `prompts/`."""
        files = [*([self.file] if self.file else []), *self.others]
        return self.prompt is not None or any(file.path.startswith(SHARED) for file in files)


def standings(project: Path, index: LibraryIndex, *, scratch: bool = False) -> list[Standing]:
    """How every prompt of a project stands, in alphabetical order.

    Args:
        project: the project's folder.
        index: the index of its registry, as it is: `refresh` brings it up to date.
        scratch: also prompts that only runs registered.

    Raises:
        PexError: `library/synced.json` is damaged.
    """
    return compare(indexed_files(project), index.prompts(scratch=scratch), read_synced(project))


def compare(
    files: Iterable[IndexedFile],
    prompts: Iterable[IndexedPrompt],
    synced: Mapping[str, Synced],
) -> list[Standing]:
    """The same from what has been read."""
    by_name: dict[str, list[IndexedFile]] = {}
    for file in files:
        by_name.setdefault(file.name, []).append(file)
    registry = {prompt.name: prompt for prompt in prompts}
    folded: dict[str, set[str]] = {}
    for name in {*registry, *by_name}:
        folded.setdefault(name.casefold(), set()).add(name)
    names = sorted({*by_name, *registry}, key=lambda name: (name.casefold(), name))
    return [
        _standing(name, by_name.get(name, []), registry.get(name), synced.get(name), folded)
        for name in names
    ]


def _standing(
    name: str,
    files: Sequence[IndexedFile],
    prompt: IndexedPrompt | None,
    mark: Synced | None,
    folded: Mapping[str, set[str]],
) -> Standing:
    file = _own_file(files, prompt, mark)
    others = tuple(item for item in files if item is not file)
    if files and file is None:
        return Standing(name, TWO_FILES, None, prompt, others=others)
    twins = sorted(folded[name.casefold()] - {name})
    lookalike = twins[0] if twins and file is not None else ""
    base = mark.version if mark and prompt else None
    if file is None:
        return Standing(name, REGISTRY_ONLY, None, prompt, base=base)
    if file.problem:
        return Standing(name, UNREADABLE, file, prompt, base=base, others=others)
    if prompt is None:
        return Standing(name, FILE_ONLY, file, None, others=others, lookalike=lookalike)
    version = _held(prompt, file.sha256, mark)
    return Standing(
        name, _state(prompt, version, mark), file, prompt, version, base, others, lookalike
    )


def _held(prompt: IndexedPrompt, sha256: str, mark: Synced | None) -> int | None:
    """The version that a file with this content is; None if it is none."""
    version = prompt.version_with(sha256)
    if version is None and mark is not None and mark.saved is not None and mark.sha256 == sha256:
        # The version's own hash is another one, or it has none.
        same = (item for item in prompt.versions if item.version == mark.version)
        version = next((item.version for item in same if (item.sha256 or "") == mark.saved), None)
    return version


def _state(prompt: IndexedPrompt, version: int | None, mark: Synced | None) -> str:
    newest = prompt.newest
    if version == newest.version:
        return IN_STEP
    last = None if mark is None else _held(prompt, mark.sha256, mark)
    if version is not None:
        return CHANGED_BACK if last == newest.version else REGISTRY_AHEAD
    if mark is None:
        return BOTH_CHANGED  # nothing says that the file comes after what the registry has
    was_newest = last == newest.version or (newest.sha256 is not None and mark.was(newest.sha256))
    # With a lower number the version that the file was is gone.
    return FILES_AHEAD if was_newest or newest.version < mark.version else BOTH_CHANGED


def _own_file(
    files: Sequence[IndexedFile], prompt: IndexedPrompt | None, mark: Synced | None
) -> IndexedFile | None:
    """The file that a prompt of the library belongs to; None if that cannot be told."""
    if len(files) < 2:
        return files[0] if files else None
    for choose in (
        lambda item: mark is not None and item.path == mark.path,
        lambda item: item.path.startswith(SHARED),
        lambda item: prompt is not None and prompt.version_with(item.sha256) is not None,
    ):
        chosen = [item for item in files if choose(item)]
        if len(chosen) == 1:
            return chosen[0]
    same = len({item.sha256 for item in files}) == 1 and files[0].sha256
    # Experiments may call different prompts `short`; that matters once one of them is shared.
    return files[0] if same or (prompt is None and not _any_shared(files)) else None


def _any_shared(files: Sequence[IndexedFile]) -> bool:
    return any(item.path.startswith(SHARED) for item in files)


def _saved(version: IndexedVersion) -> str:
    by = f" by {version.by}" if version.by else ""
    return f"version {version.version}{by}, {version.created.astimezone():%d %b %Y}"


def _lookalike(item: Standing) -> str:
    return (
        f"{item.name}: there is also '{item.lookalike}', which differs only by upper and lower "
        f"case. Rename {_path(item)}, or the name in it."
    )


def _in_step(item: Standing) -> str:
    assert item.prompt
    return f"{item.name}: {_path(item)} is version {item.prompt.newest.version}, the newest."


def _files_ahead(item: Standing) -> str:
    assert item.prompt
    newest = item.prompt.newest.version
    return (
        f"{item.name}: {_path(item)} has changed since version {newest}; push saves the next "
        "version."
    )


def _registry_ahead(item: Standing) -> str:
    assert item.prompt
    return (
        f"{item.name}: the registry is ahead: {_saved(item.prompt.newest)}; {_path(item)} is "
        f"version {item.version}. pull replaces it."
    )


def _both_changed(item: Standing) -> str:
    assert item.prompt
    newest = item.prompt.newest
    since = f"since version {item.base}" if item.base else "and no common version is known"
    return (
        f"{item.name}: both have changed {since}: {_path(item)}, and the registry "
        f"({_saved(newest)}). Look with `pexlab library diff {item.name}`; then `push --force` "
        "saves the file as the newest version, or `pull --force` replaces it and keeps its text in "
        ".pex/replaced/."
    )


def _changed_back(item: Standing) -> str:
    assert item.prompt
    return (
        f"{item.name}: {_path(item)} is version {item.version} again; the newest is "
        f"{item.prompt.newest.version}. `promote {item.name} --version {item.version}` puts it to "
        "use, pull brings the file forward."
    )


def _file_only(item: Standing) -> str:
    if not item.is_meant:
        return f"{item.name}: {_path(item)} is not in the library; push {item.name} saves it."
    return f"{item.name}: {_path(item)} is not in the registry yet; push saves it as version 1."


def _registry_only(item: Standing) -> str:
    assert item.prompt
    return (
        f"{item.name}: only in the registry ({_saved(item.prompt.newest)}); "
        f"pull {item.name} writes {SHARED}{item.name}.prompty."
    )


def _two_files(item: Standing) -> str:
    paths = " and ".join(file.path for file in item.others)
    return (
        f"{item.name}: {paths} share this name but differ. Rename one, or say which: "
        f"pexlab library push {item.others[0].path}"
    )


def _unreadable(item: Standing) -> str:
    assert item.file
    hint = f" ({item.file.hint})" if item.file.hint else ""
    return f"{item.name}: {_path(item)} cannot be read: {item.file.problem}{hint}"


def _path(item: Standing) -> str:
    return item.file.path if item.file else ""


_SENTENCES = {
    IN_STEP: _in_step,
    FILES_AHEAD: _files_ahead,
    REGISTRY_AHEAD: _registry_ahead,
    BOTH_CHANGED: _both_changed,
    CHANGED_BACK: _changed_back,
    FILE_ONLY: _file_only,
    REGISTRY_ONLY: _registry_only,
    TWO_FILES: _two_files,
    UNREADABLE: _unreadable,
}
