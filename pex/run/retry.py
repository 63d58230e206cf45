"""When a failed call is tried again, how long it waits first, and when a model is given up."""

from __future__ import annotations

import random

from pex.run import retry_after
from pex.run.channel import Channel
from pex.run.errors import FATAL, TRANSIENT, CallError

MAX_ATTEMPTS = 5
MAX_REFUSALS = 10
"""Attempts if the endpoint only says that it is overloaded."""

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0

GIVE_UP_AFTER = 3
"""Fatal errors without a single answer after which nothing more is sent to a model."""

LOST_AFTER = 15
"""Failed connections in a row, without a single answer, after which the endpoint is given up."""

LOST_AFTER_S = 60.0
"""Seconds for which an endpoint that did answer can fail before it is given up too."""


def is_last(error: CallError, attempts: int, *, renewed: bool = False) -> bool:
    """Whether a call is not tried again after this many attempts.

    Args:
        error: how the last attempt failed.
        attempts: how many there were.
        renewed: the next attempt is made with a new token or address.

    Example:
        >>> is_last(CallError("server", "HTTP 500"), 1), is_last(CallError("auth", "HTTP 401"), 1)
        (False, True)
    """
    if error.kind not in TRANSIENT and not renewed:
        return True
    refused = error.busy or error.kind == "rate_limit"
    return attempts >= (MAX_REFUSALS if refused else MAX_ATTEMPTS)


def wait_s(attempt: int, asked_s: float | None) -> float:
    """Seconds until the next attempt: what the provider asks, else twice as long each time.

    The random part keeps many calls that failed together from coming back together.
    """
    asked_s = retry_after.bounded(asked_s)
    if asked_s is not None:
        return asked_s + random.uniform(0, 0.1)
    return min(FIRST_WAIT_S * 2.0 ** (attempt - 1), LONGEST_WAIT_S) * random.uniform(0.5, 1.0)


def is_lost(channel: Channel, error: CallError, now: float, *, last: bool) -> bool:
    """Count a failure against a model; whether it is given up, as all other calls would fail too.

    A model that asks for waits of a minute or more until a call runs out of attempts is given up
    as well.

    Args:
        channel: the model's.
        error: how the call failed.
        now: the event loop's time in seconds.
        last: the call is not tried again.
    """
    used_up = (
        error.kind == "rate_limit" and last and (error.retry_after_s or 0) >= retry_after.LONGEST_S
    )
    if error.kind not in FATAL | {"connection"} and not used_up:
        return False
    if error.kind == "redirect":  # the address is wrong, whatever else is sent there
        return True
    channel.failed_in_a_row += 1
    since = channel.answered_at
    if since is not None and now - since < LOST_AFTER_S:
        return False
    # A refusal that names no parameter may be about what is in the cases.
    unclear = error.kind == "refused_parameter" and error.param is None
    certain = error.kind in FATAL and since is None and not unclear
    most = GIVE_UP_AFTER if certain else LOST_AFTER
    return channel.failed_in_a_row >= most or used_up
