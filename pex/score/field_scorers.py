"""The scorers `fields` and `records`: structured answers, field by field."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from pex.core.call import Answer
from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.score import Score
from pex.score.base import CUT_OFF, NOT_EXPECTED, is_cut_off
from pex.score.field_paths import FieldPath, lookup
from pex.score.field_plan import (
    FieldOutcome,
    FieldPlan,
    Outcome,
    as_object,
    check_many,
    check_wanted,
)
from pex.score.field_values import shown
from pex.score.judge.judge import Judge
from pex.score.judge_rule import PENDING
from pex.score.reading import NoJson, parse_json, read_json, shorten
from pex.score.record_matching import MOST_RECORDS, Matching


@dataclasses.dataclass(frozen=True, slots=True)
class FieldReading:
    """What came of the fields of one answer.

    `unread` says why the answer has no fields at all: then all that are expected are missing.
    `notes` are remarks on how it was read; `found` and `records` are of lists of records: the
    matching, None if there were too many, and the given and the expected records.
    """

    outcomes: Sequence[FieldOutcome]
    unread: str | None = None
    notes: Sequence[str] = ()
    found: Matching | None = None
    records: tuple[Sequence[Any], Sequence[Any]] = ((), ())


NO_VERDICTS: Mapping[str, Score] = {}


class FieldScorer(Protocol):
    """A rule that also says what came of each field; `options` are its own, as a file has them."""

    options: Mapping[str, Any]

    def read(
        self, answer: Answer, expected: Any, verdicts: Mapping[str, Score] = NO_VERDICTS
    ) -> FieldReading:
        """What came of each field of an answer; `verdicts` are scores by judges, by field."""
        ...


class Fields:
    """Each field of a JSON answer is the expected one; the score itself is the share that is.

    A field that is expected to be null can also be left out; one without an expectation in a case
    is not counted there. The expected answer can be the text of a JSON object (from CSV).
    """

    def __init__(self, plan: FieldPlan, options: Mapping[str, Any]) -> None:
        self._plan, self.options = plan, options
        self.judges: Sequence[Judge] = ()
        """The judges of the fields whose rule is `judge`."""

    @property
    def needs_expected(self) -> bool:
        """Whether it says nothing about an answer to a case without an expected one."""
        return self._plan.needs_expected

    def read(
        self, answer: Answer, expected: Any, verdicts: Mapping[str, Score] = NO_VERDICTS
    ) -> FieldReading:
        """What came of each field of an answer.

        Raises:
            TypeError: the expected answer is not an object.
        """
        reading = self._read(answer, expected)
        judged = self._plan.judged & verdicts.keys()
        if not judged:
            return reading
        outcomes = [
            _judged(item, verdicts[item.field]) if item.field in judged else item
            for item in reading.outcomes
        ]
        return dataclasses.replace(reading, outcomes=outcomes)

    def _read(self, answer: Answer, expected: Any) -> FieldReading:
        wanted = as_object(expected)
        if wanted is None:
            raise TypeError("the expected answer must be an object with fields")
        read = read_json(answer.output or "")
        if is_cut_off(answer):
            return self._unread(wanted, CUT_OFF, CUT_OFF)
        if isinstance(read.value, NoJson):
            why = f"not valid JSON: {read.value.reason}"
            return self._unread(wanted, "not valid JSON", why)
        if not isinstance(read.value, dict):
            return self._unread(wanted, "no JSON object", None, read.notes)
        return FieldReading(list(self._plan.compare(read.value, wanted)), notes=read.notes)

    def _unread(
        self, wanted: Mapping[str, Any], reason: str, unread: str | None, notes: Sequence[str] = ()
    ) -> FieldReading:
        """The reading of an answer without fields: what is forbidden is not there either."""
        outcomes = []
        forbidden = {path.name for path in self._plan.forbidden}
        for item in self._plan.compare({}, wanted):
            if item.field in forbidden:
                item = dataclasses.replace(item, outcome=None, score=Score(None, reason=reason))
            elif item.outcome is not None:
                score = Score(False, reason=reason)
                item = dataclasses.replace(item, outcome="missing", score=score)
            outcomes.append(item)
        return FieldReading(outcomes, unread or reason, notes)

    def __call__(self, answer: Answer, case: Case) -> Any:
        """The scores of an answer: the share under no name, each field under its own."""
        return self.scores(answer, case, {})

    def scores(self, answer: Answer, case: Case, verdicts: Mapping[str, Score]) -> Any:
        """The same, with what judges say of their fields; without that, there is no share yet."""
        if case.expected is None and self._plan.needs_expected:
            return Score(None, reason=NOT_EXPECTED)
        reading = self.read(answer, {} if case.expected is None else case.expected, verdicts)
        scores = field_scores(reading.outcomes)
        failed = [f"{n}: {s.error}" for n, s in scores.items() if s.error]
        if failed:
            return {**scores, "": Score(None, error="; ".join(failed))}
        if any(score.reason == PENDING for score in scores.values()):
            return {"": Score(None, reason=PENDING), **scores}
        weights = _weights(reading.outcomes)
        values = [(s, weights[name]) for name, s in scores.items() if s.value is not None]
        total = sum(weight for _, weight in values)
        if not total:
            return {"": Score(None, reason=NOT_EXPECTED), **scores}
        counted = [score for score, weight in values if weight]
        right = sum(score.value is True or score.value == 1 for score in counted)
        many = "field" if len(counted) == 1 else "fields"
        said = [f"{right} of {len(counted)} {many}", *reading.notes]
        if reading.unread and reading.unread != "no JSON object":
            said = [reading.unread]
        share = sum(float(score.value or 0) * weight for score, weight in values) / total
        return {"": Score(share, reason=shorten("; ".join(said))), **scores}


class Records:
    """A list of records: those that are expected, and no others; then their fields.

    Given and expected records are matched to each other, so that as many fields as possible agree.
    The score itself is F1 of the matching, beside it are `precision`, `recall`, `fields` (the share
    of right fields of the matched records) and `fields.<name>`.
    """

    def __init__(
        self,
        plan: FieldPlan,
        path: str | None,
        match_by: Sequence[str],
        threshold: float,
        options: Mapping[str, Any],
    ) -> None:
        self._plan, self._threshold, self.options = plan, threshold, options
        self._path = path
        self.match_by = tuple(match_by)

    def records_in(self, value: Any) -> list[Any] | None:
        """The list of records in a value; None if it has none."""
        return records_in(value, self._path)

    def fields(self, records: Sequence[Any]) -> dict[FieldPath, Any]:
        """The fields of expected records, with their rules."""
        keys = {name: None for record in records if isinstance(record, dict) for name in record}
        return self._plan.fields(keys)

    def read(
        self, answer: Answer, expected: Any, verdicts: Mapping[str, Score] = NO_VERDICTS
    ) -> FieldReading:
        """What came of each field of each record; no judge is asked about one.

        Raises:
            TypeError: the expected answer is not a list of records.
        """
        wanted = self.records_in(expected)
        if wanted is None:
            raise TypeError("the expected answer must be a list of records")
        read, unread = read_json(answer.output or ""), None
        given = None if isinstance(read.value, NoJson) else self.records_in(read.value)
        if is_cut_off(answer):
            given, unread = None, CUT_OFF
        elif isinstance(read.value, NoJson):
            unread = f"not valid JSON: {read.value.reason}"
        elif given is None:
            unread = "no list of records"
        given = given or []
        options = (self._threshold, self.match_by)
        found, outcomes = self._plan.records(given, wanted, self.fields(wanted), *options)
        return FieldReading(outcomes, unread, read.notes, found, (given, wanted))

    def __call__(self, answer: Answer, case: Case) -> Any:
        """The scores of an answer."""
        if case.expected is None:
            return Score(None, reason=NOT_EXPECTED)
        reading = self.read(answer, case.expected)
        given, wanted = map(len, reading.records)
        if reading.unread is not None:
            names = ["", "precision", "recall", "fields"]
            return dict.fromkeys(names, Score(0.0, shorten(reading.unread)))
        if reading.found is None:
            most = f"{given:,} records: at most {MOST_RECORDS:,} are matched"
            return dict.fromkeys(["", "precision", "recall"], Score(0.0, reason=most))
        matched = len(reading.found.pairs)
        reason = shorten("; ".join([*_said(reading.found, *reading.records), *reading.notes]))
        scores = {
            "": Score(2 * matched / (given + wanted) if given + wanted else 1.0, reason),
            "precision": Score(matched / given) if given else Score(None, "no records given"),
            "recall": Score(matched / wanted) if wanted else Score(None, "no records expected"),
        }
        partners = {str(number + 1) for number, _ in reading.found.pairs}
        inside = [item for item in reading.outcomes if item.record in partners]
        each = field_scores(inside)
        weights = _weights(inside)
        values = [(float(s.value), weights[n]) for n, s in each.items() if s.value is not None]
        total = sum(weight for _, weight in values)
        if total:
            scores["fields"] = Score(sum(value * weight for value, weight in values) / total)
        return scores | {f"fields.{name}": score for name, score in each.items()}


def _judged(item: FieldOutcome, verdict: Score) -> FieldOutcome:
    """The outcome of a field with what its judge says."""
    if item.given is None:
        return item
    outcome: Outcome | None = item.outcome if item.outcome in ("too much", "missing") else "wrong"
    if verdict.value is None:
        outcome = None
    elif verdict.value >= 1:
        outcome = "right"
    return dataclasses.replace(item, outcome=outcome, score=verdict)


def records_in(value: Any, path: str | None) -> list[Any] | None:
    """The list of records in a value; None if it has none.

    It is the value itself, what is at the path, or the only list in an object.

    Example:
        >>> records_in({"rows": [1], "n": 1}, None), records_in('[{"a": 1}]', "rows")
        ([1], [{'a': 1}])
    """
    if isinstance(value, str):
        value = parse_json(value)
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return None
    if path is not None:
        found = lookup(value, path.split("."))[1]
        return found if isinstance(found, list) else None
    lists = [item for item in value.values() if isinstance(item, list)]
    return lists[0] if len(lists) == 1 else None


def _said(found: Matching, given: Sequence[Any], wanted: Sequence[Any]) -> list[str]:
    """Which records are missing, and which are too much."""
    parts = [
        f"{len(found.pairs)} of {len(wanted)} found",
        _named("missing", [wanted[number] for number in found.missing]),
        _named("too much", [given[number] for number in found.extra]),
    ]
    return [part for part in parts if part]


def _named(what: str, records: Sequence[Any]) -> str:
    texts = [shown(record) for record in records[:2]]
    texts = [text if len(text) <= 60 else f"{text[:59]}…" for text in texts]
    more = f" and {len(records) - 2} more" if len(records) > 2 else ""
    return f"{what}: {', '.join(texts)}{more}" if records else ""


def field_scores(outcomes: Iterable[FieldOutcome]) -> dict[str, Score]:
    """The score of each field; of the fields of several records, the share that is right."""
    grouped: dict[str, list[FieldOutcome]] = {}
    for item in outcomes:
        grouped.setdefault(item.field, []).append(item)
    return {
        name: items[0].score if len(items) == 1 and not items[0].record else _share(items)
        for name, items in grouped.items()
    }


def _share(items: Sequence[FieldOutcome]) -> Score:
    values = [float(item.score.value) for item in items if item.score.value is not None]
    if not values:
        return Score(None, reason=items[0].score.reason)
    wrong = [item for item in items if item.outcome not in ("right", None)]
    said = [f"record {item.record}: {item.score.reason}" for item in wrong[:3]]
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    right = len(values) - len(wrong)
    reason = f"{right} of {len(values)} records" + "".join(f"; {part}" for part in said) + more
    return Score(sum(values) / len(values), reason=shorten(reason))


def _weights(outcomes: Sequence[FieldOutcome]) -> dict[str, float]:
    return {item.field: item.weight for item in outcomes}


def check_records(scorer: Records, plan: FieldPlan, cases: Sequence[Case]) -> None:
    """Compare a plan for records with what the cases expect.

    Raises:
        PexError: a case does not expect a list of records, no case expects a field, or an expected
            value is not one that its rule can compare with.
    """
    expected: list[tuple[Case, list[Any]]] = []
    for case in cases:
        if case.expected is None:
            continue
        records = scorer.records_in(case.expected)
        if records is None:
            raise PexError(
                f"case '{case.id}' expects '{shorten(shown(case.expected))}', which is not a list "
                "of records",
                hint="the list, or an object with the list: path: says where it is",
            )
        check_many(case, records)
        expected.append((case, records))
    known = {
        name: None
        for _, records in expected
        for record in records
        if isinstance(record, dict)
        for name in record
    }
    for name in scorer.match_by:
        if plan.rules is not None and name not in {path.text for path in plan.rules}:
            names = [path.text for path in plan.rules]
            raise PexError(f"match_by: there is no rule for '{name}'", hint=nearest(name, names))
        if plan.rules is None and expected and name not in known:
            raise PexError(f"match_by: no case expects '{name}'", hint=nearest(name, known))
    for path, rule in (plan.rules or {}).items():
        if path.records is not None:
            raise PexError(
                f"field '{path.text}': a list within the records of another is not matched",
                hint="compare it as a whole: {rule: list, order: false}",
            )
        found = [
            (case, value)
            for case, records in expected
            for there, value in (lookup(record, path.names) for record in records)
            if there
        ]
        if expected and not found and rule.needs_expected() and path not in plan.required:
            raise PexError(
                f"no case expects a record with the field '{path.text}'",
                hint=nearest(path.text, known),
            )
        check_wanted(path.text, rule, found)
