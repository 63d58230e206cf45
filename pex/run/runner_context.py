"""What both runners work with: models, money, the journal, other processes, and who is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

from pex.core.call import Request
from pex.core.errors import JournalError
from pex.core.events import Answered, Failed, Listener, Spent
from pex.run.budget import Budget
from pex.run.channel import Channel
from pex.run.database import Database
from pex.run.journal import Run
from pex.run.journal_writer import Entry, Writer
from pex.run.leases import Leases, SharedLimits
from pex.run.reasoning import without_reasoning


@dataclasses.dataclass(frozen=True, slots=True)
class RunnerContext:
    """What a runner needs besides its requests.

    Args:
        channels: for each model (`provider/model`), how to reach it.
        budget: the cap on spending.
        listen: called for each event, on the event loop's thread.
        database: the project's, with the journal and what processes share.
        run: the run that the answers belong to.
        batch_cap_usd: the budget of the run's batch of notebooks, over all processes.
    """

    channels: Mapping[str, Channel]
    budget: Budget
    listen: Listener
    database: Database
    run: Run
    batch_cap_usd: float | None = None

    def shared_limits(self) -> SharedLimits:
        """The run's part of what all processes of the project share."""
        leases = Leases(self.database, self.run.id)
        return SharedLimits(leases, self.run.batch_id, self.batch_cap_usd)

    def open_writer(
        self, release: Callable[[list[Entry]], None], broken: Callable[[JournalError], None]
    ) -> Writer:
        """The journal's writer; `release` gets what is on disk, `broken` why nothing can be."""
        return Writer(self.database, self.run, release, broken)

    def tell_ended(self, entries: Iterable[Entry]) -> None:
        """Tell what is on disk now, and what was spent."""
        for entry in entries:
            if not entry.tell:  # a step of a path: nobody waits for it
                continue
            kind = Answered if entry.answer.error is None else Failed
            answer = without_reasoning(entry.answer, self.channels[entry.request.model].tags)
            for request in entry.tell:
                self.listen(kind(request.place, answer))
        self.listen(Spent(self.budget.spent_usd, self.budget.cap_usd))


def by_key(requests: Iterable[Request]) -> dict[str, list[Request]]:
    """Requests with the same key together: they are made once and share the answer."""
    groups: dict[str, list[Request]] = {}
    for request in requests:
        groups.setdefault(request.key, []).append(request)
    return groups
