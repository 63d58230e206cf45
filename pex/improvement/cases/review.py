"""Proposals reviewed at a terminal, one after the other; each decision is on disk at once."""

from __future__ import annotations

from collections.abc import Callable

from pex.core.case import Case
from pex.core.errors import PexError
from pex.core.safe_text import clean
from pex.core.text import value_text
from pex.improvement.cases.proposed import Proposals

QUESTION = "accept? [y]es, [n]o, [e]dit, [s]kip, [u]ndo the last no, [q]uit "


def review(
    proposals: Proposals, ask: Callable[[str], str], tell: Callable[[str], None]
) -> tuple[int, int]:
    """Ask about each open proposal until all are decided or somebody quits.

    Args:
        proposals: the proposals.
        ask: asks a question and returns the answer, such as `input`.
        tell: shows a text.

    Returns:
        How many were accepted, and how many rejected.
    """
    waiting = [item.case for item in proposals.open()]
    total, place = len(waiting), 0
    rejected: list[tuple[int, str]] = []
    accepted = 0
    while place < total:
        case = waiting[place]
        if case.id not in {item.case.id for item in proposals.open()}:
            place += 1  # decided before a `no` was taken back, or by somebody else
            continue
        tell(f"{place + 1} of {total}\n{shown(case)}")
        answer = ask(QUESTION).strip().casefold()[:1]
        try:
            if answer == "y":
                proposals.accept(case.id)
                accepted += 1
            elif answer == "e":
                proposals.accept(case.id, _edited(case, ask))
                accepted += 1
            elif answer == "n":
                proposals.reject(case.id)
                rejected.append((place, case.id))
            elif answer == "u" and rejected:
                place, case_id = rejected.pop()
                proposals.reopen(case_id)
                continue
            elif answer == "q":
                break
            elif answer != "s":
                continue
        except PexError as error:
            tell(str(error))
            continue
        place += 1
    return accepted, len(rejected)


def shown(case: Case) -> str:
    """A proposal as text: inputs, expected answer, where it comes from."""
    lines = [f"  {name}: {value_text(value)}" for name, value in case.inputs.items()]
    if case.expected is not None:
        lines.append(f"  expected: {value_text(case.expected)}")
    if origin := case.provenance:
        lines.append(f"  ({origin.way}, by {origin.model}, from case {origin.seed})")
    return clean("\n".join(lines))


def _edited(case: Case, ask: Callable[[str], str]) -> dict[str, object]:
    """Ask for each value that is a string; an empty answer keeps it."""
    changes: dict[str, object] = {}
    for name, value in {**case.inputs, "expected": case.expected}.items():
        if isinstance(value, str):
            new = ask(f"  {name} (Enter keeps it): ").strip()
            if new:
                changes[name] = new
    return changes
