"""Finds secrets in the history of a git repository: what was committed can be read for ever."""

from __future__ import annotations

import fnmatch
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pex.core.errors import PexError
from pex.project.scan_files import (
    LARGEST_MB,
    Scanned,
    SecretInFile,
    add,
    git,
    is_no_text,
    known_values,
)


def scan_history(
    folder: Path, exclude: Sequence[str] = (), say: Callable[[str], None] = lambda line: None
) -> Scanned:
    """Scan every version of every file that any branch or tag leads to, each once.

    Args:
        folder: a folder of the repository.
        exclude: patterns of files that are not read.
        say: told about the progress.

    Returns:
        What was found, with the first commit of each; what stands in several versions of a file
        is named once.

    Raises:
        PexError: it is not in a git repository.
    """
    listed = git(folder, "rev-list", "--objects", "--all")
    if listed is None:
        raise PexError(f"{folder}: not in a git repository, so it has no history")
    names: dict[str, str] = {}
    for line in listed.decode("utf-8", "replace").splitlines():
        blob, _, name = line.partition(" ")
        if name:
            names.setdefault(blob, name)
    found = Scanned()
    values = known_values([folder])
    clean: set[str] = set()
    seen: set[tuple[str, str, str]] = set()
    for number, (blob, data) in enumerate(_blobs(folder, list(names)), 1):
        if number % 2000 == 0:
            say(f"read {number:,} of {len(names):,} objects")
        name = names[blob]
        if any(fnmatch.fnmatch(name, pattern) for pattern in exclude):
            found.excluded += 1
            continue
        if is_no_text(Path(name)):
            found.no_text += 1
            continue
        if data is None:
            found.not_read[f"{name} ({blob[:8]})"] = f"over {LARGEST_MB} MB"
            continue
        before = len(found.secrets)
        add(found, name, data, values, clean)
        new = found.secrets[before:]
        del found.secrets[before:]
        commit = ""
        for item in new:
            same = (name, item.secret.rule, item.secret.excerpt)
            if same not in seen:
                seen.add(same)
                commit = commit or _commit(folder, blob)
                found.secrets.append(SecretInFile(name, item.secret, commit))
    return found


def _commit(folder: Path, blob: str) -> str:
    """The first commit that has a version of a file, and its day."""
    said = git(
        folder, "-c", "log.showSignature=false", "log", "--no-ext-diff", "--no-textconv", "--all",
        "--reverse", "--format=%h of %as", f"--find-object={blob}",
    )  # fmt: skip
    return (said or b"").decode("utf-8", "replace").partition("\n")[0] or "a commit"


def _blobs(folder: Path, objects: list[str]) -> Iterator[tuple[str, bytes | None]]:
    """The contents of files by their ids; None for one that is too large."""
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), "cat-file"]
    asked = ("\n".join(objects) + "\n").encode()
    checked = subprocess.run(
        [*command, "--batch-check"], input=asked, capture_output=True, check=False
    )
    wanted = []
    for line in checked.stdout.decode("ascii", "replace").splitlines():
        name, _, rest = line.partition(" ")
        kind, _, size = rest.partition(" ")
        if kind != "blob":
            continue
        if int(size) > LARGEST_MB * 1_000_000:
            yield name, None
        else:
            wanted.append(name)
    with subprocess.Popen(
        [*command, "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        for name in wanted:  # one after another: an answer is read before the next is asked for
            reader.stdin.write(f"{name}\n".encode())
            reader.stdin.flush()
            length = int(reader.stdout.readline().split()[2])
            yield name, reader.stdout.read(length)
            reader.stdout.read(1)
        reader.stdin.close()
