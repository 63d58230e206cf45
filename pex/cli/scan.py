"""`pexlab scan`: are there secrets in files that somebody else will see?"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.core.errors import PexError
from pex.project.scan_files import MARK, Scanned, scan_files
from pex.project.scan_history import scan_history

_SHOWN = 100


def scan(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="Files and folders; default: .")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Also every version in git, of all branches.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what git ignores: outputs, .pex, mlruns.")
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="GLOB", help="Files to leave out, such as 'tests/*'."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Look for keys and passwords in notebooks, cases, prompts, settings and all other text files.

    Notebooks are read cell by cell: sources, outputs, parameters, the state of widgets. What is
    looked for are the shapes of keys, and the values of this environment's key variables and of
    .env files. Nothing is sent anywhere, and no secret is printed. A line with the comment
    'pex: ignore[secret]' is left out and counted. Personal data are not looked for.

    Exit codes: 0 nothing found · 1 something found · 2 wrong use · 3 nothing found, but some files
    could not be read.
    """
    places = paths or [Path()]
    found = scan_files(places, everything=everything, exclude=exclude or (), say=console.err)
    if history:
        folder = places[0] if places[0].is_dir() else places[0].parent
        found = _joined(found, scan_history(folder, exclude or (), console.err))
    if as_json:
        console.document(_document(found))
    else:
        _print(found)
    if found.secrets:
        raise typer.Exit(1)
    if found.not_read:
        raise typer.Exit(3)
    if not (found.files or found.no_text or found.excluded):
        raise PexError("there is no file to read here")


def _joined(now: Scanned, past: Scanned) -> Scanned:
    """Both; what is in a file now is named once."""
    there = {(one.file, one.secret.rule, one.secret.excerpt) for one in now.secrets}
    older = [
        one for one in past.secrets
        if (one.file, one.secret.rule, one.secret.excerpt) not in there
    ]  # fmt: skip
    return Scanned(
        [*now.secrets, *older], now.files + past.files, now.marked + past.marked,
        now.not_read | past.not_read, now.no_text + past.no_text, now.excluded + past.excluded,
        now.key_files,
    )  # fmt: skip


def _print(found: Scanned) -> None:
    for one in found.secrets[:_SHOWN]:
        console.out(str(one))
    if len(found.secrets) > _SHOWN:
        console.out(f"and {len(found.secrets) - _SHOWN:,} more (--json has all)")
    count = len(found.secrets)
    said = "no secret" if not count else "1 secret" if count == 1 else f"{count:,} secrets"
    files = "1 file" if found.files == 1 else f"{found.files:,} files"
    console.err(f"{said} in {files} that were read")
    if found.marked:
        console.err(f"{found.marked:,} left out: their lines say '{MARK}'")
    for name in found.key_files:
        console.err(f"{name} holds keys, and git leaves it alone: keep it out of what you share")
    if found.excluded:
        console.err(f"{found.excluded:,} files excluded")
    if found.no_text:
        console.err(f"{found.no_text:,} files without text were left out (pictures, archives …)")
    for name, why in found.not_read.items():
        console.err(f"not read: {name}: {why}")
    if count:
        console.err(
            "change a key that others could have seen; then take it out, and read keys from "
            "variables or .pex/keys.env"
        )


def _document(found: Scanned) -> dict[str, object]:
    return {
        "secrets": [
            {"file": one.file, "commit": one.commit or None, **dataclasses.asdict(one.secret)}
            for one in found.secrets
        ],
        "files": found.files,
        "marked": found.marked,
        "without_text": found.no_text,
        "excluded": found.excluded,
        "key_files": found.key_files,
        "not_read": found.not_read,
    }
