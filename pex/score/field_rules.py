"""Rules for one field of a structured answer, or one argument of a tool call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pex.core.errors import PexError, nearest
from pex.project.files import validate
from pex.score.judge_rule import JUDGE, JudgeRule
from pex.score.list_rules import LIST_RULES, Items
from pex.score.value_rules import VALUE_RULES
from pex.score.value_rules import FieldRule as FieldRule  # noqa: PLC0414 - where others look for it

RULES: dict[str, type[FieldRule]] = {**VALUE_RULES, **LIST_RULES, JUDGE: JudgeRule}
"""All rules by their names."""


def field_rule(spec: Any, where: str = "rule", **options: Any) -> FieldRule:
    """The rule that a word or a mapping describes.

    Args:
        spec: `text` (case and white space ignored, numbers by value), `exact`, `number`
            (`tolerance`, `relative`, `decimal`), `date` (`day_first`), `set` and `list` (`items`,
            `partial`, `separator`; `order`), `similarity` (`threshold`, `ignore_case`), `regex`
            (`pattern`, `ignore_case`, `full`), `ignore`, `judge` (`prompt`, `model`, `params`; only
            for fields of the scorer `fields`); or a mapping with such a word as `rule`,
            its options and a `weight`.
        where: its place, for an error.
        options: the options of the rule that is named.

    Raises:
        PexError: there is no such rule or option, or an option cannot be used.

    Example:
        >>> field_rule("number")("1,234.50 €", 1234.5).value
        True
        >>> field_rule("number", tolerance=0.01)(12.1, 12)
        Score(value=False, reason='12.1 instead of 12: 0.1 off', error=None)
        >>> field_rule("set")(["b", "A"], ["a", "c"]).reason
        'missing: "c"; too much: "b"'
    """
    if isinstance(spec, FieldRule):
        return spec
    given: Any = {"rule": spec} if isinstance(spec, str) else spec
    if not isinstance(given, Mapping):
        raise PexError(
            f"{where}: expected the name of a rule, or {{rule: …}} with its options, got {spec!r}",
            hint=f"rules: {', '.join(RULES)}",
        )
    name = given.get("rule")
    if name is None:
        raise PexError(f"{where}: the key 'rule' is missing", hint=f"one of {', '.join(RULES)}")
    if not isinstance(name, str) or name not in RULES:
        raise PexError(f"{where}: there is no rule '{name}'", hint=nearest(str(name), RULES))
    made = validate(RULES[name], {**given, **options}, where)
    if isinstance(made, Items):
        made.items = field_rule(made.items, f"{where}: items")
        refuse_judges({"items": made.items}, where)
    made.usable(where)
    return made


def refuse_judges(rules: Mapping[str, FieldRule], where: str) -> None:
    """Refuse the rule `judge` where nothing asks the judge.

    Args:
        rules: rules by name.
        where: their place, for the error.

    Raises:
        PexError: one of them is such a rule.
    """
    for name, rule in rules.items():
        if isinstance(rule, JudgeRule):
            raise PexError(
                f"{where}{': ' * bool(where)}'{name}' cannot have the rule 'judge'",
                hint="a judge is asked about a field of the scorer 'fields'",
            )


def check_rules(
    specs: Mapping[str, Any], where: str = "", judges: bool = False
) -> dict[str, FieldRule]:
    """The rules of several fields or arguments, by name.

    Args:
        specs: a word or a mapping for each, as in `field_rule`.
        where: their place, for an error.
        judges: whether the rule `judge` can be one of them.

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
    made = {name: field_rule(spec, f"{place}field '{name}'") for name, spec in specs.items()}
    if not judges:
        refuse_judges(made, where)
    return made
