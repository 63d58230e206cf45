"""Which traces want a look, worst first, and why; from figures alone, without a text.

Errors come first, then people's negative feedback, low scores, refusals and answers that were cut
off; among equals those with more such reasons, then the newer ones. The file of kept traces selects
and orders them, so that opening a queue does not take longer with the traces that nobody has to
see.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from pex.monitoring.kept_traces import WANTED, KeptTraces, limits
from pex.monitoring.traces import TRIAGE

_LOW = 0.5
"""A score of pex below this is low; of several of a name, the newest counts."""
_LOW_SHARE = 0.4
"""On another scale, feedback at or below this share of the highest seen is negative: 2 of 5."""
_LATEST = datetime.datetime.max.replace(tzinfo=datetime.UTC)

_SAID = (
    "SELECT o.trace_id, o.name, o.number FROM opinions o JOIN traces t ON t.trace_id = o.trace_id "
    "WHERE t.kept = 1{limit} AND o.source = 'person' AND o.name <> ? AND o.number IS NOT NULL"
)
_NEGATIVE = f"""
WITH said AS ({_SAID}), tops AS (SELECT name, max(number) AS top FROM said GROUP BY name)
SELECT DISTINCT said.trace_id, said.name FROM said JOIN tops ON tops.name = said.name
WHERE said.number <= CASE WHEN tops.top > 1 THEN ? * tops.top ELSE 0 END
ORDER BY said.name
"""
_LOW_SCORES = """
SELECT o.trace_id, o.name, o.number, max(o.at) FROM opinions o JOIN traces t
ON t.trace_id = o.trace_id WHERE t.kept = 1{limit} AND o.source <> 'person' AND o.by GLOB 'pex:*@*'
AND o.number IS NOT NULL GROUP BY o.trace_id, o.name HAVING o.number < ? ORDER BY o.name
"""
_WORST = f"""
WITH negative AS (SELECT value AS trace_id FROM json_each(?)),
    low AS (SELECT value AS trace_id FROM json_each(?))
SELECT trace_id, started_at, prompt, prompt_version, user_digest, error_kind,
    coalesce(state = 'error', 0) AS error,
    trace_id IN negative AS negative,
    trace_id IN low AS low,
    coalesce(refused, 0) AS refusal,
    coalesce(finish_reason = 'length', 0) AS cut_off
FROM traces
WHERE trace_id IN (SELECT trace_id FROM traces WHERE {WANTED} UNION SELECT trace_id FROM negative
    UNION SELECT trace_id FROM low)
    AND kept = 1{{limit}}
ORDER BY error * 16 + negative * 8 + low * 4 + refusal * 2 + cut_off DESC, started_at DESC, trace_id
"""
_OPINIONS = """
SELECT trace_id, name, value, source FROM opinions
WHERE trace_id IN (SELECT value FROM json_each(?)) ORDER BY at, trace_id
"""
_DECIDED = """
SELECT o.trace_id, o.by, o.value FROM opinions o JOIN traces t ON t.trace_id = o.trace_id
WHERE t.kept = 1{limit} AND o.source = 'person' AND o.name = ? ORDER BY o.at, o.trace_id
"""


class Opinion(NamedTuple):
    """An assessment of a trace: `value` is a string, `source` is person, code or judge."""

    name: str
    value: str
    source: str


class Decided(NamedTuple):
    """A decision on a trace: by whom, as a digest, and the outcome."""

    trace_id: str
    by: str
    outcome: str


class Wanted(NamedTuple):
    """A trace with a reason to look at it. `started_ms` is in milliseconds."""

    trace_id: str
    started_ms: int
    prompt_name: str | None
    prompt_version: int | None
    user_digest: str | None
    error_kind: str | None
    error: int
    negative: int
    low: int
    refusal: int
    cut_off: int

    @property
    def prompt(self) -> str:
        """The version of the prompt, as name/version, as far as it is known."""
        if self.prompt_name is None:
            return ""
        version = self.prompt_version
        return self.prompt_name if version is None else f"{self.prompt_name}/{version}"

    @property
    def started_at(self) -> datetime.datetime:
        """When it began."""
        since = datetime.datetime.fromtimestamp(0, datetime.UTC)
        try:
            return since + datetime.timedelta(milliseconds=self.started_ms)
        except OverflowError:  # a clock that is very wrong
            return _LATEST


@dataclasses.dataclass(frozen=True, slots=True)
class Worst:
    """The traces that want a look, and what people said and decided.

    Args:
        rows: the traces with at least one reason, worst first, by id.
        negative: the names of the negative feedback, by trace.
        low: the names and values of the low scores, by trace.
        opinions: the assessments of these traces, oldest first.
        decided: what was decided on all traces, oldest first.
    """

    rows: Mapping[str, Wanted]
    negative: Mapping[str, str]
    low: Mapping[str, str]
    opinions: Mapping[str, Sequence[Opinion]]
    decided: Sequence[Decided]

    def why(self, trace_id: str) -> str:
        """The reasons of one trace in a line."""
        row, said = self.rows[trace_id], []
        if row.error:
            said.append(f"error: {row.error_kind}" if row.error_kind is not None else "error")
        if row.negative:
            said.append(f"negative feedback: {self.negative[trace_id]}")
        if row.low:
            said.append(f"low score: {self.low[trace_id]}")
        if row.refusal:
            said.append("refused")
        if row.cut_off:
            said.append("cut off")
        return "; ".join(said)


def worst(kept: KeptTraces, first: int | None = None, last: int | None = None) -> Worst:
    """The traces with at least one reason.

    Args:
        kept: the file of kept traces.
        first: only traces that started at this moment or later, in milliseconds.
        last: only traces that started before.
    """
    limit, values = limits(first, last)
    negative: dict[str, str] = {}
    for trace_id, name in kept.select(_NEGATIVE.format(limit=limit), [*values, TRIAGE, _LOW_SHARE]):
        negative[trace_id] = f"{negative[trace_id]}, {name}" if trace_id in negative else name
    low: dict[str, str] = {}
    for trace_id, name, number, _ in kept.select(_LOW_SCORES.format(limit=limit), [*values, _LOW]):
        text = f"{name} {number:.2g}"
        low[trace_id] = f"{low[trace_id]}, {text}" if trace_id in low else text
    given = [orjson.dumps([*ids]).decode() for ids in (negative, low)]
    found = kept.select(_WORST.format(limit=limit), [*given, *values])
    rows = {row[0]: Wanted._make(row) for row in found}
    opinions: dict[str, list[Opinion]] = {}
    for trace_id, *rest in kept.select(_OPINIONS, [orjson.dumps([*rows]).decode()]):
        opinions.setdefault(trace_id, []).append(Opinion(*rest))
    decided = kept.select(_DECIDED.format(limit=limit), [*values, TRIAGE])
    return Worst(rows, negative, low, opinions, [Decided._make(row) for row in decided])
