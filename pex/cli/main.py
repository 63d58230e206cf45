"""`pexlab`: the commands, and how errors leave the process."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

import pex
from pex.cli import console
from pex.cli.batch import app as batch_app
from pex.cli.compare import compare
from pex.cli.demo import demo
from pex.cli.doctor import doctor
from pex.cli.gc import gc
from pex.cli.init import init
from pex.cli.library import app as library_app
from pex.cli.model import app as model_app
from pex.cli.nightly import nightly
from pex.cli.record import record
from pex.cli.report import report
from pex.cli.run import run
from pex.cli.schedule import schedule
from pex.cli.score import score
from pex.cli.servers import lab, ui
from pex.cli.spend import spend
from pex.core.errors import Interrupted, PexError

app = typer.Typer(
    name="pexlab",
    help="pex, a prompt laboratory: compare prompts side by side, record in MLflow, "
    "run the same experiment every night.",
    epilog="Exit codes: 0 done · 1 gate failed · 2 wrong use, no call was made · 3 undecided · "
    "4 stopped by the budget · 5 provider error, too many errors or a failed notebook · "
    "130 interrupted",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        console.out(f"pexlab {pex.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("demo")(demo)
app.command("init")(init)
app.command("run")(run)
app.add_typer(batch_app, name="batch")
app.command("schedule")(schedule)
app.command("nightly", hidden=True)(nightly)
app.command("score")(score)
app.command("compare")(compare)
app.command("report")(report)
app.command("record")(record)
app.command("spend")(spend)
app.add_typer(library_app, name="library")
app.add_typer(model_app, name="model")
app.command("gc")(gc)
app.command("lab")(lab)
app.command("ui")(ui)
app.command("doctor")(doctor)


def main() -> None:
    """Run the command line; a user's mistake ends with its message and code, not a traceback."""
    # Schedulers end a job with SIGTERM: what was answered is kept, as after an interrupt.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(prog_name="pexlab")
    except PexError as error:
        console.err(f"error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.err("interrupted")
        sys.exit(Interrupted.exit_code)
