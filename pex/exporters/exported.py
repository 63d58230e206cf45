"""What a writer makes of an experiment or a run, before it is on disk."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pex.importers.imported import Note


@dataclasses.dataclass(frozen=True, slots=True)
class Exported:
    """Files for another tool, and what became of each part.

    Args:
        tool: the tool's name, for people.
        name: the experiment's name.
        files: the text of each file, by its path in the folder.
        notes: what was taken over, changed and left out.
        usage: how the other tool reads it, in a sentence.
    """

    tool: str
    name: str
    files: Mapping[str, str]
    notes: Sequence[Note]
    usage: str


def file_name(text: str, taken: Collection[str], ending: str) -> str:
    """A name for a file that no other file has, also where upper and lower case are the same.

    Example:
        >>> [file_name(text, ["a.json"], ".json") for text in ("openai/gpt-4.1 | short", "A")]
        ['openai-gpt-4.1-short.json', 'A-2.json']
    """
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.")[:80] or "unnamed"
    used = {name.casefold() for name in taken}
    name, number = f"{stem}{ending}", 1
    while name.casefold() in used:
        number += 1
        name = f"{stem}-{number}{ending}"
    return name


def as_string(value: Any) -> str:
    """A value as other tools keep it: strings as they are, everything else as JSON."""
    from pex.core.text import value_text

    return value if isinstance(value, str) else value_text(value)
