"""The current pace of a provider's calls, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pex.core.events import Pace

MAX_NAMED = 3
"""For more providers only the sum is shown."""

_KINDS = {"server": "server errors", "timeout": "timeouts"}


def pace_text(paces: Sequence[Pace]) -> str:
    """How many calls are in flight, the limit, and why it is not higher.

    Example:
        >>> pace_text([Pace("lab", 3, 8, 64, "rate_limit")])
        '3 of 8 calls in flight (64 were too many: rate limit of lab)'
        >>> pace_text([Pace("lab", 3, 8, 8), Pace("openai", 4, 4, 4)])
        '7 calls in flight (lab 3 of 8, openai 4 of 4)'
    """
    used = [pace for pace in paces if pace.allowed]
    if not used:
        return ""
    if len(used) == 1:
        (pace,) = used
        why = _why(pace)
        return f"{pace.in_flight:,} of {pace.allowed:,} calls in flight" + (
            f" ({why})" if why else ""
        )
    flying = f"{sum(pace.in_flight for pace in used):,} calls in flight"
    if len(used) > MAX_NAMED:
        return flying
    each = [f"{pace.provider} {pace.in_flight:,} of {pace.allowed:,}" for pace in used]
    reasons = [why for pace in used if (why := _why(pace))]
    return f"{flying} ({'; '.join([', '.join(each), *reasons])})"


def waits_text(paces: Sequence[Pace], now: float) -> str:
    """What the calls wait for, if none is sent; `now` in seconds of `time.monotonic()`.

    Example:
        >>> waits_text([Pace("openai", 0, 8, 8, waits_until=112.0, waits_for="rate_limit")], 100.0)
        "waiting 12 s for openai's rate limit"
    """
    waits = []
    for pace in paces:
        left = math.ceil(pace.waits_until - now)
        if left <= 0:
            continue
        if pace.waits_for == "rate_limit":
            waits.append(f"waiting {left} s for {pace.provider}'s rate limit")
        else:
            kind = _KINDS.get(pace.waits_for, f"{pace.waits_for.replace('_', ' ')} error")
            waits.append(f"retrying {pace.provider} in {left} s ({kind})")
    return ", ".join(waits)


def _why(pace: Pace) -> str:
    if pace.why == "shared":
        others = "another process" if pace.others == 1 else f"{pace.others} other processes"
        return f"{pace.provider} is shared with {others}"
    if pace.why == "rate":
        return f"{pace.provider} is limited to its rate per minute"
    if not pace.why:
        return ""
    reason = {
        "rate_limit": f"rate limit of {pace.provider}",
        "timeout": f"timeouts of {pace.provider}",
        "server": f"{pace.provider} was overloaded",
    }.get(pace.why, f"known from earlier calls to {pace.provider}")
    return f"{pace.most:,} were too many: {reason}"
