"""`pexlab plan`: a nightly plan for an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console


def plan(
    experiment: Annotated[
        str,
        typer.Argument(
            metavar="EXPERIMENT", help="Its file, its folder, or its name in this project."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PLAN.yaml", help="Where to write it; default: plan.yaml beside the experiment."
        ),
    ] = None,
) -> None:
    """Write a plan that runs an experiment every night and judges it.

    The plan executes notebooks/compare.ipynb and notebooks/morning.ipynb, which are copied into
    the project if they are missing. Nothing that is there is overwritten.
    """
    from pex.batch.new_plan import make_nightly
    from pex.core.errors import PexError
    from pex.core.project import find_project
    from pex.project.listing import find_experiment

    file = find_experiment(experiment, find_project())
    path = out or file.parent / "plan.yaml"
    if path.exists():
        raise PexError(f"{path}: exists already", hint=f"run it: pexlab batch {path}")
    for written in make_nightly(file, path):
        console.out(f"wrote  {_shown(written)}")
    shown = _shown(path)
    console.err(f"\nNext: pexlab batch {shown} --batch-id first   # a night now")
    console.err("      pexlab batch accept first                 # its answers are the baseline")
    console.err(f'      pexlab schedule {shown} --cron "0 2 * * *"')


def _shown(path: Path) -> str:
    here = Path.cwd()
    return (
        str(path.resolve().relative_to(here)) if path.resolve().is_relative_to(here) else str(path)
    )
