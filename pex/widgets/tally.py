"""What every view counts while a run goes on, so that all of them say the same."""

from __future__ import annotations

import collections
import dataclasses
import time

from pex.core.events import Answered, Begun, Done, Event, Retried


@dataclasses.dataclass(slots=True)
class Tally:
    """Counts and times of a run, from its events.

    Example:
        >>> tally = Tally()
        >>> tally.add(Begun(("a",), ("c1",), 1, 1))
        >>> tally.total, tally.done
        (1, 0)
    """

    total: int = 0
    answered: int = 0
    spent_usd: float = 0.0
    retries: int = 0
    status: str = "running"
    errors: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
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
        """Requests ended per second."""
        return self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds still to go at this rate, None while it is not known."""
        return (self.total - self.done) / self.rate if self.done >= 3 and self.rate > 0 else None

    def add(self, event: Event) -> None:
        """Take in one event."""
        if isinstance(event, Begun):
            self.total, self.begun_at = event.total, time.monotonic()
        elif isinstance(event, Retried):
            self.retries += 1
        elif isinstance(event, Answered):
            if event.answer.error is None:
                self.answered += 1
            else:
                self.errors[event.answer.error_kind or "other"] += 1
            self.spent_usd += event.answer.cost_usd or 0.0
        elif isinstance(event, Done):
            self.status, self.ended_at = event.status, time.monotonic()

    def line(self) -> str:
        """The state in one line of text."""
        parts = [f"{self.done}/{self.total}", f"{self.rate:.1f}/s"]
        if self.status == "running":
            parts.append("" if self.left_s is None else f"{_clock(self.left_s)} left")
        else:
            parts.append(f"in {_clock(self.elapsed_s)}")
            parts.append("" if self.status == "finished" else self.status)
        if self.spent_usd:
            parts.append(f"${self.spent_usd:.3g}")
        if self.errors:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.errors.most_common(3))
            parts.append(f"errors: {kinds}")
        if self.retries:
            parts.append(f"{self.retries} retries")
        return " · ".join(part for part in parts if part)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{whole // 60}:{whole % 60:02d} min"
