"""The answers of a draft: of its runs or restored from its file, up to date or not, and rated."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from pex.core.canonical_json import digest
from pex.playground.draft import Column, Draft, Entry
from pex.playground.feedback import Feedback, FeedbackBook, text_id
from pex.playground.mlflow_feedback import Recorded
from pex.playground.runs import Runs
from pex.playground.shown import Shown, shown

PRINT = "print"
"""What a kept answer has more than a shown one: the fingerprint of its request."""


class Answers:
    """The answers of one Playground, each known by the key of its cell.

    A session calls it with its lock, so what is said of the answers fits the draft.

    Args:
        runs: whose answers they are; a restored one is shown until a run takes its cell.
    """

    def __init__(self, runs: Runs) -> None:
        self.feedback = FeedbackBook()
        self._runs = runs
        self._restored: Mapping[str, Shown] = {}
        self._stale: dict[str, bool] = {}

    def restore(self, kept: Mapping[str, Shown], feedback: FeedbackBook) -> None:
        """Take what the file of a draft has.

        Args:
            kept: what `to_keep` returned.
            feedback: on these answers.
        """
        self._restored, self.feedback = dict(kept), feedback

    def forget_restored(self, keys: Iterable[str]) -> None:
        """Show no restored answer in these cells: a run takes them."""
        gone = set(keys)
        self._restored = {key: kept for key, kept in self._restored.items() if key not in gone}

    def shown(self, draft: Draft, keys: Iterable[str] | None = None) -> dict[str, Shown]:
        """Answers as the view gets them: of these cells, or of all."""
        found = {}
        wanted = None if keys is None else set(keys)
        for key, cell, _ in self._all(draft, wanted):
            feedback = self.feedback.of(key, cell["id"])
            found[key] = {**cell, "thumb": feedback.thumb, "note": feedback.note}
        return found

    def to_keep(self, draft: Draft) -> dict[str, Shown]:
        """All answers as the file of a draft has them; it keeps feedback by itself."""
        return {key: {**cell, PRINT: of} for key, cell, of in self._all(draft)}

    def turned(self, draft: Draft) -> list[str]:
        """The cells whose answers went out of date, or no longer are, since the last call."""
        stale = {
            key: of != fingerprint(draft, column, entry)
            for column in draft.columns
            for entry in draft.entries
            if (of := self._print(key := cell_key(column, entry))) is not None
        }
        before, self._stale = self._stale, stale
        return [key for key, now in stale.items() if before.get(key, False) != now]

    def recorded(self, key: str) -> tuple[Recorded, Feedback] | None:
        """The recorded run of a cell's answer, and the feedback on it."""
        slot = self._runs.slots.get(key)
        run = self._runs.recorded.get(slot.number) if slot is not None else None
        if slot is None or run is None or slot.cell.state != "answered":
            return None
        return run, self.feedback.of(key, text_id(slot.cell.text))

    def rated(self) -> list[str]:
        """The cells whose answers are recorded and have feedback."""
        found = [(key, self.recorded(key)) for key in self.feedback.cells()]
        return [key for key, of in found if of is not None and of[1] != Feedback()]

    def _all(
        self, draft: Draft, wanted: Collection[str] | None = None
    ) -> Iterator[tuple[str, Shown, str]]:
        """The key of each cell with an answer, the answer, and the fingerprint of its request."""
        for column in draft.columns:
            for entry in draft.entries:
                key = cell_key(column, entry)
                if wanted is not None and key not in wanted:
                    continue
                slot, kept = self._runs.slots.get(key), self._restored.get(key)
                if slot is not None:
                    cell, of = shown(slot.cell, slot.number), slot.fingerprint
                elif kept is not None:
                    cell, of = dict(kept), str(kept[PRINT])
                    del cell[PRINT]
                else:
                    continue
                yield key, {**cell, "stale": of != fingerprint(draft, column, entry)}, of

    def _print(self, key: str) -> str | None:
        """The fingerprint of the request that a cell's answer belongs to, if it has one."""
        slot, kept = self._runs.slots.get(key), self._restored.get(key)
        if slot is not None:
            return slot.fingerprint
        return str(kept[PRINT]) if kept is not None else None


def cell_key(column: Column, entry: Entry) -> str:
    """What the cell of a variant and a case is known by."""
    return f"{column.id}|{entry.id}"


def fingerprint(draft: Draft, column: Column, entry: Entry) -> str:
    """Changes with the request of a cell, and with what is expected there."""
    case = draft.cases[entry.id]
    values = case.values
    inputs = [values.get(name) for name in column.variables]
    return digest([column.fingerprint, inputs, case.expected])
