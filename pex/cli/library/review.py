"""`pexlab library review`: what a second person decides."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console

_Id = Annotated[str, typer.Argument(metavar="ID", help="The request, as `review list` shows it.")]
_Because = Annotated[str, typer.Option(help="Why.")]
_File = Annotated[
    Path | None,
    typer.Option(metavar="ID.answer.json", help="The file that the page's form made."),
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]

app = typer.Typer(
    help="Requests to move an alias that a second person accepts or refuses.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(library: typer.Typer) -> None:
    """Add the commands of this file to `pexlab library`."""
    library.add_typer(app, name="review")


@app.command("list")
def list_reviews(as_json: _Json = False) -> None:
    """List the requests, the open ones first."""
    from pex.evidence.review.reviews import reviews

    found, damaged = reviews()
    for problem in damaged:
        console.err(f"! {problem.message}")
    if as_json:
        console.document([item.to_json() for item in found])
    elif not found and not damaged:
        console.err("No review has been asked for.  pexlab library promote NAME --review")
    else:
        for item in found:
            console.out(f"{item.id}: {item.sentence}")


@app.command()
def show(id: _Id, as_json: _Json = False) -> None:  # noqa: A002 - the word that everybody uses
    """Show a request, and where its page is."""
    from pex.evidence.review.reviews import review

    found = review(id)
    if as_json:
        console.document(found.to_json())
    else:
        console.out(str(found))


@app.command()
def accept(
    id: _Id,  # noqa: A002 - the word that everybody uses
    because: _Because = "",
    file: _File = None,
    as_json: _Json = False,
) -> None:
    """Accept a request of somebody else, and move the alias, if nothing has changed since."""
    from pex.evidence.review.reviews import accept as accept_review

    found = accept_review(id, because=because, file=file)
    if as_json:
        console.document(found.to_json())
    else:
        console.out(str(found))
    if found.exit_code:
        sys.exit(found.exit_code)


@app.command()
def refuse(
    id: _Id,  # noqa: A002 - the word that everybody uses
    because: _Because = "",
    file: _File = None,
    as_json: _Json = False,
) -> None:
    """Refuse a request, or withdraw one's own; nothing is moved."""
    from pex.evidence.review.reviews import refuse as refuse_review

    found = refuse_review(id, because=because, file=file)
    if as_json:
        console.document(found.to_json())
    else:
        console.out(found.sentence)
