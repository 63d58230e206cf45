"""Jinja templates for messages, in a sandbox: case values go in as data and stay data.

A value is never parsed as a template, and message boundaries are found before rendering, so a
value that says `system:` or `{{ secret }}` is only text.
"""

from __future__ import annotations

import functools
import json
import re
import secrets
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


_IMAGE = re.compile(r"!\[[^\]\n]*\]\(((?:\{\{.*?\}\}|[^(){}\n])+)\)")
_ONLY_A_VARIABLE = re.compile(r"\s*\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}\s*")


_MARK = f"\x00{secrets.token_hex(16)}\x00"
"""Stands around an image's address while it is rendered; drawn anew in each process, so that no
value can hold it."""


def has_images(text: str) -> bool:
    """Whether a template has Markdown images."""
    return _IMAGE.search(text) is not None


def only_variable(text: str) -> str | None:
    """The name of the variable that is the whole template, else None.

    Example:
        >>> only_variable("{{ turns }}"), only_variable("Say {{ word }}")
        ('turns', None)
    """
    found = _ONLY_A_VARIABLE.fullmatch(text)
    return found[1] if found else None


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


def cut(text: str, values: Mapping[str, Any], where: str) -> list[str]:
    r"""Render a template and cut it at its Markdown images: text, address, text, …, text.

    Only an image that the template itself writes counts; one in a value is text.

    Example:
        >>> cut("See ![]({{ photo }})!", {"photo": "![](a.png)"}, "p")
        ['See ', '![](a.png)', '!']
    """
    marked = _IMAGE.sub(lambda found: _MARK + found[1].strip() + _MARK, text)
    return render(marked, values, where).split(_MARK)


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
