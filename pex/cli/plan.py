"""`pexlab plan`: a nightly plan for an experiment."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console, starter


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
    from pex.batch.new_plan import COMPARE, MORNING, write_plan
    from pex.core.project import find_project
    from pex.project.listing import find_experiment

    file = find_experiment(experiment, find_project())
    path = out or file.parent / "plan.yaml"
    project = find_project(file.parent)
    for name in (COMPARE, MORNING):
        target = project / "notebooks" / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(starter.source() / "notebooks" / name, target)
            console.out(f"wrote  {_shown(target)}")
    write_plan(file, path, project / "notebooks")
    shown = _shown(path)
    console.out(f"wrote  {shown}")
    console.err(f"\nNext: pexlab batch {shown} --batch-id first   # a night now")
    console.err("      pexlab batch accept first                 # its answers are the baseline")
    console.err(f'      pexlab schedule {shown} --cron "0 2 * * *"')


def _shown(path: Path) -> str:
    here = Path.cwd()
    return (
        str(path.resolve().relative_to(here)) if path.resolve().is_relative_to(here) else str(path)
    )
