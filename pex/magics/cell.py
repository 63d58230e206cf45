"""A cell of `%%prompt`: options in its first line, the prompt in the rest."""

from __future__ import annotations

import dataclasses
import keyword
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from pex.core import prompty, template
from pex.core.errors import PexError, nearest
from pex.core.prompt import Prompt, warn
from pex.core.values import to_json_value

OPTIONS = {
    "--run": "run it, and show the answers below",
    "--chat": "open a conversation with it below",
    "--model": "provider/model, one or more; also -m",
    "--case": "only these cases: 3 is the third, or ids",
    "--cases": "an experiment, a file of cases, or a Python variable",
    "--with": "name=value for each variable, instead of cases",
    "--param": "name=value, for example temperature=0",
    "--fresh": "get new answers, reuse none",
    "--no-record": "write nothing to MLflow",
}
SHORT = {"-m": "--model"}
FLAGS = ("--run", "--chat", "--fresh", "--no-record")
REPEATABLE = ("--model", "--case", "--with", "--param")
_OPTION = re.compile(r"--?[A-Za-z]")
_EXAMPLE = "for example %%prompt short --run -m local/smollm2 --case 3"


@dataclasses.dataclass(slots=True)
class Ask:
    """The options in the line of a cell.

    `name` is the prompt's; `models` and `cases` (positions or ids) can be empty; `source` names the
    cases; `values` are those of the variables, as written, and `params` the parameters, parsed.
    """

    name: str
    run: bool = False
    models: list[str] = dataclasses.field(default_factory=list)
    cases: list[str] = dataclasses.field(default_factory=list)
    source: str | None = None
    values: dict[str, str] = dataclasses.field(default_factory=dict)
    params: dict[str, Any] = dataclasses.field(default_factory=dict)
    fresh: bool = False
    record: bool = True
    chat: bool = False


def read_line(line: str, magic: str = "%%prompt") -> Ask:
    """Parse the line after `%%prompt`.

    Args:
        line: the rest of the line.
        magic: its name in errors.

    Raises:
        PexError: no name, an unknown option (the nearest is given), an extra or missing value.

    Example:
        >>> ask = read_line("short --run -m local/smollm2 --case 3 --param temperature=0")
        >>> ask.name, ask.models, ask.cases, ask.params
        ('short', ['local/smollm2'], ['3'], {'temperature': 0})
    """
    words = _words(line, magic)
    if not words or _OPTION.match(words[0]):
        raise PexError(f"{magic}: the prompt's name comes first", hint=_EXAMPLE)
    given: dict[str, list[str]] = {}
    option = ""
    for word in words[1:]:
        if _OPTION.match(word):
            option, equals, value = word.partition("=")
            option = SHORT.get(option, option)
            if option not in OPTIONS:
                known = [*OPTIONS, *SHORT]
                raise PexError(f"{magic}: unknown option '{option}'", hint=nearest(option, known))
            given.setdefault(option, []).extend([value] if equals else [])
        elif not option:
            raise PexError(f"{magic}: unexpected second name '{word}'", hint=_EXAMPLE)
        else:
            given[option].append(word)
    _check_counts(given, magic)
    ask = Ask(
        name=words[0],
        run="--run" in given,
        models=given.get("--model", []),
        cases=given.get("--case", []),
        source=given.get("--cases", [None])[0],
        values=_pairs(given.get("--with", []), f"{magic}: --with"),
        fresh="--fresh" in given,
        record="--no-record" not in given,
        chat="--chat" in given,
    )
    params = _pairs(given.get("--param", []), f"{magic}: --param")
    ask.params = {name: parse_value(text) for name, text in params.items()}
    others = [name for name in given if name not in ("--run", "--chat")]
    if others and not (ask.run or ask.chat):
        raise PexError(f"{magic}: {others[0]} needs --run", hint="add --run to run the prompt")
    if ask.chat:
        _check_chat(ask, magic)
    if ask.source is not None and ask.values:
        raise PexError(f"{magic}: give --cases or --with, not both")
    if ask.cases and ask.values:
        raise PexError(
            f"{magic}: --case cannot be combined with --with, which is a case of its own"
        )
    return ask


def _check_chat(ask: Ask, magic: str) -> None:
    if ask.run:
        raise PexError(f"{magic}: give --run or --chat, not both")
    if len(ask.models) > 1:
        raise PexError(
            f"{magic}: --chat is with one model, got {len(ask.models)}",
            hint="pex.Playground(prompt) has several variants beside each other",
        )
    if not ask.record:
        raise PexError(f"{magic}: --no-record needs --run: a conversation is not recorded")


def parse_value(text: str) -> Any:
    """The value of a string that is JSON, else the string itself.

    Example:
        >>> [parse_value(text) for text in ("0.5", "true", '"01"', "Great: loved it")]
        [0.5, True, '01', 'Great: loved it']
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def resolve_value(text: str, space: Mapping[str, Any], where: str) -> Any:
    """A value of `--with`: `$name` is a Python variable's, anything else goes to `parse_value`.

    Raises:
        PexError: there is no such variable, or its value cannot go into a prompt.
    """
    if not re.fullmatch(r"\$[A-Za-z_]\w*", text):
        return parse_value(text)
    if text[1:] not in space:
        names = [name for name in space if not name.startswith("_")]
        raise PexError(f"{where}: there is no Python variable '{text[1:]}'",
                       hint=nearest(text[1:], names))  # fmt: skip
    try:
        return to_json_value(space[text[1:]])
    except PexError as error:
        raise PexError(f"{where}: {text}: {error.message}") from None


def identifier(name: str) -> str:
    """A Python identifier for a prompt of this name.

    Example:
        >>> identifier("short"), identifier("my-prompt.v2"), identifier("2nd"), identifier("class")
        ('short', 'my_prompt_v2', '_2nd', 'class_')
    """
    variable = re.sub(r"\W", "_", name)
    variable = f"_{variable}" if variable[:1].isdigit() else variable
    return f"{variable}_" if keyword.iskeyword(variable) else variable


def read_prompt(name: str, text: str) -> Prompt:
    """The prompt in a cell.

    Args:
        name: from the cell's first line.
        text: the lines after it.

    Raises:
        PexError: it is not a valid prompt; lines are counted from the cell's first.
    """
    where = f"%%prompt {name}"
    if not text.strip():
        raise PexError(f"{where}: the cell has no text", hint="write the prompt below this line")
    try:
        fields = prompty.parse(text, where)
    except PexError as error:
        raise _with_cell_line(error, text, where) from None
    at = len(text) - len(text.lstrip("\ufeff"))
    for message in fields["messages"]:
        found = text.find(message["content"], at)
        at = max(found, at)
        # Blank lines before it, so that the template's line numbers are the cell's.
        blank = "\n" * (text.count("\n", 0, at) + 1)
        try:
            template.check(blank + message["content"], where)
        except PexError as error:
            raise _with_line(error, text) from None
    given = fields.get("name")
    if given not in (None, name):
        raise PexError(
            f"{where}: its front matter calls it '{given}'",
            hint="remove 'name:' there, or use the same name in both places",
        )
    prompt = Prompt.parse(text, where, name)
    # The first line of the cell is the magic's own.
    remarks = [
        re.sub(r"^line (\d+)", lambda found: f"line {int(found[1]) + 1}", remark)
        for remark in prompt.remarks
    ]
    warn(remarks, where, where)
    return prompt


def _words(line: str, magic: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        raise PexError(f"{magic}: unclosed quotation mark", hint=_EXAMPLE) from None


def _check_counts(given: Mapping[str, Sequence[str]], magic: str) -> None:
    for option, values in given.items():
        if option in FLAGS and values:
            raise PexError(f"{magic}: {option} takes no value, got '{values[0]}'")
        if option not in FLAGS and not values:
            raise PexError(f"{magic}: {option} needs a value", hint=OPTIONS[option])
        if option not in FLAGS and option not in REPEATABLE and len(values) > 1:
            raise PexError(f"{magic}: {option} takes one value, got {len(values)}",
                           hint='put a value with spaces in "quotes"')  # fmt: skip


def _pairs(items: Sequence[str], where: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in items:
        name, equals, text = item.partition("=")
        if not equals or not name:
            hint = 'put a value with spaces in quotes: name="two words"'
            raise PexError(f"{where} {item}: expected name=value", hint=hint)
        if name in pairs:
            raise PexError(f"{where}: '{name}' is given twice")
        pairs[name] = text
    return pairs


def _with_cell_line(error: PexError, text: str, where: str) -> PexError:
    """An error of the front matter, with its line number in the cell."""
    found = re.match(rf"{re.escape(where)}, line (\d+)", error.message)
    if found:
        number = int(found[1]) + 1  # the first line of the cell is the magic's own
        message = f"{where}, line {number}{error.message[found.end() :]}"
        return _with_line(PexError(message, hint=error.hint), text)
    key = re.search(r"unknown key '([^']+)'", error.message)
    line = re.search(rf"^\s*(?:-\s*)?{re.escape(key[1])}\s*:", text, re.MULTILINE) if key else None
    if line is None:
        return error
    number = text.count("\n", 0, line.start(0) + len(line[0]) - len(line[0].lstrip())) + 2
    message = error.message.replace(where, f"{where}, line {number}", 1)
    return _with_line(PexError(message, hint=error.hint), text)


def _with_line(error: PexError, text: str) -> PexError:
    """The same error with the text of its line, shortened."""
    found = re.search(r", line (\d+)", error.message)
    lines = text.split("\n")
    if found is None or not 2 <= int(found[1]) <= len(lines) + 1:
        return error
    shown = lines[int(found[1]) - 2].strip()
    shown = shown if len(shown) <= 80 else f"{shown[:79]}…"
    hint = f"{found[1]} | {shown}" + (f"\n  {error.hint}" if error.hint else "")
    return PexError(error.message, hint=hint)
