"""What a rule finds in a file."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its code, how bad it is, and what it is about in a few words."""

    code: str
    severity: Severity
    title: str


RULES = {
    rule.code: rule
    for rule in (
        Rule("PX100", "error", "a file that cannot be read"),
        Rule("PX101", "error", "text from outside in the system message"),
        Rule("PX102", "warning", "text from outside without a delimiter"),
        Rule("PX103", "error", "a secret"),
        Rule("PX104", "warning", "instructions that contradict each other"),
        Rule("PX105", "warning", "no word of the output that a scorer needs"),
        Rule("PX106", "warning", "an example that contradicts the instruction"),
        Rule("PX107", "error", "a case that the prompt is scored on"),
        Rule("PX108", "warning", "a variable that spoils the shared prefix"),
        Rule("PX109", "warning", "a model that stops"),
        Rule("PX110", "warning", "an ignore comment without effect"),
    )
}


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One finding: where it is, what it is, and what to do about it.

    `fix` is what `--fix` does, in the words of `pex.lint.fixing`: the name of a fix and its value.
    """

    code: str
    line: int
    message: str
    advice: str
    path: str = ""
    fix: tuple[str, str] | None = None

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return RULES[self.code].severity

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.code} {self.message}\n    {self.advice}"

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "path": self.path,
            "line": self.line,
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "advice": self.advice,
            "fixable": self.fix is not None,
        }
