"""`pexlab import`: results of other tools as recorded runs, traces as cases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.core.errors import PexError


def import_file(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="garak's report.jsonl, PyRIT's export, promptfoo's results."
        ),
    ] = None,
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
    trace: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="A trace in MLflow, as a case. Can be repeated."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="EXPERIMENT.yaml", help="The experiment that gets the cases."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Import results of garak, PyRIT or promptfoo as a run, or traces with tool calls as cases.

    No model is called, and nothing in the file is executed. Scores are yes if the answer is good:
    what these tools call a hit or a success of an attack is a no. Attacks without a verdict are not
    judged, and counted. Two files about the same inputs are compared by pexlab compare.

    pexlab import --trace tr-1 --trace tr-2 --to experiments/desk/experiment.yaml appends a case for
    each trace: its inputs, its tool calls as expected_calls, their replies as tool_replies. Run it
    with tools of the kind "recorded": no tool runs, every variant sees the same replies.
    """
    if trace or to:
        _import_traces(file, trace or [], to, as_json)
        return
    if file is None:
        raise PexError("pexlab import: which file?", hint="or --trace ID --to EXPERIMENT.yaml")
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


def _import_traces(file: Path | None, traces: list[str], to: Path | None, as_json: bool) -> None:
    from pex.monitoring.import_paths import import_paths
    from pex.score.tool_path import COLUMN, read_expected

    if file is not None or not traces or to is None:
        raise PexError(
            "traces become cases of an experiment, without a FILE",
            hint="pexlab import --trace ID --to experiments/NAME/experiment.yaml",
        )
    cases = import_paths(traces, to)
    if as_json:
        console.document({"cases": [{"id": case.id, **case.inputs} for case in cases]})
        return
    for case in cases:
        calls = read_expected(case.inputs[COLUMN], f"case '{case.id}'")
        console.out(f"{case.id}: {', '.join(map(str, calls))}")
    many = "1 case is" if len(cases) == 1 else f"{len(cases)} cases are"
    console.err(f"{many} in the cases of {to}")
