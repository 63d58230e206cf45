"""What all processes of a project share: the calls in flight to an endpoint, its rate, a budget.

Each process holds a lease on its share and renews it several times a second on its own thread,
so no call waits for the others; the lease of a process that was killed runs out. An
endpoint's row remembers how many calls it was seen to serve at once.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from pex.run import retry_after
from pex.run.channel import Lane
from pex.run.database import Connection, Database
from pex.run.ledger import BOOKED
from pex.run.limits import Grant, Report

TICK_S = 0.2
"""How often a process renews its leases."""

EXPIRES_S = 3.0
"""Seconds without renewal after which a lease has expired."""

FORGET_S = 600.0
"""Seconds after which what was learnt about an unused endpoint is forgotten."""

QUIET = 40
"""The least number of answers without a refusal before one more call is tried."""

MOST_BACKOFF = 8
T = TypeVar("T")


@dataclasses.dataclass(slots=True)
class _Endpoint:
    """The shared row of an endpoint."""

    total: int | None
    quiet: int
    backoff: int
    raised: int
    paused_until: float
    requests: float
    tokens: float
    at: float


class Leases:
    """The leases of one process.

    Args:
        database: the project's.
        owner: names this process's run.
    """

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def renew(
        self,
        endpoint: str,
        most: int,
        report: Report,
        wanted: int,
        in_flight: int,
        rates: tuple[float | None, float | None] = (None, None),
    ) -> Grant:
        """Report what was seen of an endpoint and get a share of it.

        Args:
            endpoint: its name.
            most: the most calls in flight that this process can have.
            report: what was seen since the last time.
            wanted: calls in flight that this process could use.
            in_flight: calls in flight that it has.
            rates: requests and tokens per minute, kept over all processes.
        """

        def work(connection: Connection, now: float) -> Grant:
            row = _read(connection, endpoint, now)
            others = self._others(connection, endpoint, now)
            cap = max([most, *(other[1] for other in others)])
            _learn(row, report, cap, now)
            total = cap if row.total is None else min(row.total, cap)
            fair = _fair(total, [wanted, *(other[0] for other in others)])
            # What others have not given back yet is still theirs.
            free = total - sum(other[2] for other in others)
            share = max(1, min(fair, free, most))
            requests = _take(row, "requests", rates[0], now, report.requests)
            tokens = _take(row, "tokens", rates[1], now, report.tokens)
            row.at = now
            # Calls that went out under a larger share are still in flight.
            self._write(connection, endpoint, row, (wanted, most, max(share, in_flight)), now)
            paused_s = max(0.0, row.paused_until - now)
            return Grant(share, paused_s, requests, tokens, row.total, len(others))

        return self._transact(work)

    def allow(
        self, batch_id: str, cap_usd: float, used_usd: float, least_usd: float, more_usd: float
    ) -> tuple[float, bool]:
        """Take more of a batch's budget.

        Free is the cap minus the ledger of the batch and what other active runs hold.

        Args:
            batch_id: whose budget it is.
            cap_usd: what all its runs together may spend.
            used_usd: what this run has spent and set aside for calls in flight.
            least_usd: what it also needs for one call; with less it would only block others.
            more_usd: what else it could use.

        Returns:
            How much this run may have spent in all, and whether others hold something of the
            budget, which they may give back.
        """
        run_id = self._owner

        def work(connection: Connection, now: float) -> tuple[float, bool]:
            spent = {
                str(name): float(usd or 0.0)
                for name, usd in connection.rows(
                    f"SELECT r.id, sum({BOOKED}) FROM runs r "
                    "LEFT JOIN ledger l ON l.run_id = r.id WHERE r.batch_id = ? GROUP BY r.id",
                    [batch_id],
                )
            }
            held = connection.rows(
                "SELECT run_id, allowed_usd FROM budget_shares WHERE batch_id = ? AND run_id <> ? "
                "AND expires_at > ? AND expires_at <= ?",
                [batch_id, run_id, now, now + EXPIRES_S],
            )
            elsewhere = sum(max(0.0, float(usd) - spent.get(str(name), 0.0)) for name, usd in held)
            mine = spent.get(run_id, 0.0)
            in_flight = max(0.0, used_usd - mine)
            free = max(0.0, cap_usd - sum(spent.values()) - elsewhere - in_flight)
            more = min(free, more_usd)
            allowed = mine + in_flight + (more if more >= least_usd else 0.0)
            connection.rows("DELETE FROM budget_shares WHERE run_id = ?", [run_id])
            connection.insert(
                "budget_shares",
                ("batch_id", "run_id", "allowed_usd", "expires_at"),
                [(batch_id, run_id, allowed, now + EXPIRES_S)],
            )
            return allowed, elsewhere > 0

        return self._transact(work)

    def release(self) -> None:
        """Give everything back."""
        with self._lock:
            if self._connection is None:
                return
            with self._connection.write():
                self._connection.rows("DELETE FROM leases WHERE owner = ?", [self._owner])
                self._connection.rows("DELETE FROM budget_shares WHERE run_id = ?", [self._owner])
            self._connection.close()
            self._connection = None

    def _transact(self, work: Callable[[Connection, float], T]) -> T:
        """Do some work at a time of the shared clock, alone."""
        with self._lock:
            if self._connection is None:
                # A lease need not outlive a power cut, so nothing waits for the disk.
                self._connection = self._database.connect(durable=False)
            connection = self._connection

            def once() -> T:
                with connection.write():
                    return work(connection, connection.now())

            return connection.again(once)

    def _others(
        self, connection: Connection, endpoint: str, now: float
    ) -> list[tuple[int, int, int]]:
        """(wanted, most, share) of the other processes that are alive."""
        # One that runs too long yet was given out before the clock was put back.
        connection.rows(
            "DELETE FROM leases WHERE endpoint = ? AND (expires_at < ? OR expires_at > ?)",
            [endpoint, now, now + EXPIRES_S],
        )
        rows = connection.rows(
            "SELECT wanted, most, share FROM leases WHERE endpoint = ? AND owner <> ?",
            [endpoint, self._owner],
        )
        return [(int(wanted), int(most), int(share)) for wanted, most, share in rows]

    def _write(
        self,
        connection: Connection,
        endpoint: str,
        row: _Endpoint,
        lease: tuple[int, int, int],
        now: float,
    ) -> None:
        connection.rows("DELETE FROM endpoints WHERE name = ?", [endpoint])
        names = [field.name for field in dataclasses.fields(row)]
        connection.insert("endpoints", ["name", *names], [(endpoint, *dataclasses.astuple(row))])
        connection.rows(
            "DELETE FROM leases WHERE endpoint = ? AND owner = ?", [endpoint, self._owner]
        )
        connection.insert(
            "leases",
            ("endpoint", "owner", "wanted", "most", "share", "expires_at"),
            [(endpoint, self._owner, *lease, now + EXPIRES_S)],
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """One lane: what it has seen, how many calls it could use, what the next one may cost."""

    lane: Lane
    report: Report
    wanted: int
    in_flight: int
    next_usd: float


def need_of(lane: Lane, now: float, stream: bool) -> Need:
    """What a lane needs now, its answers streamed or not; starts the lane's next report."""
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
class SharedLimits:
    """Leases on endpoints, and the budget of the batch that a run belongs to."""

    leases: Leases
    batch_id: str | None = None
    batch_cap_usd: float | None = None

    def renew(
        self, needs: Sequence[Need], used_usd: float, least_usd: float
    ) -> tuple[list[Grant], tuple[float, bool] | None]:
        """Renew everything; it waits for the database, so not on the event loop.

        Args:
            needs: of each lane.
            used_usd: what the run has spent and set aside.
            least_usd: what its next call may cost.

        Returns:
            A grant for each lane, and of the batch's budget how much the run may have spent in
            all and whether others hold some that they may give back; None if there is none.

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


def _read(connection: Connection, endpoint: str, now: float) -> _Endpoint:
    names = ", ".join(field.name for field in dataclasses.fields(_Endpoint))
    rows = connection.rows(f"SELECT {names} FROM endpoints WHERE name = ?", [endpoint])
    row = _Endpoint(*rows[0]) if rows else _Endpoint(None, 0, 1, 0, 0.0, -1.0, -1.0, now)
    # A clock that was put back, or an endpoint that once asked for a day, delays no one for long.
    row.at = min(row.at, now)
    latest = row.at + retry_after.LONGEST_S
    row.paused_until = min(row.paused_until, latest) if row.paused_until > 0 else 0.0
    if now - row.at > FORGET_S:
        row.total, row.quiet, row.backoff, row.raised = None, 0, 1, 0
    return row


def _learn(row: _Endpoint, report: Report, cap: int, now: float) -> None:
    """Additive increase, decrease to what was served; fewer tries where a try was refused."""
    if report.given_up:
        row.total = max(1, (cap if row.total is None else row.total) - report.given_up)
        row.backoff = min(MOST_BACKOFF, row.backoff * 2) if row.raised else row.backoff
        row.quiet = row.raised = 0
    else:
        row.quiet += report.served
    if report.recover_to and row.total is not None:
        row.total = max(row.total, report.recover_to)
    row.paused_until = max(row.paused_until, now + (retry_after.bounded(report.paused_s) or 0.0))
    if row.total is None or row.total >= cap:
        row.total = None
    elif report.full and row.quiet >= max(QUIET, 2 * row.total) * row.backoff:
        row.total += max(1, row.total // 10) if row.raised else 1
        row.backoff = 1 if row.raised else row.backoff
        row.quiet, row.raised = 0, 1


def _fair(total: int, wanted: Sequence[int]) -> int:
    """The first one's part of `total`: equal parts, and what others do not want besides.

    Example:
        >>> _fair(20, [16, 16, 16, 16]), _fair(20, [16, 2]), _fair(20, [3, 40])
        (5, 16, 3)
    """
    left, parties = total, sorted(wanted)
    for number, want in enumerate(parties):
        part = min(want, left // (len(parties) - number))
        if want == wanted[0]:
            return part if want <= part else -(-left // (len(parties) - number))
        left -= part
    return left


def _take(row: _Endpoint, what: str, per_minute: float | None, now: float, asked: float) -> float:
    """Refill the shared bucket and take out of it; a second's worth is the most it holds."""
    if per_minute is None:
        return 0.0
    holds = max(1.0 if what == "requests" else 0.0, per_minute / 60)
    level = getattr(row, what)
    # The rate leaves room for one full bucket, so no minute has more than was allowed.
    rate = max(per_minute - holds, per_minute / 2) / 60
    level = holds if level < 0 else min(holds, level + (now - row.at) * rate)
    taken = max(0.0, min(level, asked))
    taken = float(int(taken)) if what == "requests" else taken
    setattr(row, what, level - taken)
    return taken
