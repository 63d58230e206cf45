"""What a run tells those who watch it: one stream of typed events.

Queued first, Done last; in between, for each place, Started, perhaps Delta and Retried, then
Answered or Failed, and Scored after an answer. Spent says now and then what has been paid, Pace
how a provider is asked, and Stopping that nothing new is asked any more.
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
    """The run begins: these variants on these cases, `total` places to fill."""

    variants: tuple[str, ...]
    case_ids: tuple[str, ...]
    repeats: int
    total: int


@dataclasses.dataclass(frozen=True, slots=True)
class Started:
    """A request went out."""

    place: RowKey


@dataclasses.dataclass(frozen=True, slots=True)
class Delta:
    """Some more text of an answer that is streamed."""

    place: RowKey
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Retried:
    """An attempt failed and is repeated after `wait_s` seconds."""

    place: RowKey
    attempt: int
    wait_s: float
    error_kind: str


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """An answer is there, and on disk."""

    place: RowKey
    answer: Answer


@dataclasses.dataclass(frozen=True, slots=True)
class Failed:
    """No answer came; `answer.error` and `.error_kind` say why."""

    place: RowKey
    answer: Answer


@dataclasses.dataclass(frozen=True, slots=True)
class Scored:
    """The scores of one answer, by name."""

    place: RowKey
    scores: dict[str, Score]


@dataclasses.dataclass(frozen=True, slots=True)
class Spent:
    """What the run has paid so far, and its cap; both in USD."""

    usd: float
    cap_usd: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Pace:
    """How a provider is asked just now; told a few times a second, and only when it has changed.

    `in_flight` of `allowed` calls are out; `most` were wished for, and `why` says what made it
    fewer: "rate_limit", "timeout", "server", "learnt" (an earlier run or another process found
    out), "shared" (with `others` processes) or "rate" (so many a minute were asked for). While
    nothing can go out, `waits_until` is when that ends, in seconds of `time.monotonic()`, and
    `waits_for` the kind of error that is waited out. A provider that is done with has only zeros.
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
    """Somebody stopped the run: nothing new is asked, calls in flight may still end."""


@dataclasses.dataclass(frozen=True, slots=True)
class Away:
    """A provider batch is waited for: its state there, and how many of its requests are done."""

    batch_id: str
    status: str
    completed: int
    total: int


@dataclasses.dataclass(frozen=True, slots=True)
class Judging:
    """How far the judges are: questions that have ended, and questions in all."""

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
"""Called with one event after another, on a thread of its own."""
