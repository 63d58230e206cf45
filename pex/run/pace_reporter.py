"""What a run is waiting for at each provider: calls in flight, their limit, pauses."""

from __future__ import annotations

from collections.abc import Sequence

from pex.core.events import Listener, Pace
from pex.run.channel import Lane

NEWS_S = 0.5
"""Ends of waits that are closer together than this count as the same."""


class PaceReporter:
    """Reports the pace of each lane when it has changed; called a few times a second, not per call.

    Args:
        lanes: all lanes of a run.
        listen: called with each `Pace`.
    """

    def __init__(self, lanes: Sequence[Lane], listen: Listener) -> None:
        self._lanes = lanes
        self._listen = listen
        self._reported: dict[str, Pace] = {}

    def report(self, now: float) -> None:
        """Report what has changed; `now` is the time of the event loop in seconds."""
        for lane in self._lanes:
            self._report_change(pace_of(lane, now))

    def end(self) -> None:
        """Report that no lane is used any more."""
        for lane in self._lanes:
            self._report_change(Pace(lane.name))

    def _report_change(self, pace: Pace) -> None:
        if self._reported.get(pace.provider) != pace:
            self._reported[pace.provider] = pace
            self._listen(pace)


def pace_of(lane: Lane, now: float) -> Pace:
    """How a lane is used at the time `now` (of the event loop, in seconds).

    Example:
        >>> from pex.run.limits import Grant, Limiter
        >>> lane = Lane("lab", Limiter(64))
        >>> lane.limiter.take(Grant(share=8, total=8), 0.0)
        >>> pace = pace_of(lane, 0.0)
        >>> pace.allowed, pace.most, pace.why
        (8, 64, 'learnt')
    """
    limiter = lane.limiter
    wanted = limiter.in_flight + len(lane.waiting)
    served = limiter.most if limiter.total is None else min(limiter.most, limiter.total)
    why = (limiter.lowered_by or "learnt") if served < limiter.most else ""
    # A share is also small when few calls are left: that is not a limit.
    if limiter.others and limiter.share < min(served, wanted):
        served, why = limiter.share, "shared"
    elif lane.waiting and (limiter.granted_requests < 1 or limiter.granted_tokens <= 0):
        why = "rate"
    until, kind = _wait(lane, now)
    return Pace(
        lane.name, limiter.in_flight, served, limiter.most, why, limiter.others, until, kind
    )


def _wait(lane: Lane, now: float) -> tuple[float, str]:
    """Until when no call is made, and the kind of error that is waited out."""
    if lane.limiter.in_flight:
        return 0.0, ""
    until, kind = 0.0, ""
    if lane.waiting:
        until, kind = lane.limiter.paused_until, "rate_limit"
    elif lane.due:
        until, kind = min(lane.due)
        until = max(until, lane.limiter.paused_until)
    if until - now < NEWS_S:
        return 0.0, ""
    return round(until / NEWS_S) * NEWS_S, kind
