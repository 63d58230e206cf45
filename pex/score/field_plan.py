"""Which fields of an object are compared, and how; what came of each of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.names import check_name
from pex.core.score import Score
from pex.core.text import value_text
from pex.score.base import NOT_EXPECTED
from pex.score.field_paths import FieldPath, field_path, lookup, paths_in, plain_path
from pex.score.field_rules import FieldRule, check_rules, field_rule
from pex.score.field_values import shown
from pex.score.judge_rule import JUDGE
from pex.score.reading import parse_json, shorten
from pex.score.record_matching import MOST_RECORDS, Matching, match_records

Outcome = Literal["right", "wrong", "missing", "too much"]
REST = "*"
"""Instead of a field: all others that a case expects."""
DEFAULT = field_rule("text")


@dataclasses.dataclass(slots=True)  # not frozen: there are many, and that takes half as long
class FieldOutcome:
    """One field of one answer: what was given and expected, and the score.

    Of a list of records there is one for each record, `record` its number; a number with a plus
    sign is the number of a given record that is not expected.
    """

    field: str
    outcome: Outcome | None
    score: Score
    given: Any
    wanted: Any
    weight: float = 1.0
    record: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class FieldPlan:
    """The rules of fields; None: every field that a case expects, by the default rule.

    `rest` is the rule for fields that have none; without it, they are not compared. `required`
    fields must be there even if a case does not expect them, `forbidden` ones must not.
    """

    rules: Mapping[FieldPath, FieldRule] | None = None
    rest: FieldRule | None = None
    required: frozenset[FieldPath] = frozenset()
    forbidden: frozenset[FieldPath] = frozenset()

    def fields(self, wanted: Mapping[str, Any]) -> dict[FieldPath, FieldRule]:
        """The fields that are compared where this is expected, in order, with their rules."""
        found = dict(self.rules or {})
        rest = DEFAULT if self.rules is None else self.rest
        if rest is not None:
            begun = {(path.records or path.names)[0] for path in found} | {p.text for p in found}
            found |= {plain_path(name): rest for name in wanted if name not in begun}
        named = [*sorted(self.required, key=_text), *sorted(self.forbidden, key=_text)]
        for path in named:
            found.setdefault(path, DEFAULT)
        return found

    @property
    def judged(self) -> set[str]:
        """The names of the fields whose rule is `judge`."""
        return {path.name for path, rule in (self.rules or {}).items() if rule.rule == JUDGE}

    @property
    def needs_expected(self) -> bool:
        """Whether it says nothing about an answer to a case without an expected one."""
        rules = (self.rules or {}).values()
        alone = any(rule.rule == JUDGE and not rule.needs_expected() for rule in rules)
        return not (self.required or self.forbidden or alone)

    def compare(self, given: Any, wanted: Mapping[str, Any]) -> Iterator[FieldOutcome]:
        """What came of each field of an answer; a field that is not expected has no outcome.

        Args:
            given: the answer; fields of anything but an object are missing.
            wanted: the expected object.
        """
        fields = self.fields(wanted)
        lists: dict[tuple[str, ...], dict[FieldPath, FieldRule]] = {}
        for path, rule in fields.items():
            if path.records is not None:
                lists.setdefault(path.records, {})[path] = rule
        for path, rule in fields.items():
            if path.records is None:
                yield self._one(path, rule, given, wanted)
            elif path.records in lists:  # all fields of its records, in the place of the first
                yield from self._records(path.records, lists.pop(path.records), given, wanted)

    def _one(
        self,
        path: FieldPath,
        rule: FieldRule,
        given: Any,
        wanted: Any,
        record: str = "",
    ) -> FieldOutcome:
        have = lookup(given, path.names)[1]
        there, want = lookup(wanted, path.names)
        if self.forbidden and path in self.forbidden:
            right = have is None
            reason = None if right else f"too much: {shown(have)}"
            return _outcome(path, Score(right, reason), have, None, rule, record)
        if have is None and self.required and path in self.required:
            reason = "missing" if want is None else f"missing: {shown(want)}"
            return _outcome(path, Score(False, reason), have, want, rule, record)
        if not there:
            if have is not None and not rule.needs_expected():
                return _outcome(path, rule(have, None), have, None, rule, record)
            if path in self.required:
                return _outcome(path, Score(True), have, None, rule, record)
            return FieldOutcome(
                path.name, None, Score(None, NOT_EXPECTED), have, None, rule.weight, record
            )
        return _outcome(path, rule(have, want), have, want, rule, record)

    def _records(
        self,
        names: tuple[str, ...],
        fields: Mapping[FieldPath, FieldRule],
        given: Any,
        wanted: Any,
    ) -> Iterator[FieldOutcome]:
        """What came of the fields of a list of records."""
        there, want = lookup(wanted, names)
        have = lookup(given, names)[1]
        if not there and not any(path in self.forbidden | self.required for path in fields):
            for path, rule in fields.items():
                nothing = Score(None, NOT_EXPECTED)
                yield FieldOutcome(path.name, None, nothing, have, None, rule.weight)
            return
        if as_records(want) or as_records(have):
            yield from self.records(as_records(have), as_records(want), fields)[1]
            return
        for path, rule in fields.items():
            yield _outcome(path, Score(True, "no records"), have, want, rule, "")

    def records(
        self,
        given: Sequence[Any],
        wanted: Sequence[Any],
        fields: Mapping[FieldPath, FieldRule],
        threshold: float | None = None,
        match_by: Sequence[str] = (),
    ) -> tuple[Matching | None, list[FieldOutcome]]:
        """Two lists of records matched to each other, and what came of their fields.

        Args:
            given: the records of the answer.
            wanted: the expected records.
            fields: the fields of a record, and their rules.
            threshold: the least likeness of two partners; None: the usual one.
            match_by: the paths that partners are found by; all if there are none.
        """
        by = {p.names: r for p, r in fields.items() if not match_by or p.text in match_by}
        found = match_records(given, wanted, by, *([] if threshold is None else [threshold]))
        if found is None:
            found_all = Matching([], range(len(wanted)), range(len(given)))
            return None, self._unmatched([], wanted, fields, found_all)
        outcomes: list[FieldOutcome] = []
        for w, g in found.pairs:
            for path, rule in fields.items():
                neither = lookup(wanted[w], path.names)[1] is None
                neither = neither and lookup(given[g], path.names)[1] is None
                if neither and path not in self.required | self.forbidden:
                    continue  # a field that neither has says nothing
                outcomes.append(self._one(path, rule, given[g], wanted[w], str(w + 1)))
        outcomes += self._unmatched(given, wanted, fields, found)
        return found, outcomes

    def _unmatched(
        self,
        given: Sequence[Any],
        wanted: Sequence[Any],
        fields: Mapping[FieldPath, FieldRule],
        found: Matching,
    ) -> list[FieldOutcome]:
        """Every field of the records without a partner: missing, or too much."""
        outcomes = []
        for path, rule in fields.items():
            for number in found.missing:
                want = lookup(wanted[number], path.names)[1]
                if want is not None and path not in self.forbidden:
                    score = Score(False, f"missing: {shown(want)}")
                    outcomes.append(_outcome(path, score, None, want, rule, str(number + 1)))
            for number in found.extra if given else ():
                have = lookup(given[number], path.names)[1]
                if have is not None:
                    score = Score(False, f"too much: {shown(have)}")
                    outcomes.append(_outcome(path, score, have, None, rule, f"+{number + 1}"))
        return [item for item in outcomes if item.outcome is not None]  # ignored


def _outcome(
    path: FieldPath, score: Score, given: Any, wanted: Any, rule: FieldRule, record: str
) -> FieldOutcome:
    ignored = rule.rule == "ignore"
    if ignored:
        score = rule(given, wanted)
    outcome: Outcome | None = "wrong"
    if score.value is None:
        outcome = None
    elif score.value >= 1:
        outcome = "right"
    elif given is None:
        outcome = "missing"
    elif wanted is None and rule.needs_expected():
        outcome = "too much"
    return FieldOutcome(path.name, outcome, score, given, wanted, rule.weight, record)


def _text(path: FieldPath) -> str:
    return path.text


def as_records(value: Any) -> list[Any]:
    """The records of a value: of a list, its items; of anything else, none."""
    return value if isinstance(value, list) else []


def as_object(expected: Any) -> dict[str, Any] | None:
    """An expected object, also as the text of one (from CSV)."""
    data = parse_json(expected) if isinstance(expected, str) else expected
    return data if isinstance(data, dict) else None


def make_plan(
    fields: Sequence[str] | Mapping[str, Any] | None,
    required: Sequence[str],
    forbidden: Sequence[str],
    judges: bool = False,
) -> FieldPlan:
    """The plan that a scorer's options describe.

    Args:
        fields: names, compared by the default rule, or names with rules; None: all expected ones.
        required: fields that must be there.
        forbidden: fields that must not be there.
        judges: whether a field can have the rule `judge`.

    Raises:
        PexError: a rule or path is not valid, or two of them contradict each other.
    """
    given = fields if isinstance(fields, Mapping) else dict.fromkeys(fields or (), DEFAULT)
    made = check_rules(given, judges=judges)
    rest = made.pop(REST, None)
    rules = {field_path(name): rule for name, rule in made.items()}
    plan = FieldPlan(
        None if fields is None else rules,
        rest,
        frozenset(map(field_path, required)),
        frozenset(map(field_path, forbidden)),
    )
    for path in sorted(plan.required & plan.forbidden, key=_text):
        raise PexError(f"field '{path.text}' is both required and forbidden")
    _check_names([*rules, *plan.required, *plan.forbidden])
    if rules and rest is None and not any(rule.weight for rule in rules.values()):
        raise PexError("every field has the weight 0, so nothing is counted")
    return plan


def _check_names(paths: Sequence[FieldPath]) -> None:
    named: dict[str, str] = {}
    for path in paths:
        if named.setdefault(path.name, path.text) != path.text:
            raise PexError(
                f"the fields '{named[path.name]}' and '{path.text}' would have one score"
            )


def check_plan(plan: FieldPlan, cases: Sequence[Case]) -> None:
    """Compare a plan with what the cases expect.

    Raises:
        PexError: a case does not expect an object, no case expects a field, or an expected value is
            not one that its rule can compare with.
    """
    rules = plan.rules or {}
    expected: list[tuple[Case, dict[str, Any]]] = []
    for case in cases:
        if case.expected is None:
            continue
        found = as_object(case.expected)
        if found is None:
            raise PexError(
                f"case '{case.id}' expects '{shorten(value_text(case.expected))}', which is not an "
                "object with fields"
            )
        expected.append((case, found))
    if plan.rules is None:
        for name in dict.fromkeys(name for _, found in expected for name in found):
            check_name(name, "field")
    for path, rule in rules.items():
        values = [(case, value) for case, found in expected for value in wanted(path, found)]
        if values or not rule.needs_expected() or path in plan.required:
            pass
        elif expected and not _has_empty_list(path, expected):
            known = dict.fromkeys(name for _, found in expected for name in paths_in(found))
            raise PexError(
                f"no case expects the field '{path.text}'", hint=nearest(path.text, known)
            )
        check_wanted(path.text, rule, values)
    for case, found in expected:
        for path in rules:
            if path.records is not None:
                check_many(case, as_records(lookup(found, path.records)[1]))


def wanted(path: FieldPath, expected: Any) -> list[Any]:
    """The values of a field that a case expects: of a list of records, one of each."""
    if path.records is None:
        there, value = lookup(expected, path.names)
        return [value] if there else []
    found = (lookup(r, path.names) for r in as_records(lookup(expected, path.records)[1]))
    return [value for there, value in found if there]


def _has_empty_list(path: FieldPath, expected: Sequence[tuple[Case, dict[str, Any]]]) -> bool:
    """Whether a case expects a list of such records, but without records in it."""
    return path.records is not None and any(
        lookup(found, path.records)[1] == [] for _, found in expected
    )


def check_wanted(field: str, rule: FieldRule, values: Sequence[tuple[Case, Any]]) -> None:
    """Raise a `PexError` for the first expected value that a rule cannot compare with."""
    for case, value in values:
        if value is not None and (problem := rule.problem(value)) is not None:
            raise PexError(
                f"case '{case.id}': field '{field}' expects {shown(value)}, which {problem}"
            )


def check_many(case: Case, records: Sequence[Any]) -> None:
    """Raise a `PexError` if a case expects more records than can be matched."""
    if len(records) > MOST_RECORDS:
        raise PexError(
            f"case '{case.id}' expects {len(records):,} records; at most {MOST_RECORDS:,} are "
            "matched"
        )
