"""What the journal has of an adoption already, and so what has to be asked."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pex.adoption.plan import LeftOut, Task
from pex.core.batch_context import BatchContext
from pex.core.errors import JournalError, PexError
from pex.core.variant import Variant
from pex.project.settings import Settings
from pex.run.database import database_of
from pex.run.journal import Journal
from pex.run.request import requests

Known = Callable[[Sequence[str]], set[str]]
"""Those of some keys that have an answer."""


@dataclasses.dataclass(frozen=True, slots=True)
class Missing:
    """The calls that a task needs, and the cases for which a side has not every answer yet."""

    calls: int
    new: frozenset[str]
    old: frozenset[str]


def missing_answers(
    tasks: Sequence[Task], settings: Settings, state: Path
) -> tuple[dict[str, Missing], list[LeftOut]]:
    """What the journal does not have, by the key of the task; no model is called.

    Args:
        tasks: what is compared.
        settings: the project's.
        state: the project's `.pex/` folder.

    Returns:
        That, and the prompts whose requests cannot be made: a variable without a value, an image
        that is not there.

    Raises:
        JournalError: the journal cannot be read.
    """
    found: dict[str, Missing] = {}
    odd: list[LeftOut] = []
    with known_keys(settings, state) as known:
        for task in tasks:
            try:
                found[task.key] = _missing(task, settings, known)
            except JournalError:
                raise
            except PexError as error:
                odd.append(LeftOut(task.prompt, error.message, task.experiment.name))
    return found, odd


def _missing(task: Task, settings: Settings, known: Known) -> Missing:
    repeats = task.experiment.repeats * BatchContext.from_environ().repeats_times
    sides = [
        missing_of(task, variant, repeats, settings, known) for variant in (task.new, task.old)
    ]
    calls = len({key for side in sides for keys in side.values() for key in keys})
    return Missing(calls, frozenset(sides[0]), frozenset(sides[1]))


@contextlib.contextmanager
def known_keys(settings: Settings, state: Path) -> Iterator[Known]:
    """A function that says which of some keys have an answer."""
    database = database_of(state, settings)
    if not database.exists():
        yield lambda keys: set()
        return
    with contextlib.closing(Journal(database, settings.models)) as journal:
        yield journal.known


def missing_of(
    task: Task,
    variant: Variant,
    repeats: int,
    settings: Settings,
    known: Known,
) -> dict[str, list[str]]:
    """The keys of a variant's requests without an answer, by the id of the case."""
    longest = settings.budget.max_tokens
    where = (longest, task.experiment.folder, settings.api_of)
    todo = list(requests([variant], task.cases, repeats, *where))
    there = known([request.key for request in todo])
    missing: dict[str, list[str]] = {}
    for request in todo:
        if request.key not in there:
            missing.setdefault(request.case_id, []).append(request.key)
    return missing
