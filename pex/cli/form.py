"""`pexlab form`: tables that people fill in without code, sent out and read back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pex.cli import console
from pex.cli.runs import RUN_HELP
from pex.core.errors import PexError
from pex.core.project import find_project
from pex.report.terminal import text_table

if TYPE_CHECKING:
    from pex.evidence.form.requirement_form import ReadForm
    from pex.evidence.form.table import FilledForm

app = typer.Typer(
    help="Forms for people without code: what must hold, what is right, how good answers are.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_To = Annotated[
    Path, typer.Option("--to", metavar="FILE", help="A .html, .xlsx or .csv file to send.")
]
_Delimiter = Annotated[
    str,
    typer.Option(metavar="SIGN", help="Of a CSV; Excel in much of Europe needs ';'."),
]
_Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]
_SIGNS = {"added": "+", "changed": "~", "same": "=", "conflict": "!"}


@app.command()
def requirements(
    name: Annotated[
        str,
        typer.Argument(metavar="EXPERIMENT|PROMPT", help="A name in the project, or a file."),
    ],
    to: _To,
    delimiter: _Delimiter = ",",
    force: _Force = False,
) -> None:
    """Write a form in which somebody says what must hold, with examples.

    It has the requirements of the experiment's file, and room for others. `pexlab form read` makes
    requirements and cases of what comes back.
    """
    from pex.evidence.form.requirement_form import requirement_form
    from pex.evidence.form.table import write_form

    form = requirement_form(_experiment_file(name))
    path = write_form(form, to, delimiter=delimiter, force=force)
    count = len(form.rows)
    console.out(
        f"wrote  {path}  ({count} requirement{'' if count == 1 else 's'}, and room for new)"
    )


@app.command()
def answers(
    run: Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)],
    to: _To,
    variant: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only its answers; may be given more than once."),
    ] = None,
    scale: Annotated[int, typer.Option(min=2, max=10, help="The best rating; 1 is worst.")] = 5,
    categories: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Instead of a scale, the best one first."),
    ] = None,
    cases: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the first cases.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Also cases with the tag 'private'.")
    ] = False,
    delimiter: _Delimiter = ",",
    force: _Force = False,
) -> None:
    """Write a form in which an expert corrects expected answers, rates and comments on answers.

    It names no variant; identical answers to a case are one row. `pexlab form read` writes the
    corrections into the file of cases, and ratings and comments into the run's record.
    """
    from pex.evidence.form.answer_form import answer_form
    from pex.evidence.form.table import write_form
    from pex.results.load import load_run

    named = [part.strip() for part in categories.split(",")] if categories else None
    form = answer_form(
        load_run(run), variant, scale=scale, categories=named, limit=cases, private=private
    )
    path = write_form(form, to, delimiter=delimiter, force=force)
    console.out(f"wrote  {path}  ({len(form.rows):,} answers)")


@app.command()
def read(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The form that came back.")],
    experiment: Annotated[
        str | None,
        typer.Option(metavar="EXPERIMENT", help="Which it is for, if the file does not say it."),
    ] = None,
    rater: Annotated[
        str, typer.Option(metavar="NAME", help="Who rated, if the file does not say it.")
    ] = "",
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a CSV; else it is found out.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Take over what somebody filled in: requirements, cases, corrections, ratings.

    What was changed on both sides meanwhile is a conflict: it is reported, not written, and kept in
    a file beside the form. The exit code is then 1.
    """
    from pex.evidence.form.answer_form import RIGHT, read_answers
    from pex.evidence.form.requirement_form import read_requirements
    from pex.evidence.form.table import read_form

    form = read_form(file, encoding)
    if form.kind == "answers" or RIGHT in form.titles:
        _tell(form, read_answers(form, rater=rater, dry_run=dry_run), dry_run, as_json)
        return
    wanted = experiment or form.experiment
    if not wanted:
        raise PexError(
            f"{file}: which experiment is it for?", hint="--experiment NAME, or its file"
        )
    found = read_requirements(form, _experiment_file(wanted), dry_run=dry_run)
    added = [one.what for one in found.changes if one.state == "added"]
    new = [what for what in added if not what.startswith("case ")]
    if new and not dry_run:
        console.err(f"a scorer that checks one of them says so: checks: [{new[0]}]")
    _tell(form, found, dry_run, as_json)


def _experiment_file(name: str) -> Path:
    """The file of an experiment, or of the one that uses a prompt."""
    from pex.core.attempt import attempt
    from pex.evidence.using_experiments import using_experiments
    from pex.project.listing import find_experiment

    project = find_project()
    found = attempt(lambda: find_experiment(name, project))
    if not isinstance(found, PexError):
        return found.resolve()
    using = using_experiments(project).get(name, [])
    if len(using) > 1:
        shown = ", ".join(path.parent.name for path in using)
        raise PexError(f"several experiments use the prompt '{name}': {shown}", hint="name one")
    if not using:
        raise found
    return using[0].resolve()


def _tell(form: FilledForm, found: ReadForm, dry_run: bool, as_json: bool) -> None:
    """Print what was done, keep the rest in a file, exit with 1 if there are conflicts."""
    from pex.evidence.form.table import write_rest

    rest = write_rest(form, found.rest) if found.rest and not dry_run else None
    conflicts = [change for change in found.changes if change.state == "conflict"]
    if as_json:
        console.document(
            {
                "dry_run": dry_run,
                "changes": [
                    {"state": one.state, "what": one.what, "detail": one.detail}
                    for one in found.changes
                ],
                "rest": None if rest is None else str(rest),
            }
        )
    else:
        rows = [(f"{_SIGNS[one.state]} {one.state}", one.what, one.detail) for one in found.changes]
        console.out(text_table(rows, ("", "what", "")) if rows else "nothing is filled in")
    if dry_run:
        console.err("nothing has been written (--dry-run)")
    if rest is not None:
        console.err(f"what was not taken over is in {rest}")
    if conflicts:
        raise typer.Exit(1)
