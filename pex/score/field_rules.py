"""Rules for one field of a structured answer, or one argument of a tool call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

from pydantic import Field

from pex.core.errors import PexError, nearest
from pex.core.score import Score
from pex.core.text import value_text
from pex.project.files import validate
from pex.project.spec import Strict
from pex.score.dates import Moment, read_date, same_moment
from pex.score.field_values import distinct, identical, instead, key, same, shown
from pex.score.item_matching import in_order, unmatched
from pex.score.number import near, shown_number
from pex.score.numerals import Numeral, as_typed, numerals
from pex.score.patterns import Pattern
from pex.score.reading import fold

_Share = Annotated[float, Field(ge=0, le=1, strict=True)]
_Amount = Annotated[float, Field(ge=0, strict=True)]


class FieldRule(Strict):
    """How a given value is compared with the wanted one; call it with the two.

    None is a value that is missing, null, or not expected. The result is a `Score`: True or False,
    a share or a likeness from 0 to 1, or None for a field that is ignored.
    """

    rule: str
    weight: _Amount = 1.0
    """How much the field counts in the share of right fields; 0: shown, not counted."""

    def __call__(self, given: Any, wanted: Any) -> Score:
        """The score of a given value.

        Raises:
            ValueError: the wanted value is not one that the rule can compare with.
            TimeoutError: a pattern took too long.
        """
        if given is None or wanted is None:
            return self._without(given, wanted)
        return self.compare(given, wanted)

    def _without(self, given: Any, wanted: Any) -> Score:
        """The score if one of the values is missing."""
        if given is None and wanted is None:
            return Score(True)
        if wanted is None:
            return Score(False, reason=f"too much: {shown(given)}")
        return Score(False, reason=f"missing: {shown(wanted)}")

    def compare(self, given: Any, wanted: Any) -> Score:
        """The score of a given value if there are both."""
        raise NotImplementedError(self.rule)

    def problem(self, wanted: Any) -> str | None:
        """Why the rule cannot compare with a wanted value, to follow the value in a sentence."""
        return None

    def usable(self, where: str) -> None:
        """Raise a `PexError` if an option cannot be used, before anything is compared."""


class _Exact(FieldRule):
    def compare(self, given: Any, wanted: Any) -> Score:
        return _is(identical(given, wanted), given, wanted)


class _Text(FieldRule):
    def compare(self, given: Any, wanted: Any) -> Score:
        return _is(same(given, wanted), given, wanted)


class _Number(FieldRule):
    tolerance: _Amount = 0.0
    relative: _Amount = 0.0
    decimal: str | None = Field(default=None, pattern=r"^[.,]$")
    """The decimal sign in texts; None: 1,234 and 1.234 are whichever of the two is expected."""

    def compare(self, given: Any, wanted: Any) -> Score:
        numbers = self._read(wanted)
        if isinstance(numbers, str):
            raise ValueError(f"the expected value {shown(wanted)} {numbers}")
        target, readings = numbers[0], self._read(given)
        if isinstance(readings, str):
            return Score(False, reason=f"{instead(given, wanted)}: it {readings}")
        best = min(readings, key=lambda value: abs(value - target))
        if near(best, target, self.tolerance, self.relative):
            return Score(True)
        off = shown_number(abs(readings[0] - target))
        return Score(False, reason=f"{instead(given, wanted)}: {off} off")

    def problem(self, wanted: Any) -> str | None:
        numbers = self._read(wanted)
        return numbers if isinstance(numbers, str) else None

    def _read(self, value: Any) -> list[Fraction] | str:
        """The readings of a value as a number, the more likely one first; or what is wrong."""
        if isinstance(value, str):
            found = list(numerals(as_typed(value)))
            if len(found) > 1:
                return f"has {len(found)} numbers"
            if not found or not isinstance(found[0], Numeral):
                return "is not a number"
            first, other = found[0].value, found[0].other
            if other is None:
                return [first]
            # 1,234 and 1.234: the first reading is the one with the decimal point.
            readings = [first] if self.decimal == "." else [other]
            if self.decimal is None:
                readings = [first, other]
            return readings
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return "is not a number"
        try:
            return [Fraction(str(value))]
        except ValueError:
            return "is not a finite number"


class _Date(FieldRule):
    day_first: bool | None = None
    """What 01/05/2024 is: 1 May if True, January 5 if False."""

    def compare(self, given: Any, wanted: Any) -> Score:
        target, found = read_date(wanted, self.day_first), read_date(given, self.day_first)
        if isinstance(target, str):
            raise ValueError(f"the expected value {shown(wanted)} {target}")
        if not isinstance(found, Moment):
            return Score(False, reason=f"{instead(given, wanted)}: it {found}")
        if same_moment(found, target):
            return Score(True, reason=found.note)
        return Score(False, reason=instead(given, wanted))

    def problem(self, wanted: Any) -> str | None:
        found = read_date(wanted, self.day_first)
        return found if isinstance(found, str) else None


class _Items(FieldRule):
    """A rule for lists, with a rule for their items."""

    items: Any = "text"
    partial: bool = False
    """Whether the score is the share that is right (F1), not whether everything is."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """What separates the items if the list is written as one text."""

    def __call__(self, given: Any, wanted: Any) -> Score:
        # A list that is expected to be empty can also be left out.
        if (given or wanted) in (None, []):
            return Score(True)
        return super().__call__(given, wanted)

    def usable(self, where: str) -> None:
        field_rule(self.items, f"{where}: items")

    def compare(self, given: Any, wanted: Any) -> Score:
        want, have = self._list(wanted), self._list(given)
        if want is None:
            raise ValueError(f"the expected value {shown(wanted)} is not a list")
        if have is None:
            return Score(False, reason=f"{instead(given, wanted)}: it is not a list")
        return self._lists(have, want)

    def problem(self, wanted: Any) -> str | None:
        items = self._list(wanted)
        if items is None:
            return "is not a list"
        rule = field_rule(self.items)
        found = ((item, rule.problem(item)) for item in items if item is not None)
        return next((f"has the item {shown(item)}, which {said}" for item, said in found if said),
                    None)  # fmt: skip

    def _list(self, value: Any) -> list[Any] | None:
        if isinstance(value, str) and self.separator is not None:
            parts = (part.strip() for part in value.split(self.separator))
            return [part for part in parts if part]
        return value if isinstance(value, list) else None

    def _right(self, given: list[Any], wanted: list[Any]) -> list[list[bool]]:
        rule = field_rule(self.items)
        return [[_is_right(rule(have, want)) for have in given] for want in wanted]

    def _lists(self, given: list[Any], wanted: list[Any]) -> Score:
        raise NotImplementedError(self.rule)

    def _score(self, missing: Sequence[Any], extra: Sequence[Any], counted: int) -> Score:
        """The score of lists with items that have no partner; `counted` items of both."""
        if not missing and not extra:
            return Score(True)
        said = [_some("missing", missing), _some("too much", extra)]
        value = 1 - (len(missing) + len(extra)) / counted if self.partial else False
        return Score(value, reason="; ".join(part for part in said if part))


class _Set(_Items):
    def _lists(self, given: list[Any], wanted: list[Any]) -> Score:
        given, wanted = distinct(given), distinct(wanted)
        missing, extra = unmatched(given, wanted, self._right, once=False)
        return self._score(missing, extra, len(given) + len(wanted))


class _List(_Items):
    order: bool = True

    def _lists(self, given: list[Any], wanted: list[Any]) -> Score:
        if self.order:
            missing, extra = in_order(given, wanted, self._right)
        else:
            missing, extra = unmatched(given, wanted, self._right, once=True)
        score = self._score(missing, extra, len(given) + len(wanted))
        # The same items in another order: neither is missing.
        if self.order and score.reason and sorted(map(key, missing)) == sorted(map(key, extra)):
            return Score(score.value, reason=f"in another order: {shown(given)}")
        return score


class _Similarity(FieldRule):
    ignore_case: bool = False
    threshold: _Share | None = None
    """From which likeness on the field is right; None: the likeness itself is the score."""

    def compare(self, given: Any, wanted: Any) -> Score:
        from rapidfuzz import fuzz

        texts = [value_text(value) for value in (given, wanted)]
        if self.ignore_case:
            texts = [fold(text) for text in texts]
        alike = float(fuzz.ratio(*texts)) / 100
        if self.threshold is None:
            return Score(alike, reason=None if alike == 1 else instead(given, wanted))
        if alike >= self.threshold:
            return Score(True)
        return Score(False, reason=f"{instead(given, wanted)}: {alike:.2f} alike")


class _Regex(FieldRule):
    pattern: str | None = None
    """None: the expected value is the pattern."""
    ignore_case: bool = False
    full: bool = False

    def _without(self, given: Any, wanted: Any) -> Score:
        if given is not None and self.pattern is not None:
            return self.compare(given, wanted)  # the pattern says what is wanted
        return super()._without(given, wanted)

    def compare(self, given: Any, wanted: Any) -> Score:
        pattern = self._compiled(value_text(wanted) if self.pattern is None else self.pattern)
        find = pattern.fullmatch if self.full else pattern.search
        right = find(value_text(given))
        return Score(right, reason=None if right else f"{shown(given)} does not match")

    def problem(self, wanted: Any) -> str | None:
        if self.pattern is None:
            try:
                self._compiled(value_text(wanted))
            except PexError as error:
                return f"is not a pattern: {error.message}"
        return None

    def usable(self, where: str) -> None:
        if self.pattern is not None:
            Pattern(self.pattern, self.ignore_case, f"{where}: pattern")

    def _compiled(self, pattern: str) -> Pattern:
        return Pattern(pattern, self.ignore_case)


class _Ignore(FieldRule):
    def __call__(self, given: Any, wanted: Any) -> Score:
        return Score(None, reason="ignored")


RULES: dict[str, type[FieldRule]] = {
    "text": _Text,
    "exact": _Exact,
    "number": _Number,
    "date": _Date,
    "set": _Set,
    "list": _List,
    "similarity": _Similarity,
    "regex": _Regex,
    "ignore": _Ignore,
}


def field_rule(spec: Any, where: str = "rule") -> FieldRule:
    """The rule that a word or a mapping describes.

    Args:
        spec: `text` (case and white space ignored, numbers by value), `exact`, `number`
            (`tolerance`, `relative`, `decimal`), `date` (`day_first`), `set` and `list` (`items`,
            `partial`, `separator`; `order`), `similarity` (`threshold`, `ignore_case`), `regex`
            (`pattern`, `ignore_case`, `full`), `ignore`; or a mapping with such a word as `rule`,
            its options and a `weight`.
        where: its place, for an error.

    Raises:
        PexError: there is no such rule or option, or an option cannot be used.

    Example:
        >>> field_rule("number")("1,234.50 €", 1234.5).value
        True
        >>> field_rule({"rule": "number", "tolerance": 0.01})(12.1, 12)
        Score(value=False, reason='12.1 instead of 12: 0.1 off', error=None)
        >>> field_rule("set")(["b", "A"], ["a", "c"]).reason
        'missing: "c"; too much: "b"'
    """
    if isinstance(spec, FieldRule):
        return spec
    options = {"rule": spec} if isinstance(spec, str) else spec
    if not isinstance(options, Mapping):
        raise PexError(
            f"{where}: expected the name of a rule, or {{rule: …}} with its options, got {spec!r}",
            hint=f"rules: {', '.join(RULES)}",
        )
    name = options.get("rule")
    if name is None:
        raise PexError(f"{where}: the key 'rule' is missing", hint=f"one of {', '.join(RULES)}")
    if not isinstance(name, str) or name not in RULES:
        raise PexError(f"{where}: there is no rule '{name}'", hint=nearest(str(name), RULES))
    made = validate(RULES[name], dict(options), where)
    made.usable(where)
    return made


def check_rules(specs: Mapping[str, Any], where: str = "") -> dict[str, FieldRule]:
    """The rules of several fields or arguments, by name.

    Args:
        specs: a word or a mapping for each, as in `field_rule`.
        where: their place, for an error.

    Raises:
        PexError: there is no such rule or option, or an option cannot be used.

    Example:
        >>> check_rules({"total": "nubmer"}, "scorer 'fields'")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: scorer 'fields': field 'total': there is no rule 'nubmer'
          did you mean 'number'?
    """
    place = f"{where}: " if where else ""
    return {name: field_rule(spec, f"{place}field '{name}'") for name, spec in specs.items()}


def _is(right: bool, given: Any, wanted: Any) -> Score:
    return Score(True) if right else Score(False, reason=instead(given, wanted))


def _some(what: str, values: Sequence[Any]) -> str:
    more = f" and {len(values) - 3} more" if len(values) > 3 else ""
    return f"{what}: {', '.join(map(shown, values[:3]))}{more}" if values else ""


def _is_right(score: Score) -> bool:
    """Whether two items are partners; a likeness counts from 0.9 on."""
    return score.value is None or float(score.value) >= 0.9
