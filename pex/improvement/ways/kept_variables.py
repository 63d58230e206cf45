"""How the variables of a prompt are written in it, for a model that rewrites the prompt."""

from __future__ import annotations

import re

from pex.core import template
from pex.core.hidden import CANARY, UNTRUSTED
from pex.core.prompt import Prompt

_EXPRESSION = re.compile(r"\{\{-?[^{}]{1,300}\}\}")


def kept_variables(prompt: Prompt) -> list[str]:
    r"""Each variable as it has to be written: with its delimiters, if it has them.

    Example:
        >>> text = "{{ canary }} {{ mail | trim | untrusted('a mail') }}\n{{ lang }}"
        >>> kept_variables(Prompt(text, "p"))
        ['{{ lang }}', "{{ mail | trim | untrusted('a mail') }}", '{{ canary }}']
    """
    fences = {name for text in prompt.templates for name in template.fenced(text)}
    found = [_fenced(prompt, name) if name in fences else f"{{{{ {name} }}}}" for name in
             prompt.variables]  # fmt: skip
    return [*found, f"{{{{ {CANARY} }}}}"] if CANARY in prompt.hides else found


def _fenced(prompt: Prompt, name: str) -> str:
    """The expression that shows a variable between delimiters."""
    for text in prompt.templates:
        for match in _EXPRESSION.finditer(text):
            if UNTRUSTED in match[0] and re.search(rf"\b{re.escape(name)}\b", match[0]):
                return match[0]
    return f"{{{{ {name} | {UNTRUSTED} }}}}"
