"""What came of each field, read again from answers that were scored before."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pex.core.call import Answer
from pex.core.errors import PexError
from pex.core.score import Score
from pex.core.text import value_text
from pex.core.values import missing
from pex.project.files import validate
from pex.score.base import RuleScorer
from pex.score.field_plan import FieldOutcome
from pex.score.field_scorers import NO_VERDICTS, FieldReading, Fields, FieldScorer, Records
from pex.score.field_values import instead
from pex.score.kinds import FieldsKind, RecordsKind
from pex.score.reading import shorten

_KINDS: dict[str, type[FieldsKind | RecordsKind]] = {"fields": FieldsKind, "records": RecordsKind}


def field_options(scorers: Iterable[Any]) -> list[dict[str, Any]]:
    """The options of the scorers of structured answers, as a file has them, with their names."""
    found = ((item.name, item.rule) for item in scorers if isinstance(item, RuleScorer))
    return [
        {**rule.options, "name": name}
        for name, rule in found
        if isinstance(rule, Fields | Records)
    ]  # fmt: skip


def field_scorers(options: Iterable[Any]) -> dict[str, FieldScorer]:
    """The scorers of structured answers among some options, by name; others are left out.

    Args:
        options: from `field_options`, or scorers as a file has them.

    Example:
        >>> list(field_scorers(["label", {"kind": "fields", "name": "facts"}]))
        ['facts']
    """
    found: dict[str, FieldScorer] = {}
    for item in options:
        given = {"kind": item} if isinstance(item, str) else item
        kind = _KINDS.get(str(given.get("kind"))) if isinstance(given, Mapping) else None
        if kind is None:
            continue
        try:
            made = validate(kind, dict(given), "scorer")
            found[made.name or made.kind] = made.scorer()
        except PexError:  # written by another version
            continue
    return found


def read_again(
    scorer: FieldScorer,
    output: Any,
    expected: Any,
    finish_reason: Any = None,
    remarks: Any = None,
    verdicts: Mapping[str, Score] = NO_VERDICTS,
) -> FieldReading | None:
    """What came of the fields of an answer; None if there is no answer, or nothing was expected.

    Args:
        scorer: the scorer of structured answers.
        output: the answer.
        expected: the expected answer.
        finish_reason: why the answer ended.
        remarks: the remarks on it.
        verdicts: the scores that judges gave to fields, from `verdicts_in`.
    """
    if not isinstance(output, str) or expected is None or expected == "":
        return None
    answer = Answer(
        output,
        finish_reason=finish_reason if isinstance(finish_reason, str) else None,
        remarks=list(remarks) if isinstance(remarks, list) else [],
    )
    try:
        return scorer.read(answer, expected, verdicts)
    except (TypeError, ValueError, TimeoutError, RecursionError):  # its score is an error
        return None


def verdicts_in(row: Mapping[str, Any], scorer: str) -> dict[str, Score]:
    """The scores of a scorer's fields in a row of the long frame, by field.

    Example:
        >>> row = {"score.facts.a": 0.0, "reason.facts.a": "no", "score.facts.b": float("nan")}
        >>> verdicts_in(row, "facts")["a"]
        Score(value=0.0, reason='no', error=None)
    """
    start = f"score.{scorer}."
    found = {}
    for column, value in row.items():
        if column.startswith(start):
            field = column.removeprefix(start)
            reason = row.get(f"reason.{scorer}.{field}")
            given = None if missing(value) else float(value)
            found[field] = Score(given, reason if isinstance(reason, str) else None)
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not as expected; `given` and `wanted` are None where there is none.

    `what` is wrong, missing, too much, or how much of it is right; `note` is what else is known.
    """

    what: str
    field: str
    given: str | None
    wanted: str | None
    note: str = ""


def differences(reading: FieldReading) -> list[Difference]:
    """The fields that are not as expected, in the order of the records and fields.

    A record without a partner is one of them, not each of its fields.

    Example:
        >>> scorer = field_scorers(["fields"])["fields"]
        >>> found = read_again(scorer, '{"a": 1, "b": "x"}', {"a": 1, "b": "y", "c": 2})
        >>> [(item.what, item.field, item.given, item.wanted) for item in differences(found)]
        [('wrong', 'b', 'x', 'y'), ('missing', 'c', None, '2')]
    """
    wrong = [item for item in reading.outcomes if item.outcome not in (None, "right")]
    by_record: dict[tuple[bool, int], list[FieldOutcome]] = {}
    for item in wrong:
        by_record.setdefault(_place(item.record), []).append(item)
    found = [item for place, items in by_record.items() if not place[1] for item in items]
    differing = [_difference(item) for item in found]
    partners = {item.record for item in reading.outcomes if item.given is not None} & {
        item.record for item in reading.outcomes if item.wanted is not None
    }
    for place, items in sorted(by_record.items()):
        if place[1] and items[0].record not in partners and len(items) > 1:
            differing.append(_whole(items))
        elif place[1]:
            differing += map(_difference, items)
    return differing


def _place(record: str) -> tuple[bool, int]:
    """Where a record stands: those that are expected first; 0 if it is none."""
    return record.startswith("+"), int(record.lstrip("+") or 0)


def _whole(items: Sequence[FieldOutcome]) -> Difference:
    """A record without a partner."""
    given = any(item.given is not None for item in items)
    values = ((item.field, item.given if given else item.wanted) for item in items)
    text = shorten(", ".join(f"{name}: {value_text(value)}" for name, value in values))
    name = _named(items[0].record)
    return (
        Difference("too much", name, text, None) if given
        else Difference("missing", name, None, text)
    )  # fmt: skip


def _difference(item: FieldOutcome) -> Difference:
    what, value = str(item.outcome), item.score.value
    if what == "wrong" and value is not None and 0 < value < 1:
        what = f"{value:.0%} right".replace("%", " %")
    reason, both = item.score.reason or "", instead(item.given, item.wanted)
    known = what in ("missing", "too much") and reason.startswith(what)
    note = "" if known else reason.removeprefix(both).removeprefix(": ")
    name = f"{item.field} ({_named(item.record)})" if item.record else item.field
    return Difference(what, name, _text(item.given), _text(item.wanted), note)


def _named(record: str) -> str:
    return f"given record {record[1:]}" if record.startswith("+") else f"record {record}"


def _text(value: Any) -> str | None:
    return None if value is None else shorten(value_text(value))
