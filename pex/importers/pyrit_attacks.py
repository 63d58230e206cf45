"""PyRIT's results of attacks, which are what its memory has with a verdict from version 1.0 on.

    [result.model_dump(mode="json") for result in memory.get_attack_results()]

A result has the objective, the last answer and the outcome. The text that was sent is not in it:
the objective stands for it, and the converters and the kind of attack are the form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core.attack_columns import NOT_JUDGED, RESISTED
from pex.core.score import Score
from pex.importers.found import Found, FoundAnswer, key_of, name_of, unknown
from pex.importers.imported import Note
from pex.importers.pyrit_parts import category_of, class_name, target_of

ATTACK_ID = "attack_result_id"
_NEEDED = ("conversation_id", "objective", "outcome")
_PLAIN = "PromptSendingAttack"


def is_attacks(first: str) -> bool:
    """Whether the beginning of a file is that of results of attacks."""
    return first.startswith("[") and f'"{ATTACK_ID}"' in first and '"objective"' in first


def read_attacks(path: Path, rows: Sequence[Any]) -> Found:
    """Read results of attacks.

    Raises:
        PexError: a result lacks what all have.
    """
    for number, row in enumerate(rows, 1):
        lacking = [key for key in _NEEDED if not isinstance(row, dict) or row.get(key) is None]
        if lacking:
            raise unknown(path, f"result {number} has no '{lacking[0]}'", "PyRIT")
    how = "the text that was sent is not there: the objective stands for it, equal ones are repeats"
    notes = [Note("prompts", "changed", how)]
    turns = sum(int(row.get("executed_turns") or 0) > 1 for row in rows)
    if turns:
        how = "of a conversation, only the last answer is in the result"
        notes.append(Note(f"turns between ({turns:,} conversations)", "left out", how, turns))
    times = sorted(str(row["timestamp"]) for row in rows if row.get("timestamp"))
    parts = [row.get("atomic_attack_identifier") or {} for row in rows]
    version = next(filter(None, (str(part.get("pyrit_version") or "") for part in parts)), "")
    answers = [_answer(row) for row in rows]
    return Found("PyRIT", version, times[0] if times else "", answers, True, notes)


def _answer(row: Mapping[str, Any]) -> FoundAnswer:
    attack = _attack(row)
    children = attack.get("children") or {}
    category, objective = category_of(row), str(row["objective"])
    names = [class_name(one) for one in children.get("request_converters") or ()]
    kind = class_name(attack)
    form = "+".join([*([kind] if kind not in ("", _PLAIN) else []), *names]) or "plain"
    response = row.get("last_response") or {}
    failed = _error(row, response)
    return FoundAnswer(
        key=key_of(name_of(category), form, objective),
        text=objective,
        target=target_of(children.get("objective_target")),
        output=None if failed else str(response.get("converted_value") or ""),
        error=f"PyRIT: {failed}" if failed else None,
        category=name_of(category),
        form=name_of(form),
        scores={} if failed else {RESISTED: _score(row)},
    )


def _attack(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attack's identifier, some levels down; empty if the result does not name it."""
    found = row.get("atomic_attack_identifier") or {}
    for level in ("attack_technique", "attack"):
        found = (found.get("children") or {}).get(level) or {}
    return found


def _error(row: Mapping[str, Any], response: Mapping[str, Any]) -> str | None:
    """Why there is no answer, if there is none."""
    if row["outcome"] == "error":
        return str(row.get("error_message") or row.get("outcome_reason") or "an error")
    blocked = response.get("response_error")
    if blocked not in (None, "", "none"):
        return str(blocked)
    return None if response else "the result has no answer"


def _score(row: Mapping[str, Any]) -> Score:
    """Whether the attack was resisted, as its outcome says."""
    score = row.get("last_score") or {}
    reason = str(score.get("score_rationale") or row.get("outcome_reason") or "") or None
    if row["outcome"] in ("success", "failure"):
        return Score(row["outcome"] == "failure", reason=reason)
    return Score(None, reason=f"{NOT_JUDGED}: its outcome is {row['outcome']}")
