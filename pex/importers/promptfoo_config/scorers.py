"""The checks of all cases as scorers of one experiment, and the columns that they read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.canonical_json import canonical_json, canonical_text
from pex.core.prompt import Prompt
from pex.importers.imported import new_name
from pex.importers.promptfoo_config.checks import Check, check_of, number_of
from pex.importers.promptfoo_config.providers import GRADER, target_of
from pex.importers.promptfoo_config.rows import Row
from pex.importers.promptfoo_config.sources import LeftOutError, Sources
from pex.importers.variables import literal
from pex.score.judge.judge import Judge

EXPECTED = "expected"
_RUBRICS = {
    "rubric": "An answer must fulfil this:\n{rubric}\n\nThe answer:\n{{{{ output }}}}\n\n"
    "Does the answer fulfil it?",
    "not-rubric": "An answer must not be like this:\n{rubric}\n\nThe answer:\n{{{{ output }}}}\n\n"
    "Say yes if the answer is not like this, and no if it is.",
    "facts": "Compare the facts in an answer with those of a reference, whatever their style.\n\n"
    "The reference:\n{rubric}\n\nThe answer:\n{{{{ output }}}}\n\n"
    "Does the answer agree with the reference? It may say more or less, but nothing that "
    "contradicts it.",
    "not-facts": "Compare the facts in an answer with those of a reference.\n\nThe reference:\n"
    "{rubric}\n\nThe answer:\n{{{{ output }}}}\n\nSay yes if the answer contradicts the reference.",
    "meaning": "The reference:\n{rubric}\n\nThe answer:\n{{{{ output }}}}\n\n"
    "Does the answer mean the same as the reference?",
    "not-meaning": "The reference:\n{rubric}\n\nThe answer:\n{{{{ output }}}}\n\n"
    "Say yes if the answer means something else than the reference.",
}
"""What judges are asked, with the rubric in place of `{rubric}`."""


@dataclasses.dataclass(slots=True)
class _Group:
    """Checks that one scorer makes: the same options, at most one value for each case."""

    check: Check
    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    places: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Scoring:
    """Scorers, and by case the columns that they read; `expected` is the usual one."""

    scorers: list[str | Mapping[str, Any] | Judge]
    columns: Mapping[str, Mapping[str, Any]]


def scoring_of(rows: Sequence[Row], sources: Sources, taken: Sequence[str]) -> Scoring:
    """Make the scorers of all tests.

    Args:
        rows: the tests.
        sources: where they come from; every assertion gets a note.
        taken: columns that the cases have already.
    """
    groups: dict[tuple[bytes, int], _Group] = {}
    for row in rows:
        for where, given in _flat(row, sources):
            try:
                check = check_of(given, row.values, where, sources)
            except LeftOutError as error:
                sources.note(where, "left out", str(error))
                continue
            _remark(where, given, sources)
            _add(groups, row.id, where, check)
    return _scorers(list(groups.values()), rows, sources, taken)


def _flat(row: Row, sources: Sources) -> list[tuple[str, Mapping[str, Any]]]:
    """The assertions of a test, with those of its sets."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    test = f"test {row.id}"
    for number, given in enumerate(row.asserts):
        own = f"{test}, assert[{number - row.usual}]"
        where = own if number >= row.usual else f"defaultTest.assert[{number}]"
        if given.get("type") != "assert-set":
            found.append((where, given))
        elif given.get("threshold") is not None:
            how = "a set of which a part is enough: pex has no sum of scores"
            sources.note(where, "left out", how)
        else:
            inner = [item for item in given.get("assert") or [] if isinstance(item, Mapping)]
            found += [(f"{where}.assert[{n}]", item) for n, item in enumerate(inner)]
    if number_of(row.test.get("threshold")) is not None:
        how = "a threshold on the sum of the checks: here every check is a score of its own"
        sources.note(f"{test}, threshold", "left out", how)
    return found


def _remark(where: str, given: Mapping[str, Any], sources: Sources) -> None:
    weight = number_of(given.get("weight"))
    if weight == 0:
        how = "weight 0 never fails in promptfoo; here the score counts like any other"
        sources.note(f"{where}.weight", "changed", how)
    elif weight is not None and weight != 1:
        how = "a weight: pex has no sum of scores, every check is a score of its own"
        sources.note(f"{where}.weight", "left out", how)


def _add(groups: dict[tuple[bytes, int], _Group], case: str, where: str, check: Check) -> None:
    key = canonical_json([check.name, dict(check.options), check.rubric, check.grader])
    number = 0
    while True:
        group = groups.setdefault((key, number), _Group(check))
        if case not in group.values:
            group.values[case] = check.value
        elif check.joins:
            group.values[case] = [*group.values[case], *check.value]
        else:
            number += 1
            continue
        group.places.append(where)
        return


def _scorers(
    groups: Sequence[_Group], rows: Sequence[Row], sources: Sources, taken: Sequence[str]
) -> Scoring:
    names: list[str] = []
    columns: dict[str, dict[str, Any]] = {row.id: {} for row in rows}
    used = [*taken]
    scorers: list[str | Mapping[str, Any] | Judge] = []
    varying = [group for group in groups if not _is_constant(group, rows)]
    main = next((g for g in varying if g.check.options.get("kind") == "exact"), None)
    if main is None and len(varying) == 1 and varying[0].check.options.get("kind") != "json":
        main = varying[0]
    for group in groups:
        check = group.check
        if check.partly and len(group.values) < len(rows):
            options = {"kind": "regex"}
            check = dataclasses.replace(check, options=options, value=check.partly, constant="")
            group.check, group.values = check, dict.fromkeys(group.values, check.partly)
        if check.value is None and len(group.values) < len(rows):
            how = "it is a check of some tests only, and in pex one of all cases"
            for where in group.places:
                sources.note(where, "left out", how)
            continue
        name = new_name(check.name, names, "check")
        names.append(name)
        column: str | None = None
        if not _is_constant(group, rows):
            column = EXPECTED if group is main else new_name(f"expected_{name}", used)
            column = column.replace("-", "_").replace(".", "_")
            used.append(column)
            for case, value in group.values.items():
                single = isinstance(value, list) and len(value) == 1 and check.joins
                columns[case][column] = value[0] if single else value
        scorers.append(_scorer(group, name, column, sources))
        for where in group.places:
            what, how = ("changed", check.said) if check.said else ("taken over", f"as {name}")
            sources.note(where, what, how)  # type: ignore[arg-type]
    return Scoring(scorers, columns)


def _is_constant(group: _Group, rows: Sequence[Row]) -> bool:
    """Whether every case is checked with the same value, which can be an option then."""
    if group.check.value is None:
        return True
    if not group.check.constant or len(group.values) < len(rows):
        return False
    return len({canonical_text(value) for value in group.values.values()}) == 1


def _scorer(
    group: _Group, name: str, column: str | None, sources: Sources
) -> Mapping[str, Any] | Judge:
    check = group.check
    value = next(iter(group.values.values()))
    if check.rubric:
        return _judge(check, name, column, value, group.places[0], sources)
    options = dict(check.options)
    if column is None and check.constant and value is not None:
        single = isinstance(value, list) and len(value) == 1
        options[check.constant] = value[0] if single else value
    elif column not in (None, EXPECTED):
        options["column"] = column
    return {"kind": options.pop("kind"), "name": name, **options}


def _judge(
    check: Check, name: str, column: str | None, value: Any, where: str, sources: Sources
) -> Judge:
    rubric = literal(str(value)) if column is None else "{{ expected }}"
    text = _RUBRICS[check.rubric].format(rubric=rubric)
    model, params = GRADER, {"temperature": None}
    if check.grader:
        inner = Sources(sources.base, sources.root)
        grader = check.grader
        if isinstance(grader, Mapping) and "text" in grader:
            grader = grader["text"]
        try:
            target = target_of(grader, "grader", inner)
            model, params = target.model, dict(target.params)
        except LeftOutError as error:
            sources.note(f"{where}.provider", "left out", f"{error}; the judge asks {model}")
    else:
        how = (
            f"no grader is named: the judge '{name}' asks {model}, as promptfoo does, and needs "
            "its key; another model is `model` of the judge in experiment.yaml"
        )
        sources.note(f"{where}.provider", "changed", how)
    return Judge(
        Prompt(text, name),
        model,
        name,
        params,
        column=None if column in (None, EXPECTED) else column,
    )
