"""One budget over several runs that are made one after the other."""

from __future__ import annotations

from collections.abc import Collection

from pex.core.errors import PexError
from pex.run.database import Database
from pex.run.ledger import BOOKED


class SharedBudget:
    """What several runs may spend together, by what the ledger says they have spent.

    Given as a run's `budget_usd`, it caps that run at what the others have left. It survives a
    kill: what was spent is read from the ledger.

    Args:
        cap_usd: what all the runs together may spend.
        experiments: the names under which they are in the ledger; nothing else may use them.
        since: when the first of them began, in seconds since 1970.

    Raises:
        PexError: the cap is not a number, 0 or more.
    """

    def __init__(self, cap_usd: float, experiments: Collection[str], since: float) -> None:
        if isinstance(cap_usd, bool) or not isinstance(cap_usd, int | float) or not cap_usd >= 0:
            raise PexError(f"budget_usd: expected a number, 0 or more, got {cap_usd!r}")
        self.cap_usd = float(cap_usd)
        self._experiments = sorted(set(experiments))
        self._since = since

    def spent_usd(self, database: Database, but_run: str = "") -> float:
        """What was spent, with the worst case of calls whose cost was not reported.

        Args:
            database: the project's journal.
            but_run: the id of a run that is not counted.

        Raises:
            JournalError: the journal cannot be read.
        """
        if not database.exists() or not self._experiments:
            return 0.0
        marks = ", ".join("?" * len(self._experiments))
        with database.opened(durable=False) as connection:
            rows = connection.rows(
                f"SELECT sum({BOOKED}) FROM ledger l JOIN runs r ON r.id = l.run_id "
                f"WHERE r.experiment IN ({marks}) AND r.started_at >= ? AND r.id <> ?",
                [*self._experiments, self._since, but_run],
            )
        return float(rows[0][0] or 0.0)

    def left_usd(self, database: Database, but_run: str = "") -> float:
        """What is left; see `spent_usd`."""
        return max(0.0, self.cap_usd - self.spent_usd(database, but_run))

    def less(self, usd: float) -> SharedBudget:
        """The same budget without a part that is set aside for later runs.

        Args:
            usd: what is set aside.
        """
        return SharedBudget(max(0.0, self.cap_usd - usd), self._experiments, self._since)
