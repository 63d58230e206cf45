"""`pexlab spend`: the ledger."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from pex.cli import console
from pex.core.project import find_project
from pex.project.settings import load_settings
from pex.report.terminal import text_table
from pex.run.database import database_of
from pex.run.ledger import Spending, spending, total

_COLUMNS = (
    ("calls", "calls"),
    ("tokens in", "prompt_tokens"),
    ("cached", "cached_tokens"),
    ("written to cache", "cache_write_tokens"),
    ("tokens out", "completion_tokens"),
    ("reasoning", "reasoning_tokens"),
    ("USD", "usd"),
    ("perhaps more", "unsure_usd"),
)
_ALWAYS = ("calls", "prompt_tokens", "cached_tokens", "completion_tokens", "usd")


def spend(
    by: Annotated[
        str, typer.Option(metavar="model|experiment|day", help="What to add up by.")
    ] = "experiment",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show what the project has spent, from the ledger beside the journal.

    Every call that was charged counts once, also of runs that were killed or not recorded;
    reused answers cost nothing.
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
        console.out(f"No model has been called yet: there are no calls in {database.place}")
        return
    columns = [(head, name) for head, name in _COLUMNS if name in _ALWAYS or getattr(whole, name)]
    cells = [[_cell(getattr(item, name)) for _, name in columns] for item in [*items, whole]]
    names = [*(item.name for item in items), whole.name]
    head = [by, *(title for title, _ in columns)]
    lines = [[name, *row] for name, row in zip(names, cells, strict=True)]
    console.out(text_table(lines, head, right=range(1, len(head))))
    if whole.unsure_usd:
        console.err(
            "perhaps more: an upper limit for calls that were cut off, or whose cost the provider "
            "did not report"
        )
    if whole.beyond:
        console.err(
            f"{_calls(whole.beyond)} more than max_tokens allows: the endpoint ignores it, "
            "or counts differently"
        )
    if whole.negative:
        console.err(
            f"{_calls(whole.negative)} less than nothing, in the sums of an earlier version: "
            "counted as 0"
        )


def _calls(count: int) -> str:
    return f"{count:,} call{'s' * (count != 1)} cost"


def _cell(value: float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}"


def _numbers(item: Spending) -> dict[str, float]:
    return {key: value for key, value in dataclasses.asdict(item).items() if key != "name"}
