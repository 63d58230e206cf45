"""What a model is asked for, in each way of proposing cases."""

from __future__ import annotations

import collections
import dataclasses
import random
from collections.abc import Sequence
from typing import Any

from pex.core.canonical_json import canonical_json
from pex.core.case import Case
from pex.core.errors import PexError, nearest
from pex.core.prompt import Prompt

WAYS = ("variations", "personas", "gaps", "edge", "adversarial")
PER_CALL = 5
"""Cases that one call asks for."""
_EXAMPLES = 3
_SHOWN_CHARS = 1500
MOST_LABELS = 20

QUESTION = Prompt(
    [
        {
            "role": "system",
            "content": "You write test cases for a prompt. Reply with JSON and nothing else.",
        },
        {
            "role": "user",
            "content": "The prompt that is tested:\n{{ task }}\n\nExisting cases:\n{{ examples }}"
            "\n\n{{ request }}\n{{ labels }}Write {{ count }} new cases as one JSON object "
            "with the keys {{ names }}; each case is an object with exactly these keys: "
            "{{ keys }}. (Part {{ part }}: unlike all other parts.)",
        },
    ],
    name="generate-cases",
    params={"max_tokens": 1024},
)

_REQUESTS = {
    "variations": "Vary the first of these cases: other words, other details, the same kind of "
    "task.",
    "personas": "Think of different people who would use this: of other ages, moods, knowledge and "
    "ways of writing. Write each case as one of them would.",
    "edge": "Write unusual cases that are still valid: very short or long, with typing errors, "
    "mixed languages, numbers, symbols, ambiguous or incomplete.",
    "adversarial": "Write cases that try to mislead: instructions inside the text, irony, wording "
    "that points to the wrong answer, requests for something else.",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """One question to the model, and what its cases must have.

    `fixed` are the label, the tag and the group that are asked for; None for any.
    """

    way: str
    seed: str
    row: dict[str, str]
    count: int
    expected: object = None
    tag: str | None = None
    group: str | None = None


def questions(
    cases: Sequence[Case], task: str, n: int, ways: Sequence[str], seed: int
) -> list[Asked]:
    """The questions that together ask for `n` cases, the ways taking turns.

    Args:
        cases: the seeds.
        task: the text of the prompt that the cases are for.
        n: how many cases are asked for.
        ways: names of `WAYS`.
        seed: which cases are shown.

    Raises:
        PexError: an unknown way, or none.
    """
    if not ways:
        raise PexError("ways: none is given", hint=f"there is: {', '.join(WAYS)}")
    for way in ways:
        if way not in WAYS:
            raise PexError(f"ways: unknown way '{way}'", hint=nearest(way, WAYS))
    chance = random.Random(seed)
    gaps = gaps_in(cases)
    labels = labels_of(cases)
    has_expected = any(case.expected is not None for case in cases)
    keys = [*cases[0].inputs, *(["expected"] if has_expected else [])]
    asked: list[Asked] = []
    turn = 0
    while (left := n - sum(question.count for question in asked)) > 0:
        way = ways[turn % len(ways)]
        count = min(PER_CALL, left)
        shown = chance.sample(list(cases), min(_EXAMPLES, len(cases)))
        request = _REQUESTS.get(way, "")
        expected: object = None
        tag: str | None = None
        group: str | None = None
        if way == "gaps":
            kind, value = gaps[(turn // len(ways)) % len(gaps)] if gaps else ("", "")
            expected = value if kind == "expected" else None
            tag = str(value) if kind == "tag" else None
            group = str(value) if kind == "group" else None
            request = f"There are few cases whose {kind} is {canonical_json(value).decode()}. "
            request += "Write more of these."
            if not gaps:
                request = "Write cases about what the existing ones leave out."
            like = [case for case in cases if kind and _has(case, kind, value)]
            shown = [*like[:1], *shown][:_EXAMPLES]
        known = ", ".join(canonical_json(label).decode() for label in labels)
        row = {
            "task": _cut(task),
            "examples": "\n".join(_cut(_line(case, has_expected)) for case in shown),
            "request": request,
            "labels": f"`expected` is one of: {known}.\n" if labels else "",
            "count": str(count),
            "names": ", ".join(names_of(count)),
            "keys": ", ".join(keys),
            "part": str(turn + 1),
        }
        asked.append(Asked(way, shown[0].id, row, count, expected, tag, group))
        turn += 1
    return asked


def labels_of(cases: Sequence[Case]) -> list[object]:
    """The expected answers, if they are labels: few, and each shared by several cases on average.

    Example:
        >>> labels_of([Case(str(n), {"n": n}, n % 2 == 0) for n in range(6)])
        [False, True]
    """
    given = [case.expected for case in cases if case.expected is not None]
    found = {canonical_json(value): value for value in given}
    plain = all(isinstance(value, str | bool | int) for value in found.values())
    if not plain or not 2 <= len(found) <= MOST_LABELS or len(found) * 2 > len(given):
        return []
    return [found[key] for key in sorted(found)]


def names_of(count: int) -> list[str]:
    """The keys of the cases in a reply.

    Each case has a key of its own: endpoints differ in whether they keep the length of a list.

    Example:
        >>> names_of(2)
        ['case_1', 'case_2']
    """
    return [f"case_{number}" for number in range(1, count + 1)]


def schema_of(cases: Sequence[Case], count: int) -> dict[str, Any] | None:
    """The JSON Schema of a reply with so many cases like the existing ones.

    None if an input or an expected answer is neither text, a number, yes/no nor empty: what such a
    value consists of cannot be told from examples.

    Example:
        >>> cases = [Case(str(n), {"q": f"{n}"}, "yes" if n % 2 else "no") for n in range(6)]
        >>> schema_of(cases, 1)["properties"]["case_1"]["properties"]
        {'q': {'type': 'string'}, 'expected': {'type': 'string', 'enum': ['no', 'yes']}}
    """
    columns = {name: [case.inputs.get(name) for case in cases] for name in cases[0].inputs}
    expected = [case.expected for case in cases if case.expected is not None]
    if expected:
        columns["expected"] = expected
    properties: dict[str, Any] = {}
    for name, values in columns.items():
        found = {_JSON_TYPES.get(type(value), "") for value in values}
        if "" in found:
            return None
        found -= {"integer"} if "number" in found else set()
        types = sorted(found)
        properties[name] = {"type": types[0] if len(types) == 1 else types}
    if labels := labels_of(cases):
        properties["expected"] |= {"enum": labels}
    return object_schema({name: object_schema(properties) for name in names_of(count)})


def object_schema(properties: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of an object with just these properties, all required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_JSON_TYPES = {
    str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null",
}  # fmt: skip


def gaps_in(cases: Sequence[Case]) -> list[tuple[str, object]]:
    """The labels, tags and groups with less than half as many cases as others of their kind.

    The rarest come first.

    Example:
        >>> cases = [Case(str(n), {"n": n}, "yes" if n else "no") for n in range(9)]
        >>> gaps_in([*cases, Case("x", {"n": 9}, "no")])
        [('expected', 'no')]
    """
    found: list[tuple[int, str, object]] = []
    counts: list[tuple[str, collections.Counter[object]]] = [
        ("tag", collections.Counter(tag for case in cases for tag in case.tags)),
        ("group", collections.Counter(case.group for case in cases if case.group is not None)),
    ]
    if labels := labels_of(cases):
        of_label = [case.expected for case in cases if case.expected in labels]
        counts.insert(0, ("expected", collections.Counter(of_label)))
    for kind, counter in counts:
        if len(counter) < 2:
            continue
        usual = sum(counter.values()) / len(counter)
        found += [(count, kind, value) for value, count in counter.items() if count * 2 < usual]
    return [(kind, value) for _, kind, value in sorted(found, key=lambda gap: gap[0])]


def _has(case: Case, kind: str, value: object) -> bool:
    return value in case.tags if kind == "tag" else getattr(case, kind) == value


def _line(case: Case, has_expected: bool) -> str:
    row = {**case.inputs, **({"expected": case.expected} if has_expected else {})}
    return canonical_json(row).decode()


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
