"""When a model stops, from what is known without a call, and who says so.

The project's own table comes first (`stops` under `[models."provider/model"]` in `pex.toml`), then
the list that the model's endpoint gave when it was last asked (`.pex/models.json`), then the flag
of the price table, which has no date.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from pathlib import Path

from pex.guard.redact import redact
from pex.project.settings import ModelSettings, Settings
from pex.run.endpoint import address
from pex.run.kept_lists import KeptList, read_lists
from pex.run.prices import is_deprecated

WARN_DAYS = 60
"""How many days before a model stops the warnings begin."""


@dataclasses.dataclass(frozen=True, slots=True)
class Retirement:
    """That a model stops.

    `day` is the first day on which it does not answer, None if only that it is deprecated is
    known. `source` is `pex.toml`, the list of its endpoint, or `genai-prices`; `successor` is the
    model that the endpoint names in its place, without the provider.
    """

    ref: str
    day: datetime.date | None
    source: str
    successor: str | None = None

    def days_left(self, today: datetime.date) -> int | None:
        """The days until it stops, negative afterwards; None without a day.

        Example:
            >>> found = Retirement("openai/gpt-4o", datetime.date(2027, 1, 14), "pex.toml")
            >>> found.days_left(datetime.date(2027, 1, 1))
            13
        """
        return None if self.day is None else (self.day - today).days

    def is_near(self, today: datetime.date, within: int = WARN_DAYS) -> bool:
        """Whether it has stopped, stops within so many days, or is deprecated without a day."""
        left = self.days_left(today)
        return left is None or left <= within

    def when(self, today: datetime.date) -> str:
        """When it stops, as the end of a sentence that begins with the model.

        Example:
            >>> found = Retirement("openai/gpt-4o", datetime.date(2027, 1, 14), "pex.toml")
            >>> for day in (1, 13, 14, 15):
            ...     print(found.when(datetime.date(2027, 1, day)))
            stops in 13 days (14 January 2027)
            stops tomorrow (14 January 2027)
            stops today (14 January 2027)
            stopped yesterday (14 January 2027)
        """
        if self.day is None:
            return "is deprecated (no date is known)"
        left = (self.day - today).days
        near = {-1: "stopped yesterday", 0: "stops today", 1: "stops tomorrow"}
        far = f"stops in {left:,} days" if left > 0 else f"stopped {-left:,} days ago"
        return f"{near.get(left, far)} ({self.day.day} {self.day:%B %Y})"


def retirement_of(
    ref: str, settings: Settings, state: Path, lists: Mapping[str, KeptList] | None = None
) -> Retirement | None:
    """When a model stops, None if nothing is known of an end.

    Args:
        ref: `provider/model`.
        settings: the project's.
        state: its `.pex/` folder.
        lists: what `read_lists(state)` gives, to read it once for many models.

    Example:
        >>> own = Settings.model_validate({"models": {"lab/m1": {"stops": "2027-01-14"}}})
        >>> found = retirement_of("lab/m1", own, Path(".pex"))
        >>> str(found.day), found.source
        ('2027-01-14', 'pex.toml')
    """
    own = settings.models.get(ref, ModelSettings()).stops
    provider, _, name = ref.partition("/")
    kept = (read_lists(state) if lists is None else lists).get(provider)
    if kept is not None and kept.place != redact(address(provider, settings) or ""):
        kept = None  # it was of another endpoint
    listed = kept.model(name) if kept is not None else None
    successor = listed.successor if listed is not None else None
    if own is not None:
        return Retirement(ref, own, "pex.toml", successor)
    if kept is not None and listed is not None and listed.stops is not None:
        source = f"the endpoint's list of {kept.at.astimezone():%d %b %Y}"
        return Retirement(ref, listed.stops, source, successor)
    if is_deprecated(ref):
        return Retirement(ref, None, "genai-prices", successor)
    return None


def stops_on(ref: str, settings: Settings, state: Path) -> datetime.date | None:
    """The first day on which a model does not answer, None if none is known.

    Args:
        ref: `provider/model`.
        settings: the project's.
        state: its `.pex/` folder. Nothing is called.

    Example:
        >>> own = Settings.model_validate({"models": {"lab/m1": {"stops": "2027-01-14"}}})
        >>> str(stops_on("lab/m1", own, Path(".pex"))), stops_on("lab/m2", own, Path(".pex"))
        ('2027-01-14', None)
    """
    found = retirement_of(ref, settings, state)
    return None if found is None else found.day
