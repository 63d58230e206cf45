"""Where a case comes from, if a model wrote it or a deployed trace was it, and who accepted it.

A file of cases says so in the columns `COLUMNS`. They describe the row: they are no inputs of
prompts, and not part of a case's id.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any

GENERATED = "generated"
"""The value of the column `origin` of a case that a model wrote."""
_NOBODY = frozenset({"", "false", "0"})
"""Values of `accepted_by`, as a CSV has them, that name nobody."""
COLUMNS = ("origin", "origin_model", "origin_way", "origin_seed", "accepted_by", "accepted_on")
TRACE = "trace"
"""The value of the column `origin` of a case that was made from a deployed trace."""
TRACE_COLUMNS = ("origin_trace", "origin_prompt", "origin_reason", "origin_user")
ALL_COLUMNS = (*COLUMNS, *TRACE_COLUMNS)
STATE = "provenance"
"""The column of a long frame: `generated` for a case that nobody has accepted, else `accepted`."""
ACCEPTED = "accepted"


@dataclasses.dataclass(frozen=True, slots=True)
class Provenance:
    """What is known of a generated case: by which model, in which way, from which case.

    `accepted_by` is the name of the person who accepted it, on the day `accepted_on`; both are
    empty for a case that nobody has accepted. A case from a deployed trace has the trace's id
    instead, with the prompt's version, the reason, and a digest that stands for the user.
    """

    model: str = ""
    way: str = ""
    seed: str = ""
    accepted_by: str = ""
    accepted_on: str = ""
    trace: str = ""
    prompt: str = ""
    reason: str = ""
    user: str = ""

    @property
    def generated(self) -> bool:
        """Whether a model wrote it."""
        return not self.trace

    @property
    def accepted(self) -> bool:
        """Whether somebody has accepted it."""
        return bool(self.trace) or self.accepted_by.strip().casefold() not in _NOBODY

    def row(self) -> dict[str, str]:
        """The columns in a file.

        Example:
            >>> Provenance("local/smollm2", "edge").row()["origin"]
            'generated'
            >>> sorted(Provenance(trace="tr-1", reason="wrong").row())[2:]
            ['origin', 'origin_prompt', 'origin_reason', 'origin_trace', 'origin_user']
        """
        if self.trace:
            origin = (self.trace, self.prompt, self.reason, self.user)
            known = {"origin": TRACE, **dict(zip(TRACE_COLUMNS, origin, strict=True))}
            return known | {"accepted_by": self.accepted_by, "accepted_on": self.accepted_on}
        values = (self.model, self.way, self.seed, self.accepted_by, self.accepted_on)
        return dict(zip(COLUMNS, (GENERATED, *values), strict=True))


def columns_in(names: Collection[str]) -> set[str]:
    """The columns that say where cases come from; a lone column `origin` may be anything.

    With one of its companions it is theirs: generated cases whose column `accepted_by` was
    deleted are still generated.

    Example:
        >>> sorted(columns_in(["q", "origin", "accepted_by"])), columns_in(["origin", "target"])
        (['accepted_by', 'origin'], set())
    """
    marks = ("accepted_by", "origin_model", "origin_trace")
    there = "origin" in names and any(name in names for name in marks)
    return {name for name in ALL_COLUMNS if name in names} if there else set()


def provenance_of(row: Mapping[str, Any], names: Collection[str]) -> Provenance | None:
    """The provenance that a row states; None for a case that people wrote.

    Example:
        >>> row = {"q": "a", "origin": "generated", "accepted_by": "Ada"}
        >>> provenance_of(row, row).accepted
        True
    """
    origin = str(row.get("origin")).strip().casefold()
    if not columns_in(names) or origin not in (GENERATED, TRACE):
        return None
    if origin == TRACE:
        about = (str(row.get(name) or "") for name in TRACE_COLUMNS)
        who, day = (str(row.get(name) or "") for name in COLUMNS[4:])
        trace, prompt, reason, user = about
        return Provenance("", "", "", who, day, trace or "unknown", prompt, reason, user)
    values = {name: row.get(name) for name in COLUMNS[1:]}
    if not isinstance(values["accepted_by"], str):
        values["accepted_by"] = None  # neither true nor 1 is the name of a person
    return Provenance(*("" if value is None else str(value) for value in values.values()))


def generated_share(provenances: Iterable[Provenance | None]) -> str | None:
    """The share of generated cases among those that may enter a verdict, as the text of a tag.

    None if no case was generated.

    Example:
        >>> generated_share([None, None, None, Provenance(accepted_by="Ada"), Provenance()])
        '0.2500'
    """
    known = list(provenances)
    if not any(one is not None and one.generated for one in known):
        return None
    used = [one for one in known if one is None or one.accepted]
    return (
        f"{sum(one is not None and one.generated for one in used) / len(used) if used else 0:.4f}"
    )


def is_unaccepted(frame: Any) -> Any:
    """Which rows of a long frame are of generated cases that nobody has accepted."""
    return frame[STATE] == GENERATED


def accepted_rows(frame: Any) -> Any:
    """A long frame without the generated cases that nobody has accepted."""
    return frame if STATE not in frame.columns else frame[~is_unaccepted(frame)]


def counted_errors(frame: Any, errors: int, requests: int) -> tuple[int, int]:
    """The errors and requests of a run, without those of generated cases that nobody has accepted.

    Args:
        frame: the run's long frame.
        errors: how many requests ended in an error, or were not sent.
        requests: of how many.
    """
    used = accepted_rows(frame)
    ignored = int(frame["error"].notna().sum() - used["error"].notna().sum())
    return errors - ignored, requests - (len(frame) - len(used))


def origin_notes(frame: Any) -> list[str]:
    """What a verdict must say: how many generated cases are left out, and the share of the rest."""
    if STATE not in frame.columns:
        return []
    states = frame.drop_duplicates("case_id")[STATE]
    left_out, accepted = int((states == GENERATED).sum()), int((states == ACCEPTED).sum())
    used = len(states) - left_out
    notes = []
    if left_out:
        cases, are = ("case", "is") if left_out == 1 else ("cases", "are")
        notes.append(f"{left_out:,} generated {cases} nobody has accepted {are} left out")
    if used:
        share = 100 * accepted / used
        shown = "<1" if 0 < share < 1 else f"{share:.0f}"
        notes.append(f"{shown} % of the cases are generated")
    return notes
