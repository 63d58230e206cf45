"""`pexlab library list|show|push|pull`: prompts between files and MLflow's registry."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pex.cli import console
from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.report.terminal import text_table

_Reference = Annotated[
    str, typer.Argument(metavar="NAME[@ALIAS|/VERSION]", help="Which; else the latest version.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `pexlab library`."""
    app.command("list")(list_prompts)
    for command in (show, push, pull):
        app.command()(command)


def list_prompts() -> None:
    """List the prompts: latest version, aliases, model, variables.

    Prompts that only runs registered, as earlier versions of pex did, are not listed here but by
    `pexlab gc --scratch-prompts`.
    """
    from pex.library import registry

    found = registry.table()
    if found.empty:
        console.err("Nothing has been saved yet.  pexlab library push FILE.prompty")
        return
    head = ("name", "version", "aliases", "created", "model", "variables", "description")
    console.out(text_table([_cells(row) for row in found.to_dict("records")], head))


def _cells(row: Mapping[Hashable, Any]) -> tuple[str, ...]:
    return (
        row["name"],
        str(row["version"]),
        " ".join(f"{alias}={version}" for alias, version in row["aliases"].items()),
        f"{row['created']:%Y-%m-%d}",
        row["model"],
        row["variables"],
        " ".join(row["description"].split()),
    )


def show(reference: _Reference) -> None:
    """Print a prompt: on stdout its file, on stderr what is known of the version."""
    from pex.library import registry

    version = registry.look(reference)
    aliases = "".join(f" @{alias}" for alias in version.aliases)
    console.err(f"{version.reference}{aliases}, saved {version.created:%Y-%m-%d %H:%M} UTC")
    if version.note:
        console.err(version.note)
    prompt = registry.load(version.reference)
    try:
        console.out(prompt.to_prompty())
    except PexError:  # no file can hold it, but its texts can be read
        console.out(prompt.text)


def push(
    file: Annotated[Path, typer.Argument(metavar="FILE.prompty", help="The prompt.")],
    name: Annotated[
        str | None, typer.Option(help="Its name in the library; else the one in the file.")
    ] = None,
    alias: Annotated[
        str | None, typer.Option(help="Points to this version from now on, e.g. champion.")
    ] = None,
) -> None:
    """Save a prompt file as a new version, unless it is there already."""
    from pex.library import registry

    version = registry.save(Prompt.load(file), name, alias)
    aliases = "".join(f" @{item}" for item in version.aliases)
    console.out(f"{'saved' if version.new else 'kept '}  {version.reference}{aliases}")


def pull(
    reference: _Reference,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to; else NAME.prompty.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file with different content.")
    ] = False,
) -> None:
    """Write a prompt of the library to a file, with every byte that was saved."""
    from pex.library import registry

    prompt = registry.load(reference)
    path = to or Path(f"{prompt.name}.prompty")
    content = prompt.to_prompty().encode()
    if path.is_dir():
        raise PexError(f"{path}: this is a folder, expected a file")
    same = path.is_file() and path.read_bytes() == content
    if path.is_file() and not same and not force:
        raise PexError(
            f"{path}: a file with different content already exists",
            hint="--force replaces it, --to FILE writes another",
        )
    if not same:
        prompt.save(path)
    console.out(f"{'kept ' if same else 'wrote'}  {path}  ({prompt.origin})")
