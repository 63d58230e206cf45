"""What a check looks for, and how serious it is: the policy of an application."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from pex.guard.findings import SEVERITIES, Severity


@dataclasses.dataclass(frozen=True, slots=True)
class PolicyOptions:
    """What the rules know of a policy; `pex.guard.Policy` is one that can also be called.

    Args:
        off: names of rules that are not used.
        severities: the severity of all findings of a rule, instead of its own.
        allow: digests of spans that are known and harmless: `Finding.digest`.
        delimiters: what the application's own prompt puts around a value, such as `</review>`.
        most_characters: longer texts are flagged.

    Raises:
        ValueError: an unknown rule or severity.

    Example:
        >>> PolicyOptions(off={"known-phrases"}).off
        frozenset({'known-phrases'})
        >>> PolicyOptions(off={"phrases"})
        Traceback (most recent call last):
        ...
        ValueError: off: unknown rule 'phrases'; did you mean 'known-phrases'?
    """

    off: frozenset[str] = frozenset()
    severities: Mapping[str, Severity] = dataclasses.field(default_factory=dict)
    allow: frozenset[str] = frozenset()
    delimiters: tuple[str, ...] = ()
    most_characters: int = 50_000

    def __post_init__(self) -> None:
        for name in ("off", "allow"):
            object.__setattr__(self, name, frozenset(getattr(self, name)))
        object.__setattr__(self, "delimiters", tuple(self.delimiters))
        for where in ("off", "severities"):
            for rule in getattr(self, where):
                if rule not in RULE_NAMES:
                    raise ValueError(f"{where}: unknown rule '{rule}'{_nearest(rule)}")
        for rule, severity in self.severities.items():
            if severity not in SEVERITIES:
                raise ValueError(
                    f"severities: {rule}: expected one of {', '.join(SEVERITIES)}, got {severity!r}"
                )


RULE_NAMES: tuple[str, ...] = (
    "invisible-text", "bidi-controls", "terminal-controls", "look-alike-letters", "styled-letters",
    "special-tokens", "delimiters", "role-lines", "template-syntax", "size", "repetition",
    "secrets", "payment-data", "encoded-text", "hidden-markup", "known-phrases",
)  # fmt: skip


def _nearest(name: str) -> str:
    import difflib

    found = difflib.get_close_matches(name, RULE_NAMES, 1, 0.5)
    return f"; did you mean '{found[0]}'?" if found else ""
