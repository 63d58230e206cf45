"""Follows a job to its end, through lost connections; ending this does not end the job."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from pex.core.errors import PexError
from pex.guard.redact import redact
from pex.run.database import Database
from pex.training.jobs import booking
from pex.training.jobs.endpoint_client import JobsClient, MissingError, UnsureError
from pex.training.jobs.events import Event, read_event
from pex.training.jobs.intent import Intent, Intents

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob

LONGEST_S = 60.0
PATIENCE_S = 3600.0
"""How long an endpoint may be out of reach before following ends; the job goes on."""


class Curves(Protocol):
    """Where the numbers of a job's steps are kept."""

    def step(self, step: int, at: float, metrics: dict[str, float]) -> None:
        """Keep the numbers of a step; keeping them twice changes nothing."""

    def end(self, status: str, facts: dict[str, Any]) -> None:
        """Keep how the job ended."""


def follow_job(
    intent: Intent,
    intents: Intents,
    client: JobsClient,
    database: Database,
    *,
    on_event: Callable[[Event], object],
    tell: Callable[[str], object],
    curves: Curves | None = None,
    every_s: float = 5.0,
    timeout_s: float | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Intent:
    """Report the events of a job until it has ended.

    Args:
        intent: the job.
        intents: where it is kept.
        client: of the endpoint.
        database: the project's journal, for the ledger.
        on_event: gets each event once, in their order.
        tell: takes sentences about the connection.
        curves: takes the numbers of the steps.
        every_s: seconds between two looks.
        timeout_s: return after this many seconds although the job goes on.
        sleep: waits.

    Returns:
        The intent; not `ended` after the time-out.

    Raises:
        MissingError: the endpoint has no such job any more.
        ProviderError: it refuses, or was out of reach for an hour.
    """
    if not intent.job_id:
        raise PexError(
            "this job was not made yet", hint="the same pexlab finetune start goes on with it"
        )
    seen: set[str] = set()
    began, lost_at, wait_s = time.monotonic(), None, every_s
    while True:
        try:
            job = client.job(intent.job_id)
            fresh = _fresh(client, intent.job_id, seen)
        except UnsureError as error:
            now = time.monotonic()
            if lost_at is None:
                lost_at = now
                tell(f"{error.message}; the job goes on, trying again")
            if now - lost_at > PATIENCE_S:
                raise
            wait_s = min(LONGEST_S, wait_s * 2 + 1)
        else:
            if lost_at is not None:
                tell("the endpoint answers again")
            lost_at, wait_s = None, every_s
            for event in fresh:
                seen.add(event.id)
                on_event(event)
                if curves is not None and event.step is not None and event.metrics:
                    curves.step(event.step, event.at, event.metrics)
            _keep(intent, intents, job)
            if intent.ended:
                close_job(intent, database, curves)
                return intent
        if timeout_s is not None and time.monotonic() - began >= timeout_s:
            return intent
        sleep(wait_s)


def _fresh(client: JobsClient, job_id: str, seen: set[str]) -> list[Event]:
    """Events that were not seen, oldest first; pages are read until one that was."""
    found: list[Event] = []
    try:
        for raw in client.events(job_id):
            if raw.id in seen:
                break
            found.append(read_event(raw))
    except MissingError:  # an endpoint without this page: there is still the job
        return []
    found.reverse()  # sorting keeps the order of those of one second
    return sorted(found, key=lambda event: event.at)


def _keep(intent: Intent, intents: Intents, job: FineTuningJob) -> None:
    """Take over what the endpoint says of the job; saved only where it has changed."""
    error = redact(job.error.message)[:2000] if job.error and job.error.message else ""
    before = (intent.status, intent.tuned, intent.trained_tokens, intent.error)
    intent.status, intent.error = str(job.status), error
    intent.tuned, intent.trained_tokens = job.fine_tuned_model or "", job.trained_tokens
    if before != (intent.status, intent.tuned, intent.trained_tokens, intent.error):
        intents.save(intent)


def close_job(intent: Intent, database: Database, curves: Curves | None) -> None:
    """Book what a job has cost that has ended, and keep how it ended; twice is as once.

    Args:
        intent: the job.
        database: the project's journal, for the ledger.
        curves: where the numbers of its steps are.
    """
    usd = booking.settle(database, intent)
    if curves is not None:
        facts = {"trained_tokens": intent.trained_tokens, "cost_usd": usd}
        known = {key: value for key, value in facts.items() if value is not None}
        curves.end(intent.status, {**known, "tuned": intent.tuned_ref, "error": intent.error})


def cancel_job(intent: Intent, intents: Intents, client: JobsClient, database: Database) -> Intent:
    """Cancel a job and book what it has cost; one that has ended stays as it is.

    Args:
        intent: the job.
        intents: where it is kept.
        client: of the endpoint.
        database: the project's journal.

    Raises:
        ProviderError: the endpoint refuses, or does not answer.
    """
    if not intent.job_id:
        raise PexError("this job was not made yet", hint="there is nothing to cancel")
    job = client.job(intent.job_id)
    if str(job.status) not in ("succeeded", "failed", "cancelled"):
        job = client.cancel(intent.job_id)
    _keep(intent, intents, job)
    if intent.ended:
        close_job(intent, database, None)
    return intent
