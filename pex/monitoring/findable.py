"""What change can be found within how many days at the present volume."""

from __future__ import annotations

import math

from pex.monitoring.check_metric import Tested, is_rise
from pex.monitoring.spec import AlarmRule
from pex.stats import findable_change

POWER = 0.8
_DAYS = (1, 3, 7)


def findable(rule: AlarmRule, tested: Tested, threshold: float) -> str:
    """A sentence; empty for a rule that cannot tell, or one about the number of traces.

    Args:
        rule: the rule.
        tested: what its test said.
        threshold: the evidence that makes an alarm.
    """
    parts = tested.parts
    if tested.change is None or parts is None or rule.metric == "traces" or not tested.deviation:
        return ""
    known = len(parts.before) if rule.above is None and rule.below is None else None
    recent = parts.since["day"].value_counts()
    per_day = float(recent.reindex(parts.days[-8:-1] or parts.days, fill_value=0).mean())
    if per_day <= 0:
        return ""
    said = []
    for days in _DAYS:
        shift = findable_change(tested.deviation, per_day * days, known, threshold, POWER)
        # Changes of less than about half of the size that is looked for count as no evidence.
        shift = max(shift, 0.55 * abs(tested.size))
        said.append(f"{_amount(rule, tested, shift)} within {_days(days)}")
    word = "rise" if is_rise(rule) else "drop"
    return (
        f"At {per_day:,.0f} values a day a {word} of {', '.join(said[:-1])} and {said[-1]} "
        f"is found {POWER * 10:.0f} times in 10."
    )


def _days(days: int) -> str:
    return "one day" if days == 1 else f"{days} days"


def _amount(rule: AlarmRule, tested: Tested, shift: float) -> str:
    """A shift on the scale of the test, in the metric's own units."""
    if tested.measured is not None and tested.measured.yes_no:
        return f"{100 * min(shift, 1):.2g} points"
    own = shift / abs(tested.size) * tested.shown_size if tested.size else math.nan
    return f"{own:.2g}"
