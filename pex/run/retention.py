"""How much the journal holds, and the deletion of old answers or those of a case or group."""

from __future__ import annotations

import dataclasses

from pex.run.database import Database

DAY_S = 86_400.0


@dataclasses.dataclass(frozen=True, slots=True)
class AnswerFilter:
    """The answers older than so many days, of a case or of a group; with none of these, all."""

    older_than_days: float | None = None
    case_id: str | None = None
    group: str | None = None
    case_ids: tuple[str, ...] | None = None
    """The answers of any of these cases, at most a few hundred."""

    def where(self, now: float) -> tuple[str, list[object]]:
        """The condition in SQL, and its values."""
        parts: list[tuple[str, object]] = []
        if self.older_than_days is not None:
            parts.append(("answered_at < ?", now - self.older_than_days * DAY_S))
        if self.case_id is not None:
            parts.append(("case_id = ?", self.case_id))
        if self.group is not None:
            parts.append(("case_group = ?", self.group))
        conditions, values = [condition for condition, _ in parts], [value for _, value in parts]
        if self.case_ids is not None:
            conditions.append(f"case_id IN ({', '.join('?' * len(self.case_ids)) or 'NULL'})")
            values += self.case_ids
        text = " AND ".join(conditions)
        return (f" WHERE {text}" if text else ""), values


def answers(database: Database, chosen: AnswerFilter) -> tuple[int, int]:
    """How many answers these are, and about how many bytes they use."""
    if not database.exists():
        return 0, 0
    with database.opened() as connection:
        where, values = chosen.where(connection.now())
        count, size = connection.rows(
            f"SELECT count(*), sum(length(answer) + 200) FROM answers{where}", values
        )[0]
    return int(count), int(size or 0)


def delete(database: Database, chosen: AnswerFilter) -> int:
    """Delete these answers for good and give their space back; the ledger stays.

    Returns:
        How many were deleted.

    Raises:
        JournalError: the journal cannot be written.
    """
    if not database.exists():
        return 0
    with database.opened() as connection:
        with connection.write():
            where, values = chosen.where(connection.now())
            count = int(connection.rows(f"SELECT count(*) FROM answers{where}", values)[0][0])
            connection.rows(f"DELETE FROM answers{where}", values)
        if count:
            database.shrink(connection)
    return count
