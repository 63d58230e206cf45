"""What became of a promotion or a roll-back, as data that prints well."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html import escape
from typing import Any

from pex.compare.gate import FAIL, UNDECIDED
from pex.core.safe_text import clean
from pex.evidence.promotion.gate_evidence import Evidence
from pex.library.moves import Move

MOVED, WOULD_MOVE, THERE, REFUSED, IN_REVIEW = (
    "moved", "would move", "already there", "refused", "in review",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Promotion:
    """What became of a promotion or a roll-back.

    `outcome` is "moved", "would move" (a dry run), "already there", "refused" (nothing was moved)
    or "in review"; `before` and `to` are versions, `before` None if the alias is new. `because` is
    the reason given in place of evidence, `review` the id of the review that was asked for,
    `remarks` say what else was noticed.
    """

    prompt: str
    alias: str
    before: int | None
    to: int
    outcome: str
    evidence: Evidence | None = None
    because: str = ""
    review: str = ""
    move: Move | None = None
    remarks: Sequence[str] = ()

    @property
    def moved(self) -> bool:
        """Whether the alias was moved."""
        return self.outcome == MOVED

    @property
    def exit_code(self) -> int:
        """0 done, 1 worse or without evidence, 3 undecided."""
        if self.outcome != REFUSED or self.evidence is None:
            return 0
        lacking = [check for check in self.evidence.missing if check.name != "judge"]
        return 3 if self.evidence.outcome == UNDECIDED and not lacking else 1

    @property
    def sentence(self) -> str:
        """What happened, in a sentence."""
        from_to = f"from version {self.before} to {self.to}" if self.before else f"to {self.to}"
        one = f"{self.alias} of {self.prompt}"
        if self.outcome == THERE:
            return f"{one} already is version {self.to}."
        if self.outcome == REFUSED:
            stays = f"stays at version {self.before}" if self.before else "is not set"
            return f"{one} {stays}: {self.why} for version {self.to}."
        if self.outcome == IN_REVIEW:
            return f"A second person decides whether {one} moves {from_to}: review {self.review}."
        would = "would move" if self.outcome == WOULD_MOVE else "moved"
        if self.because:
            return f"{one} {would} {from_to}, because: {self.because}"
        return f"{one} {would} {from_to}: the evidence is enough."

    @property
    def why(self) -> str:
        """What the evidence lacks, in words; empty if nothing."""
        evidence = self.evidence
        if evidence is None or evidence.enough:
            return ""
        if evidence.outcome == FAIL:
            return "it is measurably worse"
        if evidence.outcome == UNDECIDED and not evidence.missing:
            return "the comparison is undecided"
        return "evidence is missing"

    def __str__(self) -> str:
        lines = [self.sentence, *self._details()]
        lines += [f"! {remark}" for remark in self.remarks]
        if self.outcome == REFUSED:
            lines.append(
                '  Or move it all the same with a reason, kept for ever: --because "…" '
                '(in Python: because="…")'
            )
        return clean("\n".join(lines))

    __repr__ = __str__

    def _details(self) -> list[str]:
        evidence = self.evidence
        if evidence is None:
            return []
        lines = [f"  {evidence.sentence}"] if evidence.sentence else []
        for check in evidence.checks:
            lines.append(f"  {'✓' if check.met else '✗'} {check.text}")
            if not check.met and check.command:
                lines.append(f"      {check.command}")
        return lines

    def _repr_html_(self) -> str:
        first, *rest = str(self).split("\n")
        details = "\n".join(line.removeprefix("  ") for line in rest)
        block = f'<pre style="white-space: pre-wrap">{escape(details)}</pre>' if details else ""
        return f"<p><strong>{escape(first)}</strong></p>{block}"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "prompt": self.prompt,
            "alias": self.alias,
            "from": self.before,
            "to": self.to,
            "outcome": self.outcome,
            "sentence": self.sentence,
            "because": self.because,
            "review": self.review,
            "evidence": self.evidence and self.evidence.to_json(),
            "move": self.move and self.move.to_json(),
            "remarks": list(self.remarks),
        }
