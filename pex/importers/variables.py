"""Variables as people write them in prompts (`{x}`, `{{x}}`, `${x}`, `<x>`), as Jinja has them."""

from __future__ import annotations

import dataclasses
import re

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from pex.core.prompty import split_roles

_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,60}"
_DOUBLE = re.compile(r"\{\{-?\s*[^{}]{1,300}?\s*-?\}\}|\{%")
_DOLLAR = re.compile(r"\$\{\s*(" + _NAME + r")\s*\}")
_SINGLE = re.compile(r"(?<!\{)\{\s*(" + _NAME + r")\s*\}(?!\})")
_ANGLE = re.compile(r"<(" + _NAME + r")>")
_MARK = re.compile(r"\{[{%#]")
"""What begins something in Jinja; what ends it is only text elsewhere."""
_ROLE_ONLY = re.compile(
    r"^([ \t]*#?[ \t]*(?:system|developer|user|assistant)[ \t]*(?:\[[^\]\n]*\])?[ \t]*:[ \t]*)$",
    re.MULTILINE | re.IGNORECASE,
)
_HTML = frozenset(
    ("a", "abbr", "article", "aside", "b", "blockquote", "body", "br", "button", "code", "dd",
     "div", "dl", "dt", "em", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr",
     "html", "i", "iframe", "img", "input", "label", "li", "link", "main", "meta", "nav", "ol",
     "option", "p", "pre", "s", "script", "section", "select", "small", "span", "strong",
     "style", "sub", "summary", "sup", "svg", "table", "tbody", "td", "template", "textarea",
     "th", "thead", "title", "tr", "u", "ul", "video")
)  # fmt: skip
_environment = SandboxedEnvironment()


@dataclasses.dataclass(frozen=True, slots=True)
class Converted:
    """A prompt's text as a Jinja template.

    `style` is how its variables were written, such as `{x}`; empty if it has none.
    """

    text: str
    style: str
    names: tuple[str, ...]


def as_template(text: str) -> Converted:
    r"""A text with variables of any of the four forms as a Jinja template.

    One form is used for the whole text, the first of `{{x}}`, `${x}`, `{x}` and `<x>` that occurs;
    `<x>` is a variable only if nothing closes it and it is not HTML. All else stays as it is.

    Example:
        >>> as_template("Say {word} in {{lang}}.").text
        'Say {word} in {{lang}}.'
        >>> as_template('Say ${word}: {"a": 1}').text, as_template("Say <word>!").style
        ('Say {{ word }}: {"a": 1}', '<x>')
        >>> as_template("<text>\n{text}\n</text>").text
        '<text>\n{{ text }}\n</text>'
    """
    if _DOUBLE.search(text) and _parses(text):
        return Converted(text, "{{x}}", ())
    for style, pattern in (("${x}", _DOLLAR), ("{x}", _SINGLE), ("<x>", _ANGLE)):
        found = [name for name in pattern.findall(text) if style != "<x>" or _is_open(name, text)]
        if found:
            names = frozenset(found)
            return Converted(_replaced(text, pattern, names), style, tuple(dict.fromkeys(found)))
    return Converted(literal(text), "", ())


def literal(text: str) -> str:
    """Text of which nothing is a template: Jinja's own marks are written as strings.

    Example:
        >>> literal("Use {{ and {# here.")
        "Use {{ '{{' }} and {{ '{#' }} here."
    """
    return _MARK.sub(lambda found: "{{ '" + found[0] + "' }}", text)


def without_roles(text: str) -> str:
    r"""A message's text in which no line is only a role, which would begin another message.

    Example:
        >>> without_roles("Q:\nuser:\nHi")
        "Q:\n{{ 'user:' }}\nHi"
    """
    if [message["content"] for message in split_roles(text)] == [text.strip()]:
        return text
    return _ROLE_ONLY.sub(lambda found: "{{ '" + found[1].replace("'", "\\'") + "' }}", text)


def _parses(text: str) -> bool:
    try:
        _environment.parse(text)
    except TemplateSyntaxError:
        return False
    return True


def _is_open(name: str, text: str) -> bool:
    """Whether `<name>` stands alone: a tag that is closed, and HTML, are markup."""
    return name.casefold() not in _HTML and f"</{name}>" not in text


def _replaced(text: str, pattern: re.Pattern[str], names: frozenset[str]) -> str:
    pieces: list[str] = []
    at = 0
    for found in pattern.finditer(text):
        if found[1] in names:
            pieces += [literal(text[at : found.start()]), "{{ " + found[1] + " }}"]
            at = found.end()
    return "".join([*pieces, literal(text[at:])])
