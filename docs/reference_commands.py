"""The page about the commands of `pexlab`, from their own help."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from pex.cli.commands import COMMANDS, app, command

_TABLE = "| | | default |\n|---|---|---|\n"
_HELP = "--help"


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that is listed, and those below it: its words, itself."""
    for name, text in COMMANDS.items():
        if text:
            yield from _below(f"pexlab {name}", command(name))


def _below(words: str, found: Any) -> Iterator[tuple[str, Any]]:
    yield words, found
    # `pexlab batch PLAN.yaml`: what a group does with a file has no word of its own.
    if default := getattr(found, "first_word", None):
        inner = found.commands[default]
        given = next(_argument(one) for one in parameters(inner) if _is_argument(one))
        yield f"{words} {given}", inner
    for name, inner in getattr(found, "commands", {}).items():
        if not inner.hidden:
            yield from _below(f"{words} {name}", inner)


def parameters(found: Any) -> list[Any]:
    """The arguments and options that are listed in its help."""
    return [
        parameter
        for parameter in found.params
        if not getattr(parameter, "hidden", False) and _HELP not in parameter.opts
    ]


def page() -> str:
    """All commands on one page."""
    parts = [
        "# Commands\nEvery command takes `--help`. `pexlab --help` lists them; `pexlab --version` "
        "prints the version.\n\nExit codes: "
        + str(app.info.epilog).removeprefix("Exit codes: ")
        + ".\n"
    ]
    for words, found in commands():
        level = "##" if words.count(" ") == 1 else "###"
        parts.append(f"{level} `{words}`\n{_help(found)}\n")
        epilog = str(getattr(found, "epilog", None) or "")
        if epilog and epilog != app.info.epilog:
            parts.append(_text(epilog) + "\n")
        if not hasattr(found, "commands"):
            parts.append(f"```text\n{_usage(words, found)}\n```\n")
        rows = [_row(parameter) for parameter in parameters(found)]
        if rows:
            parts.append(_TABLE + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _help(found: Any) -> str:
    """Its paragraphs; lines that are indented are code."""
    paragraphs = inspect.cleandoc(found.help or "").replace("\f", "").split("\n\n")
    return "\n\n".join(_paragraph(text) for text in paragraphs)


def _paragraph(text: str) -> str:
    lines = text.removeprefix("\b\n").splitlines()
    if text.startswith("\b") or any(line.startswith("  ") for line in lines):
        return "```text\n" + "\n".join(lines) + "\n```"
    return _text(" ".join(lines))


def _text(words: str) -> str:
    """Plain text as Markdown: what would be markup or a table's edge is shown as it is."""
    pieces = re.split(r"(`[^`]+`)", words)
    shown = [
        piece if piece.startswith("`") else re.sub(r"([\\*_<\[\]])", r"\\\1", piece)
        for piece in pieces
    ]
    return "".join(shown).replace("|", "\\|")


def _usage(words: str, found: Any) -> str:
    given = parameters(found)
    arguments = [_argument(one) for one in given if _is_argument(one)]
    options = ["[OPTIONS]"] if len(arguments) < len(given) else []
    name = words.removesuffix(f" {arguments[0]}") if arguments else words
    return " ".join([name, *options, *arguments])


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _argument(parameter: Any) -> str:
    if parameter.metavar:
        return str(parameter.metavar)
    name = parameter.name.upper() + ("" if parameter.nargs == 1 else "...")
    return name if parameter.required else f"[{name}]"


def _row(parameter: Any) -> str:
    if _is_argument(parameter):
        shown = f"`{_argument(parameter)}`"
    else:
        names = [*parameter.opts, *parameter.secondary_opts]
        value = "" if parameter.is_flag else parameter.metavar or parameter.name.upper()
        values = " or ".join(f"`{one}`" for one in value.split("|") if one)
        shown = f"{', '.join(f'`{name}`' for name in names)} {values}".rstrip()
    text = _text(" ".join((parameter.help or "").split()))
    return f"| {shown.replace('|', ' or ')} | {text} | {_default(parameter)} |"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if value is None or callable(value) or value in (False, (), [], ""):
        return ""
    return "on" if value is True else f"`{value}`"
