"""What is told of how a provider is asked: calls in flight, their limit, what is waited for."""

from __future__ import annotations

from collections.abc import Sequence

from pex.core.events import Listener, Pace
from pex.run.channel import Lane

NEWS_S = 0.5
"""Ends of waits that are nearer to each other than this are the same."""


class PaceReporter:
    """Tells the pace of each lane when it has changed; asked a few times a second, not per call.

    Args:
        lanes: all lanes of a run.
        listen: called with each `Pace`.
    """

    def __init__(self, lanes: Sequence[Lane], listen: Listener) -> None:
        self._lanes = lanes
        self._listen = listen
        self._told: dict[str, Pace] = {}

    def tell(self, now: float) -> None:
        """Tell what has changed; `now` is the time of the event loop in seconds."""
        for lane in self._lanes:
            self._tell(pace_of(lane, now))

    def end(self) -> None:
        """Tell that no lane is used any more."""
        for lane in self._lanes:
            self._tell(Pace(lane.name))

    def _tell(self, pace: Pace) -> None:
        if self._told.get(pace.provider) != pace:
            self._told[pace.provider] = pace
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
    # A share is small too where there is little left to ask: that is no limit.
    if limiter.others and limiter.share < min(served, wanted):
        served, why = limiter.share, "shared"
    elif lane.waiting and (limiter.granted_requests < 1 or limiter.granted_tokens <= 0):
        why = "rate"
    until, kind = _wait(lane, now)
    return Pace(
        lane.name, limiter.in_flight, served, limiter.most, why, limiter.others, until, kind
    )


def _wait(lane: Lane, now: float) -> tuple[float, str]:
    """Until when nothing goes out, and the kind of error that is waited out."""
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
