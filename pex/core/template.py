"""Jinja templates for messages, in a sandbox: case values go in as data and stay data.

A value is never parsed as a template, and message boundaries are found before rendering, so a
value that says `system:` or `{{ secret }}` is only text.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError, meta
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pex.core.errors import PexError, nearest


def _as_text(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value


_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    autoescape=False,  # a prompt is not HTML
    finalize=_as_text,
)


@functools.lru_cache(maxsize=512)
def _compile(text: str) -> Template:
    return _environment.from_string(text)


@functools.lru_cache(maxsize=512)
def variables(text: str) -> tuple[str, ...]:
    """The variables a template asks for, in the order of the alphabet.

    Example:
        >>> variables("{{ review }} {% for x in items %}{{ x }}{% endfor %}")
        ('items', 'review')
    """
    return tuple(sorted(meta.find_undeclared_variables(_environment.parse(text))))


def check(text: str, where: str) -> None:
    """Raise a `PexError` that names the line if `text` is no valid template."""
    try:
        _compile(text)
    except TemplateSyntaxError as error:
        raise PexError(
            f"{where}, line {error.lineno}: {error.message}",
            hint="variables are written {{ name }}; literal braces {{ '{{' }}",
        ) from None


def render(text: str, values: Mapping[str, Any], where: str) -> str:
    """Fill in `values`; a dict or list is written as JSON, None as nothing.

    Raises:
        PexError: a variable without a value, or an operation that the sandbox forbids.

    Example:
        >>> render("Hello {{ name }}!", {"name": "{{ 7 * 7 }}"}, "prompt 'p'")
        'Hello {{ 7 * 7 }}!'
    """
    try:
        return _compile(text).render(values)
    except UndefinedError as error:
        missing = [name for name in variables(text) if name not in values]
        if missing:
            raise PexError(
                f"{where}: no value for the variable '{missing[0]}'",
                hint=nearest(missing[0], values),
            ) from None
        raise PexError(f"{where}: {error.message}") from None
    except SecurityError as error:
        raise PexError(f"{where}: not allowed in a template: {error.message}") from None
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise PexError(f"{where}: the template failed: {error}") from None
