"""How alike a simulated user behaved towards two variants."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pex.core.events import RowKey
from pex.score.frame import restore

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "variant", "other", "conversations", "messages", "other_messages", "compared", "equal",
    "likeness",
)  # fmt: skip
ALIKE = 0.7
"""Below this mean likeness a comparison has a remark."""


def user_likeness(frame: pd.DataFrame) -> pd.DataFrame:
    """How alike a simulated user was to each pair of variants, on the same case and repeat.

    Each message is compared with the one of the same turn, as far as both conversations go.
    `messages` and `other_messages` are the mean numbers of messages that the user wrote, `compared`
    the pairs of messages, `equal` the share of pairs with the same text, and `likeness` the mean
    likeness from 0 to 1 (rapidfuzz's ratio; case and white space are ignored). A user answers what
    it is told, so its messages differ where the answers before them do.

    Args:
        frame: the long frame.
    """
    import pandas as pd
    from rapidfuzz import fuzz

    written = dict(_written(frame))
    variants = list(dict.fromkeys(variant for variant, _, _ in written))
    records = []
    for one, other in itertools.combinations(variants, 2):
        both = [
            (messages, written[other, case_id, repeat])
            for (variant, case_id, repeat), messages in written.items()
            if variant == one and (other, case_id, repeat) in written
        ]
        pairs = [pair for talks in both for pair in zip(*talks, strict=False)]
        likeness = [fuzz.ratio(*pair) / 100 for pair in pairs]
        count = len(pairs)
        records.append(
            (
                one,
                other,
                len(both),
                _mean([len(talk) for talk, _ in both]),
                _mean([len(talk) for _, talk in both]),
                count,
                _mean([first == second for first, second in pairs]),
                _mean(likeness),
            )
        )
    return pd.DataFrame.from_records(records, columns=list(COLUMNS))


def user_remarks(frame: pd.DataFrame) -> dict[frozenset[str], str]:
    """A sentence for each pair of variants that had a simulated user unlike the other's."""
    if not _has_users(frame):
        return {}
    found = {}
    for row in user_likeness(frame).to_dict("records"):
        if not row["compared"] or row["likeness"] >= ALIKE:
            continue
        found[frozenset((row["variant"], row["other"]))] = (
            "the simulated user did not write the same to both: its messages were "
            f"{row['likeness']:.0%} alike, {row['equal']:.0%} were equal; part of the difference "
            "may come from the user"
        )
    return found


def _written(frame: pd.DataFrame) -> Iterator[tuple[RowKey, list[str]]]:
    """What the simulated user wrote in each conversation without an error."""
    if not _has_users(frame):
        return
    for place, answer, _ in restore(frame):
        if answer.error is None and any(step.get("user") for step in answer.steps or ()):
            said = answer.conversation or ()
            yield place, [_folded(m.get("content")) for m in said if m.get("role") == "user"]


def _has_users(frame: pd.DataFrame) -> bool:
    """Whether any user was simulated: a frame of tools alone need not be read again."""
    steps = frame.get("steps", ())
    return any(isinstance(path, list) and any(s.get("user") for s in path) for path in steps)


def _folded(content: Any) -> str:
    return " ".join(str(content or "").split()).casefold()


def _mean(values: list[Any]) -> float | None:
    return sum(values) / len(values) if values else None
