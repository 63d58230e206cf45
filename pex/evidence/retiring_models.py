"""Models in use that stop soon or have stopped: which, when, who says so, what runs on them."""

from __future__ import annotations

import dataclasses
import datetime
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pex.evidence.models_in_use import ModelUse, models_in_use
from pex.project.settings import Settings
from pex.run.kept_lists import read_lists
from pex.run.retirement import WARN_DAYS, Retirement, retirement_of

MOST = 5
"""Prompts that a sentence names."""


@dataclasses.dataclass(frozen=True, slots=True)
class RetiringModel:
    """A model in use that stops: what uses it, when it stops, on which day this was said."""

    use: ModelUse
    retirement: Retirement
    today: datetime.date

    @property
    def ref(self) -> str:
        """`provider/model`."""
        return self.use.ref

    @property
    def days_left(self) -> int | None:
        """The days until it stops, negative afterwards; None without a day."""
        return self.retirement.days_left(self.today)

    @property
    def command(self) -> str:
        """What tries a successor on the prompts."""
        successor = self.retirement.successor
        new = f"{self.ref.partition('/')[0]}/{successor}" if successor else "NEW_MODEL"
        return shlex.join(["pexlab", "adopt", new, "--baseline", self.ref])

    @property
    def sentence(self) -> str:
        """The warning: what runs on it, when it stops, who says so.

        Example:
            >>> use = ModelUse("openai/gpt-4o", ("refund", "tone"), ("shop",))
            >>> end = Retirement("openai/gpt-4o", datetime.date(2027, 1, 14), "pex.toml")
            >>> print(RetiringModel(use, end, datetime.date(2027, 1, 1)).sentence)
            2 prompts run on openai/gpt-4o, which stops in 13 days (14 January 2027), according to \
pex.toml: refund, tone.
        """
        prompts, judges = self.use.prompts, self.use.judges
        counts = [_count(len(prompts), "prompt")] if prompts else []
        counts += [_count(len(judges), "judge")] if judges else []
        one = len(prompts) + len(judges) == 1
        names = [*prompts, *judges]
        shown = ", ".join(names[:MOST])
        more = f" and {len(names) - MOST:,} more" if len(names) > MOST else ""
        return (
            f"{' and '.join(counts)} {'runs' if one else 'run'} on {self.ref}, which "
            f"{self.retirement.when(self.today)}, according to {self.retirement.source}: "
            f"{shown}{more}."
        )

    @property
    def dated(self) -> str:
        """When it stops without counting days, for pages that are kept.

        Example:
            >>> end = Retirement("openai/gpt-4o", datetime.date(2027, 1, 14), "pex.toml")
            >>> RetiringModel(ModelUse("openai/gpt-4o"), end, datetime.date(2027, 1, 1)).dated
            'openai/gpt-4o stops on 14 January 2027, according to pex.toml.'
        """
        day, left = self.retirement.day, self.days_left
        if day is None or left is None:
            said = self.retirement.when(self.today)
        else:
            said = f"{'stopped' if left < 0 else 'stops'} on {day.day} {day:%B %Y}"
        return f"{self.ref} {said}, according to {self.retirement.source}."

    @property
    def advice(self) -> str:
        """What to do about it, with the command."""
        if not self.use.prompts:
            return "Give the judge another model, and calibrate it again."
        return f"Try a successor on these prompts: {self.command}"

    def to_json(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        end = self.retirement
        return {
            "model": self.ref,
            "stops": end.day.isoformat() if end.day else None,
            "days_left": self.days_left,
            "source": end.source,
            "successor": end.successor,
            "prompts": list(self.use.prompts),
            "experiments": list(self.use.experiments),
            "judges": list(self.use.judges),
            "text": self.sentence,
            "command": self.command if self.use.prompts else None,
        }


def retiring_models(
    project: Path,
    settings: Settings,
    *,
    within: int = WARN_DAYS,
    today: datetime.date | None = None,
    uses: Mapping[str, ModelUse] | None = None,
) -> list[RetiringModel]:
    """The models in use that stop within some days, the first to stop first; nothing is called.

    Args:
        project: the project's folder.
        settings: its settings.
        within: how many days before their end they are named; later they always are.
        today: the day that counts; by default today.
        uses: what `models_in_use` gives, if it has been read already.
    """
    today = today or datetime.date.today()
    state = project / settings.journal.path
    lists = read_lists(state)
    found = []
    for use in (models_in_use(project, settings) if uses is None else uses).values():
        end = retirement_of(use.ref, settings, state, lists)
        if end is not None and end.is_near(today, within):
            found.append(RetiringModel(use, end, today))
    last = datetime.date.max
    return sorted(found, key=lambda item: (item.retirement.day or last, item.ref))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"
