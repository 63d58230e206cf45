"""`pexlab adopt`: may every prompt of the library move to a new model?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pex.cli import console
from pex.core.errors import Interrupted, PexError
from pex.core.yamltext import load_yaml

if TYPE_CHECKING:
    from pex.adoption.adoption import Adoption
    from pex.adoption.recording import RecordedModel

_PARAMS_HELP = "is part of what is adopted: --params reasoning_effort=low; repeat it for more."


def adopt(
    new: Annotated[
        str | None, typer.Argument(metavar="NEW", help="The new model, provider/model.")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="OLD", help="The model to compare with; else the one that each prompt runs on."
        ),
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this prompt; repeat it for more.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(metavar="USD", help="Spend at most, over all prompts together.")
    ] = None,
    params: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help=f"A parameter of the new model; it {_PARAMS_HELP}"),
    ] = None,
    baseline_params: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="The same for the old model."),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(help="By how much worse is still no worse, where an experiment has no gate."),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(help="Of all claims together; else the strictest of the gates, or 0.95."),
    ] = None,
    record_old: Annotated[
        str | None,
        typer.Option(
            "--record",
            metavar="OLD",
            help="Instead: ask this model all its cases once more, before it is gone.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be asked and cost.")
    ] = False,
    apply: Annotated[
        bool,
        typer.Option(
            "--apply",
            help="Write the model-specific versions of prompts that may move, and promote those "
            "whose evidence suffices.",
        ),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit with 1 if a prompt cannot stay as it is, with 3 if one is undecided.",
        ),
    ] = False,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Write nothing to MLflow.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Also write the page.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Compare every prompt of the library on a new model with the old one, on its own cases.

    Answers in the journal are used again; the rest is asked under one budget, and the same command
    continues what was interrupted. Per prompt: keep as it is, needs a rewrite, do not move yet, or
    undecided with about how many more cases.

    Exit codes: 0 compared (with --strict: all stay as they are) · 1, 3 with --strict · 4 the budget
    ended it · 5 errors · 130 interrupted.
    """
    from pex.cli.trust import asking

    if (new is None) == (record_old is None):
        raise PexError(
            "name the new model, or --record with the old one",
            hint="pexlab adopt openai/gpt-5-mini --baseline openai/gpt-4o",
        )
    if report is not None and report.suffix not in (".html", ".htm"):
        raise PexError(f"--report {report}: expected a name that ends in .html")
    own = _params(params or [], "--params")
    if record_old is not None:
        unused = {
            "--baseline": baseline, "--baseline-params": baseline_params, "--margin": margin,
            "--confidence": confidence, "--dry-run": dry_run, "--apply": apply,
            "--strict": strict, "--report": report,
        }  # fmt: skip
        for option, value in unused.items():
            if value not in (None, False):
                raise PexError(f"{option} does not go with --record, which only asks the model")
        _record(record_old, own, prompt, budget, not no_record, as_json)
        return
    from pex.adoption.adopting import adopt as compare_all
    from pex.adoption.adoption import Adoption

    assert new is not None  # one of the two was given
    try:
        found = asking(
            lambda: compare_all(
                new,
                baseline,
                params=own,
                baseline_params=_params(baseline_params or [], "--baseline-params"),
                prompts=prompt,
                budget_usd=budget,
                margin=margin,
                confidence=confidence,
                dry_run=dry_run,
                record=not no_record,
            )
        )
    except Interrupted as stop:
        if isinstance(stop.results, Adoption):
            _write(stop.results, report)
            _print(stop.results, as_json)
        raise
    if not isinstance(found, Adoption):
        console.document(found.to_json()) if as_json else console.out(str(found))
        return
    _write(found, report)
    try:
        if apply and not found.stopped:
            found.apply()
    finally:  # what was compared is shown, whatever ends the rest
        _print(found, as_json)
    if apply and not found.applied:
        why = "the adoption is not finished" if found.stopped else "no prompt stays as it is"
        console.err(f"--apply: nothing moves, because {why}")
    code = found.exit_code or (5 if any(item.failed for item in found.applied) else 0)
    code = code or (_strict(found) if strict else 0)
    if code:
        sys.exit(code)


def _record(
    old: str,
    params: dict[str, Any],
    prompts: list[str] | None,
    budget: float | None,
    record: bool,
    as_json: bool,
) -> None:
    from pex.adoption.recording import RecordedModel, record_model
    from pex.cli.trust import asking

    try:
        found = asking(
            lambda: record_model(
                old, params=params, prompts=prompts, budget_usd=budget, record=record
            )
        )
    except Interrupted as stop:
        if isinstance(stop.results, RecordedModel):
            _print_recorded(stop.results, as_json)
        raise
    _print_recorded(found, as_json)
    if found.exit_code:
        sys.exit(found.exit_code)


def _print_recorded(found: RecordedModel, as_json: bool) -> None:
    if as_json:
        console.document(found.to_json())
    else:
        console.out(str(found))
    if found.run_id is not None:
        console.err(f"recorded in MLflow as run {found.run_id} (pexlab ui)")


def _write(found: Adoption, report: Path | None) -> None:
    if report is not None:
        found.report(report)
        console.err(f"page: {report}")


def _print(found: Adoption, as_json: bool) -> None:
    if as_json:
        console.document(found.to_json())
    else:
        console.out(str(found))
        for item in found.applied:
            console.out("\n" + str(item))
    if found.run_id is not None:
        console.err(f"recorded in MLflow as run {found.run_id} (pexlab ui)")


def _strict(found: Adoption) -> int:
    """1 if a prompt cannot stay as it is, 3 if one is undecided."""
    from pex.adoption.decide import KEEP, UNDECIDED

    verdicts = set(found.verdicts.values())
    return 1 if verdicts - {KEEP, UNDECIDED} else 3 if UNDECIDED in verdicts else 0


def _params(items: list[str], option: str) -> dict[str, Any]:
    """Parameters as the command line gives them; the values are YAML."""
    found: dict[str, Any] = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals or not key:
            raise PexError(f"{option} {item}: expected KEY=VALUE")
        try:
            found[key] = load_yaml(text, "").data
        except PexError:
            raise PexError(f"{option} {item}: the value is not valid YAML") from None
    return found
