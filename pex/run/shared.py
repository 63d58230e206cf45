"""What a run shares with the project's other processes, asked for in one go."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pex.run.channel import Lane
from pex.run.leases import Leases
from pex.run.limits import Grant, Report


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """One lane: what it has seen, how many calls it has use for, what the next may cost."""

    lane: Lane
    report: Report
    wanted: int
    in_flight: int
    next_usd: float


def need_of(lane: Lane, now: float, stream: bool) -> Need:
    """What a lane needs now, its answers streamed or not; it begins the lane's next report."""
    tokens_each = next_usd = 0.0
    if lane.waiting:
        call = lane.waiting[0]
        size = len(call.payload(stream))
        next_usd = call.worst_usd(size)
        tokens_each = call.tokens(size)
    waiting = len(lane.waiting)
    report = lane.limiter.report(now, waiting, tokens_each)
    in_flight = lane.limiter.in_flight
    return Need(lane, report, in_flight + waiting, in_flight, next_usd)


@dataclasses.dataclass(slots=True)
class Shared:
    """Leases on endpoints, and the budget of the batch that a run belongs to."""

    leases: Leases
    batch_id: str | None = None
    batch_cap_usd: float | None = None

    def ask(
        self, needs: Sequence[Need], used_usd: float, least_usd: float
    ) -> tuple[list[Grant], tuple[float, bool] | None]:
        """Renew everything; it waits for the database, so not on the event loop.

        Args:
            needs: of each lane.
            used_usd: what the run has spent and set aside.
            least_usd: what its next call may cost.

        Returns:
            A grant for each lane, and of the batch's budget how much the run may have spent in
            all and whether others hold some that they may give back; None where there is none.

        Raises:
            JournalError: the database cannot be reached.
        """
        grants = [
            self.leases.renew(
                need.lane.name,
                need.lane.limiter.most,
                need.report,
                need.wanted,
                need.in_flight,
                need.lane.rates,
            )
            for need in needs
        ]
        if self.batch_id is None or self.batch_cap_usd is None:
            return grants, None
        more_usd = least_usd * sum(grant.share for grant in grants)
        return grants, self.leases.allow(
            self.batch_id, self.batch_cap_usd, used_usd, least_usd, more_usd
        )
