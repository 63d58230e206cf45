"""The versions of a prompt between two of them, from the library or from git."""

from __future__ import annotations

import dataclasses
import functools
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from pex.core.attempt import attempt
from pex.core.errors import PexError, nearest
from pex.core.includes import part_text
from pex.core.names import check_name
from pex.core.prompt import Prompt
from pex.library.content import decode
from pex.library.files import prompt_files
from pex.library.registry_api import all_versions, card_of
from pex.record.commit import git
from pex.tracking.store import connect, errors_of

_VERSION = re.compile(r"v?([1-9][0-9]{0,8})", re.IGNORECASE)
_PATIENCE_S = 30.0
_FIELD = "\x1f"


@dataclasses.dataclass(frozen=True, slots=True)
class PastVersion:
    """One version of a prompt; `prompt` is None if it cannot be read, and `problem` says why."""

    label: str
    prompt: Prompt | None
    problem: str = ""
    note: str = ""
    by: str = ""
    at: str = ""
    """The date, for example `2026-11-28`."""


def past_versions(project: Path, uri: str, name: str, good: str, bad: str) -> list[PastVersion]:
    """The versions from a good one to a bad one, both included, oldest first.

    Args:
        project: the project's folder.
        uri: the store of the library.
        name: the prompt's name.
        good: `v3`, an alias such as `@champion`, or a git revision.
        bad: the same kind of reference.

    Raises:
        PexError: the prompt or an end does not exist, the ends are of different kinds or in the
            wrong order, or the same.
    """
    check_name(name, "prompt name")
    of_library = [_is_version(end) for end in (good, bad)]
    if all(of_library):
        return _of_library(uri, name, good, bad)
    if any(of_library):
        raise PexError(
            f"--good {good} --bad {bad}: one is a version of the library, the other is not",
            hint="give two versions (v3, @champion) or two git revisions (abc123, HEAD)",
        )
    return _of_git(project, name, good, bad)


def _is_version(end: str) -> bool:
    return _VERSION.fullmatch(end) is not None or end.startswith("@")


def _of_library(uri: str, name: str, good: str, bad: str) -> list[PastVersion]:
    client = connect(uri)
    card = card_of(client, uri, name)
    with errors_of(uri):
        saved = {int(version.version): version for version in all_versions(client, name)}
    if not saved:
        raise PexError(f"prompt '{name}' has no version yet")
    aliases = {alias: int(number) for alias, number in card.aliases.items()}
    first, last = (_number(name, end, aliases, list(saved)) for end in (good, bad))
    _check_order(good, bad, first, last)
    found = []
    for number in range(first, last + 1):
        label = f"v{number}"
        version = saved.get(number)
        if version is None:
            found.append(PastVersion(label, None, "it was deleted"))
            continue
        prompt = attempt(functools.partial(decode, version))
        note, by = version.description or "", version.tags.get("pex.by") or version.user_id or ""
        at = _day(version.creation_timestamp / 1000)
        if isinstance(prompt, PexError):
            found.append(PastVersion(label, None, prompt.message, note, by, at))
        else:
            found.append(PastVersion(label, prompt, "", note, by, at))
    return found


def _number(name: str, end: str, aliases: dict[str, int], saved: list[int]) -> int:
    if end.startswith("@"):
        if end[1:] not in aliases:
            hint = nearest(end[1:], aliases) if aliases else "it has no alias yet"
            raise PexError(f"prompt '{name}' has no alias '{end[1:]}'", hint=hint)
        return aliases[end[1:]]
    match = _VERSION.fullmatch(end)
    assert match is not None  # as checked before
    number = int(match[1])
    if number not in saved:
        raise PexError(
            f"prompt '{name}' has no version {number}",
            hint=f"the latest is v{max(saved)}" if number > max(saved) else "it was deleted",
        )
    return number


def _check_order(good: str, bad: str, first: int, last: int) -> None:
    if first == last:
        raise PexError(f"--good {good} --bad {bad}: this is one and the same version")
    if first > last:
        raise PexError(
            f"--good {good} --bad {bad}: the good version must be the older one",
            hint=f"to find out since when it is better: --good {bad} --bad {good} is not the "
            "question that bisect answers; compare two versions with `pexlab compare`",
        )


def _of_git(project: Path, name: str, good: str, bad: str) -> list[PastVersion]:
    path = _file_of(project, name)
    folder = path.parent
    root = git(folder, "rev-parse", "--show-toplevel")
    if root is None:
        raise PexError(
            f"{path}: the folder is not in a git repository",
            hint="versions of the library are named like v3 or @champion",
        )
    first, last = _commit(folder, good), _commit(folder, bad)
    _check_order(good, bad, 0, 0 if first == last else 1)
    if _git(folder, "merge-base", "--is-ancestor", first, last) is None:
        older = _git(folder, "merge-base", "--is-ancestor", last, first) is not None
        raise PexError(
            f"--good {good} --bad {bad}: the good commit is not an ancestor of the bad one",
            hint="they are the wrong way round" if older else "they are on different branches",
        )
    top = Path(root).resolve()
    own = path.resolve().relative_to(top).as_posix()
    shared = (project.resolve() / "prompts").relative_to(top).as_posix()
    now = _changes(folder, f"{last}..HEAD", own)
    own = now[0].before if now else own  # the file may have been renamed since the bad commit
    return _versions(folder, name, (first, last), own, shared)


def _versions(
    folder: Path, name: str, ends: tuple[str, str], path: str, shared: str
) -> list[PastVersion]:
    """The versions of a file: at the good commit, and after each that changed it or a part of it.

    Args:
        folder: a folder of the repository.
        name: the prompt's name.
        ends: the good commit and the bad one.
        path: the file in the bad commit.
        shared: the folder `prompts/` of the project, where included parts can be.
    """
    first, last = ends
    span = f"{first}..{last}"
    changes = _changes(folder, span, path)
    order = (_git(folder, "rev-list", "--first-parent", "--reverse", span) or "").split("\n")
    start = changes[0].before if changes else path
    own = {change.commit: change for change in changes}
    parts: set[str] = set()
    while True:
        folders = dict.fromkeys([*(str(PurePosixPath(c.path).parent) for c in changes), shared])
        places = [f"{place}/{part}.prompty" for place in folders for part in sorted(parts)]
        of_parts = _part_changes(folder, span, places) if places else {}
        where, found = start, [_at(folder, name, _Change(first, start, start), shared)]
        for commit in order:
            change = own.get(commit) or of_parts.get(commit)
            if change is not None:
                where = own[commit].path if commit in own else where
                change = dataclasses.replace(change, path=where)
                found.append(_at(folder, name, change, shared))
        more = {part for item in found if item.prompt for part in item.prompt.parts} - parts
        if not more:  # what a part includes is a part too
            break
        parts |= more
    end = _at(folder, name, _Change(last, path, path), shared)
    if _sent(end) != _sent(found[-1]):  # a change that the log does not show is not lost
        found.append(end)
    return found


def _sent(version: PastVersion) -> str | None:
    return version.prompt.digest if version.prompt is not None else None


def _file_of(project: Path, name: str) -> Path:
    files = prompt_files(project)
    paths = [file.path for file in files if file.name == name]
    if not paths:
        hint = nearest(name, dict.fromkeys(file.name for file in files))
        raise PexError(f"the project has no file of a prompt '{name}'", hint=hint)
    if len(paths) > 1:
        raise PexError(f"the prompt '{name}' has several files: {', '.join(paths)}")
    return project / paths[0]


def _commit(folder: Path, revision: str) -> str:
    found = _git(folder, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    if found is None:
        raise PexError(
            f"'{revision}' is neither a version of the library nor a git revision",
            hint="for example v3, @champion, HEAD~5 or a commit's id",
        )
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class _Change:
    """A commit that changed a file; `path` is the file's after it, `before` the one before it."""

    commit: str
    path: str
    before: str
    day: str = ""
    author: str = ""
    subject: str = ""


def _changes(folder: Path, span: str, path: str) -> list[_Change]:
    """The commits that changed a file, oldest first, also under its earlier names.

    A branch that was merged counts as its merge: its commits were not one after the other with
    those of this branch.
    """
    found = []
    where = path
    for change, status in _log(folder, span, path, "--follow", "--name-status"):
        names = status.split("\t")
        # The newest comes first; a renamed file has its old name in all commits before.
        where = names[-1] if len(names) > 1 else where
        before = names[1] if len(names) > 2 else where
        found.append(dataclasses.replace(change, path=where, before=before))
        where = before
    return found[::-1]


def _part_changes(folder: Path, span: str, paths: Sequence[str]) -> dict[str, _Change]:
    """The commits that changed one of these files, by their ids."""
    specs = [f":/{path}" for path in paths[1:]]
    return {change.commit: change for change, _ in _log(folder, span, paths[0], more=specs)}


def _log(
    folder: Path, span: str, path: str, *options: str, more: Sequence[str] = ()
) -> Iterator[tuple[_Change, str]]:
    log = _git(
        folder, "log", *options, "--first-parent", "--diff-merges=first-parent", "--date=short",
        f"--format=%x00%H{_FIELD}%ad{_FIELD}%an{_FIELD}%s", span, "--", f":/{path}", *more,
    )  # fmt: skip
    for block in (log or "").split("\0")[1:]:
        head, _, status = block.partition("\n")
        commit, day, author, subject = [*head.split(_FIELD, 3), "", "", ""][:4]
        yield _Change(commit, path, path, day, author, subject.strip()), status.strip()


def _at(folder: Path, name: str, change: _Change, shared: str) -> PastVersion:
    label = change.commit[:10]
    text = _git(folder, "show", f"{change.commit}:{change.path}")
    said = change.subject, change.author, change.day
    if text is None:
        return PastVersion(label, None, "the file is not in this commit", *said)

    def part(wanted: str) -> str:
        beside = str(PurePosixPath(change.path).parent)
        for place in dict.fromkeys([beside, shared]):
            found = _git(folder, "show", f"{change.commit}:{place}/{wanted}.prompty")
            if found is not None:
                return part_text(found, f"{wanted}.prompty in {label}")
        raise PexError(f"it includes '{wanted}', and there is no {wanted}.prompty in this commit")

    where = f"{change.path} in {label}"
    prompt = attempt(lambda: Prompt.parse(text, where, name, part))
    if isinstance(prompt, PexError):
        return PastVersion(label, None, prompt.message, *said)
    return PastVersion(label, prompt, "", *said)


def _git(folder: Path, *arguments: str) -> str | None:
    """The exact output of a git command, None if it fails."""
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-C", str(folder),
             *arguments],
            capture_output=True,
            timeout=_PATIENCE_S,
            check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    text = done.stdout.decode("utf-8", "replace")
    return text if arguments[0] == "show" else text.strip("\n")


def _day(seconds: float) -> str:
    import datetime

    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d}"
