"""A gate: a rule on a comparison with three outcomes; "undecided" is not "pass"."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pex.compare.verdict import BETTER, NO_WORSE, WORSE
from pex.core.safe_text import clean

if TYPE_CHECKING:
    import pandas as pd

PASS, FAIL, UNDECIDED = "pass", "fail", "undecided"
_OUTCOME = {BETTER: PASS, NO_WORSE: PASS, WORSE: FAIL}


@dataclasses.dataclass(frozen=True, slots=True)
class Gate:
    """The result of a gate: each candidate's outcome and reason, and the combined outcome."""

    outcomes: dict[str, str]
    reasons: dict[str, str]

    @property
    def outcome(self) -> str:
        """`fail` if one failed, else `undecided` if one is, else `pass`."""
        found = set(self.outcomes.values())
        return FAIL if FAIL in found else UNDECIDED if UNDECIDED in found else PASS

    def __str__(self) -> str:
        lines = [f"gate: {self.outcome}"]
        lines += [f"  {self.outcomes[name]}: {why}" for name, why in self.reasons.items()]
        return clean("\n".join(lines))


def gate(table: pd.DataFrame, texts: Sequence[str]) -> Gate:
    """Judge every candidate of a comparison that was made with a margin.

    A candidate passes if it is better, or not worse by more than the margin; it fails if it is
    measurably worse. With a judge that is not calibrated against people, no candidate passes.

    Args:
        table: the comparison, on one metric.
        texts: the finding in words for each of its rows.

    Example:
        >>> import pandas as pd
        >>> row = {"candidate": "b", "verdict": "undecided", "calibrated": True}
        >>> gate(pd.DataFrame([row]), ["it is open"]).outcome
        'undecided'
    """
    outcomes, reasons = {}, {}
    for row, text in zip(table.to_dict("records"), texts, strict=True):
        outcome, why = _OUTCOME.get(row["verdict"], UNDECIDED), text
        if outcome == PASS and not row["calibrated"]:
            outcome = UNDECIDED
            why = f"{text}; but the judge is not calibrated against people and cannot pass it"
        outcomes[row["candidate"]], reasons[row["candidate"]] = outcome, why
    return Gate(outcomes, reasons)
