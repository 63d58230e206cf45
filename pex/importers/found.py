"""What an importer finds in a file of another tool, before it becomes a run."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.errors import PexError
from pex.core.score import Score
from pex.importers.imported import Note

_LONGEST = 80
"""Of a name: MLflow refuses names of scores of more than 250 characters."""


@dataclasses.dataclass(frozen=True, slots=True)
class FoundAnswer:
    """One answer in a file: to which input, by what, and how it was scored.

    `scores` are yes if the answer is good, whatever the tool says; `key` identifies the input, so
    that two files about the same inputs can be compared.
    """

    key: str
    text: str
    target: str
    output: str | None
    error: str | None = None
    category: str = ""
    form: str = ""
    scores: Mapping[str, Score] = dataclasses.field(default_factory=dict)
    latency_s: float | None = None
    cost_usd: float | None = None
    inputs: Mapping[str, Any] | None = None
    """The columns of the case; None: one, `input`, with the text."""
    expected: Any = None
    group: str | None = None
    tags: Sequence[str] = ()
    """More tags of the case than `category` and `form`."""
    repeat: int | None = None
    """Which of several answers to the input, from 1; None: in the order of the file."""
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """More of the answer, by the names of the fields of `pex.core.call.Answer`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """The contents of a file: answers in their order, and what became of each part of it.

    `attacks` is whether they are answers to attacks: then they have the score `resisted`. `notes`
    are about what is special in this file; the answers and their scores are counted later.
    """

    tool: str
    version: str
    started_at: str
    answers: Sequence[FoundAnswer]
    attacks: bool
    notes: Sequence[Note] = ()


def key_of(*parts: str) -> str:
    """The id of an input: what it is about in words, then twelve digits of all of it.

    Example:
        >>> key_of("dan.Dan", "Say it.")
        'dan.Dan.d45039ff3dfd'
    """
    digest = hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:12]
    word = re.sub(r"[^A-Za-z0-9_.-]+", "-", parts[0]).strip("-.") if parts[0] else ""
    return f"{word[:60]}.{digest}" if word else digest


def name_of(text: str) -> str:
    """A name for a score or a model, with only the characters that names have.

    Example:
        >>> name_of("always.Fail (x)")
        'always.Fail-x'
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.") or "unnamed"
    if len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST]}.{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def unknown(path: Any, why: str, tool: str) -> PexError:
    """The error for a file that is not what a tool writes."""
    return PexError(f"{path}: not a result file of {tool}: {why}")
