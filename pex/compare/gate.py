"""A gate: a rule on a comparison with three outcomes; "undecided" is not "pass"."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pex.compare.verdict import BETTER, NO_WORSE, UNCHANGED, WORSE
from pex.core.safe_text import clean

if TYPE_CHECKING:
    import pandas as pd

PASS, FAIL, UNDECIDED = "pass", "fail", "undecided"
_OUTCOME = {BETTER: PASS, NO_WORSE: PASS, UNCHANGED: PASS, WORSE: FAIL}


@dataclasses.dataclass(frozen=True, slots=True)
class Gate:
    """The result of a gate: each candidate's outcome and reason, and the combined outcome.

    `unchanged` are the candidates whose prompt, model and answers are those of their baseline.
    """

    outcomes: dict[str, str]
    reasons: dict[str, str]
    unchanged: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """`fail` if one failed, else `undecided` if one is, else `pass`."""
        found = set(self.outcomes.values())
        return FAIL if FAIL in found else UNDECIDED if UNDECIDED in found else PASS

    def __str__(self) -> str:
        lines = [f"gate: {self.outcome}"]
        several = self.unchanged if len(self.unchanged) > 1 else ()
        lines += [
            f"  {self.outcomes[name]}: {why}"
            for name, why in self.reasons.items()
            if name not in several
        ]
        if several:
            lines.append(f"  {PASS}: unchanged, with the same answers: {', '.join(several)}")
        return clean("\n".join(lines))


def gate(table: pd.DataFrame, texts: Sequence[str]) -> Gate:
    """Judge every candidate of a comparison that was made with a margin.

    A candidate passes if it is better, unchanged, or not worse by more than the margin; it fails
    if it is measurably worse. With a judge that is not calibrated against people only an unchanged
    one passes: its answers are the baseline's, whoever judges them.

    Args:
        table: the comparison, on one metric.
        texts: the finding in words for each of its rows.

    Example:
        >>> import pandas as pd
        >>> row = {"candidate": "b", "verdict": "undecided", "calibrated": True}
        >>> gate(pd.DataFrame([row]), ["it is open"]).outcome
        'undecided'
    """
    outcomes, reasons, unchanged = {}, {}, []
    for row, text in zip(table.to_dict("records"), texts, strict=True):
        outcome, why = _OUTCOME.get(row["verdict"], UNDECIDED), text
        if outcome == PASS and not row["calibrated"] and row["verdict"] != UNCHANGED:
            outcome = UNDECIDED
            but = "but the judge is not calibrated against people and cannot pass it"
            why = f"{text.rstrip('.')}; {but}"
        outcomes[row["candidate"]], reasons[row["candidate"]] = outcome, why
        if row["verdict"] == UNCHANGED:
            unchanged.append(row["candidate"])
    return Gate(outcomes, reasons, tuple(unchanged))
