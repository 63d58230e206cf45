"""`pexlab batch`: execute a plan of notebooks with Papermill."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.core.errors import PexError, ProviderError


def batch(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.yaml", help="The plan.")],
    batch_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Names the batch; default: the time.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Notebooks at once.")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Also write the table here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Execute notebooks with their parameters and print one table of all results."""
    from pex.batch.plan import load_plan
    from pex.batch.run import prepare, run_batch
    from pex.batch.table import collect, text, write
    from pex.core.settings import find_project, load_settings
    from pex.record.store import tracking_uri

    if workers is not None and workers < 1:
        raise PexError(f"--workers {workers}: expected a number from 1")
    prepare()
    loaded = load_plan(plan)
    project = find_project(loaded.folder)
    result = run_batch(loaded, batch_id, workers, console.err)
    table = collect(result, tracking_uri(project, load_settings(project)))
    page = write(table, result)
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, report)
    if as_json:
        console.document(
            {
                "batch_id": result.batch_id,
                "folder": str(result.folder),
                "jobs": [
                    {
                        "id": item.job.id,
                        "status": item.status,
                        "seconds": round(item.seconds, 1),
                        "error": item.error,
                        "output": str(item.output) if item.output.is_file() else None,
                        "parameters": item.job.parameters,
                    }
                    for item in result.results
                ],
                "variants": table.dropna(subset="run_id").to_dict("records"),
            }
        )
    else:
        console.out(text(table))
    console.err(f"outputs: {result.folder}")
    if result.failed:
        names = ", ".join(item.job.id for item in result.failed)
        raise ProviderError(
            f"{len(result.failed)} of {len(result.results)} notebooks failed: {names}"
        )
