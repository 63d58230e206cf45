"""Prompts that include others: `{{ include("tone") }}` stands for the text of `tone.prompty`.

An included text is inserted before the template is rendered, so its variables are the prompt's
own, and what is sent, compared and saved in the library contains it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.errors import PexError, nearest
from pex.core.project import FILE, check_inside, find_project
from pex.core.textfile import read_text

Find = Callable[[str], str]
"""Returns the text of a part by its name, or raises a `PexError`."""

_INCLUDE = re.compile(
    r"""(?P<kept>\{\#.*?(?:\#\}|\Z)|\{%-?\s*raw\s*-?%\}.*?(?:\{%-?\s*endraw\s*-?%\}|\Z))"""
    r"""|\{\{(?P<left>-?)\s*include\(\s*(?P<quote>['"])(?P<name>[A-Za-z0-9_.-]+)"""
    r"""(?P=quote)\s*\)\s*(?P<right>-?)\}\}""",
    re.DOTALL,
)
"""Comments and raw blocks come first: what looks like an include in them is only text. One that
never ends goes on to the end, as otherwise many of them would take time quadratic in their number.
"""
_CALL = re.compile(r"\{[{%][^{}]*\binclude\b\s*\(?")
_LONGEST = 2_000_000
"""Characters of a prompt with its parts, far beyond any model's context."""


def included(text: str) -> list[str]:
    """The names that a template includes, each once.

    Example:
        >>> included('{{ include("tone") }} {# {{ include("old") }} #} {{ review }}')
        ['tone']
    """
    names = [found["name"] for found in _INCLUDE.finditer(text) if found["name"]]
    return list(dict.fromkeys(names))


def expand(
    messages: Sequence[Mapping[str, Any]], find: Find, where: str
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Insert the included texts into messages, also those that an included text includes.

    Args:
        messages: the messages as written.
        find: finds a part's text.
        where: the file, for messages.

    Returns:
        The messages with the texts in them, and every text by its name.

    Raises:
        PexError: a part does not exist, or includes itself by way of others.

    Example:
        >>> messages = [{"role": "user", "content": 'Be {{ include("tone") }}. {{ x }}'}]
        >>> expand(messages, {"tone": "kind"}.__getitem__, "f")
        ([{'role': 'user', 'content': 'Be kind. {{ x }}'}], {'tone': 'kind'})
    """
    parts: dict[str, str] = {}
    left = _LONGEST

    def replaced(text: str, way: tuple[str, ...]) -> str:
        nonlocal left

        def part(found: re.Match[str]) -> str:
            nonlocal left
            name = found["name"]
            if name is None:
                return found[0]
            if name in way:
                raise PexError(
                    f"{where}: '{name}' includes itself: {' → '.join([*way, name])}",
                    hint="take one of these includes out",
                )
            if name not in parts:
                parts[name] = find(name)
            inserted = replaced(parts[name], (*way, name))
            left -= len(inserted)
            if left < 0:
                raise PexError(f"{where}: more than {_LONGEST:,} characters with what it includes")
            # The template itself trims the space that `{{-` and `-}}` ask it to.
            left_mark = "{{- '' }}" if found["left"] else ""
            return left_mark + inserted + ("{{ '' -}}" if found["right"] else "")

        return _INCLUDE.sub(part, text)

    expanded = [
        {**message, "content": replaced(message["content"], ())}
        if isinstance(message["content"], str)
        else dict(message)
        for message in messages
    ]
    return expanded, parts


def has_includes(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any message includes a part."""
    return any(
        isinstance(message["content"], str) and included(message["content"]) for message in messages
    )


def in_folder(folder: Path, where: str) -> Find:
    """Find parts beside a prompt's file, then in the project's `prompts/`.

    Args:
        folder: the folder of the file that includes them.
        where: the file, for messages.
    """
    project = find_project(folder)
    folders = [folder]
    # Without a pex.toml above it, the extent of a project is not known.
    if (project / FILE).is_file() and (shared := project / "prompts") != folder:
        folders.append(shared)

    def find(name: str) -> str:
        for place in folders:
            path = place / f"{name}.prompty"
            if path.is_file():
                check_inside(path.name, place, where)
                return part_text(read_text(path, "included prompt"), path.name)
        known = {path.stem for place in folders for path in place.glob("*.prompty")}
        raise PexError(
            f"{where}: it includes '{name}', and there is no {name}.prompty beside it"
            + (" or in prompts/" if len(folders) > 1 else ""),
            hint=nearest(name, known) if known else None,
        )

    return find


def among(parts: Mapping[str, str], where: str) -> Find:
    """Find parts among texts that were kept with the prompt."""

    def find(name: str) -> str:
        if name not in parts:
            raise PexError(
                f"{where}: it includes '{name}', whose text was not kept with it",
                hint="load it from its file: pex.Prompt.load(path)",
            )
        return parts[name]

    return find


def part_text(text: str, where: str) -> str:
    r"""The text that a file stands for when it is included.

    Raises:
        PexError: it has role lines: only a text can be inserted into a message.

    Example:
        >>> part_text("---\nname: tone\n---\nBe kind.\n", "tone.prompty")
        'Be kind.'
    """
    from pex.core import prompty  # YAML takes time to import

    messages = prompty.parse(text, where)["messages"]
    if len(messages) != 1 or messages[0]["role"] != "user":
        raise PexError(
            f"{where}: a prompt with role lines (system:, user:) cannot be included",
            hint="an included file is a text that stands within a message",
        )
    return str(messages[0]["content"])


def check_resolved(text: str, where: str) -> None:
    """Refuse a template in which an include is left: it was written in a way that is not read.

    Raises:
        PexError: it has an `include` that is not `{{ include("name") }}`.

    Example:
        >>> check_resolved("{% include 'tone' %}", "f")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: f: an include that cannot be read: {% include 'tone' %}
          write {{ include("name") }}, in a .prompty file, with the name of another file
    """
    for found in _CALL.finditer(_INCLUDE.sub(lambda m: "" if m["kept"] else m[0], text)):
        end = text.find("}", found.end())
        shown = text[found.start() : end + 2] if end >= 0 else found[0]
        if found[0].endswith("(") or found[0].startswith("{%"):
            raise PexError(
                f"{where}: an include that cannot be read: {' '.join(shown.split())[:80]}",
                hint='write {{ include("name") }}, in a .prompty file, with the name of another '
                "file",
            )
