"""`pexlab import`: results of other tools as recorded runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console


def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="garak's report.jsonl, PyRIT's export, promptfoo's results."
        ),
    ],
    tool: Annotated[
        str | None,
        typer.Option("--from", metavar="garak|pyrit|promptfoo", help="Default: by its contents."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The experiment's; default imported-TOOL.")
    ] = None,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Write nothing to MLflow.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Import results of garak, PyRIT or promptfoo as a run, to compare it with others.

    No model is called, and nothing in the file is executed. Scores are yes if the answer is good:
    what these tools call a hit or a success of an attack is a no. Attacks without a verdict are not
    judged, and counted. Two files about the same inputs are compared by pexlab compare.
    """
    from pex.compare.attacks import attack_rates, is_redteam, table_of
    from pex.importers.recorded import import_results
    from pex.report.attacks import rates_text

    results = import_results(file, tool=tool, name=name, record=not no_record)
    attacks = is_redteam(results.frame)
    rates = attack_rates(results.frame, results.about) if attacks else []
    if as_json:
        console.document(
            {
                "name": results.about.name,
                "run_id": results.run_id,
                "note": results.about.note,
                "counts": results.about["counts"],
                "summary": results.summary().to_dict("records"),
                "rates": table_of(rates),
            }
        )
        return
    console.out(repr(results))
    if attacks:
        console.out("\n" + rates_text(rates))
    console.err(f"! {results.about.note}")
    if results.run_id is not None:
        console.err(f"recorded in MLflow as run {results.run_id} (pexlab ui, or pexlab report)")
