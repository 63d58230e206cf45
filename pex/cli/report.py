"""`pexlab report`: one HTML file about a recorded run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.cli.runs import RUN_HELP


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)] = "latest",
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="Where to write it.")] = Path(
        "report.html"
    ),
) -> None:
    """Write one HTML file about a recorded run: what was run, table, cases side by side."""
    from pex.results.load import load_run

    console.out(str(load_run(run).report(out)))
