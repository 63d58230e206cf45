"""Rules that compare a given value with the wanted one; `field_rules` makes them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pex.core.errors import PexError
from pex.core.prompt import Prompt
from pex.core.score import Score
from pex.core.text import value_text
from pex.core.variant import ClientModel
from pex.project.spec import Strict
from pex.score import pair_scores
from pex.score.dates import Moment, read_date, same_moment
from pex.score.field_values import identical, instead, key, same, shown
from pex.score.number import near, shown_number
from pex.score.numerals import Numeral, as_typed, numerals
from pex.score.patterns import Pattern
from pex.score.reading import fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Share = Annotated[float, Field(ge=0, le=1, strict=True)]
_Amount = Annotated[float, Field(ge=0, strict=True)]


class FieldRule(Strict):
    """How a given value is compared with the wanted one; call it with the two.

    None is a value that is missing, null, or not expected. The result is a `Score`: True or False,
    a share or a likeness from 0 to 1, or None for a field that is ignored.
    """

    rule: str
    """The name of the rule. Example: `number`."""
    weight: _Amount = 1.0
    """How much the field counts in the share of right fields; 0: shown, not counted. Example:
    `2`."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        # As a part of `Annotated[…]` it changes nothing about the type that it stands beside.
        return handler(source)

    def __hash__(self) -> int:
        # In `Annotated[…]` types are kept in sets.
        return hash(self.rule)

    def __call__(self, given: Any, wanted: Any) -> Score:
        """The score of a given value.

        Raises:
            ValueError: the wanted value is not one that the rule can compare with.
            TimeoutError: a pattern took too long.
        """
        if given is None or wanted is None:
            return self._without(given, wanted)
        if given == wanted and type(given) is type(wanted) and isinstance(given, str | int | float):
            return self.equal(given)
        return self.compare(given, wanted)

    def written(self) -> str | dict[str, Any]:
        """The rule as a file has it: a word, or a mapping with options."""
        given = {
            name: value
            for name, field in type(self).model_fields.items()
            if name in self.model_fields_set
            and (value := written(getattr(self, name))) != field.default
        }
        return self.rule if len(given) == 1 else given

    def _without(self, given: Any, wanted: Any) -> Score:
        """The score if one of the values is missing."""
        if given is None and wanted is None:
            return Score(True)
        if wanted is None:
            return Score(False, reason=f"too much: {shown(given)}")
        return Score(False, reason=f"missing: {shown(wanted)}")

    def equal(self, value: str | float) -> Score:
        """The score of a value that is the wanted one."""
        return Score(True)

    def compare(self, given: Any, wanted: Any) -> Score:
        """The score of a given value if there are both."""
        raise NotImplementedError(self.rule)

    def pairs(self, given: Sequence[Any], wanted: Sequence[Any]) -> NDArray[Any] | None:
        """The scores of all pairs of values, a row for each wanted one, to match records by.

        They may be a little off: of two that are matched, the score is calculated again. None if
        the rule says nothing about which value is which.
        """
        return pair_scores.one_by_one(given, wanted, self.compare)

    def problem(self, wanted: Any) -> str | None:
        """Why the rule cannot compare with a wanted value, to follow the value in a sentence."""
        return None

    def needs_expected(self) -> bool:
        """Whether the rule compares with an expected value."""
        return True

    def usable(self, where: str) -> None:
        """Raise a `PexError` if an option cannot be used, before anything is compared."""


class _Exact(FieldRule):
    """Equal, as JSON values: no letter may differ."""

    def compare(self, given: Any, wanted: Any) -> Score:
        return _is(identical(given, wanted), given, wanted)

    def pairs(self, given: Sequence[Any], wanted: Sequence[Any]) -> NDArray[Any]:
        return pair_scores.equal_codes(given, wanted, _exact_code)


class _Text(FieldRule):
    """Equal, but for case and white space; numbers by value."""

    def compare(self, given: Any, wanted: Any) -> Score:
        return _is(same(given, wanted), given, wanted)

    def pairs(self, given: Sequence[Any], wanted: Sequence[Any]) -> NDArray[Any]:
        return pair_scores.equal_codes(given, wanted, pair_scores.text_code)


class _Number(FieldRule):
    """The same number, within a tolerance; a text may write it with unit and separators."""

    tolerance: _Amount = 0.0
    """How far off the number may be, in its own unit. Example: `0.01`."""
    relative: _Amount = 0.0
    """How far off it may be, as a share of the expected one. Example: `0.001`."""
    decimal: str | None = Field(default=None, pattern=r"^[.,]$")
    """The decimal sign in texts; without it, 1,234 and 1.234 are whichever of the two is expected.
    Example: `","`."""

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

    def pairs(self, given: Sequence[Any], wanted: Sequence[Any]) -> NDArray[Any]:
        tolerances = (self.tolerance, self.relative)
        return pair_scores.near_numbers(given, wanted, self._read, *tolerances)

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
            exact = Fraction(value) if isinstance(value, int) else Fraction(str(value))
            float(exact)  # which the tolerance is a share of
        except (ValueError, OverflowError):
            return "is not a finite number"
        return [exact]


class _Date(FieldRule):
    """The same day, in any usual way of writing, and the same time if one is expected."""

    day_first: bool | None = None
    """What 01/05/2024 is: 1 May if true, January 5 if false; without it such a date is never
    guessed. Example: `true`."""

    def compare(self, given: Any, wanted: Any) -> Score:
        target, found = read_date(wanted, self.day_first), read_date(given, self.day_first)
        if isinstance(target, str):
            raise ValueError(f"the expected value {shown(wanted)} {target}")
        if not isinstance(found, Moment):
            return Score(False, reason=f"{instead(given, wanted)}: it {found}")
        if same_moment(found, target):
            return Score(True, reason=found.note)
        return Score(False, reason=instead(given, wanted))

    def pairs(self, given: Sequence[Any], wanted: Sequence[Any]) -> NDArray[Any]:
        return pair_scores.equal_codes(given, wanted, self._code)

    def _code(self, value: Any) -> Hashable:
        found = read_date(value, self.day_first)
        return key(value) if isinstance(found, str) else found.day

    def problem(self, wanted: Any) -> str | None:
        found = read_date(wanted, self.day_first)
        return found if isinstance(found, str) else None


class _Similarity(FieldRule):
    """How alike two texts are (normalised edit distance)."""

    ignore_case: bool = False
    """Whether upper and lower case are the same. Example: `true`."""
    threshold: _Share | None = None
    """How alike the texts must be, from 0 to 1; without it the likeness is the score. Example:
    `0.8`."""

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

    def pairs(self, given: Sequence[Any], wanted: Sequence[Any]) -> NDArray[Any]:
        return pair_scores.likeness(given, wanted, self.ignore_case, self.threshold)


class _Regex(FieldRule):
    """A pattern matches the given value."""

    pattern: str | None = None
    """The pattern; without it, the expected value is the pattern. Example: `"[A-Z]{2}[0-9]{4}"`."""
    ignore_case: bool = False
    """Whether upper and lower case are the same. Example: `true`."""
    full: bool = False
    """Whether the whole value must match. Example: `true`."""

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

    def equal(self, value: str | float) -> Score:
        return self.compare(value, value)

    def pairs(self, given: Sequence[Any], wanted: Sequence[Any]) -> NDArray[Any] | None:
        return None if self.pattern is not None else super().pairs(given, wanted)

    def needs_expected(self) -> bool:
        return self.pattern is None

    def usable(self, where: str) -> None:
        if self.pattern is not None:
            Pattern(self.pattern, self.ignore_case, f"{where}: pattern")

    def _compiled(self, pattern: str) -> Pattern:
        return Pattern(pattern, self.ignore_case)


class _Ignore(FieldRule):
    """Not compared."""

    def __call__(self, given: Any, wanted: Any) -> Score:
        return Score(None, reason="ignored")

    def pairs(self, given: Sequence[Any], wanted: Sequence[Any]) -> None:
        return None


def written(value: Any) -> Any:
    """Options with rules in them as a file has them."""
    if isinstance(value, FieldRule):
        return value.written()
    if isinstance(value, Mapping):
        return {key: written(item) for key, item in value.items()}
    if isinstance(value, Prompt | Path):
        return rubric_path(value)
    if isinstance(value, ClientModel):
        return value.ref
    whole = isinstance(value, float) and value.is_integer()
    return int(value) if whole else value


def rubric_path(prompt: str | Path | Prompt) -> str:
    """Where the file of a rubric is; of one without a file, where it would be saved."""
    if isinstance(prompt, Prompt):
        prompt = prompt.path or f"judges/{prompt.name}.prompty"
    return str(prompt)


def _is(right: bool, given: Any, wanted: Any) -> Score:
    return Score(True) if right else Score(False, reason=instead(given, wanted))


def _exact_code(value: Any) -> Hashable:
    whole = isinstance(value, float) and value.is_integer()
    return key(int(value) if whole else value)


VALUE_RULES: dict[str, type[FieldRule]] = {
    "text": _Text,
    "exact": _Exact,
    "number": _Number,
    "date": _Date,
    "similarity": _Similarity,
    "regex": _Regex,
    "ignore": _Ignore,
}
"""The rules by their names; the first is the one that applies if none is named."""
