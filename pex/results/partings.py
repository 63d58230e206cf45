"""Where the paths of a run part: from those that were recorded, or from another variant's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pex.core.call import Answer
from pex.core.canonical_json import canonical_text
from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.paths import PathCall, calls_of, first_difference, read_call
from pex.score.frame import restore
from pex.score.reading import NoJson, parse_json
from pex.score.tool_path import COLUMN, read_expected
from pex.tools.spec import REPLIES

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("variant", "case_id", "repeat", "call", "kind", "text")


def partings(frame: pd.DataFrame, against: str | None) -> pd.DataFrame:
    """One row per answer: where its path first differs; `call` is missing if it does not.

    Args:
        frame: the long frame.
        against: a variant; None: the recorded path of each case.

    Raises:
        PexError: no case has a recorded path, or there is no such variant.
    """
    import pandas as pd

    rows = list(restore(frame))
    answers = {place: answer for place, answer, _ in rows}
    variants = list(dict.fromkeys(variant for variant, _, _ in answers))
    if against is not None and against not in variants:
        raise PexError(f"there is no variant '{against}'", hint=nearest(against, variants))
    recorded = {case.id: recorded_path(case) for _, _, case in rows}
    if against is None and not any(path is not None for path in recorded.values()):
        raise PexError(
            f"no case has a recorded path: there is no column '{REPLIES}' or '{COLUMN}'",
            hint="compare with another variant: results.partings('NAME')",
        )
    records = []
    for (variant, case_id, repeat), answer, _ in rows:
        if variant == against or answer.error is not None:
            continue
        first = recorded[case_id]
        other: Answer | None = None
        if against is not None:
            other = answers.get((against, case_id, repeat))
            first = None if other is None or other.error is not None else calls_of(other)
        if first is None:
            continue
        said = (None, None) if other is None else (other.output, answer.output)
        found = first_difference(first, calls_of(answer), said)
        parted = (found.call, found.kind, found.text) if found else (None, "", "")
        records.append((variant, case_id, repeat, *parted))
    table = pd.DataFrame(records, columns=list(COLUMNS))
    return table.astype({"call": "Int64"})


def recorded_path(case: Case) -> list[PathCall] | None:
    """The recorded path of a case: its replies, else its expected calls; None without either."""
    value: Any = case.values.get(REPLIES)
    data = parse_json(value) if isinstance(value, str) and value else value
    if not isinstance(data, NoJson) and isinstance(data, list):
        calls = [
            read_call(entry, reply=_reply(entry)) for entry in data if isinstance(entry, Mapping)
        ]
        return [call for call in calls if call is not None]
    value = case.values.get(COLUMN)
    if value is None or value == "":
        return None
    return read_expected(value, f"case '{case.id}': {COLUMN}")


def _reply(entry: Mapping[str, Any]) -> str | None:
    reply = entry.get("reply")
    return None if reply is None else canonical_text(reply)
