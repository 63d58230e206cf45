"""Asks a person how a file of cases is to be read, if several readings fit."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import typer

from pex.cli import console
from pex.core.reading import AmbiguousError, Reading, line_to_add

Done = TypeVar("Done")


def choosing(act: Callable[[Mapping[str, Any] | None], Done], experiment: Path) -> Done:
    """Do something that reads an experiment's cases; ask as long as several readings fit.

    The choice is written to the experiment's file, unless the cases are from another one.

    Args:
        act: gets the cases with how they are read; None for those of the experiment.
        experiment: its file.

    Raises:
        AmbiguousError: nobody could be asked.
    """
    chosen: dict[str, Any] | None = None
    while True:
        try:
            done = act(chosen)
        except AmbiguousError as error:
            if not is_attended():
                raise
            chosen = {"file": str(error.path), **ask(error).given()}
            continue
        if chosen is not None:
            _keep(experiment, Path(chosen["file"]), done)
        return done


def is_attended() -> bool:
    """Whether there is a person who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(error: AmbiguousError) -> Reading:
    """Show the readings that fit a file, and have a person choose one."""
    console.err(error.message)
    for number, (reading, row) in enumerate(error.choices, 1):
        console.err(f'  {number}  {error.key} "{getattr(reading, error.key)}": {row}')
    number = 0
    while not 1 <= number <= len(error.choices):
        number = int(typer.prompt("Which number", type=int, err=True))
    return error.choices[number - 1][0]


def _keep(experiment: Path, file: Path, done: Any) -> None:
    """Write the choice to the line `cases: FILE` of the experiment, or say what to write."""
    text = experiment.read_bytes().decode()
    found = re.search(r"^cases:[ \t]*([^\s#{]+)(?=[ \t]*(?:\r?$|#))", text, re.MULTILINE)
    named = found[1].strip("\"'") if found else ""
    same = bool(named) and (experiment.parent / named).resolve() == file.resolve()
    line = line_to_add(named if same else file.name, Reading(**done.data.reading.differs()))
    if found is None or not same:
        console.err(f"to keep this choice, write to {experiment}: {line}")
        return
    experiment.write_bytes((text[: found.start()] + line + text[found.end() :]).encode())
    console.err(f"written to {experiment}: {line}")
