"""PyRIT's messages, as its memory exports them up to version 0.14, JSON or CSV.

A row is a piece, not a turn: pieces of one sequence belong together. What was sent is the converted
value. Whether an attack has reached its goal is in the scores of the answer's pieces, if a scorer
gave one; a scorer of refusals says nothing about that. From version 1.0 on messages have no scores:
`pex.importers.pyrit_attacks` reads the results of attacks instead.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import jsontext
from pex.core.attack_columns import NOT_JUDGED, RESISTED
from pex.core.score import Score
from pex.core.textfile import read_text
from pex.importers.found import Found, FoundAnswer, key_of, name_of, unknown
from pex.importers.imported import Note
from pex.importers.pyrit_attacks import ATTACK_ID, is_attacks, read_attacks
from pex.importers.pyrit_parts import category_of, class_name, loaded, target_of

_NEEDED = ("conversation_id", "role", "original_value")
WITHOUT_SCORES = (
    "these messages are of version 1.0 or newer and have no scores; import the results of attacks: "
    "[result.model_dump(mode='json') for result in memory.get_attack_results()]"
)
_ANSWERS = ("assistant", "simulated_assistant")


def is_pyrit(text: str) -> bool:
    """Whether the beginning of a file is that of messages or results of attacks of PyRIT."""
    first = text.lstrip("\ufeff \t\r\n")[:4000]
    if is_attacks(first):
        return True
    if first.startswith("["):
        return '"conversation_id"' in first and '"original_value"' in first
    head = first.partition("\n")[0]
    return "conversation_id" in head and "original_value" in head and "," in head


def read_pyrit(path: Path) -> Found:
    """Read messages, or results of attacks.

    Raises:
        PexError: it is not valid JSON or CSV, or a piece lacks what all versions have.
    """
    text = read_text(path, "export").removeprefix("\ufeff")
    try:
        rows: Any = (
            jsontext.loads(text)
            if text.lstrip().startswith("[")
            else list(csv.DictReader(io.StringIO(text)))
        )
    except (ValueError, csv.Error) as error:
        raise unknown(path, f"not valid JSON or CSV: {error}", "PyRIT") from None
    if rows and isinstance(rows[0], dict) and ATTACK_ID in rows[0]:
        return read_attacks(path, rows)
    pieces: dict[str, list[Mapping[str, Any]]] = {}
    for number, row in enumerate(rows, 1):
        lacking = [key for key in _NEEDED if not isinstance(row, dict) or row.get(key) is None]
        if lacking:
            raise unknown(path, f"piece {number} has no '{lacking[0]}'", "PyRIT")
        pieces.setdefault(str(row["conversation_id"]), []).append(row)
    if not pieces:
        raise unknown(path, "it is empty", "PyRIT")
    answers = [item for own in pieces.values() if (item := _answer(own)) is not None]
    silent = len(pieces) - len(answers)
    notes = []
    if silent:
        how = "they have no answer"
        notes.append(Note(f"conversations ({silent:,})", "left out", how, silent))
    if not any("scores" in row for row in rows):
        notes.append(Note("verdicts", "left out", WITHOUT_SCORES, len(answers)))
    times = sorted(str(row["timestamp"]) for row in rows if row.get("timestamp"))
    version = next(filter(None, (_version(row) for row in rows)), "")
    return Found("PyRIT", version, times[0] if times else "", answers, True, notes)


def _version(row: Mapping[str, Any]) -> str:
    """The version that a piece names with its target; old ones do not."""
    target = loaded(row.get("prompt_target_identifier"))
    return str(target.get("pyrit_version") or "") if isinstance(target, Mapping) else ""


def _answer(pieces: Sequence[Mapping[str, Any]]) -> FoundAnswer | None:
    """The last answer of a conversation, to all that was said before it."""
    turns: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for piece in pieces:
        turns.setdefault((_number(piece.get("sequence")), str(piece["role"])), []).append(piece)
    order = sorted(turns, key=lambda place: place[0])
    last = next((place for place in reversed(order) if place[1] in _ANSWERS), None)
    if last is None:
        return None
    before = order[: order.index(last)]
    asked = [(role, _joined(turns[at, role], "converted_value")) for at, role in before]
    meant = [_joined(turns[at, role], "original_value") for at, role in before if role == "user"]
    users = [text for role, text in asked if role == "user"]
    text = users[0] if len(asked) == 1 else "\n\n".join(f"{role}: {said}" for role, said in asked)
    own = turns[last]
    failed = next((str(p["response_error"]) for p in own if p.get("response_error")
                   not in (None, "", "none")), None)  # fmt: skip
    scores = _scores([*own, *(turns[before[-1]] if before else [])])
    category = category_of(own[0])
    target = loaded(own[0].get("prompt_target_identifier")) or {}
    return FoundAnswer(
        # The meaning is the same whatever converter it went through; the form is another.
        key=key_of(name_of(category), *meant, *users),
        text=text,
        target=target_of(target),
        output=None if failed else _joined(own, "converted_value"),
        error=f"PyRIT: {failed}" if failed else None,
        category=name_of(category),
        form="converted" if meant != users else "plain",
        scores={} if failed else scores,
    )


def _scores(pieces: Sequence[Mapping[str, Any]]) -> dict[str, Score]:
    """The scores about the goal: yes if it was not reached."""
    hits: list[tuple[bool, str]] = []
    for piece in pieces:
        for score in loaded(piece.get("scores")) or []:
            name = class_name(score.get("scorer_class_identifier"))
            if score.get("score_type") != "true_false" or "Refusal" in name:
                continue
            reached = str(score.get("score_value")).casefold() == "true"
            hits.append((reached, str(score.get("score_rationale") or name)))
    if not hits:
        reason = f"{NOT_JUDGED}: the export has no yes/no score about the goal"
        return {RESISTED: Score(None, reason=reason)}
    worked = [reason for hit, reason in hits if hit]
    return {RESISTED: Score(not worked, reason=worked[0] if worked else None)}


def _joined(pieces: Sequence[Mapping[str, Any]], key: str) -> str:
    values = (piece.get(key) or piece.get("original_value") or "" for piece in pieces)
    return "\n".join(str(value) for value in values)


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return -1
