"""`pexlab library bisect`: since which version is a prompt worse?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `pexlab library`."""
    app.command("bisect")(bisect_prompt)


def bisect_prompt(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The prompt.")],
    good: Annotated[
        str, typer.Option(metavar="VERSION", help="The older one: v3, @champion, or a git commit.")
    ],
    bad: Annotated[
        str, typer.Option(metavar="VERSION", help="The newer one that is worse: v9, or HEAD.")
    ],
    experiment: Annotated[
        str | None,
        typer.Option(help="Its name or file; else the one that uses the prompt."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="The score that decides; else the gate's, or the first.")
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(help="How much worse is still good; else the gate's, or half of the break."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="One of the experiment's models.")] = None,
    repeats: Annotated[int | None, typer.Option(help="Run each case N times at first.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N cases at first.")] = None,
    budget: Annotated[
        float | None, typer.Option(metavar="USD", help="Spend at most, all runs together.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Find the version since which a prompt is measurably worse.

    The ends are compared first, then the version in the middle, and so on. While a comparison is
    undecided, cases and repeats are doubled within the budget. Answers in the journal are reused.
    Exit codes: 0 found, or no break · 3 undecided · 4 the budget is spent.
    """
    from pex.cli.trust import asking
    from pex.evidence.bisection.bisection import FOUND, NO_BREAK, STOPPED, bisect

    found = asking(
        lambda: bisect(
            name,
            good,
            bad,
            experiment=Path(experiment) if experiment and Path(experiment).exists() else experiment,
            metric=metric,
            margin=margin,
            model=model,
            repeats=repeats,
            limit=limit,
            budget_usd=budget,
            say=console.err,
        )
    )
    if as_json:
        console.document(found.to_json())
    else:
        console.out(repr(found))
    if found.outcome == STOPPED:
        console.err("all answers are kept: the same command with a larger --budget continues")
    code = {FOUND: 0, NO_BREAK: 0, STOPPED: 4}.get(found.outcome, 3)
    if code:
        sys.exit(code)
