"""`pexlab improve`: a better prompt, confirmed on cases that the search has not seen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pex.cli import console
from pex.compare.verdict import UNDECIDED
from pex.core.errors import PexError

if TYPE_CHECKING:
    from pex.improvement.result import Improvement


def improve(
    experiment: Annotated[
        str,
        typer.Argument(
            metavar="EXPERIMENT", help="Its file, its folder, or its name in this project."
        ),
    ],
    prompt: Annotated[
        str | None,
        typer.Option(
            help="The prompt: its name in the experiment, or library:name@alias. Default: the "
            "gate's baseline, or the only one."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model that the prompt is for; default: its own.")
    ] = None,
    writer: Annotated[
        str | None,
        typer.Option(help="The model that writes proposals; default: the same."),
    ] = None,
    reference_model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="For --way adaptation: the old model, whose answers are its reference.",
        ),
    ] = None,
    way: Annotated[
        list[str] | None,
        typer.Option(help="A way of making proposals, such as rewrite; can be repeated."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="The score; default: the gate's, else the first.")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(metavar="USD", help="Spend at most; default: the experiment's budget_usd."),
    ] = None,
    rounds: Annotated[int, typer.Option(help="Rounds, each from the best so far.")] = 3,
    proposals: Annotated[int, typer.Option(help="Proposals of each way in a round.")] = 4,
    margin: Annotated[
        float | None,
        typer.Option(help="Worse by less than this counts as no worse; default: the gate's."),
    ] = None,
    cross_fit: Annotated[
        int | None,
        typer.Option(
            metavar="FOLDS", help="For few cases: judge the search in folds, 5 for example."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another one asks for other proposals.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.prompty", help="Write the winner to a new file, unless it is worse."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write the report.")
    ] = None,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Write nothing to MLflow.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print the sets, calls, cost and what can be found; call no model."
        ),
    ] = False,
) -> None:
    """Look for a better prompt, and confirm it on cases that the search has not seen.

    Cases are divided into three sets: proposals are made from train, chosen on select, and the
    best is compared with the start on confirm, once. The same command continues what was stopped.
    """
    from pex.cli.trust import asking
    from pex.core.project import find_project
    from pex.experiment.experiment import Experiment
    from pex.improvement.forecast import forecast
    from pex.improvement.improvement import improve as run
    from pex.improvement.improvement import plan_of
    from pex.improvement.question import question_of
    from pex.project.listing import find_experiment

    if out is not None and (out.suffix != ".prompty" or out.exists()):
        why = "exists already" if out.exists() else "expected a name that ends in .prompty"
        raise PexError(f"--out {out}: {why}")
    exp = asking(lambda: Experiment.load(find_experiment(experiment, find_project())))
    cap = exp.budget_usd if budget is None else budget
    if cap is None:
        raise PexError(
            f"experiment '{exp.name}' has no budget_usd", hint="say what may be spent: --budget USD"
        )
    if dry_run:
        question = question_of(
            prompt,
            exp,
            model=model,
            writer=writer,
            metric=metric,
            margin=margin,
            reference=reference_model,
        )
        plan = plan_of(question, way, rounds, proposals, seed)
        found = forecast(question, plan, cap, folds=cross_fit)
        if as_json:
            console.document(found.as_json())
        else:
            console.out(str(found))
        return
    result = asking(
        lambda: run(
            prompt,
            exp,
            budget_usd=cap,
            model=model,
            writer=writer,
            reference=reference_model,
            ways=way,
            metric=metric,
            rounds=rounds,
            proposals=proposals,
            margin=margin,
            cross_fit=cross_fit,
            seed=seed,
            record=not no_record,
            show=True,
        )
    )
    _write(result, out, report)
    if as_json:
        console.document(_document(result))
    else:
        console.out(repr(result))
    if code := exit_code(result):
        sys.exit(code)


def exit_code(result: Improvement) -> int:
    """4: the budget ended it; 3: undecided, where the experiment's gate fails that; else 0."""
    if result.status == "budget":
        return 4
    return 3 if result.verdict == UNDECIDED and result.must_decide else 0


def _write(result: Improvement, out: Path | None, report: Path | None) -> None:
    if report is not None:
        console.err(f"report: {result.report(report)}")
    if out is not None:
        if result.prompt is result.start:
            console.err(f"{out} is not written: the start is kept")
        elif result.worse:
            console.err(f"{out} is not written: the verdict is '{result.verdict}'")
        else:
            console.err(f"winner: {result.save(out)}; the verdict is '{result.verdict}'")


def _document(result: Improvement) -> dict[str, Any]:
    found = result.confirmation
    frame = result.frame.astype(object).where(result.frame.notna(), None)
    return {
        "verdict": result.verdict,
        "sentence": result.sentence,
        "status": result.status,
        "notes": result.notes,
        "metric": result.metric,
        "winner": result.prompt.to_prompty(),
        "comparison": None if found is None else found.row,
        "confirm_use": None if found is None else found.use,
        "proposals": [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")],
        "sets": result.sizes(),
        "spent_usd": result.spent_usd,
        "run_id": result.run_id,
    }
