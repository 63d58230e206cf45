"""`pexlab compare`: is the second run better than the first?"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pex.cli import console
from pex.cli.runs import RUN_HELP
from pex.core.values import to_json_value


def compare(
    run_a: Annotated[str, typer.Argument(metavar="RUN_A", help=f"The baseline. {RUN_HELP}")],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B", help="The candidate.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(help="A score, or cost_usd, latency_s …; default: every score they share."),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="By how much worse is still 'no worse', in the unit of the metric (0.02 are two "
            "percentage points). With it the exit code is a gate's.",
        ),
    ] = None,
    confidence: Annotated[float, typer.Option(help="The level of the intervals.")] = 0.95,
    lower_is_better: Annotated[
        bool, typer.Option("--lower-is-better", help="Less of the metric is better.")
    ] = False,
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="For runs with a table of mlflow.log_table: the column with the case's id.",
        ),
    ] = None,
    fail_undecided: Annotated[
        bool, typer.Option("--fail-undecided", help="Exit with code 3 if the gate is undecided.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also the methods in words, with their sources.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Compare two recorded runs case by case; no model is called.

    A run may be one of pex, the run of one of its variants, one of mlflow.genai.evaluate, or one
    with a table of mlflow.log_table.
    """
    from pex.results.comparison import compare_runs

    found = compare_runs(
        run_a,
        run_b,
        metric=metric,
        margin=margin,
        confidence=confidence,
        lower_is_better=lower_is_better or None,
        id_column=id_column,
    )
    gate = found.gate() if margin is not None and found.frame["metric"].nunique() == 1 else None
    if as_json:
        rows = [to_json_value(row) for row in found.frame.to_dict("records")]
        outcome = {"gate": gate.outcome} if gate else {}
        console.document({"notes": found.notes, "comparison": rows, **outcome})
    else:
        console.out(repr(found))
        if explain:
            console.out(f"\n{found.explain()}")
        if gate:
            console.out(str(gate))
    if gate:
        code = console.gate_code(gate.outcome, fail_undecided)
        if code:
            sys.exit(code)
