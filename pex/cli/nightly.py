"""`pexlab nightly`: what schedulers start; `pexlab schedule` writes the lines that do."""

from __future__ import annotations

import collections
import sys
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.core.errors import PexError

_SHOWN = 20


def nightly(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.yaml", help="The plan.")],
    cron: Annotated[str, typer.Option(metavar="TIMES", help="When nights are due.")] = "0 2 * * *",
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="Their time zone.")] = "UTC",
    env_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Variables as NAME=value lines.")
    ] = None,
    on_time: Annotated[
        bool, typer.Option("--on-time", help="Ignore a start that comes after the first.")
    ] = False,
    only_skipped: Annotated[
        bool,
        typer.Option(
            "--only-skipped", help="Only nights whose time is skipped when the clocks go forward."
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing if the night went well.")
    ] = False,
) -> None:
    """Run the night of a plan that is due: once, never two at a time, with a log."""
    from pex.batch.schedule.cron import parse
    from pex.batch.schedule.nightlog import clean
    from pex.batch.schedule.nightly import Night, log_of, run_night
    from pex.batch.schedule.timezones import read_zone

    night = Night(plan, parse(cron), read_zone(timezone), env_file, on_time, only_skipped)
    last: collections.deque[str] = collections.deque(maxlen=_SHOWN)
    say = last.append if quiet else lambda line: console.err(clean(line))
    try:
        code = run_night(night, say)
    except OSError as error:
        raise PexError(f"{error.filename}: {error.strerror}") from None
    if code and quiet:
        # Cron mails a job's output: print nothing unless a person has to act.
        console.err("\n".join([*map(clean, last), f"log: {log_of(plan)}"]))
    if code:
        sys.exit(code)
