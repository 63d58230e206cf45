"""Cases of conversations that failed: the user's turns up to the one whose answer was wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pex.core.errors import PexError, nearest
from pex.core.values import missing
from pex.score.frame import restore, score_names
from pex.score.turns import listed

if TYPE_CHECKING:
    import pandas as pd

_FAILED = re.compile(r"first failed: turn (\d+)")


def cut_turns(
    frame: pd.DataFrame,
    column: str,
    score: str | None = None,
    turn: int | None = None,
    variant: str | None = None,
) -> list[dict[str, Any]]:
    """One row of a `cases.jsonl` for each conversation; `Results.cut_turns` explains it."""
    if (score is None) == (turn is None):
        raise PexError("cut_turns: give either the score that failed or a turn")
    if turn is not None and (isinstance(turn, bool) or not isinstance(turn, int) or turn < 1):
        raise PexError(f"cut_turns: turn: expected a whole number of at least 1, got {turn!r}")
    if score is not None and score not in score_names(frame):
        names = score_names(frame)
        raise PexError(f"there is no score '{score}'", hint=nearest(score, names))
    columns = [name[5:] for name in frame.columns if name.startswith("case.")]
    if column not in columns:
        raise PexError(f"the cases have no column '{column}'", hint=nearest(column, columns))
    variants = list(dict.fromkeys(frame["variant"]))
    if variant is not None and variant not in variants:
        raise PexError(f"there is no variant '{variant}'", hint=nearest(variant, variants))
    reasons = [None] * len(frame) if score is None else list(frame[f"reason.{score}"])
    rows: dict[str, dict[str, Any]] = {}
    for (name, case_id, _), reason, (_, answer, case) in zip(
        zip(frame["variant"], frame["case_id"], frame["repeat"], strict=True),
        reasons,
        restore(frame),
        strict=True,
    ):
        found = None if score is None or missing(reason) else _FAILED.search(str(reason))
        last = turn if score is None else int(found[1]) if found else None
        if last is None or answer.error is not None or variant not in (None, name):
            continue
        first = case.inputs[column]
        turns = [first[0] if isinstance(first, list) and first else first]
        turns += [m["content"] for m in answer.conversation or () if m.get("role") == "user"]
        if last > len(turns):
            continue
        row = {
            **case.inputs,
            column: turns[:last],
            "group": case.group or case_id,
            "tags": list(case.tags),
        }
        expected = listed(case.expected)
        if expected is not None:
            row["expected"] = expected[:last]
        rows.setdefault(repr(row[column]) + case_id, _named(row, f"{case_id}-turn-{last}", rows))
    return list(rows.values())


def _named(row: dict[str, Any], name: str, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    taken = {other["case_id"] for other in rows.values()}
    number, case_id = 1, name
    while case_id in taken:
        number += 1
        case_id = f"{name}-{number}"
    return {"case_id": case_id, **row}
