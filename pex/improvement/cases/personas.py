"""Personas: a model first says who uses a prompt, and then writes cases as they would."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence

from pex.core.prompt import Prompt
from pex.improvement.cases.ways import Asked, object_schema

PERSONAS = "personas"
MOST = 20
"""People that are asked for; with more cases, several cases are one person's."""
_LONGEST = 200

QUESTION = Prompt(
    [
        {"role": "system", "content": "Reply with JSON and nothing else."},
        {
            "role": "user",
            "content": "A prompt that people use:\n{{ task }}\n\nWhat they send, for example:\n"
            "{{ examples }}\n\nName {{ count }} different people who send such things: of other "
            "ages, jobs, moods, knowledge and ways of writing. Describe each in one short "
            "sentence. Write one JSON object with the keys {{ names }}. (Part {{ part }}.)",
        },
    ],
    name="generate-personas",
    params={"max_tokens": 1024},
)


def question_for(asked: Sequence[Asked]) -> tuple[Prompt, dict[str, str]] | None:
    """The question for the people of all cases to be written by personas; None without any."""
    own = [item for item in asked if item.way == PERSONAS]
    if not own:
        return None
    count = min(MOST, sum(item.count for item in own))
    names = [f"person_{number}" for number in range(1, count + 1)]
    schema = object_schema({name: {"type": "string"} for name in names})
    row = {name: own[0].row[name] for name in ("task", "examples", "part")}
    row |= {"count": str(count), "names": ", ".join(names)}
    return QUESTION.changed(response_schema=schema), row


def people_in(text: str, objects: Sequence[dict[str, object]]) -> list[str]:
    r"""The people in a reply: the texts of its JSON objects, else the items of a list.

    Args:
        text: the reply.
        objects: the JSON objects in it.

    Example:
        >>> people_in("1. A tired nurse.\n2. A student in a hurry.", [])
        ['A tired nurse.', 'A student in a hurry.']
    """
    found = [value for item in objects for value in item.values() if isinstance(value, str)]
    if not objects:
        items = (re.match(r"\s*(?:\d+[.)]|[-*•])\s+(.+)", line) for line in text.split("\n"))
        found = [item[1] for item in items if item]
    people = (" ".join(person.split())[:_LONGEST] for person in found)
    return list(dict.fromkeys(person for person in people if len(person) > 2))[:MOST]


def with_people(asked: Sequence[Asked], people: Sequence[str]) -> Iterator[Asked]:
    """The same questions, those by personas with the people who write the cases, in turn."""
    turn = 0
    for item in asked:
        if item.way != PERSONAS or not people:
            yield item
            continue
        lines = []
        for number in range(1, item.count + 1):
            lines.append(f"case_{number}: {people[turn % len(people)]}")
            turn += 1
        request = "Write each case as this person would, in their own words:\n" + "\n".join(lines)
        yield dataclasses.replace(item, row={**item.row, "request": request})
