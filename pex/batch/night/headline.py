"""A night in one or two sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pex.batch.night.gate import Judged
from pex.compare.gate import FAIL, UNDECIDED
from pex.compare.verdict import WORSE

if TYPE_CHECKING:
    from pex.batch.night.morning import Morning


def headline(morning: Morning) -> str:
    """The night in one or two sentences, for people who do not program."""
    said = []
    bad = morning.batch.failed
    total = len(morning.batch.results)
    if bad:
        said.append(f"The night is incomplete: {len(bad)} of {total} notebooks did not finish.")
    if morning.stopped_by_budget:
        said.append("The budget ended it before everything was asked.")
    erring = morning.erring
    if erring:
        said.append(f"Too many calls ended in an error: {', '.join(s.title for s in erring)}.")
    failed = [item for item in morning.judged if item.outcome == FAIL]
    if failed:
        causes = {item.cause for item in failed if item.cause}
        why = f" {causes.pop()}" if len(causes) == 1 else ""
        said.append(f"Something got worse: {_named(failed)}.{why} Do not ship it as it is.")
    elif morning.outcome == UNDECIDED:
        open_ = [item for item in morning.judged if item.outcome == UNDECIDED]
        said.append(_undecided(open_, len(morning.judged)))
    elif morning.outcome is not None and not said:
        said.append("Nothing got worse. What was judged may be shipped.")
    elif morning.outcome is None and not said:
        said.append("All notebooks ran. Nothing was judged: there is no gate.")
    return " ".join(said)


def _undecided(items: Sequence[Judged], of: int) -> str:
    first = next((item for item in items if item.row is None), None)
    if first is not None and first.reason.startswith("no baseline"):
        return "Nothing can be judged yet: no baseline has been accepted."
    if first is not None:
        return f"Not judged: {first.run['experiment']}. {first.reason}"
    worse = [item for item in items if item.row and item.row["verdict"] == WORSE]
    if worse:
        return f"Perhaps worse, not beyond chance yet: {_named(worse)}."
    rest = "" if len(items) == of else f" The other {of - len(items)} passed."
    return f"Not decided: there are too few cases to tell for {_named(items)}.{rest}"


def _named(items: Sequence[Judged]) -> str:
    names = [f"'{item.candidate}' in {item.run['experiment']}" for item in items]
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(dict.fromkeys(names[:4])) + more
