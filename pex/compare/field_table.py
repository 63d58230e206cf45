"""Which fields of structured answers fail: counts and shares by variant, and what comes instead."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.safe_text import clean
from pex.core.text import value_text
from pex.core.values import missing, to_json_value
from pex.score.field_outcomes import field_scorers, read_again, verdicts_in
from pex.score.field_plan import FieldOutcome
from pex.score.field_scorers import FieldScorer
from pex.stats import intervals

if TYPE_CHECKING:
    import pandas as pd

COUNTS = ("right", "wrong", "missing", "too much")
TABLE = (
    "scorer", "variant", "field", "share", "lo", "hi", "cases", "right", "wrong", "missing",
    "too_much",
)  # fmt: skip
CONFUSION = ("scorer", "variant", "field", "outcome", "expected", "given", "count")
_CHARS = 200
NOTHING = "–"
"""In place of a value that is missing."""


@dataclasses.dataclass(frozen=True, slots=True)
class FieldTable:
    """The fields of the answers of a run.

    `table` has one row for each scorer, variant and field, `confusion` one for each pair of an
    expected and a given value that differ, the most frequent first. `unread` is how many answers of
    each variant had no fields at all, by scorer: all that is expected of them counts as missing.
    """

    table: pd.DataFrame
    confusion: pd.DataFrame
    unread: Mapping[tuple[str, str], int]

    def notes(self) -> list[str]:
        """What else a reader should know, in sentences."""
        return [
            clean(
                f"{variant}: {count} {'answer' if count == 1 else 'answers'} could not be read "
                f"by '{scorer}'; every field that was expected counts as missing"
            )
            for (scorer, variant), count in self.unread.items()
        ]


def field_table(frame: pd.DataFrame, scorers: Iterable[Any]) -> FieldTable | None:
    """The table of fields; None if no scorer looks at fields.

    Answers are read again, by the same rules, because a frame keeps only the scores. The share is
    the mean over the cases, repeats (and the records of one answer) averaged first, with its 95 %
    interval (Wilson's, which is conservative for shares).

    Args:
        frame: the long frame.
        scorers: the scorers of structured answers, as `About.field_scorers` has them.
    """
    import pandas as pd

    made = field_scorers(scorers)
    if not made or not len(frame):
        return None
    rows: list[dict[str, Any]] = []
    pairs: dict[tuple[str, ...], int] = {}
    unread: dict[tuple[str, str], int] = {}
    for name, scorer in made.items():
        for variant, part in frame.groupby("variant", sort=False, observed=True):
            found = _outcomes(part, scorer, name)
            broken = sum(why is not None for _, _, why in found)
            if broken:
                unread[name, str(variant)] = broken
            rows += _rows(name, str(variant), found)
            for _, outcomes, why in found:
                if why is None:
                    _count(pairs, name, str(variant), outcomes)
    ordered = sorted(pairs.items(), key=lambda pair: -pair[1])
    confusion = [dict(zip(CONFUSION, (*key, count), strict=True)) for key, count in ordered]
    table = pd.DataFrame(rows, columns=list(TABLE))
    return FieldTable(table, pd.DataFrame(confusion, columns=list(CONFUSION)), unread)


_Read = list[tuple[str, Sequence[FieldOutcome], str | None]]
"""The case, the outcomes and why there are no fields, of each answer."""


def _outcomes(part: pd.DataFrame, scorer: FieldScorer, name: str) -> _Read:
    found: _Read = []
    columns = ("case_id", "output", "expected", "error", "finish_reason", "remarks")
    of_fields = [c for c in part.columns if c.startswith((f"score.{name}.", f"reason.{name}."))]
    said: list[Any] = part[of_fields].to_dict("records")
    for (case_id, output, expected, error, ended, remarks), scores in zip(
        zip(*(part[column] for column in columns), strict=True), said, strict=True
    ):
        if not missing(error) or missing(expected):
            continue
        verdicts = verdicts_in(scores, name)
        reading = read_again(scorer, output, to_json_value(expected), ended, remarks, verdicts)
        if reading is not None:
            found.append((str(case_id), reading.outcomes, reading.unread))
    return found


def _rows(scorer: str, variant: str, found: _Read) -> list[dict[str, Any]]:
    """One row for each field of a variant."""
    counts: dict[str, dict[str, int]] = {}
    values: dict[str, dict[str, list[float]]] = {}
    for case_id, outcomes, _ in found:
        by_field: dict[str, list[float]] = {}
        for item in outcomes:
            if item.outcome is None or item.score.value is None:
                continue
            of_field = counts.setdefault(item.field, dict.fromkeys(COUNTS, 0))
            of_field[item.outcome] += 1
            by_field.setdefault(item.field, []).append(float(item.score.value))
        for field, scores in by_field.items():
            mean = math.fsum(scores) / len(scores)
            values.setdefault(field, {}).setdefault(case_id, []).append(mean)
    rows = []
    for field, of_field in counts.items():
        means = [math.fsum(item) / len(item) for item in values[field].values()]
        low, high = intervals.wilson(math.fsum(means), len(means))
        right, wrong, absent, extra = (of_field[name] for name in COUNTS)
        mean = math.fsum(means) / len(means)
        cells = (scorer, variant, field, mean, low, high, len(means), right, wrong, absent, extra)
        rows.append(dict(zip(TABLE, cells, strict=True)))
    return rows


def _count(
    pairs: dict[tuple[str, ...], int], scorer: str, variant: str, outcomes: Sequence[FieldOutcome]
) -> None:
    for item in outcomes:
        if item.outcome not in (None, "right"):
            key = (scorer, variant, item.field, str(item.outcome), _text(item.wanted),
                   _text(item.given))  # fmt: skip
            pairs[key] = pairs.get(key, 0) + 1


def _text(value: Any) -> str:
    if value is None:
        return NOTHING
    text = clean(value_text(value))
    return text if len(text) <= _CHARS else f"{text[: _CHARS - 1]}…"
