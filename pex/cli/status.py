"""`pexlab status`: where each prompt stands, from its requirements to new cases."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.report.terminal import text_table


def status(
    prompts: Annotated[
        list[str] | None, typer.Argument(metavar="[PROMPT]...", help="Only these prompts.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="Days of traces that are looked at.")] = 30,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write the page to a file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show where each prompt stands, from its requirements to new cases, and what is stuck.

    Each stage is read from where it is kept anyway: requirements and cases from the files, versions
    and moves from the library, scores from MLflow, traces and feedback from the experiments that a
    `monitor.yaml` names. What is stuck comes with the command that helps, and incidents that are
    not closed come first.
    Examples: pexlab status · pexlab status review-service --report status.html
    """
    from pex.incidents.overview import open_lines
    from pex.monitoring.status.page import SIGNS, project_status

    if report is not None and report.suffix not in (".html", ".htm"):
        raise PexError(f"--report {report}: expected a name that ends in .html")
    found = project_status(find_project(), prompts, days)
    found = dataclasses.replace(found, incidents=tuple(open_lines(find_project())))
    unknown = set(prompts or ()) - {item.name for item in found.prompts}
    if unknown:
        name = min(unknown)
        known = [item.name for item in project_status(find_project(), None, days).prompts]
        raise PexError(f"there is no prompt '{name}'", hint=nearest(name, known))
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(found.html(), encoding="utf-8")
        console.err(f"page: {report}")
    if as_json:
        console.document(found.to_json())
        return
    console.out(found.sentence)
    for text in found.incidents:
        console.out(text)
    for text in found.problems:
        console.err(text)
    if found.prompts:
        head = ("prompt", *(stage.name for stage in found.prompts[0].stages))
        rows = [
            (item.name, *(f"{SIGNS[stage.state]} {stage.figure}" for stage in item.stages))
            for item in found.prompts
        ]
        console.out(text_table(rows, head))
    for item in found.prompts:
        for stage in item.stuck:
            console.out(f"{item.name}, {stage.name}: {stage.detail}")
            if stage.next_step:
                console.out(f"  {stage.next_step.replace('`', '')}")
