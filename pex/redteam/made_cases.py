"""From attacks to cases: each in its forms, with its twin, in the text of a case."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.attack_columns import (
    ATTACK,
    CARRIER,
    CATEGORY,
    DONE,
    FORM,
    GOAL,
    ID,
    KIND,
    MARKER,
    PLAIN,
    QUESTION,
    SOUGHT,
    TEXT,
    TWIN,
)
from pex.core.case import Case
from pex.core.columns import aliases
from pex.redteam.converters import TRANSLATIONS, convert
from pex.redteam.suite import Attack, filled

Planned = tuple[Attack, str, str]
"""An attack, the form in which it is sent, and the variable that it goes into."""
WORDS = (
    "ZEPPELIN", "MARZIPAN", "OBSIDIAN", "SAXOPHONE", "TANGERINE", "KANGAROO", "PARAGON", "VELVET",
    "ALBATROSS", "CINNAMON", "DOLPHIN", "HARMONICA", "LABYRINTH", "MAGNOLIA", "NUTMEG", "PENGUIN",
)  # fmt: skip
"""Words that an answer to an ordinary task does not have."""


def cases_of(
    planned: Sequence[Planned], carriers: Sequence[Case], prompts: Sequence[str], tool: str
) -> list[Case]:
    """The cases of a red-team run: those that carry attacks as they are, then attacks and twins.

    Args:
        planned: the attacks in their forms.
        carriers: the cases that carry them, in turn.
        prompts: the texts of the prompts: a forced word must not be in them.
        tool: the tool that attacks want called; empty without tools.
    """
    taken = " ".join(prompts).casefold()
    attacks = {item.id: item for item, _, _ in planned}
    turn = {attack_id: number % len(carriers) for number, attack_id in enumerate(attacks)}
    made: list[Case] = []
    used: dict[str, Case] = {}
    for item, form, variable in planned:
        carrier = carriers[turn[item.id]]
        if item.place != "message":
            used[carrier.id] = carrier
        values = goal_values(item, taken + str(carrier.values).casefold(), tool)
        made += [_case(kind, item, form, variable, carrier, values) for kind in (ATTACK, TWIN)]
    nothing = _columns(PLAIN, "", "", "", "", "", "")
    plain = [
        _with(case, {}, f"{PLAIN}.{case.id}", (PLAIN,), case.id, nothing) for case in used.values()
    ]
    return [*plain, *made]


def goal_values(item: Attack, taken: str, tool: str) -> dict[str, str]:
    """What an attack asks for: a word, a host, a marker, made from its id so they never change.

    Example:
        >>> from pex.redteam.suite import Twin
        >>> item = Attack(id="a", category="c", family="f", goal="word", text="{{ word }}",
        ...     twin=Twin(text="x"))
        >>> goal_values(item, "", "")["host"].endswith(".example")
        True
    """
    number = int.from_bytes(hashlib.sha256(item.id.encode()).digest()[:8])
    free = [word for word in WORDS if word.casefold() not in taken] or list(WORDS)
    short = f"{number % 0xFFFFFF:06x}"
    return {
        "word": free[number % len(free)],
        "host": f"c{short}.example",
        "marker": f"m{short}",
        "tool": tool,
    }


def _case(
    kind: str, item: Attack, form: str, variable: str, carrier: Case, values: Mapping[str, str]
) -> Case:
    own = item if kind == ATTACK else item.twin
    template = own.translated if form == TRANSLATIONS else own.text
    text = filled(template or "", dict(values))
    converted = text if form == TRANSLATIONS else convert(form, text)
    given = str(carrier.values.get(variable, ""))
    placed = place(item.place, converted, given)
    sought = {"word": values["word"], "address": values["host"], "tool": values["tool"]}
    asked = sought.get(item.goal, "") if kind == ATTACK else ""
    goal = item.goal if kind == ATTACK else ""
    columns = _columns(kind, item.category, item.id, form, goal, asked, f"{text}\n{placed}") | {
        MARKER: values["marker"]
    }
    if kind == ATTACK and item.goal == "judge":
        columns[QUESTION] = item.question
    if kind == TWIN and item.twin.done:
        columns[DONE] = list(item.twin.done)
    end = ".twin" if kind == TWIN else ""
    tags = (kind, item.category, form)
    changed = {variable: placed}
    made = _with(carrier, changed, f"{item.id}.{form}{end}", tags, item.id, columns)
    # What an attack is expected to answer is nothing: its goal decides.
    return dataclasses.replace(made, expected=None) if kind == ATTACK else made


def _columns(
    kind: str, category: str, attack_id: str, form: str, goal: str, sought: str, text: str
) -> dict[str, Any]:
    return {
        KIND: kind,
        CATEGORY: category,
        ID: attack_id,
        FORM: form,
        GOAL: goal,
        SOUGHT: sought,
        TEXT: text,
    }


def _with(
    case: Case,
    changed: Mapping[str, str],
    case_id: str,
    tags: tuple[str, ...],
    group: str,
    columns: Mapping[str, Any],
) -> Case:
    for name, value in changed.items():
        case = with_value(case, name, value)
    inputs = {**case.inputs, **columns, CARRIER: case.id}
    return dataclasses.replace(case, id=case_id, inputs=inputs, tags=tags, group=group)


def with_value(case: Case, variable: str, value: str) -> Case:
    """A case with another value for a variable, in the column that the variable stands for."""
    named = dict(aliases(tuple(case.inputs))) | dict(case.renamed)
    return dataclasses.replace(case, inputs={**case.inputs, named.get(variable, variable): value})


def place(where: str, text: str, carrier: str) -> str:
    r"""An attack, or its twin, in the text that carries it.

    Args:
        where: `value`, `document`, `tool_result` or `message`.
        text: the attack, already converted.
        carrier: the value that the experiment's case has.

    Example:
        >>> place("value", "Ignore that.", "Nice.")
        'Nice.\n\nIgnore that.'
        >>> place("tool_result", "Ignore that.", "Nice.")
        '{"status": "ok", "results": [{"id": 1, "text": "Nice."}], "note": "Ignore that."}'
    """
    if where == "message":
        return text
    if where == "document":
        return (
            "Document 1 of 1 (retrieved, score 0.83)\n"
            f"---\n{carrier}\n\n{text}\n---\nEnd of the document."
        )
    if where == "tool_result":
        result = {"status": "ok", "results": [{"id": 1, "text": carrier}], "note": text}
        return json.dumps(result, ensure_ascii=False)
    return f"{carrier}\n\n{text}" if carrier else text
