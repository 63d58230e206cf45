"""`pexlab library card`: what a team needs to know of a prompt, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.core.errors import PexError


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `pexlab library`."""
    app.command("card")(card_of_prompt)


def card_of_prompt(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The prompt.")],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it as an HTML page.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it as a Markdown file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Print a prompt's card: purpose, inputs, requirements, scores, cost, failures, changes, moves.

    It is generated; only `intended_use` and `known_failures` of the file's metadata are written by
    hand. What is missing is printed as missing.
    """
    from pex.evidence.card.cards import card
    from pex.evidence.card.secrets_of_cards import check_card

    found = card(name)
    written = {path: text for path, text in ((html, "html"), (markdown, "markdown")) if path}
    if written:
        check_card(found.data)  # a file leaves the machine sooner or later
    for path, kind in written.items():
        if path.is_dir():
            raise PexError(f"{path}: this is a folder, expected a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found.html if kind == "html" else found.markdown, encoding="utf-8")
        console.err(f"wrote {path}")
    if as_json:
        console.document({**_plain(found.data), "missing": list(found.missing)})
    elif not written:
        console.out(found.markdown)


def _plain(data: object) -> dict[str, object]:
    import dataclasses

    return dataclasses.asdict(data)  # type: ignore[call-overload,no-any-return]
