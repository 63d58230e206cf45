"""`pexlab finetune`: jobs at endpoints that train a model on uploaded data."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pex.cli import console
from pex.core.errors import BudgetError, PexError
from pex.core.project import find_project
from pex.project.settings import Settings, load_settings
from pex.report.terminal import text_table
from pex.run.database import Database, database_of

if TYPE_CHECKING:
    from pex.record.finetune import FineTuneRun
    from pex.training.jobs.events import Event
    from pex.training.jobs.intent import Intent, Intents
    from pex.training.jobs.priced import CheckedFile

app = typer.Typer(
    help="Fine-tuning jobs: check the data, start a job with a budget, follow it, cancel it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
EPOCHS = 3
_MOST_SHOWN = 20
_File = Annotated[Path, typer.Argument(metavar="FILE", help="The training data, JSON Lines.")]
_Model = Annotated[
    str | None, typer.Option(metavar="PROVIDER/MODEL", help="The model that is trained.")
]
_Method = Annotated[str, typer.Option(metavar="supervised|dpo", help="How it is trained.")]
_Epochs = Annotated[int, typer.Option(min=1, help="How often the data is gone through.")]
_Price = Annotated[
    float | None,
    typer.Option(metavar="USD", help="Of a million training tokens, if pex.toml has no price."),
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
_Job = Annotated[
    str | None, typer.Argument(metavar="JOB", help="The job's id; else the newest one.")
]
_NoRecord = Annotated[bool, typer.Option("--no-record", help="Write nothing to MLflow.")]


@app.command()
def check(
    file: _File,
    model: _Model = None,
    method: _Method = "supervised",
    epochs: _Epochs = EPOCHS,
    price: _Price = None,
    attacks: Annotated[
        bool,
        typer.Option("--attacks", help="Also find attacks that pexlab redteam tests with."),
    ] = False,
    as_json: _Json = False,
) -> None:
    """Check training data as an endpoint would, estimate its tokens and what a job costs.

    Exit code 1 if an endpoint would refuse the file. Nothing is sent.
    """
    from pex.training.jobs.closing import check_open
    from pex.training.jobs.priced import checked_file, training_price

    settings = load_settings(find_project())
    checked = checked_file(file, method)
    if attacks:
        from pex.training.attacks import attacks_in

        checked = dataclasses.replace(checked, findings=[*checked.findings, *attacks_in(file)])
    found = training_price(model, settings, price)
    remark = check_open(_base(model, settings)) if model else ""
    if as_json:
        console.document(
            {
                **_checked(checked, epochs),
                "usd": None if found is None else checked.usd(epochs, found),
                "usd_per_million": found,
                "remark": remark,
            }
        )
    else:
        _show_findings(checked)
        console.out(_size(checked, epochs))
        if found is not None:
            console.out(f"about ${checked.usd(epochs, found):.4g} at ${found:g} a million tokens")
        else:
            console.out("no price for training tokens is known: --price, or pex.toml")
        if remark:
            console.err(remark)
    if checked.errors:
        raise typer.Exit(1)


@app.command()
def start(
    file: _File,
    *,
    model: Annotated[
        str, typer.Option(metavar="PROVIDER/MODEL", help="The model that is trained.")
    ],
    budget: Annotated[
        float, typer.Option(min=0, metavar="USD", help="Start only if the estimate is within it.")
    ],
    validation: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Data for the validation loss.")
    ] = None,
    method: _Method = "supervised",
    epochs: _Epochs = EPOCHS,
    suffix: Annotated[str, typer.Option(help="Goes into the tuned model's name.")] = "",
    price: _Price = None,
    again: Annotated[
        bool, typer.Option("--again", help="Another job, although this one was made before.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Upload the data and start a job, if the estimate is within the budget.

    Killed at any point, the same command goes on: there is one upload and one job. The ledger
    (pexlab spend) has the estimate until the job has ended, then what its tokens cost.
    """
    from pex.training.jobs.closing import check_open
    from pex.training.jobs.endpoint_client import JobsClient
    from pex.training.jobs.start import start_job

    settings, state, database, intents = _project()
    remark = check_open(_base(model, settings))
    intent = _intent(file, model, method, epochs, suffix, validation, price, settings)
    known = _numbered(intents, intent, again)
    if known is None and intent.usd > budget:
        raise BudgetError(
            f"about {intent.tokens * epochs:,} tokens cost ${intent.usd:.4g}, above the budget of "
            f"${budget:.4g}; nothing was sent",
            hint="fewer epochs (--epochs) or rows, or a larger --budget",
        )
    if remark:
        console.err(remark)
    console.err(
        f"about {intent.tokens * epochs:,} tokens ({epochs} epochs), ${intent.usd:.4g} of "
        f"${budget:.4g}; an estimate from bytes, the endpoint counts its own"
    )
    client = JobsClient(model, settings, state)
    made = start_job(intent, intents, client, database, console.err)
    if as_json:
        console.document(_facts(made))
        return
    console.out(f"{made.job_id}  {made.status}")
    if made.ended:
        console.err(f"this job has ended ({made.status}); --again makes another")
    console.err(f"follow it: pexlab finetune follow {made.job_id}")


@app.command()
def follow(
    job: _Job = None,
    every: Annotated[
        float, typer.Option(min=0.05, metavar="S", help="Seconds between two looks.")
    ] = 5.0,
    timeout: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="Stop following after this time.")
    ] = None,
    no_record: _NoRecord = False,
    as_json: _Json = False,
) -> None:
    """Show the events and losses of a job until it ends; they also go to MLflow.

    Ctrl-C ends only this: the job goes on. Exit code 5 if the job failed or was cancelled, 3 if it
    goes on after --timeout.
    """
    from pex.training.jobs.endpoint_client import JobsClient
    from pex.training.jobs.follow import follow_job
    from pex.training.jobs.next_steps import cost_text, next_steps

    settings, state, database, intents = _project()
    intent = intents.find(job)
    client = JobsClient(intent.ref, settings, state)
    try:
        curves = None if no_record else _run(intent, settings)
        followed = follow_job(
            intent, intents, client, database, on_event=_show_event, tell=console.err,
            curves=curves, every_s=every, timeout_s=timeout,
        )  # fmt: skip
    except KeyboardInterrupt:
        console.err(f"the job goes on; come back with: pexlab finetune follow {intent.job_id}")
        raise typer.Exit(130) from None
    steps = next_steps(followed, _some_experiment())
    if as_json:
        run = None if curves is None else curves.run_id
        console.document({**_facts(followed), "mlflow_run_id": run, "next": steps})
    elif followed.ended:
        console.out(f"{followed.job_id}  {followed.status}  {followed.tuned_ref}".rstrip())
        for text in (followed.error, cost_text(followed)):
            if text:
                console.err(text)
        for line in steps:
            console.err(line)
    else:
        console.out(f"{followed.job_id}  {followed.status}")
        console.err(f"it goes on; come back with: pexlab finetune follow {followed.job_id}")
    if followed.status != "succeeded":
        raise typer.Exit(5 if followed.ended else 3)


@app.command("list")
def list_jobs(as_json: _Json = False) -> None:
    """List the jobs that were started in this project, newest first, as last seen."""
    intents = _project()[3]
    known = intents.all()
    if as_json:
        console.document([_facts(intent) for intent in known])
        return
    if not known:
        console.out("no job was started here: pexlab finetune start")
        return
    rows = [
        [
            intent.job_id or intent.id,
            intent.status,
            time.strftime("%Y-%m-%d %H:%M", time.localtime(intent.created_at)),
            intent.tuned_ref or intent.ref,
            f"{_usd(intent):.4g}",
        ]
        for intent in known
    ]
    console.out(text_table(rows, ["job", "status", "started", "model", "USD"], right=(4,)))


@app.command()
def cancel(job: _Job = None, no_record: _NoRecord = False, as_json: _Json = False) -> None:
    """Cancel a job; what was trained until then may be charged, and is booked.

    Its run in MLflow is closed too.
    """
    from pex.training.jobs.endpoint_client import JobsClient
    from pex.training.jobs.follow import cancel_job
    from pex.training.jobs.next_steps import cost_text

    settings, state, database, intents = _project()
    intent = intents.find(job)
    client = JobsClient(intent.ref, settings, state)
    ended = cancel_job(intent, intents, client, database)
    if ended.ended and not no_record:
        _close(ended, settings, database)
    if as_json:
        console.document(_facts(ended))
        return
    console.out(f"{ended.job_id}  {ended.status}")
    if ended.ended:
        console.err(cost_text(ended))
    else:
        console.err(f"it is being cancelled: pexlab finetune follow {ended.job_id}")


def _project() -> tuple[Settings, Path, Database, Intents]:
    from pex.training.jobs.intent import Intents

    project = find_project()
    settings = load_settings(project)
    state = project / settings.journal.path
    return settings, state, database_of(state, settings), Intents(state)


def _base(model: str, settings: Settings) -> str:
    from pex.run.endpoint import base_of

    if model.partition("/")[0] == "local":
        return ""  # refused when it is connected to
    return base_of(model, settings)[0].root


def _intent(
    file: Path,
    model: str,
    method: str,
    epochs: int,
    suffix: str,
    validation: Path | None,
    price: float | None,
    settings: Settings,
) -> Intent:
    """The job, if its files are right and its price is known."""
    from pex.training.jobs.intent import METHODS, Intent
    from pex.training.jobs.priced import checked_file, needed_price

    known = [name for name in METHODS if name == method]
    usd = needed_price(model, settings, price)
    checked = _good(checked_file(file, method))
    extra = None if validation is None else _good(checked_file(validation, method, validation=True))
    return Intent(
        model,
        str(file.absolute()),
        checked.sha256,
        checked.size,
        known[0],
        epochs,
        suffix,
        str(validation.absolute()) if validation else "",
        extra.sha256 if extra else "",
        tokens=checked.tokens,
        usd_per_million=usd,
    )


def _good(checked: CheckedFile) -> CheckedFile:
    if not checked.errors:
        return checked
    _show_findings(checked)
    count = len(checked.errors)
    raise PexError(
        f"{checked.path}: {'1 error' if count == 1 else f'{count:,} errors'}; nothing was sent",
        hint=f"pexlab finetune check {checked.path} lists them",
    )


def _numbered(intents: Intents, intent: Intent, again: bool) -> Intent | None:
    """The intent of an earlier start that this one continues; `again` takes the next number."""
    known = intents.load(intent.id)
    while again and known is not None and known.ended:
        intent.again += 1
        known = intents.load(intent.id)
    if again and known is not None and known.job_id:
        raise PexError(
            f"this job is still {known.status}: {known.job_id}",
            hint="--again makes another when it has ended; pexlab finetune follow says when",
        )
    return known


def _run(intent: Intent, settings: Settings) -> FineTuneRun:
    from pex.record.finetune import FineTuneRun
    from pex.tracking.store import tracking_uri

    params = {
        "model": intent.ref,
        "method": intent.method,
        "epochs": intent.epochs,
        "suffix": intent.suffix,
        "training_file": Path(intent.file).name,
        "estimated_tokens": intent.tokens * intent.epochs,
        "usd_per_million": intent.usd_per_million,
    }
    tags = {"pex.dataset_sha256": intent.sha256, "pex.job": intent.job_id, "pex.model": intent.ref}
    uri = tracking_uri(find_project(), settings)
    name = intent.suffix or intent.job_id
    return FineTuneRun(uri, "fine-tuning", name, [intent.id, intent.job_id], params, tags)


def _close(intent: Intent, settings: Settings, database: Database) -> None:
    """Close the run of a job that has ended; it has, whether the store answers or not."""
    from pex.training.jobs.follow import close_job

    try:
        close_job(intent, database, _run(intent, settings))
    except PexError as error:
        console.err(
            f"{intent.job_id} is {intent.status}, but its run in MLflow is not closed: "
            f"{error.message}; later: pexlab finetune follow {intent.job_id}"
        )


def _show_event(event: Event) -> None:
    if event.step is not None and event.metrics:
        of = f"/{event.steps}" if event.steps else ""
        numbers = "  ".join(f"{key} {value:.4g}" for key, value in event.metrics.items())
        console.err(f"step {event.step}{of}  {numbers}")
        return
    at = time.strftime("%H:%M:%S", time.localtime(event.at))
    console.err(f"{at}  {'' if event.level == 'info' else event.level + ': '}{event.message}")


def _show_findings(checked: CheckedFile) -> None:
    for finding in checked.findings[:_MOST_SHOWN]:
        console.err(str(finding))
    more = len(checked.findings) - _MOST_SHOWN
    if more > 0:
        console.err(f"and {more:,} more (--json has all)")


def _size(checked: CheckedFile, epochs: int) -> str:
    return (
        f"{checked.rows:,} rows, about {checked.tokens:,} tokens (an estimate from bytes), "
        f"{checked.tokens * epochs:,} in {epochs} epochs"
    )


def _checked(checked: CheckedFile, epochs: int) -> dict[str, Any]:
    facts = {key: getattr(checked, key) for key in ("rows", "size", "sha256", "tokens", "findings")}
    return {"file": os.fspath(checked.path), "epochs": epochs, **facts}


def _facts(intent: Intent) -> dict[str, Any]:
    return {
        **dataclasses.asdict(intent),
        "id": intent.id,
        "tuned_ref": intent.tuned_ref,
        "usd": _usd(intent),
        "estimated_usd": intent.usd,
    }


def _usd(intent: Intent) -> float:
    """What it cost, else the estimate."""
    if intent.trained_tokens is None:
        return intent.usd
    return intent.trained_tokens * intent.usd_per_million / 1e6


def _some_experiment() -> str:
    from pex.project.listing import experiment_files

    known = sorted(map(str, experiment_files(find_project())))
    return known[0] if len(known) == 1 else "EXPERIMENT"
