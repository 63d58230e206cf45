"""The ledger: what was paid, and what earlier calls say about the next ones."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Literal

from pex.core.errors import PexError, nearest
from pex.run.budget import BEYOND
from pex.run.database import Connection, Database

By = Literal["model", "experiment", "day"]
GROUPS: tuple[By, ...] = ("model", "experiment", "day")

_SLICE_S = 900
"""Local midnight is a whole number of these after UTC's, everywhere."""

_USD = "CASE WHEN l.usd < 0 THEN 0 ELSE l.usd END"
_BOOKED = "coalesce(l.usd, l.at_most_usd)"
BOOKED = f"CASE WHEN {_BOOKED} > 0 THEN {_BOOKED} ELSE 0 END"
"""What a row `l` of the ledger counts against a cap. An earlier version booked negative costs where
an endpoint reported more cached tokens than tokens: they count as nothing, and give nothing back.
"""

_FEWEST = 5
"""Calls that a run must have made before it says something about its pace."""


@dataclasses.dataclass(slots=True)
class Spending:
    """What was spent on one model or experiment, or on one day.

    Args:
        name: of the model, the experiment or the day.
        calls: that were charged, or may have been.
        prompt_tokens: sent; `cached_tokens` of them at the provider's lower price, and
            `cache_write_tokens` at that for what it keeps.
        cached_tokens: see there.
        cache_write_tokens: see there.
        completion_tokens: received; `reasoning_tokens` of them before the answer.
        reasoning_tokens: see there.
        usd: what is certain.
        unsure_usd: at most this much more, for calls without a reported cost.
        beyond: calls that cost more than they could, by what was sent.
        negative: calls of an earlier version with a negative cost, which count as nothing.
    """

    name: str
    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    usd: float = 0.0
    unsure_usd: float = 0.0
    beyond: int = 0
    negative: int = 0


_SUMS = {
    "calls": "count(*)",
    "prompt_tokens": "sum(l.prompt_tokens)",
    "cached_tokens": "sum(l.cached_tokens)",
    "cache_write_tokens": "sum(l.cache_write_tokens)",
    "completion_tokens": "sum(l.completion_tokens)",
    "reasoning_tokens": "sum(l.reasoning_tokens)",
    "usd": f"sum({_USD})",
    "unsure_usd": "sum(CASE WHEN l.usd IS NULL THEN l.at_most_usd END)",
    "beyond": f"sum(CASE WHEN l.remark = '{BEYOND}' THEN 1 END)",
    "negative": "sum(CASE WHEN l.usd < 0 THEN 1 END)",
}
"""How each field of `Spending` is added up."""


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
        PexError: it cannot be grouped that way.
        JournalError: the journal cannot be read.
    """
    if by not in GROUPS:
        raise PexError(f"--by {by}: expected model, experiment or day", hint=nearest(by, GROUPS))
    if not database.exists():
        return []
    with database.opened(durable=False) as connection:
        rows = connection.rows(
            f"SELECT l.model, r.experiment, floor(l.at / ?), {', '.join(_SUMS.values())} "
            "FROM ledger l JOIN runs r ON r.id = l.run_id GROUP BY 1, 2, 3",
            [_SLICE_S],
        )
    found: dict[str, Spending] = {}
    for model, experiment, part, *sums in rows:
        day = datetime.datetime.fromtimestamp(float(part) * _SLICE_S).strftime("%Y-%m-%d")
        name = {"model": model, "experiment": experiment, "day": day}[by]
        item = found.setdefault(name, Spending(name))
        for field, value in zip(_SUMS, sums, strict=True):
            number = float if field in ("usd", "unsure_usd") else int
            setattr(item, field, getattr(item, field) + number(value or 0))
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
    """By model, from the experiment's own calls if there are any, else from all."""
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
