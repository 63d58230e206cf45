"""What a run tells those who watch it, in order: begun, asked, retried, answered, scored, done."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from pex.core.call import Answer
from pex.core.score import Score

Place = tuple[str, str, int]
"""(variant, case_id, repeat)"""


@dataclasses.dataclass(frozen=True, slots=True)
class Begun:
    """The run starts: these variants on these cases."""

    variants: tuple[str, ...]
    case_ids: tuple[str, ...]
    repeats: int
    total: int


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A request went out."""

    place: Place


@dataclasses.dataclass(frozen=True, slots=True)
class Retried:
    """An attempt failed and is repeated after `wait_s` seconds."""

    place: Place
    attempt: int
    wait_s: float
    error_kind: str


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """An answer is there, or an error in its place."""

    place: Place
    answer: Answer


@dataclasses.dataclass(frozen=True, slots=True)
class Scored:
    """The scores of one answer, by name."""

    place: Place
    scores: dict[str, Score]


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """The run has ended: "finished", "interrupted", "budget" or "failed", after `elapsed_s`."""

    status: str
    elapsed_s: float


Event = Begun | Asked | Retried | Answered | Scored | Done
Listener = Callable[[Event], None]
"""Called on the run's own thread; it must return at once."""
