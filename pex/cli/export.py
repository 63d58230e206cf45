"""`pexlab export`: training data, and files for other tools, of an experiment or a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from pex.cli import console
from pex.core.errors import PexError, nearest
from pex.core.project import find_project


def export(
    format_name: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help="openai-chat, openai-dpo, trl-messages, trl-prompt-completion, trl-preference, "
            "trl-preference-implicit, trl-unpaired, alpaca, sharegpt; or lora-kit. "
            "For other tools: promptfoo, inspect, every-eval-ever, csv.",
        ),
    ],
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="EXPERIMENT|RUN",
            help="An experiment's file or name, or a run's id; by default the only experiment.",
        ),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to make.")],
    sources: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="SOURCE",
            help="expected (answers of cases, the default), passed (a run's answers that passed "
            "--score), attacks (attacks and harmless twins of families that do not test), ratings "
            "(blind, the default for preferences), judge, thumbs (the default "
            "for trl-unpaired); may be given more than once.",
        ),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose messages, if there are several.")
    ] = None,
    score: Annotated[
        str | None, typer.Option(metavar="NAME", help="The score that passed, or the judge.")
    ] = None,
    at_least: Annotated[float, typer.Option(help="The score that passes.")] = 1.0,
    raters: Annotated[int, typer.Option(min=1, help="Raters that a preference needs.")] = 1,
    validation: Annotated[
        float, typer.Option(metavar="SHARE", help="For validation.jsonl; groups stay together.")
    ] = 0.1,
    personal: Annotated[
        str, typer.Option(metavar="hide|keep|refuse", help="What looks like personal data.")
    ] = "hide",
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VALUE",
            help="Nobody's data: a value, @firm.org, or re:PATTERN; may be given more than once.",
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option(metavar="NAME", help="Of the data, where the cases do not say it.")
    ] = "",
    price: Annotated[
        float | None,
        typer.Option(
            metavar="USD", help="Of a million training tokens, for the card; else of pex.toml."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Write training data of an experiment or a run, or the run itself for other tools.

    A case that tests is never exported: those of a test or confirm split, also reworded, and
    without splits every case of an experiment with a gate. Secrets stop the export. The folder
    gets train.jsonl, validation.jsonl, a card (README.md), export.json with the figures and
    rows.jsonl, which says where each row comes from. With lora-kit it also gets a script that
    trains an open model elsewhere.

    pexlab export inspect latest --out outputs/inspect

    writes a run as logs of Inspect, as objects of Every Eval Ever or as CSV; promptfoo writes an
    experiment as its configuration. EXPORT.md says what was changed or left out. Of the options,
    only --force, --dry-run and --json apply.
    """
    from pex.exporters.export import FORMATS

    if format_name in FORMATS:
        given = {
            "--from": sources, "--prompt": prompt, "--score": score, "--keep": keep,
            "--licence": licence, "--price": price,
        }  # fmt: skip
        _for_tool(format_name, what, out, given, force, dry_run, as_json)
        return
    _check_known(format_name)
    from pex.training.export import export as write

    found = write(
        what or _only_experiment(),
        format_name,
        out,
        sources=sources or (),
        prompt=prompt,
        score=score,
        at_least=at_least,
        raters=raters,
        validation=validation,
        personal=personal,
        keep=keep or (),
        licence=licence,
        price=price,
        force=force,
        dry_run=dry_run,
        on_progress=_progress,
    )
    if as_json:
        console.document(
            {
                "folder": None if found.folder is None else str(found.folder),
                "dry_run": dry_run,
                "format": found.format,
                "files": found.files,
                "sources": found.sources,
                "left_out": found.left_out,
                "personal": found.personal,
                "findings": list(map(dataclasses.asdict, found.findings)),
            }
        )
        return
    console.out(repr(found))
    for kind, count in found.personal.items():
        said = {"hide": "replaced with placeholders", "keep": "kept"}.get(personal, "found")
        console.err(f"{kind}: {count:,} {said}")
    for finding in found.findings:
        console.err(f"! {finding}")
    if dry_run:
        console.err("nothing has been written (--dry-run)")
    else:
        console.err(f"wrote {out}; {out / 'README.md'} describes it")


def _check_known(format_name: str) -> None:
    from pex.exporters.export import FORMATS
    from pex.training.formats import FORMATS as TRAINING

    known = [*TRAINING, "lora-kit", *FORMATS]
    if format_name not in known:
        raise PexError(f"unknown format '{format_name}'", hint=nearest(format_name, known))


def _for_tool(
    format_name: str,
    what: str | None,
    out: Path,
    given: Mapping[str, object],
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    from pex.exporters.export import OF_RUNS, export_to, report_text

    unfit = [name for name, value in given.items() if value]
    if unfit:
        raise PexError(f"{unfit[0]} is for training data; {format_name} has no such option")
    what = what or ("latest" if format_name in OF_RUNS else _only_experiment())
    exported = export_to(format_name, what, out, force=force, dry_run=dry_run)
    if as_json:
        console.document(
            {
                "folder": None if dry_run else str(out),
                "dry_run": dry_run,
                "format": format_name,
                "files": list(exported.files),
                "notes": list(map(dataclasses.asdict, exported.notes)),
            }
        )
        return
    console.out(report_text(exported))
    console.err(exported.usage)
    if dry_run:
        console.err("nothing has been written (--dry-run)")
    else:
        console.err(f"wrote {out}; EXPORT.md there has this report")


def _progress(done: int, total: int) -> None:
    if total > 10_000 and done % 10_000 == 0 and done < total:
        console.err(f"{done:,} of {total:,} rows")


def _only_experiment() -> str:
    from pex.project.listing import experiment_files

    known = experiment_files(find_project())
    if len(known) != 1:
        shown = ", ".join(known) or "none"
        raise PexError(f"which experiment or run? There is: {shown}", hint="name it")
    return next(iter(known))
