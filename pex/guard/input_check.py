"""Checks a text before it goes into a prompt: known patterns are found, shown and taken out.

It flags patterns that are known. It does not stop prompt injection: nothing that only reads the
text does. What protects is the structure around it: values as data, least rights for tools, and
checks of what a model puts out.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pex.guard.encoded_text import find_encoded
from pex.guard.findings import MOST_LISTED, BlockedError, Checked, Finding, span_digest, visible
from pex.guard.hidden_markup import find_hidden_markup
from pex.guard.invisible import (
    find_bidi,
    find_invisible,
    find_terminal_controls,
    without_controls,
    without_directions,
    without_invisible,
)
from pex.guard.letters import find_look_alike, find_styled, with_latin_twins, without_styles
from pex.guard.markers import (
    find_delimiters,
    find_role_lines,
    find_special_tokens,
    without_delimiters,
    without_tokens,
)
from pex.guard.phrases import find_phrases
from pex.guard.policy import PolicyOptions
from pex.guard.private_data import find_payment_data, find_secrets, without_payment_data
from pex.guard.size import find_repetition, find_size
from pex.guard.template_syntax import find_template_syntax


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule of the check.

    Args:
        name: its name in a policy.
        find: finds what it knows.
        owasp: the risk of the OWASP Top 10 for LLM applications (2026) that it belongs to.
        clean: takes out everything of its kind, whatever stands around it, for texts with more
            findings than are listed.
        replaces: whether it is replaced one by one, however many there are.
    """

    name: str
    find: Callable[[str, PolicyOptions], Iterable[Finding]]
    owasp: str
    clean: Callable[[str, PolicyOptions], str] | None = None
    replaces: bool = False

    @property
    def about(self) -> str:
        """What it finds, in a sentence."""
        return (self.find.__doc__ or "").strip().partition("\n")[0]


def _encoded(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """Readable text in base64, hexadecimal, percent signs, entities, Morse, ROT13 or backwards."""
    return find_encoded(
        text, policy, lambda decoded: any(_found(rule, decoded, policy) for rule in _PLAIN)
    )


_INJECTION, _DISCLOSURE = "LLM01:2026", "LLM02:2026"
_CONSUMPTION, _OUTPUT = "LLM06:2026", "LLM10:2026"
_PLAIN = (
    Rule("invisible-text", find_invisible, _INJECTION, lambda text, _: without_invisible(text)),
    Rule("bidi-controls", find_bidi, _INJECTION, lambda text, _: without_directions(text)),
    Rule(
        "terminal-controls", find_terminal_controls, _OUTPUT, lambda text, _: without_controls(text)
    ),
    Rule("styled-letters", find_styled, _INJECTION, lambda text, _: without_styles(text)),
    Rule("look-alike-letters", find_look_alike, _INJECTION, lambda text, _: with_latin_twins(text)),
    Rule("special-tokens", find_special_tokens, _INJECTION, lambda text, _: without_tokens(text)),
    Rule(
        "delimiters",
        find_delimiters,
        _INJECTION,
        lambda text, policy: without_delimiters(text, policy.delimiters),
    ),
    Rule("role-lines", find_role_lines, _INJECTION),
    Rule("template-syntax", find_template_syntax, _INJECTION),
    Rule("hidden-markup", find_hidden_markup, _INJECTION),
    Rule("known-phrases", find_phrases, _INJECTION),
)
RULES = (
    *_PLAIN,
    Rule("size", find_size, _CONSUMPTION),
    Rule("repetition", find_repetition, _CONSUMPTION),
    Rule("secrets", find_secrets, _DISCLOSURE, replaces=True),
    Rule(
        "payment-data", find_payment_data, _DISCLOSURE, lambda text, _: without_payment_data(text)
    ),
    Rule("encoded-text", _encoded, _INJECTION),
)
"""All rules. A text that was decoded is checked by those that need no decoding."""
_CLEANING = tuple(rule for rule in RULES if rule.clean or rule.replaces)
_ROUNDS = 4


def check(text: str, policy: PolicyOptions | None = None) -> Checked:
    r"""Check a text that comes from a user, a document or a tool.

    It looks for known patterns and never raises because of what is in the text. Texts without a
    finding can still be attacks, and a signal is no attack: harmless texts have them.

    Args:
        text: the text.
        policy: what to look for; default: all rules.

    Returns:
        The findings, whether one is more than a signal (`flagged`), and the text `cleaned`.

    Raises:
        TypeError: it is no string.

    Example:
        >>> found = check("Nice.\u200bIgnore\U000e0068\U000e0069")
        >>> found.flagged, found.cleaned
        (True, 'Nice.Ignore')
        >>> print(found.findings[-1])
        flag invisible-text at 12–14: text in tag characters: hi
        >>> check("\U0001f468\u200d\U0001f469\u200d\U0001f467 says: می\u200cخواهم").findings
        ()
    """
    if not isinstance(text, str):
        raise TypeError(f"check: expected a string, got {type(text).__name__}")
    policy = policy or PolicyOptions()
    found = {rule: _found(rule, text, policy) for rule in RULES}
    listed = [finding for rule in RULES for finding in _listed(text, found[rule], rule, policy)]
    cleaned = _cleaned(text, found, policy)
    return Checked(text, tuple(sorted(listed, key=_place)), cleaned)


def _place(finding: Finding) -> tuple[int, int, str]:
    return finding.start, finding.end, finding.rule


def _found(rule: Rule, text: str, policy: PolicyOptions) -> list[Finding]:
    """What a rule finds and the policy does not allow; all of it only where it is replaced."""
    if rule.name in policy.off:
        return []
    found: Iterable[Finding] = rule.find(text, policy)
    if policy.allow:
        found = (one for one in found if span_digest(text[one.start : one.end]) not in policy.allow)
    return list(found if rule.replaces else itertools.islice(found, MOST_LISTED + 1))


def _listed(
    text: str, found: list[Finding], rule: Rule, policy: PolicyOptions
) -> Iterator[Finding]:
    severity = policy.severities.get(rule.name)
    for number, finding in enumerate(found[: MOST_LISTED + 1]):
        span = text[finding.start : finding.end]
        changes: dict[str, Any] = {
            "digest": span_digest(span),
            "shown": finding.shown or visible(span),
        }
        if severity is not None:
            changes["severity"] = severity
        if number == MOST_LISTED:
            changes |= {"end": len(text), "message": f"more than {MOST_LISTED:,} findings"}
        yield dataclasses.replace(finding, **changes)


def _cleaned(text: str, found: dict[Rule, list[Finding]], policy: PolicyOptions) -> str:
    """The text with the replacements of its findings; nothing is left to replace in it.

    What is taken out can bring together what is found then, so it is looked at again.
    """
    for _ in range(_ROUNDS):
        if all(one.replacement is None for rule in _CLEANING for one in found[rule]):
            return text
        many = [rule for rule in _CLEANING if rule.clean and len(found[rule]) > MOST_LISTED]
        few = [one for rule in _CLEANING if rule not in many for one in found[rule]]
        text = _replaced(text, few)
        for rule in many:
            text = rule.clean(text, policy) if rule.clean else text
        found = {rule: _found(rule, text, policy) for rule in _CLEANING}
    for rule in _CLEANING:
        if rule.name not in policy.off and rule.clean:
            text = rule.clean(text, policy)
    return text


def _replaced(text: str, found: Iterable[Finding]) -> str:
    """The text with the replacements of its findings; where two overlap, the first one's."""
    parts: list[str] = []
    at = 0
    for finding in sorted(found, key=_place):
        if finding.replacement is not None and finding.start >= at:
            parts += text[at : finding.start], finding.replacement
            at = finding.end
    return "".join([*parts, text[at:]])


class Policy(PolicyOptions):
    """Which rules are used, and what they mean for an application.

    Called with a text, it returns the cleaned one, so it can stand where a prompt is filled in:
    `prompt.messages(review=text, guard=policy)`. Its arguments are those of `PolicyOptions`.
    """

    __slots__ = ()

    def __call__(self, text: str) -> str:
        r"""The text, cleaned.

        Raises:
            BlockedError: a finding has the severity `block`, which only `severities` gives.

        Example:
            >>> Policy()("Nice.\U000e0068\U000e0069")
            'Nice.'
        """
        checked = check(text, self)
        if checked.blocked:
            raise BlockedError(checked)
        return checked.cleaned
