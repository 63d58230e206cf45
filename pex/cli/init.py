"""`pexlab init`: a project of the user's own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console, starter
from pex.core.errors import PexError
from pex.core.extras import install_line, missing
from pex.core.reading import Reading
from pex.project.shipped import EXPERIMENT


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where.")] = Path(),
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Your own data: a CSV, TSV, JSONL, Parquet or Excel file. The project gets an "
            "experiment around it, with a prompt and a scorer. The file is not changed: the "
            "experiment uses a copy, or the file itself if it is in the project.",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=COLUMN",
            help="With --from: a column's role, such as expected=Label, id=Nr, group=Customer, "
            'tags=Topics; or a name of your own for it: text="Text body".',
        ),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="With --from: between the values, such as ';' or '\\t'.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="With --from: such as utf-8 or cp1252.")
    ] = None,
    decimal: Annotated[
        str | None, typer.Option(metavar="SIGN", help="With --from: the decimal sign, , or .")
    ] = None,
    sheet: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --from: the sheet of an Excel file.")
    ] = None,
) -> None:
    """Start a project: pex.toml, one experiment, notebooks to work in, a CI workflow.

    Three notebooks are a tour (01 compare prompts, 02 write prompts, 04 analyse in MLflow), two are
    what a night runs. Nothing that is there is overwritten.

    With your own data: pexlab init my-project --from tickets.csv
    """
    if folder.exists() and not folder.is_dir():
        raise PexError(f"{folder}: this is a file, expected a folder")
    reading = Reading(
        delimiter.replace("\\t", "\t") if delimiter else None, encoding, decimal, sheet
    )
    if source is None:
        if column or reading.given():
            raise PexError("how to read a file was given, but no file: add --from FILE")
        for path, new in starter.write(folder):
            _tell(folder / path, new)
        _next(folder, EXPERIMENT / "experiment.yaml", "notebooks 01, 02 and 04 are a tour")
        return
    from pex.cli import own_data

    own = own_data.understand(source.resolve(), folder.resolve(), reading, _columns(column or []))
    for line in own_data.told(own):
        console.out(line)
    console.out("")
    experiment = (own.folder / "experiment.yaml").relative_to(folder.resolve())
    for path, new in starter.write(folder, experiment):
        _tell(folder / path, new)
    for path, new in own_data.write(own):
        _tell(folder / path.relative_to(folder.resolve()), new)
    used = "a copy; your file stays as it is" if own.is_copied else "your file, where it is"
    console.out(f"cases  {folder / own.file.relative_to(folder.resolve())} ({used})")
    name = own.folder.name
    _next(folder, experiment, f'pex.Playground("{name}") in a notebook; 01, 02 and 04 are a tour')


def _tell(path: Path, new: bool) -> None:
    console.out(f"{'wrote' if new else 'kept '}  {path}")


def _next(folder: Path, experiment: Path, note: str) -> None:
    enter = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    shown = shlex.quote(experiment.as_posix())
    first = f"{enter}pexlab run {shown} --limit 10"
    if missing("lab"):
        console.out(f"\nNext: {install_line('lab')}   # runs and notebooks need it")
        console.out(f"      {first}")
    else:
        console.out(f"\nNext: {first}")
    console.out(f"      {enter}pexlab lab   # {note}")


def _columns(given: list[str]) -> dict[str, str]:
    """`--column ROLE=COLUMN` as in the file of an experiment."""
    found = {}
    for text in given:
        role, equals, name = text.partition("=")
        if not (role and equals and name):
            raise PexError(f"--column {text}: expected ROLE=COLUMN, such as expected=Label")
        found[role] = name
    return found
