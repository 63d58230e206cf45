"""`pexlab lesson`: what a team has learned, with the run that shows it."""

from __future__ import annotations

from typing import Annotated

import typer

from pex.cli import console
from pex.cli.runs import RUN_HELP
from pex.core.project import find_project

app = typer.Typer(
    help="Lessons of your team, in lessons.md, each with the run that shows it.",
    no_args_is_help=True,
)


@app.callback()
def _lesson() -> None:
    pass


@app.command()
def add(
    run: Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to do next time, in a line.")],
) -> None:
    """Append a lesson: the day, your sentence, the run's verdict, and where the run is.

    pexlab lesson add latest "Ask for one word: answers that explain are cut off"
    """
    from pex.evidence.team_lessons import add_lesson
    from pex.results.load import load_run

    console.out(f"added to  {add_lesson(load_run(run), text, find_project())}")
