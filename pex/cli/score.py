"""`pexlab score`: new or changed scorers on a recorded run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pex.cli import console
from pex.cli.runs import RUN_HELP
from pex.core.errors import PexError
from pex.core.yamltext import load_yaml


def score(
    run: Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)],
    scorer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A kind (label), a function (module:function), or options in YAML: "
            "--scorer '{kind: length, max_words: 3}'. May be given more than once.",
        ),
    ] = None,
    experiment: Annotated[
        Path | None,
        typer.Option(metavar="EXPERIMENT.yaml", help="Take the scorers of this file."),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(metavar="USD", help="Judges may spend at most.")
    ] = None,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Print the table, change nothing in MLflow.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Rescore a recorded run's answers; no model is called, except by judges.

    The new scores join the run's record; a scorer whose name is there replaces it.
    """
    from pex.project.spec import load_spec
    from pex.results.load import load_run

    items: list[Any] = [_item(text) for text in scorer or []]
    base = Path.cwd()
    if experiment is not None:
        items += load_spec(experiment.resolve()).scorers
        base = experiment.resolve().parent
    if not items:
        raise PexError("no scorer is named", hint="--scorer label, or --experiment FILE.yaml")
    results = load_run(run).rescore(items, budget_usd=budget, record=not no_record, base=base)
    if as_json:
        console.document(
            {"run_id": results.run_id, "summary": results.summary().to_dict("records")}
        )
    else:
        console.out(repr(results))
    if not no_record:
        console.err(f"the record of run {results.run_id} has the new scores (pexlab ui)")


def _item(text: str) -> Any:
    if not text.lstrip().startswith("{"):
        return text
    try:
        return load_yaml(text, "").data
    except PexError:
        raise PexError(f"--scorer {text}: not valid YAML") from None
