"""The ledger: what was paid, and what earlier calls say about the next ones."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Literal

from pex.core.errors import PexError, nearest
from pex.run.database import Connection, Database

By = Literal["model", "experiment", "day"]
GROUPS: tuple[By, ...] = ("model", "experiment", "day")

_SLICE_S = 900
"""Local midnight is a whole number of these after UTC's, everywhere."""

_FEWEST = 5
"""Calls that a run must have made before it says something about its pace."""


@dataclasses.dataclass(slots=True)
class Spending:
    """What was spent on one model or experiment, or on one day.

    Args:
        name: of the model, the experiment or the day.
        calls: that were charged, or may have been.
        prompt_tokens: sent; `cached_tokens` of them at the provider's lower price.
        cached_tokens: see there.
        completion_tokens: received.
        usd: what is certain.
        unsure_usd: at most so much more, for calls of which nobody said what they cost.
    """

    name: str
    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    unsure_usd: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Past:
    """What earlier calls measured.

    Args:
        tokens_per_byte: prompt tokens for each byte of the messages, by model.
        completion_tokens: the mean length of an answer, by variant and model.
        seconds_per_call: the time of the experiment's last run, divided by its calls.
    """

    tokens_per_byte: Mapping[str, float] = dataclasses.field(default_factory=dict)
    completion_tokens: Mapping[tuple[str, str], float] = dataclasses.field(default_factory=dict)
    seconds_per_call: float | None = None


def spending(database: Database, by: str) -> list[Spending]:
    """What the project has spent: by model or experiment the dearest first, days in their order.

    Raises:
        PexError: it cannot be grouped so.
        JournalError: the journal cannot be read.
    """
    if by not in GROUPS:
        raise PexError(f"--by {by}: expected model, experiment or day", hint=nearest(by, GROUPS))
    if not database.exists():
        return []
    with database.opened(durable=False) as connection:
        rows = connection.rows(
            "SELECT l.model, r.experiment, floor(l.at / ?), count(*), sum(l.prompt_tokens), "
            "sum(l.cached_tokens), sum(l.completion_tokens), sum(l.usd), "
            "sum(CASE WHEN l.usd IS NULL THEN l.at_most_usd END) "
            "FROM ledger l JOIN runs r ON r.id = l.run_id GROUP BY 1, 2, 3",
            [_SLICE_S],
        )
    found: dict[str, Spending] = {}
    for model, experiment, part, *sums in rows:
        day = datetime.datetime.fromtimestamp(float(part) * _SLICE_S).strftime("%Y-%m-%d")
        name = {"model": model, "experiment": experiment, "day": day}[by]
        item = found.setdefault(name, Spending(name))
        item.calls += int(sums[0])
        item.prompt_tokens += int(sums[1] or 0)
        item.cached_tokens += int(sums[2] or 0)
        item.completion_tokens += int(sums[3] or 0)
        item.usd += float(sums[4] or 0)
        item.unsure_usd += float(sums[5] or 0)
    if by == "day":
        return sorted(found.values(), key=lambda item: item.name)
    return sorted(found.values(), key=lambda item: (-item.usd, -item.calls, item.name))


def past(database: Database, experiment: str) -> Past:
    """What earlier calls say about a run of an experiment.

    Raises:
        JournalError: the journal cannot be read.
    """
    if not database.exists():
        return Past()
    with database.opened(durable=False) as connection:
        return Past(
            _tokens_per_byte(connection, experiment),
            {
                (str(variant), str(model)): float(mean)
                for variant, model, mean in connection.rows(
                    "SELECT l.variant, l.model, avg(l.completion_tokens) FROM ledger l "
                    "JOIN runs r ON r.id = l.run_id WHERE r.experiment = ? "
                    "AND l.completion_tokens IS NOT NULL GROUP BY 1, 2",
                    [experiment],
                )
            },
            _pace(connection, experiment),
        )


def _tokens_per_byte(connection: Connection, experiment: str) -> dict[str, float]:
    """By model, from the experiment's own calls where there are some, else from all."""
    rows = connection.rows(
        "SELECT l.model, CASE WHEN r.experiment = ? THEN 1 ELSE 0 END, sum(l.prompt_tokens), "
        "sum(l.prompt_bytes) FROM ledger l JOIN runs r ON r.id = l.run_id "
        "WHERE l.prompt_tokens IS NOT NULL AND l.prompt_bytes > 0 GROUP BY 1, 2 ORDER BY 2",
        [experiment],
    )
    return {str(model): float(tokens) / float(size) for model, _, tokens, size in rows}


def _pace(connection: Connection, experiment: str) -> float | None:
    rows = connection.rows(
        "SELECT count(*), min(l.at - coalesce(l.latency_s, 0)), max(l.at) FROM ledger l "
        "JOIN runs r ON r.id = l.run_id WHERE r.experiment = ? GROUP BY r.id, r.started_at "
        f"HAVING count(*) >= {_FEWEST} ORDER BY r.started_at DESC LIMIT 1",
        [experiment],
    )
    if not rows:
        return None
    count, begin, end = rows[0]
    return max(0.0, float(end) - float(begin)) / int(count)


def total(items: list[Spending]) -> Spending:
    """All of them together.

    Example:
        >>> total([Spending("a", 2, usd=0.5), Spending("b", 1, usd=0.25)]).usd
        0.75
    """
    whole = Spending("total")
    for item in items:
        for field in dataclasses.fields(Spending)[1:]:
            setattr(whole, field.name, getattr(whole, field.name) + getattr(item, field.name))
    return whole
