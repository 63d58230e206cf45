"""`pexlab library`: the prompts of a team, from file to the application that runs them."""

from __future__ import annotations

import typer

from pex.cli.library import bisect, card, disable, look, promote, review, site, sync

app = typer.Typer(
    help="The library of prompts: versions and aliases in MLflow's prompt registry.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
for family in (look, sync, card, site, promote, disable, review, bisect):
    family.register(app)
