"""`pexlab cases`: proposed by a model, reviewed, audited, counted, chosen for labelling."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.core.errors import PexError

app = typer.Typer(
    help="Cases: propose new ones, review them, audit them, how many are needed, which to label.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_EXPERIMENT = typer.Argument(metavar="EXPERIMENT.yaml", help="The experiment's file.")
_JSON = typer.Option("--json", help="One JSON document on stdout.")


@app.command()
def generate(
    experiment: Annotated[Path, _EXPERIMENT],
    model: Annotated[str, typer.Option(metavar="MODEL", help="The model that writes them.")],
    n: Annotated[int, typer.Option("-n", help="How many are asked for.")] = 40,
    way: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WAY",
            help="variations, personas, gaps, edge or adversarial; may be given more than once. "
            "All by default.",
        ),
    ] = None,
    budget: Annotated[float | None, typer.Option(metavar="USD", help="Spend at most.")] = None,
    seed: Annotated[int, typer.Option(help="Another number asks new questions.")] = 0,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Ask a model for new cases; they wait for `pexlab cases review` before they count."""
    from pex.experiment.experiment import Experiment
    from pex.improvement.cases.generate import generate_cases
    from pex.improvement.cases.ways import WAYS

    found = generate_cases(
        Experiment.load(experiment), n, model=model, ways=way or WAYS, budget_usd=budget, seed=seed
    )
    if as_json:
        console.document(
            {
                "asked": found.asked,
                "kept": len(found),
                "near_duplicates": found.near_duplicates,
                "failed": dict(found.failed),
                "errors": found.errors,
                "not_called": found.not_called,
                "cost_usd": found.cost_usd,
                "cases": found.frame.to_dict("records"),
            }
        )
    else:
        console.out(repr(found))
    if found.proposals is not None and len(found):
        console.err(f"kept in {found.proposals.path}; next: pexlab cases review {experiment}")
    if found.not_called:
        raise typer.Exit(4)


@app.command()
def review(experiment: Annotated[Path, _EXPERIMENT]) -> None:
    """Accept, edit or reject proposed cases, one key each; accepted ones join the file of cases."""
    from pex.experiment.experiment import Experiment
    from pex.improvement.cases.generate import proposals_of
    from pex.improvement.cases.review import review as ask_each

    proposals = proposals_of(Experiment.load(experiment))
    if not proposals.open():
        console.out("no proposed case waits for a review")
        return
    try:
        accepted, rejected = ask_each(proposals, input, console.out)
    except EOFError:
        raise PexError("the review needs somebody to answer", hint="run it in a terminal") from None
    left = len(proposals.open())
    console.out(f"{accepted} accepted, {rejected} rejected, {left} left")


@app.command()
def audit(
    experiment: Annotated[
        Path, typer.Argument(metavar="EXPERIMENT.yaml|CASES", help="An experiment or its cases.")
    ],
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Look for repeated, contradicting, leaking, useless cases and personal data; asks no model.

    Exit code 1 if something is found.
    """
    from pex.experiment.experiment import Experiment
    from pex.improvement.cases.audit import audit_cases

    is_spec = experiment.suffix.lower() in (".yaml", ".yml")
    found = audit_cases(Experiment.load(experiment) if is_spec else experiment)
    if as_json:
        findings = found.frame.to_dict("records")
        console.document({"cases": found.count, "findings": findings, "notes": found.notes})
    else:
        console.out(repr(found))
    if len(found):
        raise typer.Exit(1)


@app.command()
def needed(
    experiment: Annotated[Path, _EXPERIMENT],
    difference: Annotated[float, typer.Option(help="To be found; 0.05 is five points.")] = 0.05,
    power: Annotated[float, typer.Option(help="How often it should be found.")] = 0.8,
    metric: Annotated[str | None, typer.Option(help="A score; by default the first.")] = None,
    baseline: Annotated[str | None, typer.Option(help="A variant, prompt or model.")] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """How many cases find a difference, from the last recorded run or a stated assumption."""
    from pex.experiment.experiment import Experiment

    found = Experiment.load(experiment).cases_needed(
        difference, power=power, metric=metric, baseline=baseline
    )
    if as_json:
        console.document(
            {
                "cases": found.cases,
                "have": found.have,
                "sentence": found.sentence,
                "assumption": found.assumption,
            }
        )
    else:
        console.out(repr(found))


@app.command("label-next")
def label_next(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="An id, `latest`, or an experiment's name.")
    ],
    n: Annotated[int, typer.Option("-n", help="How many.")] = 20,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """List the cases of a recorded run whose missing label would say most, with the reason."""
    from pex.results.load import load_run

    found = load_run(run).label_next(n)
    if as_json:
        rows = found.frame.to_dict("records")
        console.document({"unlabelled": found.unlabelled, "cases": rows})
    else:
        console.out(repr(found))


@app.command()
def versions(
    experiment: Annotated[
        str, typer.Argument(metavar="EXPERIMENT", help="Its name, or its .yaml file.")
    ],
    n: Annotated[int, typer.Option("-n", min=1, help="How many at most.")] = 20,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """List the versions of the cases in recorded runs, and what changed in each."""
    from pex.improvement.cases.versions import case_versions

    found = case_versions(experiment, n)
    if as_json:
        console.document([version.document() for version in found])
    else:
        console.out("\n".join(version.line for version in found))
