"""`pexlab changes`: the prompts that a branch changes, compared with its base branch."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pex.cli import console
from pex.core.project import find_project

if TYPE_CHECKING:
    from pex.changes.comparing import ChangeReport


def changes(
    base: Annotated[
        str, typer.Option(metavar="REF", help="The base branch or a commit, such as origin/main.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.md", help="Write the comment to a file.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N cases.")] = None,
    budget: Annotated[float | None, typer.Option(metavar="USD", help="Spend at most.")] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="By how much worse is still 'no worse', in the unit of the metric; default: that "
            "of each experiment's gate."
        ),
    ] = None,
    fail_undecided: Annotated[
        bool, typer.Option("--fail-undecided", help="Exit with code 3 if it is undecided.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Compare the prompts that a branch changes with its base branch: a comment in Markdown.

    Both versions of each changed prompt run on its experiment's cases, through the journal; nothing
    is recorded in MLflow. The comment has the verdict, the five cases that changed most, and the
    cost. The workflow of `pexlab init` writes it under a pull request.

    Exit codes: 0 no worse, or undecided · 1 measurably worse · 3 undecided, with --fail-undecided.
    """
    from pex.changes.changed import changes_since
    from pex.changes.comment import comment
    from pex.changes.comparing import compare_changes
    from pex.cli.trust import asking

    found = changes_since(find_project(), base)
    report = asking(
        lambda: compare_changes(
            found, limit=limit, budget_usd=budget, margin=margin, say=console.err
        )
    )
    text = comment(report)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        console.err(f"comment: {out}")
    if as_json:
        console.document(_document(report))
    elif out is None:
        console.out(text)
    code = console.gate_code(report.outcome, fail_undecided)
    if code:
        sys.exit(code)


def _document(report: ChangeReport) -> dict[str, Any]:
    return {
        "base": report.changes.base,
        "commit": report.changes.commit,
        "outcome": report.outcome,
        "spent_usd": report.spent_usd,
        "prompts": [
            {
                "file": item.changed.file,
                "experiment": item.experiment,
                "outcome": item.outcome or None,
                "finding": item.finding,
                "comparison": item.row or None,
                "cases": [dataclasses.asdict(case) for case in item.cases],
                "cost_usd_per_1000": {"base": item.old_cost_usd, "branch": item.new_cost_usd},
            }
            for item in report.prompts
        ],
        "unused": list(report.changes.unused),
    }
