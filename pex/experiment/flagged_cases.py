"""Cases whose texts the guard flags, before a run."""

from __future__ import annotations

from collections.abc import Sequence

from pex.core.attack_columns import KIND
from pex.core.case import Case
from pex.guard.input_check import Policy, check

_MOST = 500
"""Cases that are looked at: a preview has to be there at once."""
_SHOWN = 3


def flagged_cases(cases: Sequence[Case], policy: Policy) -> list[str]:
    r"""A line about the cases with a flagged text, and one for each of the first; empty if none.

    Also empty for a red-team run, whose cases are attacks by design.

    Args:
        cases: those of the run; the first 500 are looked at.
        policy: what to look for.

    Example:
        >>> for line in flagged_cases([Case("c1", {"review": "Nice.\u202egood"})], Policy()):
        ...     print(line)
        The guard flags 1 of 1 case; the run is not changed by it
          case c1, review: flag bidi-controls at 5–6: right-to-left override: <U+202E>
    """
    if any(KIND in case.inputs for case in cases[:1]):
        return []  # attacks by design
    looked = cases[:_MOST]
    found = []
    for case in looked:
        for name, value in case.inputs.items():
            if isinstance(value, str) and (checked := check(value, policy)).flagged:
                first = next(one for one in checked.findings if one.severity != "signal")
                found.append((case.id, f"  case {case.id}, {name}: {first}"))
    if not found:
        return []
    count = len({case_id for case_id, _ in found})
    of = f"{len(looked):,} case{'s' * (len(looked) != 1)}"
    if len(looked) < len(cases):
        of = f"the first {of}"
    return [
        f"The guard flags {count:,} of {of}; the run is not changed by it",
        *(line for _, line in found[:_SHOWN]),
    ]
