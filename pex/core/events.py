"""The events of a run: one typed stream for everything that watches it.

Queued comes first, Done last; in between, for each place, Started, perhaps Delta and Retried, then
Answered or Failed, and Scored after an answer. Spent reports the cost from time to time, Pace the
current call rate of a provider, and Stopping that no new calls are sent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from pex.core.call import Answer
from pex.core.score import Score

RowKey = tuple[str, str, int]
"""(variant, case_id, repeat)"""


@dataclasses.dataclass(frozen=True, slots=True)
class Queued:
    """The run starts: these variants on these cases, `total` places to fill."""

    variants: tuple[str, ...]
    case_ids: tuple[str, ...]
    repeats: int
    total: int


@dataclasses.dataclass(frozen=True, slots=True)
class Started:
    """A request was sent."""

    place: RowKey


@dataclasses.dataclass(frozen=True, slots=True)
class Delta:
    """More text of a streamed answer."""

    place: RowKey
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Retried:
    """An attempt failed and will be retried after `wait_s` seconds."""

    place: RowKey
    attempt: int
    wait_s: float
    error_kind: str


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """An answer has arrived and is on disk."""

    place: RowKey
    answer: Answer


@dataclasses.dataclass(frozen=True, slots=True)
class Failed:
    """There is no answer; `answer.error` and `.error_kind` say why."""

    place: RowKey
    answer: Answer


@dataclasses.dataclass(frozen=True, slots=True)
class Scored:
    """The scores of one answer, by name."""

    place: RowKey
    scores: dict[str, Score]


@dataclasses.dataclass(frozen=True, slots=True)
class Spent:
    """The run's cost so far and its cap, both in USD."""

    usd: float
    cap_usd: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Pace:
    """How a provider is being called; sent a few times a second, and only after a change.

    `in_flight` of `allowed` calls are in flight; `most` is the intended maximum, and `why` says
    what lowered it: "rate_limit", "timeout", "server", "learnt" (found by an earlier run or another
    process), "shared" (with `others` processes) or "rate" (a configured rate per minute). While
    nothing can be sent, `waits_until` is the end of the wait in seconds of `time.monotonic()`, and
    `waits_for` the kind of error that caused it. A provider with no more calls has only zeros.
    """

    provider: str
    in_flight: int = 0
    allowed: int = 0
    most: int = 0
    why: str = ""
    others: int = 0
    waits_until: float = 0.0
    waits_for: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Stopping:
    """The run was stopped: no new calls are sent, calls in flight can still finish."""


@dataclasses.dataclass(frozen=True, slots=True)
class Away:
    """A provider batch is pending: its state there, and how many of its requests are done."""

    batch_id: str
    status: str
    completed: int
    total: int


@dataclasses.dataclass(frozen=True, slots=True)
class Judging:
    """Progress of the judges: questions finished, and questions in total."""

    done: int
    total: int


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """The run has ended: "finished", "interrupted", "budget" or "failed", after `elapsed_s`."""

    status: str
    elapsed_s: float


Event = (
    Queued
    | Started
    | Delta
    | Retried
    | Answered
    | Failed
    | Scored
    | Spent
    | Pace
    | Stopping
    | Away
    | Judging
    | Done
)
Listener = Callable[[Event], None]
"""Called with one event after another, on its own thread."""
