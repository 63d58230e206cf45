"""What every view counts while a run goes on, so that all of them say the same."""

from __future__ import annotations

import collections
import dataclasses
import time

from pex.core.events import (
    Answered,
    Away,
    Done,
    Event,
    Failed,
    Judging,
    Queued,
    Retried,
    Spent,
)


@dataclasses.dataclass(slots=True)
class Tally:
    """Counts and times of a run, from its events.

    Example:
        >>> tally = Tally()
        >>> tally.add(Queued(("a",), ("c1",), 1, 1))
        >>> tally.total, tally.done
        (1, 0)
    """

    total: int = 0
    answered: int = 0
    replayed: int = 0
    spent_usd: float = 0.0
    cap_usd: float | None = None
    retries: int = 0
    status: str = "running"
    errors: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    away: str = ""
    begun_at: float = 0.0
    ended_at: float | None = None

    @property
    def done(self) -> int:
        """Requests that have ended, in an answer or an error."""
        return self.answered + self.errors.total()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began, until its end."""
        return (self.ended_at or time.monotonic()) - self.begun_at if self.begun_at else 0.0

    @property
    def rate(self) -> float:
        """Requests ended per second, those from the journal aside."""
        return (self.done - self.replayed) / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds still to go at this rate, None while it is not known."""
        asked = self.done - self.replayed
        return (self.total - self.done) / self.rate if asked >= 3 and self.rate > 0 else None

    def add(self, event: Event) -> None:
        """Take in one event."""
        if isinstance(event, Queued):
            self.total, self.begun_at = event.total, time.monotonic()
        elif isinstance(event, Retried):
            self.retries += 1
        elif isinstance(event, Answered):
            self.answered += 1
            self.replayed += event.answer.from_journal
        elif isinstance(event, Failed):
            self.errors[event.answer.error_kind or "other"] += 1
        elif isinstance(event, Spent):
            self.spent_usd, self.cap_usd = event.usd, event.cap_usd
        elif isinstance(event, Away):
            self.away = (
                f"provider batch {event.batch_id} {event.status.replace('_', ' ')}, "
                f"{event.completed} of {event.total} done there"
            )
        elif isinstance(event, Judging):
            self.away = f"judging {event.done}/{event.total}"
        elif isinstance(event, Done):
            self.status, self.ended_at = event.status, time.monotonic()

    def line(self) -> str:
        """The state in one line of text."""
        parts = [f"{self.done}/{self.total}", f"{self.rate:.1f}/s"]
        if self.status == "running":
            parts.append("" if self.left_s is None else f"{_clock(self.left_s)} left")
            parts.append(self.away)
        else:
            parts.append(f"in {_clock(self.elapsed_s)}")
            parts.append("" if self.status == "finished" else self.status)
        if self.replayed:
            parts.append(f"{self.replayed} from the journal")
        if self.spent_usd:
            cap = "" if self.cap_usd is None else f" of ${self.cap_usd:.3g}"
            parts.append(f"${self.spent_usd:.3g}{cap}")
        if self.errors:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.errors.most_common(3))
            parts.append(f"errors: {kinds}")
        if self.retries:
            parts.append(f"{self.retries} retries")
        return " · ".join(part for part in parts if part)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{whole // 60}:{whole % 60:02d} min"
