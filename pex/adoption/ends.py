"""When the models of an adoption stop, in words."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path

from pex.adoption.plan import Plan
from pex.project.settings import Settings
from pex.run.kept_lists import read_lists
from pex.run.retirement import retirement_of


def ends_of(plan: Plan, settings: Settings, state: Path, today: datetime.date) -> tuple[str, ...]:
    """A sentence for each model that is known to stop: the old ones, then the new one.

    Args:
        plan: what is compared.
        settings: the project's.
        state: its `.pex/` folder; nothing is called.
        today: the day to count from. It is in the sentence, because a page is read later as well.
    """
    lists = read_lists(state)
    said = []
    for ref in _models(plan):
        found = retirement_of(ref, settings, state, lists)
        if found is not None:
            said.append(f"{ref} {found.when(today)}, as of {today.day} {today:%B %Y}")
    return tuple(said)


def _models(plan: Plan) -> Iterable[str]:
    return dict.fromkeys([*(task.old.model for task in plan.tasks), plan.new.model])
