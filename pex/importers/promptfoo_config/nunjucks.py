"""promptfoo's templates (Nunjucks) as pex has them (Jinja): the same for most prompts, not all."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from pex.core import template
from pex.core.errors import PexError
from pex.importers.variables import literal

TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_STRINGS = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
_CONVERSATION = ("_conversation", "env")
"""Names that promptfoo fills in by itself."""
_RULES: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"\|\s*dump(?:\(\s*\d*\s*\))?"), "| tojson", "`dump` is now `tojson`, which writes "
     "a space after commas and colons, and <, >, & and ' as \\u003c and so on"),
    (re.compile(r"!=="), "!=", "`!==` is now `!=`"),
    (re.compile(r"==="), "==", "`===` is now `==`"),
    (re.compile(r"(?<=\w)\.length\b(?!\()"), " | length", "`x.length` is now `x | length`"),
    (re.compile(r"\.toUpperCase\(\)"), ".upper()", "`toUpperCase()` is now `upper()`"),
    (re.compile(r"\.toLowerCase\(\)"), ".lower()", "`toLowerCase()` is now `lower()`"),
    (re.compile(r"\.trim\(\)"), ".strip()", "`trim()` is now `strip()`"),
    (re.compile(r"(\{%-?\s*)elseif\b"), r"\1elif", "`elseif` is now `elif`"),
    (re.compile(r"(\{%-?\s*)verbatim(\s*-?%\})"), r"\1raw\2", "`verbatim` is now `raw`"),
    (re.compile(r"(\{%-?\s*)endverbatim(\s*-?%\})"), r"\1endraw\2", ""),
    (re.compile(r"(\{%-?\s*for\s+\w+\s*,\s*\w+\s+in\s+)([A-Za-z_][\w.]*)(\s*-?%\})"),
     r"\1(\2.items() if \2 is mapping else \2)\3", "a loop over keys and values says `items()`"),
)  # fmt: skip
_SCRIPT = re.compile(
    r"\.(includes|split|join|slice|substring|map|filter|indexOf|startsWith|endsWith|match|test|push"
    r"|concat|replaceAll|toString|toFixed|padStart|padEnd|charAt)\("
)
_LONGEST = 1_000_000
"""Characters of a value: values in values in values grow without end."""
_REGEX = re.compile(r"(?<![\w'\"])r/")


@dataclasses.dataclass(frozen=True, slots=True)
class Template:
    """A template for pex, with what was changed in it."""

    text: str
    changes: tuple[str, ...] = ()


class NotCarriedOverError(Exception):
    """A template does something that pex has no words for; the message says what."""


def to_jinja(text: str) -> Template:
    """A Nunjucks template as a Jinja template.

    Raises:
        NotCarriedOverError: it uses JavaScript, or a name that only promptfoo knows.

    Example:
        >>> to_jinja("{{ items | dump }} {% if a === 1 %}{{ a.length }}{% endif %}").text
        '{{ items | tojson }} {% if a == 1 %}{{ a | length }}{% endif %}'
        >>> to_jinja("{{ text.split(',') }}")
        Traceback (most recent call last):
        ...
        pex.importers.promptfoo_config.nunjucks.NotCarriedOverError: `.split()` is JavaScript
    """
    changes: dict[str, None] = {}

    def convert(found: re.Match[str]) -> str:
        tag = found[0]
        held: list[str] = []

        def hold(string: re.Match[str]) -> str:
            held.append(string[0])
            return f"\x00{len(held) - 1}\x00"

        bare = _STRINGS.sub(hold, tag)
        _check(bare)
        for pattern, instead, said in _RULES:
            converted = pattern.sub(instead, bare)
            if converted != bare and said:
                changes[said] = None
            bare = converted
        return re.sub("\x00(\\d+)\x00", lambda at: held[int(at[1])], bare)

    made = TAG.sub(convert, text)
    try:
        template.check(made, "the template")
    except PexError as error:
        if TAG.search(text) is None:
            return Template(literal(text), ("marks of templates are written as text",))
        raise NotCarriedOverError(error.message.removeprefix("the template: ")) from None
    return Template(made, tuple(changes))


def _check(tag: str) -> None:
    if (found := _SCRIPT.search(tag)) is not None:
        raise NotCarriedOverError(f"`.{found[1]}()` is JavaScript")
    if _REGEX.search(tag):
        raise NotCarriedOverError("a regular expression in a template is JavaScript")
    for name in _CONVERSATION:
        if re.search(rf"(?<![.\w]){name}\b", tag):
            raise NotCarriedOverError(f"`{name}` is known to promptfoo only")


def fill(text: str, values: Mapping[str, Any]) -> str:
    """A text with variables filled in, as promptfoo fills in expected values; none is required.

    Raises:
        NotCarriedOverError: as in `to_jinja`, or it cannot be filled in.

    Example:
        >>> fill("Is it {{ city }}? {{ nothing }}", {"city": "Paris"})
        'Is it Paris? '
    """
    if TAG.search(text) is None:
        return text
    made = to_jinja(text).text
    try:
        known = {**dict.fromkeys(template.variables(made), ""), **values}
        return template.render(made, known, "the value")
    except PexError as error:
        raise NotCarriedOverError(error.message) from None


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A template with other names for some variables; text outside of tags stays.

    Example:
        >>> renamed("tags: {{ tags }} {{ x.tags }}", {"tags": "tags_value"})
        'tags: {{ tags_value }} {{ x.tags }}'
    """
    if not names:
        return text
    one = re.compile(rf"(?<![.\w'\"])({'|'.join(map(re.escape, names))})(?![\w'\"])")
    return TAG.sub(lambda tag: one.sub(lambda at: names[at[1]], tag[0]), text)


def resolved(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values in which the variables of other values are filled in, as promptfoo does it.

    Example:
        >>> resolved({"name": "Ann", "text": "Hi {{ name }}, {{ other }}"})["text"]
        'Hi Ann, {{ other }}'
    """
    found = dict(values)
    for _ in range(5):  # promptfoo resolves values in values in values, and so does a cycle
        before = dict(found)
        for key, value in before.items():
            if isinstance(value, str) and "{{" in value:
                found[key] = _with_values(value, before)
        if found == before:
            break
    return found


def _with_values(text: str, values: Mapping[str, Any]) -> str:
    """The text with values in it; as it is if that would be too long."""
    pieces: list[str] = []
    at = length = 0
    for found in re.finditer(r"\{\{\s*([^{}\s]+)\s*\}\}", text):
        value = str(values[found[1]]) if found[1] in values else found[0]
        pieces += [text[at : found.start()], value]
        length += len(value)
        if length > _LONGEST:
            return text
        at = found.end()
    return "".join([*pieces, text[at:]])
