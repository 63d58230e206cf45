"""`pexlab import`: projects and results of other tools, traces as cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pex.cli import console
from pex.core.errors import PexError

if TYPE_CHECKING:
    from pex.core.case import Case
    from pex.importers.imported import Note


def import_file(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A project, a data set or results of another tool."),
    ] = None,
    tool: Annotated[
        str | None,
        typer.Option("--from", metavar="TOOL", help="Default: by its contents."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The experiment's; default: as in the file.")
    ] = None,
    no_record: Annotated[
        bool, typer.Option("--no-record", help="Results: write nothing to MLflow.")
    ] = False,
    trace: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="A trace in MLflow, as a case. Can be repeated."),
    ] = None,
    code: Annotated[
        Path | None,
        typer.Option(
            "--code",
            metavar="SRC",
            help="A folder or file of Python: the prompts in it; nothing is run.",
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The new experiment's folder; default experiments/NAME. For traces: the "
            "experiment.yaml that gets the cases.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Import a project of another tool as an experiment, or its results as a run.

    pexlab import promptfooconfig.yaml

    makes experiments/NAME with experiment.yaml, prompts, cases and IMPORT.md: what was taken over,
    what was changed and how, what was left out and why. Then: pexlab run
    experiments/NAME/experiment.yaml --dry-run.

    pexlab import prompts/        (text files, with {x}, {{x}}, ${x} or <x>)

    pexlab import cases.xlsx      (a table with prompts or cases)

    pexlab import --code src/     (prompts in Python: f-strings, calls, LangChain)

    pexlab import export.json     (OpenAI's Evals; data sets of Langfuse and Phoenix)

    pexlab import log.eval --from inspect-task      (the task of a log of Inspect)

    pexlab import results.json --name shop

    records results of garak (report.jsonl), PyRIT (messages or results of attacks), promptfoo,
    Inspect (a log) or OpenAI's Evals (output items) as a run, and says what was taken over, changed
    and left out. Scores are yes if the answer is good: what these tools
    call a hit or a success of an attack is a no. Attacks without a verdict are not judged, and
    counted. Two files about the same inputs are compared by pexlab compare.

    pexlab import --trace tr-1 --trace tr-2 --to experiments/desk/experiment.yaml

    appends a case for each trace: its inputs, its tool calls as expected_calls, their replies as
    tool_replies. Run it with tools of the kind "recorded": no tool runs, every variant sees the
    same replies.

    pexlab import traces.jsonl --to experiments/desk/experiment.yaml

    does the same for the traces in a file of OpenTelemetry (OTLP as JSON).

    No model is called, nothing in the files is executed, no key is copied and nothing that exists
    is overwritten.
    """
    if trace:
        _import_traces(file, trace, to, as_json)
        return
    if code is not None:
        if file is not None or tool is not None:
            raise PexError("--code SRC stands alone, without a FILE or --from")
        _import_project(code, "python", name, to, as_json)
        return
    if file is None:
        raise PexError(
            "pexlab import: which file?", hint="or --code SRC, --trace ID --to EXPERIMENT.yaml"
        )
    from pex.importers.projects import is_project
    from pex.monitoring.otlp_file import is_otlp

    if tool is None and is_otlp(file):
        _import_otlp(file, to, as_json)
        return
    if is_project(file, tool):
        _import_project(file, tool, name, to, as_json)
        return
    if to is not None:
        raise PexError(f"{file}: these are results, which go into MLflow: --to does not apply")
    _import_results(file, tool, name, not no_record, as_json)


def _import_project(
    file: Path, tool: str | None, name: str | None, to: Path | None, as_json: bool
) -> None:
    from pex.importers.projects import import_project
    from pex.importers.report import FILE, report_text

    made = import_project(file, to, name, tool)
    shown = made.path
    if shown.is_relative_to(Path.cwd()):
        shown = shown.relative_to(Path.cwd())
    if as_json:
        notes = made.imported.notes
        console.document({"path": str(shown), "counts": _counts(notes), "notes": _plain(notes)})
        return
    written = f"written: {shown} ({FILE} beside it has this report in full)"
    console.out(report_text(made.imported.tool, made.imported.notes, written))
    console.err(f"next: pexlab run {shown} --dry-run")


def _counts(notes: Sequence[Note]) -> dict[str, int]:
    from pex.importers.report import counts

    return {kind.replace(" ", "_"): number for kind, number in counts(notes).items()}


def _plain(notes: Sequence[Note]) -> list[dict[str, str | int]]:
    return [{"where": n.where, "what": n.what, "how": n.how, "count": n.count} for n in notes]


def _import_results(
    file: Path, tool: str | None, name: str | None, record: bool, as_json: bool
) -> None:
    from pex.compare.attacks import attack_rates, is_redteam, table_of
    from pex.importers.recorded import NO_TWINS, import_run
    from pex.importers.report import FILE, report_text
    from pex.report.attacks import rates_text

    made = import_run(file, tool=tool, name=name, record=record)
    results = made.results
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
                "imported": _counts(made.notes),
                "notes": _plain(made.notes),
            }
        )
        return
    console.out(repr(results))
    if attacks:
        console.out("\n" + rates_text(rates))
        console.err(f"! {NO_TWINS}")
    ending = "not recorded, as --no-record says"
    if results.run_id is not None:
        ending = (
            f"recorded in MLflow as run {results.run_id} ({FILE} in it has this report in full)"
        )
    console.out("\n" + report_text(made.tool, made.notes, ending))
    if results.run_id is not None:
        console.err(f"next: pexlab ui, or pexlab report {results.run_id}")


def _import_traces(file: Path | None, traces: list[str], to: Path | None, as_json: bool) -> None:
    from pex.monitoring.import_paths import import_paths

    if file is not None or not traces or to is None:
        raise PexError(
            "traces become cases of an experiment, without a FILE",
            hint="pexlab import --trace ID --to experiments/NAME/experiment.yaml",
        )
    cases = import_paths(traces, to)
    if as_json:
        console.document({"cases": [{"id": case.id, **case.inputs} for case in cases]})
        return
    _say_cases(cases, to)


def _import_otlp(file: Path, to: Path | None, as_json: bool) -> None:
    from pex.monitoring.import_paths import import_otlp

    if to is None:
        raise PexError(
            f"{file}: these are traces, which become cases of an experiment",
            hint=f"pexlab import {file} --to experiments/NAME/experiment.yaml",
        )
    found = import_otlp(file, to)
    if as_json:
        cases = [{"id": case.id, **case.inputs} for case in found.cases]
        console.document(
            {"cases": cases, "without_calls": found.without_calls, "tools": found.tools}
        )
        return
    _say_cases(found.cases, to)
    if found.without_calls:
        many = len(found.without_calls)
        console.err(f"{many:,} {'trace calls' if many == 1 else 'traces call'} no tool: left out")
    if found.tools:
        names = ", ".join(tool["function"]["name"] for tool in found.tools)
        console.err(f"tools that the models were offered: {names}; --json has their definitions")


def _say_cases(cases: Sequence[Case], to: Path) -> None:
    from pex.score.tool_path import COLUMN, read_expected

    for case in cases:
        calls = read_expected(case.inputs[COLUMN], f"case '{case.id}'")
        console.out(f"{case.id}: {', '.join(map(str, calls))}")
    many = "1 case is" if len(cases) == 1 else f"{len(cases)} cases are"
    console.err(f"{many} in the cases of {to}")
