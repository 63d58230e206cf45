"""`pexlab library push|pull|check`: files and registry, and which side is ahead."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pex.cli import console
from pex.cli.library.opened import AsJson, open_library
from pex.core.attempt import attempt
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.project.settings import load_settings

if TYPE_CHECKING:
    from pex.evidence.overview import Library, PromptOverview
    from pex.evidence.requirements import Coverage
    from pex.library.push_pull import Report

_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")]
_Policy = Annotated[
    str | None,
    typer.Option(
        metavar="files|registry|strict",
        help="Which side is the truth; else [library] sync in pex.toml, else files.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `pexlab library`."""
    for command in (push, pull, check):
        app.command()(command)


def push(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE|NAME]...", help="The prompts; default: all whose file is ahead."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Its name in the library; else the one in the file.")
    ] = None,
    alias: Annotated[
        str | None, typer.Option(help="Points to this version from now on, e.g. champion.")
    ] = None,
    note: Annotated[str, typer.Option(help="The reason for the new version.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Where both have changed: the file is the newest.")
    ] = False,
    policy: _Policy = None,
    dry_run: _DryRun = False,
) -> None:
    """Save prompt files as new versions, where the file is ahead; nothing is merged.

    Without names: every file in prompts/, and every prompt that the registry already has. Exit
    code 1 if a prompt could not be pushed; what was pushed stays.
    """
    from pex.library import push_pull, registry

    if name is not None or _is_elsewhere(what):
        if force or policy is not None:
            raise PexError(
                "--force and --policy are about the project's own prompt files, not about --name "
                "and files elsewhere",
                hint="leave them out",
            )
        _save_one(what or [], name, alias, note, dry_run=dry_run)
        return
    if alias is not None and len(what or []) != 1:
        raise PexError("name one prompt to push with --alias",
                       hint="pexlab library push NAME --alias champion")  # fmt: skip
    done = push_pull.push(
        *(what or []), policy=_policy(policy), force=force, dry_run=dry_run, note=note
    )
    _report(
        done,
        "Nothing to push: the registry has every file in prompts/, and every other that it knows.\n"
        "A file elsewhere is pushed by name: pexlab library push FILE.prompty",
    )
    if alias is not None and not dry_run:
        [item] = done
        if item.version is None:
            raise PexError(f"{item.name}: '{alias}' was not moved: {item.sentence}")
        version = registry.set_alias(item.name, alias, item.version)
        console.out(f"{alias} points to version {version.version} of {item.name}.")


def _is_elsewhere(what: Sequence[str] | None) -> bool:
    """Whether one file is given that is not among the project's prompt files."""
    from pex.project.listing import prompt_paths

    if not what or len(what) > 1 or not what[0].endswith(".prompty"):
        return False
    path = Path(what[0]).resolve()
    return path not in [item.resolve() for item in prompt_paths(find_project())]


def _save_one(
    what: Sequence[str], name: str | None, alias: str | None, note: str, *, dry_run: bool
) -> None:
    """Save a file as it is, under its own name or another one."""
    from pex.core.prompt import Prompt
    from pex.library import registry

    if len(what) != 1:
        raise PexError(
            f"one file is needed with --name, got {len(what)}",
            hint="pexlab library push FILE.prompty --name other",
        )
    prompt = Prompt.load(what[0])
    if dry_run:
        console.out(f"would save {what[0]} as {name or prompt.name}")
        return
    version = registry.save(prompt, name, alias, note)
    aliases = "".join(f" @{item}" for item in version.aliases)
    console.out(f"{'saved' if version.new else 'kept '}  {version.reference}{aliases}")


def pull(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME[@ALIAS|/VERSION]]...",
            help="The prompts; default: all where the registry is ahead.",
        ),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to; else the prompt's own file.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace a file that has changed; its text is kept in .pex/."),
    ] = False,
    dry_run: _DryRun = False,
) -> None:
    """Write the newest versions to files, where the registry is ahead; nothing is merged.

    With an alias, a version or --to, one prompt is written as it was saved. Exit code 1 if a file
    could not be replaced.
    """
    from pex.library import push_pull

    if to is not None or any(_is_reference(item) for item in what or []):
        if len(what or []) != 1:
            raise PexError("name one prompt to write with --to, an alias or a version")
        _write_one((what or [""])[0], to, force, dry_run=dry_run)
        return
    done = push_pull.pull(*(what or []), force=force, dry_run=dry_run)
    _report(
        done,
        "Nothing to pull: every file of the library has the newest version.\n"
        "A prompt that is only in the registry is pulled by name: pexlab library list",
    )


def _is_reference(text: str) -> bool:
    """Whether a text names a version or an alias, not a file."""
    return ("@" in text or "/" in text) and not text.endswith(".prompty")


def _write_one(reference: str, to: Path | None, force: bool, *, dry_run: bool) -> None:
    from pex.library import registry
    from pex.library.push_pull import keep_replaced

    prompt = registry.load(reference)
    path = to or _file_of(prompt.name)
    content = prompt.as_file().encode()
    if path.is_dir():
        raise PexError(f"{path}: this is a folder, expected a file")
    exists = path.is_file()
    same = exists and path.read_bytes() == content
    if exists and not same and not force:
        raise PexError(
            f"{path}: a file with different content already exists",
            hint="--force replaces it, --to FILE writes another",
        )
    if dry_run:
        console.out(f"would write  {path}  ({prompt.origin})")
        return
    if exists and not same:
        console.err(f"the text that was there is in {keep_replaced(find_project(), path)}")
    if not same:
        prompt.save(path)
    console.out(f"{'kept ' if same else 'wrote'}  {path}  ({prompt.origin})")


def _file_of(name: str) -> Path:
    """The file of a prompt in the project, or where it would be."""
    from pex.library.file_index import indexed_files
    from pex.library.sync import compare
    from pex.library.synced import read_synced

    project = find_project()
    found = compare(indexed_files(project), (), read_synced(project))
    file = next((item.file for item in found if item.name == name), None)
    where = project / (file.path if file else f"prompts/{name}.prompty")
    return Path(os.path.relpath(where))


def check(
    what: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="The prompts; default: all.")
    ] = None,
    policy: _Policy = None,
    as_json: AsJson = False,
) -> None:
    """Check the library: which side is ahead, aliases, metadata, requirements.

    Exit code 0: nothing found that the policy forbids; 1: something found. "files" (the default)
    lets files be ahead, "registry" lets the registry be ahead, "strict" neither.
    """
    from pex.evidence import requirements
    from pex.evidence.check import check_library

    found = open_library()
    chosen = _named(found, what or [])
    rule = _policy(policy)
    names = [item.name for item in chosen]
    asked = attempt(lambda: requirements.coverage(find_project(), prompts=names))
    if isinstance(asked, PexError):  # no store of runs: files and registry can still be checked
        console.err(f"warning: requirements were not checked: {asked}")
        asked = requirements.Coverage((), ())
    problems = check_library(find_project(), found, chosen, rule, asked)
    if as_json:
        console.document(
            {
                "policy": rule,
                "prompts": [item.to_json() for item in chosen],
                "problems": [item.to_json() for item in problems],
                "requirements": [dataclasses.asdict(row) for row in asked.rows],
                "remarks": list(asked.remarks),
            }
        )
    else:
        forbidden = {problem.prompt for problem in problems if problem.kind == "sync"}
        for item in chosen:
            told = item.standing.state != "in step" and item.standing.is_meant
            if told or item.name in forbidden:
                console.out(item.standing.sentence)
        _print_requirements(asked)
        for problem in problems:
            if problem.kind not in ("sync", "requirement"):
                console.out(str(problem))
        meant = sum(item.standing.is_meant for item in chosen)
        checked = f"{meant:,} prompt{'s' if meant != 1 else ''} checked, policy '{rule}'"
        count = f"{len(problems):,} problem{'s' if len(problems) != 1 else ''}"
        console.err(f"{checked}: {count if problems else 'fine'}.")
    if problems:
        raise typer.Exit(1)


def _print_requirements(found: Coverage) -> None:
    """The state of each requirement, and what is not in order with them."""
    from pex.report.requirements import signed
    from pex.report.terminal import text_table

    head = ("prompt", "id", "priority", "state", "why", "model", "what must hold")
    rows = [
        (row.prompt, row.requirement, row.priority, signed(row.state), row.detail, row.model,
         row.text)
        for row in found.rows
    ]  # fmt: skip
    if rows:
        console.out(text_table(rows, head))
    for remark in found.remarks:
        console.out(remark)


def _named(found: Library, names: Sequence[str]) -> list[PromptOverview]:
    from pex.core.errors import nearest

    known = {item.name: item for item in found.prompts}
    for name in names:
        if name not in known:
            raise PexError(f"there is no prompt '{name}' in the library or in the project's files",
                           hint=nearest(name, known))  # fmt: skip
    return [known[name] for name in names] or list(known.values())


def _report(done: Report, nothing: str) -> None:
    """Print what happened to each prompt; exit 1 if something could not be done."""
    if not done:
        console.err(nothing)
    for item in done:
        (console.err if item.refused else console.out)(item.sentence)
    if done.refused:
        raise typer.Exit(1)


def _policy(given: str | None) -> str:
    from pex.core.errors import nearest
    from pex.library.sync import POLICIES

    if given is None:
        return str(load_settings(find_project()).library.sync)
    if given not in POLICIES:
        raise PexError(f"--policy {given}: there is no such policy",
                       hint=nearest(given, POLICIES))  # fmt: skip
    return given
