"""What a card says of a prompt, as plain data."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

from pex.library.moves import Move
from pex.project.spec import Requirement

Pieces = Sequence[tuple[str, str]]
"""A text word by word: pieces that are "same", "new" or "gone"."""


@dataclasses.dataclass(frozen=True, slots=True)
class Input:
    """A variable, its type as far as it is known, and values that cases have for it."""

    name: str
    kind: str
    default: str
    examples: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class RequirementState:
    """A requirement and how far it is met.

    `state` is "met", "not met", "undecided", "untested" …, and `detail` says from what.
    """

    requirement: Requirement
    state: str
    detail: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class ScoreLine:
    """The newest score of a version on a model; `version` is what people call it, as `v3`."""

    version: str
    model: str
    metric: str
    value: float
    lo: float
    hi: float
    n: int
    yes_no: bool
    at: datetime.datetime
    experiment: str
    run_id: str


@dataclasses.dataclass(frozen=True, slots=True)
class UsageLine:
    """What an answer of a version costs and how long it takes; NaN if it is not known."""

    version: str
    model: str
    cost_usd: float
    latency_s: float
    answers: int
    at: datetime.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """A case that fails in the newest run; texts are shortened."""

    case_id: str
    inputs: str
    expected: str
    output: str
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class Failures:
    """The cases that fail now, in the newest run of the version that is shown.

    `private` is the number of failing cases that are marked private: they are only counted.
    `other_cases` is whether that run had other cases than the experiment has now; `unreadable` says
    why the cases cannot be read now: which of them are private is not known, so none is shown.
    """

    version: str
    at: datetime.datetime
    run_id: str
    cases: int
    failing: int
    shown: tuple[Failure, ...]
    private: int
    other_cases: bool = False
    unreadable: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class VersionLine:
    """One version and its change from the one before.

    `change` is None for the first version, and if too much changed to be shown word by word.
    """

    number: int
    aliases: tuple[str, ...]
    note: str
    by: str
    at: datetime.datetime
    model: str
    disabled: bool
    text: str
    change: Pieces | None
    same_text: bool = False
    """Whether its own text is that of the version before: only an included part changed."""


@dataclasses.dataclass(frozen=True, slots=True)
class CardData:
    """Everything that a card says.

    `shown` is the version that the card is about: `champion`'s, else the newest, or the file's.
    `versions` are the newest first, `moves` too; `scores` of all versions, the newest run first.
    """

    name: str
    description: str
    shown: str
    text: str
    model: str
    path: str
    owner: str
    tags: tuple[str, ...]
    category: dict[str, str]
    intended_use: str
    known_failures: str
    inputs: tuple[Input, ...]
    requirements: tuple[RequirementState, ...]
    scores: tuple[ScoreLine, ...]
    usage: tuple[UsageLine, ...]
    failures: Failures | None
    safety: tuple[ScoreLine, ...]
    versions: tuple[VersionLine, ...]
    moves: tuple[Move, ...]
    aliases: dict[str, int]
    experiments: tuple[str, ...]
    private: bool = False
    """Whether its case data is marked private as a whole."""
    problem: str = ""
    """Why its newest version or its file cannot be read."""
    retiring: tuple[str, ...] = ()
    """The models it runs on that stop soon or have stopped, a sentence each."""
