"""`pexlab trust`: what a project directs, shown and allowed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from pex.cli import console
from pex.core.errors import PexError
from pex.core.project import FILE, find_project
from pex.project import trust as kept
from pex.project.settings import load_settings
from pex.run.provider_trust import directed, is_remote

Done = TypeVar("Done")


def trust(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The project, or in it.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Trust a project: let its pex.toml send your keys to its addresses and run its commands.

    Prints which keys would be sent where, which commands would be run, and where outside this
    machine its record has files of runs; then keeps your permission for exactly that in your own
    configuration, outside the project. A change to any of these needs your permission again; a
    change to limits, prices or budgets does not. Keys of built-in providers at their own addresses
    need no trust. In CI, PEX_TRUST=1 in the environment trusts every project.
    """
    if not folder.is_dir():
        raise PexError(f"{folder}: there is no such folder", hint="name the project's folder")
    project = find_project(folder)
    told = _what_to_trust(project)
    _allow(project)
    if as_json:
        console.document({"project": str(project), "trusted": told, "kept_in": str(kept.place())})
    elif told:
        console.out("\n".join([str(project), *(f"  {line}" for line in told)]))
        console.out(f"Trusted until one of these changes; kept in {kept.place()}")
    else:
        console.out(f"{project} sends no key and runs no command: it needs no trust")


def asking(act: Callable[[], Done]) -> Done:
    """Do something that needs trust in some projects, and ask for it if a person is there.

    Args:
        act: raises a `TrustError` before it has done anything.

    Raises:
        TrustError: nobody could be asked, or the answer was no.
    """
    try:
        return act()
    except kept.TrustError as error:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        project = error.project
        console.err("\n".join([str(project), *(f"  {line}" for line in _what_to_trust(project))]))
        if not typer.confirm("Trust this project?", default=False, err=True):
            raise
    _allow(project)
    return act()


def _what_to_trust(project: Path) -> list[str]:
    """Everything that the project needs trust for, with its place."""
    told = [f"{FILE}, {part.text}" for part in directed(load_settings(project))]
    for subject, roots in _places(project).items():
        told += [f"{subject}: what is recorded is at {kept.shown(root)}" for root in roots]
    return told


def _allow(project: Path) -> None:
    if parts := directed(load_settings(project)):
        kept.trust(project, parts)
    for subject, roots in _places(project).items():
        kept.trust_places(subject, roots)


def _places(project: Path) -> dict[Path, list[str]]:
    """The project's own records on other machines, by the file that names them."""
    from pex.record import unrecorded as runs
    from pex.tracking.artifacts import remote_places, root_of
    from pex.tracking.store import database_file, stored_in

    settings = load_settings(project)
    state = project / settings.journal.path
    named = {state: [uri for uri in runs.addresses(state) if is_remote(uri)]}
    database = database_file(stored_in(project, settings.record.tracking_uri))
    if database is not None:
        named[database] = remote_places(database)
    found = {subject: sorted({root_of(p) for p in places}) for subject, places in named.items()}
    return {subject: roots for subject, roots in found.items() if roots}
