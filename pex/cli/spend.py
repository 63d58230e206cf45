"""`pexlab spend`: the ledger."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from pex.cli import console
from pex.core.settings import find_project, load_settings
from pex.run.database import database_of
from pex.run.ledger import Spending, spending, total


def spend(
    by: Annotated[
        str, typer.Option(metavar="model|experiment|day", help="What to add up by.")
    ] = "experiment",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Say what the project has spent, from the ledger beside the journal.

    Every call that was charged counts once, also of runs that were killed or not recorded;
    answers that came from the journal count nothing.
    """
    project = find_project()
    settings = load_settings(project)
    database = database_of(project / settings.journal.path, settings)
    items = spending(database, by)
    whole = total(items)
    if as_json:
        rows = [{by: item.name, **_numbers(item)} for item in items]
        console.document({"by": by, "rows": rows, "total": _numbers(whole)})
        return
    if not items:
        console.out(f"Nothing has been asked yet: there are no calls in {database.place}")
        return
    head = [by, "calls", "tokens in", "cached", "tokens out", "USD"]
    unsure = any(item.unsure_usd for item in items)
    lines = [[*head, "perhaps more"] if unsure else head]
    for item in [*items, whole]:
        cells = [
            item.name,
            f"{item.calls:,}",
            f"{item.prompt_tokens:,}",
            f"{item.cached_tokens:,}",
            f"{item.completion_tokens:,}",
            f"{item.usd:.4f}",
        ]
        lines.append([*cells, f"{item.unsure_usd:.4f}"] if unsure else cells)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        numbers = [f"{cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True)]
        console.out("  ".join([f"{line[0]:<{widths[0]}}", *numbers]))
    if unsure:
        console.err(
            "perhaps more: at most so much for calls that were cut off, of which the provider "
            "did not say what they cost"
        )


def _numbers(item: Spending) -> dict[str, float]:
    return {key: value for key, value in dataclasses.asdict(item).items() if key != "name"}
