"""Template syntax in a value: harmless where values are data, telling where they are not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pex.guard.findings import Finding, visible
from pex.guard.policy import PolicyOptions

_EXPRESSION = re.compile(
    r"\{\{[^{}\n]{0,400}\}\}|\{%[^%\n]{0,400}%\}|\$\{[^{}\n]{0,400}\}|<%[^%\n]{0,400}%>|\{[^{}\n]{0,400}\}"
)
_WALK = re.compile(
    r"__(?:globals|subclasses|mro|builtins|import|bases|base|code|getattribute|reduce|dict|self)__"
    r"|__class__\s?(?:\.|\[)\s?['\"]?__(?!name__|qualname__|module__|doc__)"
    r"|\|\s?attr\s?\(|\brequest\.(?:application|environ)|\b(?:cycler|joiner|namespace|lipsum)\."
    r"|^\$\{(?:jndi|env|sys|script|java):|\bos\.(?:popen|system)\b|\bsubprocess\b|\beval\s?\("
    r"|Runtime\.getRuntime|process\.(?:env|mainModule)|constructor\s?(?:\.|\[)\s?['\"]?constructor",
    re.I,
)
_CONTEXT = re.compile(
    r"\b(?:system_?(?:prompt|message)|raw_?prompt|hidden_?prompt|secret|api_?key|instructions"
    r"|password)\b",
    re.I,
)
"""Names of what an application keeps from its users."""
_LOGIC = re.compile(r"\{%-?\s*(?:include|import|extends|set|macro|call|raw|from)\b")


def find_template_syntax(text: str, policy: PolicyOptions) -> Iterator[Finding]:
    """Expressions of templates; those that reach for the interpreter or for secrets are flagged.

    Another variable such as {{ name }} is a signal: code and letters with fields have them too.
    """
    for found in _EXPRESSION.finditer(text):
        inside = found.group()
        walk = _WALK.search(inside)
        if walk is None and not inside.startswith(("{{", "{%", "${", "<%")):
            continue
        walk = walk or (_CONTEXT.search(inside) if inside.startswith(("{{", "{%")) else None)
        message = "reaches for what the application hides" if walk else "template syntax"
        if walk is None and _LOGIC.match(inside):
            message = "a template statement"
        yield Finding(
            "template-syntax", *found.span(), "flag" if walk else "signal", message, visible(inside)
        )
