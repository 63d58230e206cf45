"""Rules that compare two lists, item by item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pex.core.score import Score
from pex.score import pair_scores
from pex.score.field_values import distinct, instead, key, shown
from pex.score.item_matching import in_order, unmatched
from pex.score.value_rules import FieldRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PARTNERS = 0.9
"""From which likeness on two items of lists are the same one."""


class Items(FieldRule):
    """A rule for lists, with a rule for their items."""

    items: Any = "text"
    """The rule for the items. Example: `number`."""
    partial: bool = False
    """Whether the score is the share that is right (F1), not whether everything is. Example:
    `true`."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """What separates the items if the list is written as one text. Example: `","`."""

    def __call__(self, given: Any, wanted: Any) -> Score:
        """The score of a given list."""
        # A list that is expected to be empty can also be left out.
        nothing: tuple[Any, Any] = (None, [])
        if given in nothing and wanted in nothing:
            return Score(True)
        return super().__call__(given, wanted)

    def compare(self, given: Any, wanted: Any) -> Score:
        """The score of a given list if there are both."""
        want, have = self._list(wanted), self._list(given)
        if want is None:
            raise ValueError(f"the expected value {shown(wanted)} is not a list")
        if have is None:
            return Score(False, reason=f"{instead(given, wanted)}: it is not a list")
        return self._lists(have, want)

    def pairs(self, given: Sequence[Any], wanted: Sequence[Any]) -> NDArray[Any]:
        """The scores of all pairs of lists, to match records by: items in any order, as texts."""
        lists = [[self._items(value) for value in values] for values in (given, wanted)]
        return pair_scores.shared_items(lists[0], lists[1], self.partial)

    def _items(self, value: Any) -> list[Any] | None:
        return self._list(value)

    def problem(self, wanted: Any) -> str | None:
        """Why the rule cannot compare with a wanted value."""
        items = self._list(wanted)
        if items is None:
            return "is not a list"
        rule: FieldRule = self.items
        found = ((item, rule.problem(item)) for item in items if item is not None)
        return next((f"has the item {shown(item)}, which {said}" for item, said in found if said),
                    None)  # fmt: skip

    def _list(self, value: Any) -> list[Any] | None:
        if isinstance(value, str) and self.separator is not None:
            parts = (part.strip() for part in value.split(self.separator))
            return [part for part in parts if part]
        return value if isinstance(value, list) else None

    def _right(self, given: list[Any], wanted: list[Any]) -> list[list[bool]]:
        rule: FieldRule = self.items
        if len(given) * len(wanted) > pair_scores.MOST and None not in given and None not in wanted:
            scores = rule.pairs(given, wanted)
            if scores is not None:
                found: list[list[bool]] = (scores >= _PARTNERS).tolist()
                return found
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


class _Set(Items):
    """The same items, in any order and any number."""

    def _items(self, value: Any) -> list[Any] | None:
        items = self._list(value)
        return None if items is None else distinct(items)

    def _lists(self, given: list[Any], wanted: list[Any]) -> Score:
        given, wanted = distinct(given), distinct(wanted)
        missing, extra = unmatched(given, wanted, self._right, once=False)
        return self._score(missing, extra, len(given) + len(wanted))


class _List(Items):
    """The same items as often, in the same order unless `order` is False."""

    order: bool = True
    """Whether the items must be in the same order. Example: `false`."""

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


def _some(what: str, values: Sequence[Any]) -> str:
    more = f" and {len(values) - 3} more" if len(values) > 3 else ""
    return f"{what}: {', '.join(map(shown, values[:3]))}{more}" if values else ""


def _is_right(score: Score) -> bool:
    return score.value is None or float(score.value) >= _PARTNERS


LIST_RULES: dict[str, type[Items]] = {"set": _Set, "list": _List}
"""The rules by their names."""
