"""What a check of a text found: findings with their place, and the text made clean."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any, Literal

Severity = Literal["signal", "flag", "block"]
SEVERITIES: tuple[Severity, ...] = ("signal", "flag", "block")
"""From weak to strong. A signal alone says nothing: harmless texts have it as well."""
MOST_LISTED = 1_000
"""Findings of one rule that are listed; one more then covers the rest of the text."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """A pattern that a rule knows, at a place of a text.

    Args:
        rule: the rule's name.
        start: its first character.
        end: behind its last character.
        severity: signal, flag or block.
        message: what it is, in words.
        shown: what is hidden in it, decoded; else its beginning, with invisible characters named.
        digest: of the span, for the policy's allow-list.
        replacement: what takes its place in the clean text; None: it stays.
    """

    rule: str
    start: int
    end: int
    severity: Severity
    message: str
    shown: str = ""
    digest: str = ""
    replacement: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain data."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        shown = f": {self.shown}" if self.shown else ""
        return f"{self.severity} {self.rule} at {self.start}–{self.end}: {self.message}{shown}"


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """A text that was checked.

    Args:
        text: as it was given.
        findings: in the order of their places.
        cleaned: without what can be taken out: invisible characters and the like.
    """

    text: str
    findings: Sequence[Finding]
    cleaned: str

    @property
    def severity(self) -> Severity | None:
        """The strongest severity; None without a finding."""
        found = {finding.severity for finding in self.findings}
        return next((name for name in reversed(SEVERITIES) if name in found), None)

    @property
    def flagged(self) -> bool:
        """Whether there is a finding that is more than a signal."""
        return self.severity in ("flag", "block")

    @property
    def blocked(self) -> bool:
        """Whether the policy says of a finding that the text must not be used."""
        return self.severity == "block"

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, without the text."""
        return {
            "severity": self.severity,
            "flagged": self.flagged,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def __repr__(self) -> str:
        if not self.findings:
            return "Checked: nothing found"
        return "\n".join(map(str, self.findings))


class BlockedError(ValueError):
    """A policy blocks a text; `checked` says why."""

    def __init__(self, checked: Checked) -> None:
        super().__init__("; ".join(str(one) for one in checked.findings if one.severity == "block"))
        self.checked = checked


def span_digest(text: str) -> str:
    """The digest by which a policy allows a span.

    Example:
        >>> span_digest("<|im_start|>")
        '17a9ea43212d'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def visible(text: str, most: int = 60) -> str:
    """A text for people: at most so many characters, with invisible ones by their number.

    Example:
        >>> visible("a\u200bb")
        'a<U+200B>b'
    """
    cut = text[: most + 1]
    said = "".join(
        char if char.isprintable() else " " if char in "\n\r\t" else f"<U+{ord(char):04X}>"
        for char in cut[:most]
    )
    return said + ("…" if len(cut) > most else "")
