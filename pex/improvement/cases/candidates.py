"""From a model's reply to cases: read as far as it can be, and checked one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pex.core.canonical_json import digest
from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.hidden import SHOWN
from pex.core.jsontext import is_deep
from pex.core.prompt import Prompt
from pex.core.provenance import Provenance
from pex.core.text import replace_surrogates, value_text
from pex.improvement.cases.ways import Asked, labels_of

Check = Callable[[Case], bool | str | None]
"""A check of your own: True or None for a case that is fine, False or a reason for another."""

_LONGEST_REPLY = 100_000
_MOST_FAILED = 100
"""A reply with more braces that begin no object is not read further: each may cost its length."""
_LONGEST_VALUE = 2000
"""Characters of a value, or four times the longest that the existing cases have."""


def objects_in(text: str) -> list[dict[str, Any]]:
    r"""The JSON objects in a reply: one per line, in a list, in a fence, among prose, or cut off.

    Example:
        >>> objects_in('Sure! ```json\n{"q": "a"}\n{"q": "b"}\n{"q": "c')
        [{'q': 'a'}, {'q': 'b'}]
        >>> objects_in('{"cases": [{"q": "a"}, {"q": "b"}]}')
        [{'q': 'a'}, {'q': 'b'}]
        >>> objects_in('{"case_1": {"q": "a"}, "case_2": {"q": "b')
        [{'q': 'a'}]
    """
    decoder, found, at, failed = json.JSONDecoder(), [], 0, 0
    text = text[:_LONGEST_REPLY]
    while failed <= _MOST_FAILED and (at := text.find("{", at)) >= 0:
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at, failed = at + 1, failed + 1
            continue
        if not is_deep(value):
            found += _flat(value)
    return found


def _flat(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects in a list under the only key of an object, or under each key, else the object."""
    inner = list(value.values())
    if len(inner) == 1 and isinstance(inner[0], list):
        inner = inner[0]
    if inner and all(isinstance(item, dict) for item in inner):
        return inner
    return [value]


class CandidateCheck:
    """Checks what a model proposes against the existing cases and prompts.

    Args:
        cases: the existing cases.
        prompts: those that must render with a new case.
        own: a check of the user's.
    """

    def __init__(
        self, cases: Sequence[Case], prompts: Sequence[Prompt], own: Check | None = None
    ) -> None:
        self._first = cases[0]
        self._kinds = {name: _kinds(cases, name) for name in cases[0].inputs}
        self._filled = {
            name
            for name in self._kinds
            if all(case.inputs.get(name) not in (None, "") for case in cases)
        }
        lengths = (len(value_text(value)) for case in cases for value in case.inputs.values())
        self._longest = max(_LONGEST_VALUE, 4 * max(lengths, default=0))
        texts = {
            name: {value_text(case.inputs.get(name)).casefold() for case in cases}
            for name in self._kinds
        }
        self._labels = {value_text(label).casefold(): label for label in labels_of(cases)}
        self._not_labels = {name: self._labels.keys() - said for name, said in texts.items()}
        self._expects = any(case.expected is not None for case in cases)
        self._prompts = list({prompt.digest: prompt for prompt in prompts}.values())
        self._own = own
        self.group_column = group_column(cases)
        self._ids = any(case.id != digest(case.inputs) for case in cases)

    def case_of(self, row: Mapping[str, Any], asked: Asked, model: str) -> Case | str:
        """The case in an object of the reply, or why it is refused."""
        inputs: dict[str, Any] = {}
        for name, kinds in self._kinds.items():
            if name not in row:
                return f"no '{name}'"
            value = _plain(row[name])
            if isinstance(value, int | float) and kinds == {str}:
                value = value_text(value)
            if value in (None, "") or (isinstance(value, str) and not value.strip()):
                if name in self._filled:
                    return f"'{name}' is empty"
            elif kinds and type(value) not in kinds:
                return f"'{name}' has another type"
            elif len(value_text(value)) > self._longest:
                return f"'{name}' is too long"
            elif isinstance(value, str) and value.strip("<>{}[].… \n").casefold() in (
                "",
                name.casefold(),
            ):
                return f"'{name}' is a placeholder"
            elif isinstance(value, str) and value.casefold() in self._not_labels[name]:
                return f"'{name}' is only a label"
            inputs[name] = value
        if not any(value not in (None, "") for value in inputs.values()):
            return "empty"
        expected = _plain(row.get("expected"))
        if self._expects and expected in (None, ""):
            return "no 'expected'"
        if self._labels:
            key = value_text(expected).strip().casefold()
            if key not in self._labels:
                return "'expected' is not a known label"
            expected = self._labels[key]
        if asked.expected is not None and expected != asked.expected:
            return "not the label that was asked for"
        return self._checked(inputs, expected if self._expects else None, asked, model)

    def _checked(
        self, inputs: dict[str, Any], expected: Any, asked: Asked, model: str
    ) -> Case | str:
        group = asked.group
        if (column := self.group_column) is not None:
            value = inputs[column]
            if group is not None and value_text(value) != group:
                return "not the group that was asked for"
            group = None if value is None else value_text(value)
        case = Case(
            id=f"g-{digest(inputs)}" if self._ids else digest(inputs),
            inputs=inputs,
            expected=expected,
            group=group,
            tags=(asked.tag,) if asked.tag else (),
            renamed=self._first.renamed,
            decimal=self._first.decimal,
            provenance=Provenance(model, asked.way, asked.seed),
        )
        for prompt in self._prompts:
            try:
                prompt.render(case.values, SHOWN)
            except PexError:
                return f"the prompt '{prompt.name}' does not render with it"
        if self._own is not None:
            said = self._own(case)
            if said is False or isinstance(said, str):
                return said or "your check"
        return case


def text_of(case: Case) -> str:
    """The inputs of a case as one text, to compare it with others.

    Example:
        >>> text_of(Case("1", {"title": "Hi", "stars": 5}))
        'Hi 5'
    """
    return " ".join(value_text(value) for value in case.inputs.values() if value is not None)


def group_column(cases: Sequence[Case]) -> str | None:
    """The input that is also the group; a column called `group` is only the group."""
    for name in cases[0].inputs:
        values = [(case.inputs.get(name), case.group) for case in cases]
        if all(
            group is not None and value is not None and value_text(value) == group
            for value, group in values
        ):
            return name
    return None


def _kinds(cases: Sequence[Case], name: str) -> set[type]:
    kinds = {type(case.inputs.get(name)) for case in cases} - {type(None)}
    return kinds | ({int, float} if kinds & {int, float} else set())


def _plain(value: Any) -> Any:
    return replace_surrogates(value).strip() if isinstance(value, str) else value
