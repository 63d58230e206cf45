"""`pexlab library promote` and `rollback`: move an alias by evidence, or back with a reason."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pex.cli import console
from pex.cli.runs import RUN_HELP
from pex.evidence.promotion.result import Promotion

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The prompt in the library.")]
_To = Annotated[str, typer.Option("--to", metavar="ALIAS", help="The alias to move.")]
_Version = Annotated[int | None, typer.Option(help="The version; else the newest one.")]
_Model = Annotated[
    str | None,
    typer.Option(help="A model with a version of its own: moves, e.g., champion--gpt-5-mini."),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `pexlab library`."""
    app.command("promote")(promote_version)
    app.command("rollback")(roll_back)


def promote_version(
    name: _Name,
    to: _To = "champion",
    version: _Version = None,
    model: _Model = None,
    instead_of: Annotated[
        str | None,
        typer.Option(
            "--instead-of",
            metavar="OLD",
            help="The model that --model takes the place of: the evidence is their comparison, as "
            "`pexlab adopt --apply` records it.",
        ),
    ] = None,
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help=f"The run that is the evidence. {RUN_HELP}")
    ] = None,
    because: Annotated[
        str, typer.Option(help="The reason to move it without enough evidence; kept with the move.")
    ] = "",
    review: Annotated[
        bool, typer.Option("--review", help="Ask a second person, who accepts or refuses.")
    ] = False,
    dry_run: _DryRun = False,
    as_json: _Json = False,
) -> None:
    """Move an alias to a version if a recorded comparison with the one used now passes the gate.

    Exit codes: 0 moved (or in review) · 1 worse, or evidence is missing · 3 undecided.
    """
    from pex.evidence.promotion.promotion import promote

    _show(
        promote(
            name, to, version=version, model=model, run=run, because=because, review=review,
            dry_run=dry_run, instead_of=instead_of,
        ),
        as_json,
    )  # fmt: skip


def roll_back(
    name: _Name,
    to: _To = "champion",
    version: Annotated[
        int | None, typer.Option(help="The version; else the one before, by the moves.")
    ] = None,
    model: _Model = None,
    because: Annotated[str, typer.Option(help="The reason; kept with the move.")] = "",
    dry_run: _DryRun = False,
    as_json: _Json = False,
) -> None:
    """Move an alias back to the version that it pointed to before; it needs a reason."""
    from pex.evidence.promotion.promotion import rollback

    found = rollback(name, to, version=version, model=model, because=because, dry_run=dry_run)
    _show(found, as_json)


def _show(found: Promotion, as_json: bool) -> None:
    if as_json:
        console.document(found.to_json())
    else:
        console.out(str(found))
    if found.exit_code:
        sys.exit(found.exit_code)
