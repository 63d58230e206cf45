"""`pexlab lint`: prompts checked without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.lint.linting import Linted
from pex.lint.linting import lint as check


def lint(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE|DIR]…",
            help="Prompt files, experiment.yaml, folders; left out, the project.",
            show_default=False,
        ),
    ] = None,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Make the changes that leave every request as it is."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Check prompts without a model: unsafe, contradictory, unfairly scored or expensive.

    PX101 text from outside in the system message · PX102 without a delimiter · PX103 a secret ·
    PX104 always and never the same · PX105 no word of the output that a scorer needs · PX106 an
    example that contradicts the instruction · PX107 a case that the prompt is scored on · PX108 a
    variable near the top that spoils the provider's cache, with its price · PX109 a model that
    stops soon. An experiment beside the prompts says which cases, scorers and models they have.
    A comment ignores a rule: # pex: ignore[PX102] in the front matter for the whole file,
    {# pex: ignore[PX102] #} in the text for that line and the next.
    --fix declares cases that the prompt shows (examples:), and deletes ignore comments without
    effect. It never changes what is sent: that has to be measured.
    Exit code 0: nothing found, 1: something, 2: wrong use.
    """
    result = check(paths or [], fix=fix)
    if as_json:
        console.document(result.to_json())
    else:
        for finding in result.findings:
            console.out(str(finding))
        console.err(_summary(result))
    if result.findings:
        raise typer.Exit(1)


def _summary(result: Linted) -> str:
    errors = sum(finding.severity == "error" for finding in result.findings)
    warnings = len(result.findings) - errors
    parts = [_count(errors, "error"), _count(warnings, "warning")]
    parts += [f"{result.ignored} ignored"] if result.ignored else []
    parts += [f"{result.fixed} fixed"] if result.fixed else []
    return f"{_count(result.prompts, 'prompt')}: {', '.join(parts)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
