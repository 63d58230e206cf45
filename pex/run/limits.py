"""How many calls can be in flight, learnt from what an endpoint accepts.

`most` is what was allowed; a refusal (429) says that fewer are served, and exactly how many: those
that are still in flight. What was learnt is shared with the other processes of the project by
`pex.run.leases`, which also grants requests and tokens where an endpoint has a rate per minute.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from pex.run import retry_after

START = 4
RAMP_S = 0.001
"""After the first four calls an eighth as many, two at least, are sent every millisecond, never
more in one step: a refusal comes back before hundreds have been sent, and an endpoint without
limits is reached in full within a fraction of one answer's time."""

TOLERATED = 0.1
"""Refusals per answer that change nothing: some endpoints refuse now and then in any case, and
fewer calls in flight would not help."""

STEEPEST = 0.75
"""The least part of the calls in flight that is left after one refusal."""

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0

OVERLOAD = 0.7
"""The part of the calls in flight that is left after a time-out or an overloaded server."""


@dataclasses.dataclass(slots=True)
class Report:
    """What one process has seen since it last told the others."""

    given_up: int = 0
    served: int = 0
    full: bool = False
    paused_s: float = 0.0
    recover_to: int = 0
    requests: float = 0.0
    tokens: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """What one process may do until its next report."""

    share: int
    paused_s: float = 0.0
    requests: float = 0.0
    tokens: float = 0.0
    total: int | None = None
    """What the endpoint is believed to serve at once; None if it never refused."""
    others: int = 0
    """The other processes that use it now."""


class Limiter:
    """The calls of this process to one endpoint.

    Times are of one clock, in seconds. Used on the runner's event loop only.

    Args:
        most: how many calls may be in flight.
        meter_requests: a rate of requests is kept, so a call needs a grant.
        meter_tokens: a rate of tokens is kept, so a call needs a grant.

    Example:
        >>> limiter = Limiter(64)
        >>> for _ in range(4):
        ...     limiter.begin(0.0)
        >>> limiter.may_begin(0.0), limiter.may_begin(0.1)
        (False, True)
        >>> limiter.ended()
        >>> limiter.refused(0.1, None)  # one of the four was too many
        >>> limiter.allowed()
        3
    """

    def __init__(self, most: int, meter_requests: bool = False, meter_tokens: bool = False) -> None:
        self.most = most
        self.share = most
        self.in_flight = 0
        self.unsaved = 0
        """Answers that are not on disk yet; they keep their place, so a machine that dies
        loses no more than the calls that were allowed to be in flight."""
        self.meter_tokens = meter_tokens
        self.granted_requests = 0.0 if meter_requests else math.inf
        self.granted_tokens = 0.0 if meter_tokens else math.inf
        self.paused_until = 0.0
        self.total: int | None = None
        self.others = 0
        self.lowered_by = ""
        """The kind of error for which calls in flight were last given up."""
        self._clamp: int | None = None
        self._ramp = START
        self._ramped_at = math.inf
        self._ramping = True
        self._peak = 0
        self._eased_at = -1.0
        self._credit = 0.0
        self._streak = 0
        self._served = 0
        self._recover_to = 0
        self._asks_again = False
        self._wrong: set[str] = set()

    def allowed(self) -> int:
        """How many calls may be in flight."""
        allowed = self.share if self._clamp is None else min(self.share, self._clamp)
        return min(allowed, self._ramp) if self._ramping else allowed

    def may_begin(self, now: float) -> bool:
        """Whether one more call may go out now."""
        if self._ramping and now - self._ramped_at >= RAMP_S:
            self._ramp += max(2, self._ramp // 8)
            self._ramped_at = now
            self._ramping = self._ramp < self.share
        # After the longest wait one call asks whether it is over.
        most = 1 if self._asks_again else self.allowed()
        if self.in_flight + self.unsaved >= most or now < self.paused_until:
            return False
        return self.granted_requests >= 1 and self.granted_tokens > 0

    def look_again_s(self, now: float) -> float | None:
        """Seconds after which waiting may be over by itself; None: only when a call has ended."""
        if now < self.paused_until:
            return self.paused_until - now
        if self._ramping and self.in_flight < self.share and not self._asks_again:
            return RAMP_S
        return None

    def begin(self, now: float, tokens: float = 0.0) -> None:
        """A call goes out; `tokens` is what it will take about."""
        self._ramped_at = min(self._ramped_at, now)
        self.in_flight += 1
        self.granted_requests -= 1
        self.granted_tokens -= tokens

    def ended(self) -> None:
        """A call is no longer in flight, however it ended."""
        self.in_flight -= 1

    def succeeded(self, now: float, tokens_off: float, headers: Mapping[str, str]) -> None:
        """An answer came; `tokens_off` is how far the guess of its tokens was too high."""
        self._served += 1
        self._streak = 0
        self._credit = min(2.0, self._credit + TOLERATED)
        self._peak = max(self._peak, self.in_flight + 1)
        self.granted_tokens += tokens_off
        asked_again = self._asks_again and now >= self.paused_until
        if asked_again:
            self._asks_again = False
        for what in ("requests", "tokens"):
            left = headers.get(f"x-ratelimit-remaining-{what}")
            if left is None or _number(left) > 0 or what in self._wrong:
                continue
            if asked_again:  # nothing was left, and an answer came all the same
                self._wrong.add(what)
                continue
            self._pause(now, retry_after.seconds(headers.get(f"x-ratelimit-reset-{what}")))

    def refused(self, now: float, retry_after_s: float | None) -> None:
        """The endpoint serves no more than what is still in flight (429)."""
        if self._ramping:
            self._ramping = False
            self._lower(self.in_flight, "rate_limit")
            if self.in_flight or not retry_after_s:
                return
        if self.in_flight == 0:
            # Nothing of ours is served: the minute's allowance is used up, or others have all
            # the slots. One call at a time would be refused as often as it can be sent.
            wait_s = min(FIRST_PAUSE_S * 2.0 ** min(self._streak, 10), LONGEST_PAUSE_S)
            self._pause(now, retry_after_s or wait_s)
            self._recover_to = max(self._recover_to, self._peak // 2) if retry_after_s else 0
            self._streak += 1
        if self._credit >= 1:
            self._credit -= 1
        else:
            self._lower(max(self.in_flight, int(self.allowed() * STEEPEST)), "rate_limit")

    def overloaded(self, began: float, now: float, kind: str = "server") -> None:
        """A time-out or an overloaded server (`kind`), for a call that went out at `began`."""
        if began > self._eased_at:  # calls that went out before the last step say nothing new
            self._eased_at = now
            self._ramping = False
            self._lower(int(self.allowed() * OVERLOAD), kind)

    def report(self, now: float, waiting: int, tokens_each: float = 0.0) -> Report:
        """What there is to report; starts the next report.

        Args:
            now: the time.
            waiting: calls that could go out.
            tokens_each: what one of them takes about.
        """
        clamp = self.share if self._clamp is None else min(self._clamp, self.share)
        report = Report(
            given_up=self.share - clamp,
            served=self._served,
            full=waiting > 0 and self.in_flight >= clamp and not self._ramping,
            paused_s=max(0.0, self.paused_until - now),
            recover_to=self._recover_to,
            requests=max(0.0, waiting - self.granted_requests),
            tokens=max(0.0, waiting * tokens_each - self.granted_tokens),
        )
        self.share, self._clamp = clamp, None  # until the answer comes
        self._served = self._recover_to = 0
        return report

    def take(self, grant: Grant, now: float) -> None:
        """Go on with what the lease granted."""
        self.share, self.total, self.others = grant.share, grant.total, grant.others
        self.paused_until = max(self.paused_until, now + grant.paused_s)
        self._asks_again = self._asks_again or grant.paused_s > retry_after.LONGEST_S / 2
        self.granted_requests += grant.requests
        self.granted_tokens += grant.tokens

    def _pause(self, now: float, asked_s: float | None) -> None:
        """Wait as long as is asked, a minute at most; after that, one call tries."""
        wait_s = retry_after.bounded(asked_s) or 0.0
        self.paused_until = max(self.paused_until, now + wait_s)
        self._asks_again = self._asks_again or wait_s >= retry_after.LONGEST_S

    def _lower(self, to: int, kind: str) -> None:
        self.lowered_by = kind
        lower = max(1, to)
        self._clamp = lower if self._clamp is None else min(self._clamp, lower)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
