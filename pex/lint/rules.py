"""All rules on prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pex.lint.contradictions import contradictions
from pex.lint.fairness_rules import leaked_cases
from pex.lint.finding import Finding
from pex.lint.model_rules import spoiled_prefix, stopping_models
from pex.lint.output_rules import missing_format, wrong_examples
from pex.lint.safety_rules import outside_in_system, outside_without_delimiter, secrets
from pex.lint.subject import Subject

CHECKS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    outside_in_system,
    outside_without_delimiter,
    secrets,
    contradictions,
    missing_format,
    wrong_examples,
    leaked_cases,
    spoiled_prefix,
    stopping_models,
)


def check(subject: Subject) -> list[Finding]:
    """Every finding in a prompt, in the order of its lines."""
    found = [finding for rule in CHECKS for finding in rule(subject)]
    return sorted(found, key=lambda finding: (finding.line, finding.code, finding.message))
