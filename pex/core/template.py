"""Jinja templates for messages, in a sandbox: case values are data and stay data.

A value is never parsed as a template, and message boundaries are found before rendering, so a
value that contains `system:` or `{{ secret }}` is only text. Only strings, numbers, booleans, lists
and dicts are rendered: `pex.core.jinja` refuses everything else, with an error that names it.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Template, TemplateSyntaxError, UndefinedError, meta
from jinja2.exceptions import SecurityError

from pex.core import hidden, template_bounds
from pex.core.columns import variable
from pex.core.documents import is_way, way_of
from pex.core.errors import PexError, nearest
from pex.core.hidden import Hidden
from pex.core.jinja import Environment, NotTextError
from pex.core.template_shown import Shown, shown_in
from pex.core.values import is_json_value, to_json_value

_environment = Environment()


_IMAGE = re.compile(r"!\[([^\]\n]{0,1000})\]\(((?:\{\{.{0,1000}?\}\}|[^(){}\n])+)\)")
"""Bounded, so a text of only `![` takes time proportional to its length."""
_ONLY_A_VARIABLE = re.compile(r"\s*\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}\s*")


_PLAIN_VARIABLE = re.compile(r"\{\{ *([A-Za-z_][A-Za-z0-9_]*) *\}\}")
_LONGEST_PLAIN = 200_000
"""Characters; what is longer is left to Jinja, whose bounds depend on the values."""

_SPACED = re.compile(
    r"\{\{-?\s*([^\W\d][^{}|()\"'\[\]+*=~<>,.]{0,100}[\s/-][^{}|()\"'\[\]+*=~<>,.]{0,100}?)\s*-?\}\}"
)

_MARK = f"\x00{os.urandom(16).hex()}\x00"
"""Placed around an image's address during rendering; random in each process, so no value can
contain it."""

_LONGEST_NOTE = 120
"""The longest comment, in characters, that is treated as a note to the template's reader."""


def has_images(text: str) -> bool:
    """Whether a template has Markdown images, or documents, which are written like them."""
    return _IMAGE.search(text) is not None


def check_documents(text: str, where: str) -> None:
    """Raise a `PexError` if what is said of a document in a template has no meaning."""
    for found in _IMAGE.finditer(text) if "![" in text else ():
        if is_way(found[1]):
            try:
                way_of(found[1])
            except PexError as error:
                raise PexError(f"{where}: {error.message}", hint=error.hint) from None


def documents(text: str) -> list[tuple[str, str]]:
    """The documents in a template: how each goes in, and its address.

    Example:
        >>> documents("![](a.png) ![pdf as text 1-2]({{ invoice }})")
        [('pdf as text 1-2', '{{ invoice }}')]
    """
    if "![" not in text:
        return []
    return [(found[1], found[2].strip()) for found in _IMAGE.finditer(text) if is_way(found[1])]


def split_images(text: str) -> list[str]:
    """A template split at its Markdown images: text, address, text, …, text.

    Example:
        >>> split_images("See ![the photo](a.png)! ![pdf as text](b.pdf)")
        ['See ', 'a.png', '! ![pdf as text](b.pdf)']
    """
    pieces, at = [], 0
    for found in _IMAGE.finditer(text):
        if not is_way(found[1]):
            pieces += [text[at : found.start()], found[2]]
            at = found.end()
    return [*pieces, text[at:]]


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
    """The variables of a template that need a value, in alphabetical order.

    `canary` is none of them: pex fills it in.

    Example:
        >>> variables("{{ review }} {% for x in items %}{{ x }}{% endfor %}")
        ('items', 'review')
        >>> variables("{% for n in range(3) %}{{ n }}{% endfor %}"), variables("{{ range }}")
        ((), ('range',))
    """
    return tuple(name for name in _names(text) if name != hidden.CANARY)


@functools.lru_cache(maxsize=512)
def _names(text: str) -> tuple[str, ...]:
    return tuple(sorted(meta.find_undeclared_variables(_environment.parse(text))))


@functools.lru_cache(maxsize=512)
def hides(text: str) -> frozenset[str]:
    """What a template has that only a request has: "canary", "untrusted" (a delimiter).

    Example:
        >>> sorted(hides("{{ canary }} {{ review | untrusted }}")), hides("{{ review }}")
        (['canary', 'untrusted'], frozenset())
    """
    if hidden.CANARY not in text and hidden.UNTRUSTED not in text:
        return frozenset()
    return hidden.uses(_environment.parse(text), _names(text))


@functools.lru_cache(maxsize=512)
def fenced(text: str) -> frozenset[str]:
    """The variables of a template whose values stand between delimiters.

    Example:
        >>> sorted(fenced("{{ a | untrusted }} {{ b | trim | untrusted('mail') }} {{ c }}"))
        ['a', 'b']
    """
    return (
        hidden.fenced_names(_environment.parse(text)) if "untrusted" in hides(text) else frozenset()
    )


@functools.lru_cache(maxsize=512)
def shown_variables(text: str) -> tuple[Shown, ...]:
    """The variables whose values a template shows as text, in the order of the template.

    Example:
        >>> [shown.name for shown in shown_variables("{% if a %}{{ b }}{% endif %}")]
        ['b']
    """
    return tuple(shown_in(_environment.parse(text), set(variables(text))))


def check(text: str, where: str) -> None:
    """Raise a `PexError` that names the line if `text` is not a valid template."""
    try:
        _compile(text)
    except TemplateSyntaxError as error:
        raise PexError(
            f"{where}, line {error.lineno}: {error.message}",
            hint=_hint(text, error),
        ) from None
    except (RecursionError, SyntaxError, OverflowError, MemoryError) as error:
        # From the parser, or from the generated Python code, which has its own limits.
        line = _deepest_line(text)
        raise PexError(
            f"{where}, line {line}: the template is too deeply nested: {error}"
        ) from None


def _hint(text: str, error: TemplateSyntaxError) -> str | None:
    """What to write instead of what is not a valid template."""
    message = str(error.message)
    if message.startswith((hidden.CANARY, hidden.UNTRUSTED)):
        return None
    if (name := message.removeprefix("No filter named '").removesuffix("'.")) != message:
        return nearest(name, [key for key in _environment.filters if not key.startswith("pex_")])
    return (
        _spaced_hint(text, error.lineno)
        or "variables are written {{ name }}; literal braces {{ '{{' }}"
    )


def _spaced_hint(text: str, line: int) -> str:
    """What to write for a variable with spaces, if the line has one; else an empty string."""
    lines = text.splitlines()
    found = _SPACED.search(lines[line - 1]) if 0 < line <= len(lines) else None
    if found is None or not (name := variable(found[1])):
        return ""
    return f"the column '{found[1].strip()}' is written {{{{ {name} }}}}"


def _deepest_line(text: str) -> int:
    """The line with a template's deepest nesting or its longest expression."""
    deepest, found, depth, length = 0, 1, 0, 0
    for line, kind, value in _environment.lex(text):
        if kind == "operator":
            depth += (value in "([{") - (value in ")]}")
        elif kind in ("variable_begin", "block_begin", "data"):
            length = 0
        length += kind != "whitespace"
        if max(50 * depth, length) > deepest:
            deepest, found = max(50 * depth, length), line
    return found


@functools.lru_cache(maxsize=512)
def comments(text: str) -> tuple[tuple[int, str], ...]:
    r"""The Jinja comments whose text was probably meant to be sent, with their lines.

    A short note on one line, with spaces around it, is an ordinary comment. A comment that spans
    several lines, contains variables, is in the middle of other text or has no space after `{#`
    may be CSS, JSON or a Markdown heading's id, and would be dropped without a trace.

    Raises:
        PexError: it is not a valid template.

    Example:
        >>> comments("a {{ x }} {# the review #}"), comments("# Rules {#rules}\nBe kind. #}")
        ((), ((1, 'rules} Be kind.'),))
    """
    check(text, "template")
    found = []
    begun: tuple[int, int] | None = None
    at, content = 0, ""
    text = "\n".join(text.replace("\r\n", "\n").split("\r"))  # as Jinja reads it
    for line, kind, value in _environment.lex(text):
        if kind == "comment_begin":
            at = max(text.find(value, at), at)  # white space before a tag with `-` is dropped
            begun, content = (line, at), ""
        elif kind == "comment":
            content = value
        at += len(value)
        if kind == "comment_end" and begun is not None:
            if not _is_note(content, _is_blank(text, begun[1], -1), _is_blank(text, at, 1)):
                found.append((begun[0], " ".join(content.split())))
            begun = None
    return tuple(found)


def _is_blank(text: str, at: int, step: int) -> bool:
    """Whether there is only white space from a position to the end, or the start, of its line."""
    at += min(step, 0)
    while 0 <= at < len(text) and text[at] != "\n":
        if not text[at].isspace():
            return False
        at += step
    return True


def _is_note(content: str, first: bool, last: bool) -> bool:
    if not content.strip():
        return True
    amid_text = not first and not last
    spaced = content.startswith((" ", "-", "+")) and content.endswith((" ", "-", "+"))
    short = len(content) <= _LONGEST_NOTE and "\n" not in content.strip("\n")
    return spaced and short and not amid_text and not any(m in content for m in ("{{", "{%"))


def cut(text: str, values: Mapping[str, Any], where: str, words: Hidden | None = None) -> list[str]:
    """Render a template and split it at its images and documents.

    The pieces are text, how, address, text, how, …: `how` is empty for an image. Only those
    written in the template itself count; an image in a value is text.

    Example:
        >>> cut("See ![]({{ photo }})!", {"photo": "![](a.png)"}, "p")
        ['See ', '', '![](a.png)', '!']
        >>> cut("![pdf as text]({{ a }})", {"a": "a.pdf"}, "p")
        ['', 'pdf as text', 'a.pdf', '']
    """

    def mark(found: re.Match[str]) -> str:
        way = str(way_of(found[1])) if is_way(found[1]) else ""
        return f"{_MARK}{way}{_MARK}{found[2].strip()}{_MARK}"

    return render(_IMAGE.sub(mark, text), values, where, words).split(_MARK)


@functools.lru_cache(maxsize=512)
def _plain(text: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The text between variables, and their names, of a template that has nothing else."""
    if len(text) > _LONGEST_PLAIN:
        return None
    between = _PLAIN_VARIABLE.split(text)
    names = tuple(between[1::2])
    data = tuple(between[::2])
    if any(mark in piece for piece in data for mark in ("{{", "}}", "{%", "%}", "{#", "#}", "\r")):
        return None
    # Words such as true are no variables, and Jinja itself says that it adds nothing else.
    if set(names) != set(_names(text)):
        return None
    same = _rendered(text, dict.fromkeys(names, "x")) == "x".join(data)
    return (data, names) if same else None


def _filled(text: str, values: Mapping[str, Any]) -> str | None:
    """A plain template with plain strings in it; None if Jinja is needed."""
    plain = _plain(text)
    if plain is None:
        return None
    data, names = plain
    parts = [data[0]]
    for name, after in zip(names, data[1:], strict=True):
        value = values.get(name)
        if type(value) is not str:
            return None
        parts += value, after
    filled = "".join(parts)
    return filled if len(filled) <= _LONGEST_PLAIN else None


def render(text: str, values: Mapping[str, Any], where: str, words: Hidden | None = None) -> str:
    """Fill in `values`; a dict or list is rendered as JSON, None as nothing.

    Args:
        text: the template.
        values: of its variables.
        where: how to name it in an error.
        words: the canary and the delimiter; left out, new ones for this call.

    Raises:
        PexError: a variable has no value, a value or result is not a string, number, boolean,
            list or dict, or the sandbox forbids an operation.

    Example:
        >>> render("Hello {{ name }}!", {"name": "{{ 7 * 7 }}"}, "prompt 'p'")
        'Hello {{ 7 * 7 }}!'
    """
    asked = hides(text)
    if asked:
        words = words or hidden.of_call(values, where)
        values = {**values, hidden.CANARY: words.canary}
        if words.canary is None:
            del values[hidden.CANARY]
    filled = _filled(text, values)
    if filled is not None:
        return filled
    given = {name: _value(name, values[name], where) for name in _names(text) if name in values}
    try:
        if hidden.UNTRUSTED in asked and words is not None:
            made = _rendered(text, {**given, hidden.KEY: words})
            return hidden.check_whole(made, words, where)
        return _rendered(text, given)
    except PexError:
        raise
    except hidden.FenceError as error:
        raise PexError(f"{where}: {error}") from None
    except UndefinedError as error:
        message, _, hint = str(error.message).partition("\n")
        if (name := message.removeprefix("variable ")) != message:
            message = f"no value for the variable {name}"
            hint = nearest(name.strip("'"), values)
            if name == f"'{hidden.CANARY}'":
                hint = "in an experiment pex fills it in; here give canary=pex.guard.new_canary()"
        raise PexError(f"{where}: {message}", hint=hint or None) from None
    except NotTextError as error:
        raise PexError(f"{where}: {error}", hint=error.hint) from None
    except template_bounds.TooMuchError as error:
        raise PexError(
            f"{where}: the template does too much: {error}",
            hint="a prompt can have loops, but not as many as a program",
        ) from None
    except SecurityError as error:
        raise PexError(f"{where}: not allowed in a template: {error.message}") from None
    except Exception as error:  # noqa: BLE001 - a template can fail in any way that Python can
        raise PexError(f"{where}: the template failed: {error}") from None


def _rendered(text: str, given: Mapping[str, Any]) -> str:
    """What Jinja makes of it, within bounds."""
    account = template_bounds.Account(given)
    return account.end(_compile(text).render({**given, template_bounds.KEY: account}))


def _value(name: str, value: Any, where: str) -> Any:
    if type(value) is str or is_json_value(value):
        return value
    try:
        return to_json_value(value)
    except PexError as error:
        raise PexError(f"{where}: variable '{name}': {error.message}", hint=error.hint) from None
