"""The counts of a run in progress, the same for every view."""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Callable

from pex.core.events import (
    Answered,
    Away,
    Done,
    Event,
    Failed,
    Judging,
    Pace,
    Queued,
    Retried,
    Scored,
    Spent,
    Stopping,
)
from pex.core.safe_text import clean
from pex.report.tables import format_usd
from pex.widgets.pacing import pace_text, waits_text

RECENT_S = 15.0
"""The rate is that of the last seconds, because limits, pauses and judges change it."""
SAMPLE_S = 0.5
MIN_ANSWERS = 3
"""With fewer answers no rate and no remaining time is shown."""
MAX_KINDS = 3
"""For more kinds of errors only their number is shown."""

_ENDED = {
    "finished": "",
    "interrupted": "interrupted, all answers kept",
    "budget": "stopped by the budget, all answers kept",
    "failed": "failed, all answers kept",
}


@dataclasses.dataclass(slots=True)
class Tally:
    """Counts and times of a run, from its events.

    Example:
        >>> tally = Tally()
        >>> tally.add(Queued(("a",), ("c1",), 1, 1))
        >>> tally.total, tally.done
        (1, 0)
    """

    clock: Callable[[], float] = time.monotonic
    asked: int = 0
    answered: int = 0
    replayed: int = 0
    judged: int = 0
    to_judge: int = 0
    spent_usd: float = 0.0
    cap_usd: float | None = None
    retries: int = 0
    unscored: int = 0
    status: str = "running"
    errors: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    paces: dict[str, Pace] = dataclasses.field(default_factory=dict)
    away: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    _samples: collections.deque[tuple[float, int]] = dataclasses.field(
        default_factory=collections.deque
    )

    @property
    def total(self) -> int:
        """All requests, and the questions to judges known so far."""
        return self.asked + self.to_judge

    @property
    def done(self) -> int:
        """Requests that ended in an answer or an error, and judgements."""
        return self.answered + self.errors.total() + self.judged

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.ended_at is not None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run started, until its end."""
        if self.started_at is None:
            return 0.0
        return (self.clock() if self.ended_at is None else self.ended_at) - self.started_at

    @property
    def rate(self) -> float | None:
        """Requests per second, not counting reused answers: recently, and at the end overall."""
        asked = self.done - self.replayed
        if asked < MIN_ANSWERS or not self._samples:
            return None
        since, before = self._samples[0]
        if self.over:
            seconds, count = self.elapsed_s, asked
        else:
            seconds, count = self.clock() - since, asked - before
        return count / seconds if seconds > 0 and count > 0 else None

    @property
    def left_s(self) -> float | None:
        """Seconds left at this rate; None while it is not known."""
        rate = self.rate
        return None if rate is None else (self.total - self.done) / rate

    def add(self, event: Event) -> None:
        """Count one event."""
        if isinstance(event, Queued):
            self.asked, self.started_at = event.total, self.clock()
            self._samples.append((self.started_at, 0))
        elif isinstance(event, Retried):
            self.retries += 1
        elif isinstance(event, Answered):
            self.answered += 1
            self.replayed += event.answer.from_journal
            self._sample()
        elif isinstance(event, Failed):
            self.errors[event.answer.error_kind or "other"] += 1
            self._sample()
        elif isinstance(event, Scored):
            self.unscored += any(score.error is not None for score in event.scores.values())
        elif isinstance(event, Judging):
            self.judged, self.to_judge = event.done, event.total
            self._sample()
        else:
            self._add_status(event)

    def _add_status(self, event: Event) -> None:
        if isinstance(event, Spent):
            self.spent_usd, self.cap_usd = event.usd, event.cap_usd
        elif isinstance(event, Pace):
            self.paces[event.provider] = event
        elif isinstance(event, Stopping):
            self.status = "stopping"
        elif isinstance(event, Away):
            self.away = (
                f"provider batch {event.batch_id} {event.status.replace('_', ' ')}, "
                f"{event.completed} of {event.total} done"
            )
        elif isinstance(event, Done):
            self.status, self.ended_at = event.status, self.clock()

    def _sample(self) -> None:
        now = self.clock()
        if now - self._samples[-1][0] >= SAMPLE_S:
            self._samples.append((now, self.done - self.replayed))
        while len(self._samples) > 2 and now - self._samples[1][0] > RECENT_S:
            self._samples.popleft()

    def line(self) -> str:
        """The state in one line of text."""
        parts = [f"{self.done:,}/{self.total:,}", self._rate_text()]
        if self.over:
            parts += [f"in {_clock(self.elapsed_s)}", _ENDED.get(self.status, self.status)]
        else:
            parts += self._running_parts()
        parts.append(f"{self.replayed:,} reused" if self.replayed else "")
        if self.spent_usd:
            cap = "" if self.cap_usd is None else f" of {format_usd(self.cap_usd)}"
            parts.append(f"{format_usd(self.spent_usd)}{cap}")
        parts.append(self._errors_text())
        parts.append(_counted(self.unscored, "answer not scored", "answers not scored"))
        parts.append(_counted(self.retries, "retry", "retries"))
        return clean(" · ".join(part for part in parts if part))

    def _running_parts(self) -> list[str]:
        """The parts of the line while the run goes on."""
        if self.status == "stopping":
            flying = sum(pace.in_flight for pace in self.paces.values())
            return [f"stopping: {_counted(flying, 'call', 'calls') or 'no calls'} in flight"]
        left = self.left_s
        judging = self.to_judge and (self.judged or self.done == self.asked)
        return [
            "" if left is None else f"{_clock(left)} left",
            f"judging {self.judged:,} of {self.to_judge:,}" if judging else "",
            pace_text(list(self.paces.values())),
            waits_text(list(self.paces.values()), self.clock()),
            self.away,
        ]

    def _errors_text(self) -> str:
        most = self.errors.most_common(MAX_KINDS)
        counts = [f"{count:,} {kind.replace('_', ' ')}" for kind, count in most]
        rest = self.errors.total() - sum(count for _, count in most)
        counts += [f"{rest:,} other"] if rest else []
        return f"errors: {', '.join(counts)}" if counts else ""

    def _rate_text(self) -> str:
        rate = self.rate
        if rate is None:
            return ""
        return f"{rate:.1f}/s" if rate >= 1 else f"{max(1, round(60 * rate))}/min"


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}" if number else ""


def _clock(seconds: float) -> str:
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02d} min" if minutes < 100 else f"{minutes // 60}:{minutes % 60:02d} h"
