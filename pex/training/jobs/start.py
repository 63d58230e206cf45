"""Starts a job so that one start, or ten that were killed, make one upload and one job."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pex.core.errors import PexError, ProviderError
from pex.run.database import Database
from pex.training.jobs import booking
from pex.training.jobs.endpoint_client import JobsClient, UnsureError
from pex.training.jobs.intent import Intent, Intents

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob

Tell = Callable[[str], object]
_TRIES = 3
_FILE_WAIT_S = 2.0
_FILE_TRIES = 150
KEY = "pex_job"
"""The key of the job's metadata that has the intent's id."""


def start_job(
    intent: Intent, intents: Intents, client: JobsClient, database: Database, tell: Tell
) -> Intent:
    """Upload the data and make the job, or go on where an earlier start was ended.

    Args:
        intent: what the job is to be; one that is on disk is continued.
        intents: where it is kept.
        client: of the endpoint.
        database: the project's journal, for the ledger.
        tell: takes sentences about the progress.

    Returns:
        The intent with the id of its job.

    Raises:
        PexError: a file has changed or was refused, another process is starting this job.
        ProviderError: the endpoint refused, or does not answer.
    """
    intent = dataclasses.replace(intent)
    with intents.alone(intent):
        known = intents.load(intent.id)
        if known is not None:
            began = time.strftime("%d %B, %H:%M", time.localtime(known.created_at))
            tell(f"continuing the start of {began}")
            known.file, known.validation = intent.file, intent.validation
            intent = known
        intents.save(intent)
        if intent.job_id:
            return intent
        # A job that an ended process has made may not be in its state.
        job = _made(intent, client)
        if job is None:
            _uploaded(intent, intents, client, tell)
            booking.reserve(database, intent)
            try:
                job = _create(intent, intents, client, tell)
            except UnsureError:
                raise  # it may be there: the estimate stays booked
            except PexError:
                booking.release(database, intent)
                raise
        else:
            tell(f"the job is there already: {job.id}")
            booking.reserve(database, intent)
        intent.job_id, intent.status = job.id, job.status
        intents.save(intent)
        return intent


def _made(intent: Intent, client: JobsClient) -> FineTuningJob | None:
    """The job of this intent at the endpoint, None if there is none."""
    for job in client.jobs():
        mine = (job.metadata or {}).get(KEY) == intent.id
        # Some endpoints keep no metadata; the file's id is of this intent alone.
        if mine or (intent.file_id and job.training_file == intent.file_id):
            return job
    return None


def _uploaded(intent: Intent, intents: Intents, client: JobsClient, tell: Tell) -> None:
    """Both files at the endpoint, their ids on disk."""
    if not intent.file_id:
        intent.file_id = _upload(intent, client, intent.upload_name, Path(intent.file), tell)
        intents.save(intent)
    if intent.validation and not intent.validation_id:
        name, path = intent.validation_name, Path(intent.validation)
        intent.validation_id = _upload(intent, client, name, path, tell)
        intents.save(intent)


def _upload(intent: Intent, client: JobsClient, name: str, path: Path, tell: Tell) -> str:
    """The id of an upload; one of this name and size is used, whoever has sent it."""
    size = path.stat().st_size
    failure: UnsureError | None = None
    for attempt in range(_TRIES):
        for file in client.files():
            if file.filename == name and file.bytes == size and file.status != "error":
                tell(f"{path.name} is uploaded already: {file.id}")
                return file.id
        try:
            found = client.upload(name, path).id
        except UnsureError as error:  # it may have been received: the list says
            failure = error
            time.sleep(0.5 * 2**attempt)
            continue
        tell(f"{path.name} uploaded: {found}")
        return found
    raise failure or ProviderError(f"{path.name} could not be uploaded")


def _create(intent: Intent, intents: Intents, client: JobsClient, tell: Tell) -> FineTuningJob:
    _ready(intent, intents, client, tell)
    failure: UnsureError | None = None
    for attempt in range(_TRIES):
        if failure is not None and (job := _made(intent, client)) is not None:
            return job
        try:
            return client.create(**_body(intent))
        except UnsureError as error:
            failure = error
            time.sleep(0.5 * 2**attempt)
    job = _made(intent, client)
    if job is not None:
        return job
    assert failure is not None
    raise failure


def _ready(intent: Intent, intents: Intents, client: JobsClient, tell: Tell) -> None:
    """Wait until the endpoint has read the files; one that it has lost is uploaded once more."""
    tries = 0
    while tries < _FILE_TRIES:
        waiting = False
        for which in ("file_id", "validation_id"):
            file_id = getattr(intent, which)
            file = client.file(file_id) if file_id else None
            if file_id and file is None:
                if intent.uploads:
                    raise ProviderError(
                        f"the endpoint has lost an upload twice ({file_id})",
                        hint="ask its operator; the same command tries again from the upload",
                    )
                tell(f"the endpoint has lost the upload {file_id}: uploading it once more")
                intent.uploads += 1
                setattr(intent, which, "")
                intents.save(intent)
                _uploaded(intent, intents, client, tell)
                waiting = True
            elif file is not None and file.status == "error":
                raise PexError(
                    f"the endpoint refused {file.filename}: {file.status_details or 'no reason'}",
                    hint="pexlab finetune check names the lines",
                )
            elif file is not None and str(file.status) in ("pending", "running"):
                waiting = True
                time.sleep(_FILE_WAIT_S)
        if not waiting:
            return
        tries += 1
    raise ProviderError(
        "the endpoint is still reading the upload", hint="the same command goes on from here"
    )


def _body(intent: Intent) -> dict[str, object]:
    """The job as the endpoint takes it."""
    body: dict[str, object] = {
        "training_file": intent.file_id,
        "metadata": {KEY: intent.id, "sha256": intent.sha256},
        "method": {
            "type": intent.method,
            intent.method: {"hyperparameters": {"n_epochs": intent.epochs}},
        },
    }
    if intent.suffix:
        body["suffix"] = intent.suffix
    if intent.validation_id:
        body["validation_file"] = intent.validation_id
    return body
