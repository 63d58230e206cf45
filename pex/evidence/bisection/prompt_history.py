"""The versions of a prompt between two of them, from the library or from git."""

from __future__ import annotations

import dataclasses
import functools
import re
import subprocess
from pathlib import Path

from pex.core.attempt import attempt
from pex.core.errors import PexError, nearest
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
    own = path.resolve().relative_to(Path(root).resolve()).as_posix()
    commits = _changes(folder, f"{first}..{last}", own)
    start = commits[0][1] if commits else own  # the file may have had another name
    found = [_at(folder, name, first, start, "", "", "")]
    for commit, where, day, author, subject in commits:
        found.append(_at(folder, name, commit, where, subject, author, day))
    return found


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


def _changes(folder: Path, span: str, path: str) -> list[tuple[str, str, str, str, str]]:
    """The commits that changed a file, oldest first: id, path at that time, day, author, subject.

    A commit that only merged a change is left out.
    """
    log = _git(
        folder, "log", "--follow", "--name-status", "--no-merges", "--date=short",
        f"--format=%x00%H{_FIELD}%ad{_FIELD}%an{_FIELD}%s", span, "--", f":/{path}",
    )  # fmt: skip
    found = []
    where = path
    for block in (log or "").split("\0")[1:]:
        head, _, changed = block.partition("\n")
        commit, day, author, subject = [*head.split(_FIELD, 3), "", "", ""][:4]
        names = changed.strip().split("\t")
        # The newest comes first; a renamed file has its old name in all commits before.
        where = names[-1] if len(names) > 1 else where
        found.append((commit, where, day, author, subject))
        where = names[1] if len(names) > 2 else where
    return found[::-1]


def _at(
    folder: Path, name: str, commit: str, path: str, subject: str, author: str, day: str
) -> PastVersion:
    label = commit[:10]
    text = _git(folder, "show", f"{commit}:{path}")
    if text is None:
        return PastVersion(label, None, "the file is not in this commit", subject, author, day)
    prompt = attempt(lambda: Prompt.parse(text, f"{path} in {label}", name))
    if isinstance(prompt, PexError):
        return PastVersion(label, None, prompt.message, subject, author, day)
    return PastVersion(label, prompt, "", subject, author, day)


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
