"""The runner: asks every request once, many at a time, and turns every failure into a row."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping

from pex.core.call import Answer, Request
from pex.core.errors import PexError, nearest
from pex.core.events import Answered, Asked, Listener, Retried
from pex.run.budget import Budget
from pex.run.channel import Channel
from pex.run.client import FATAL, TRANSIENT, UNBILLED, CallError, ask, session
from pex.run.endpoint import Endpoint
from pex.run.prices import Price

MAX_ATTEMPTS = 5
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
GRACE_S = 5.0
"""How long calls in flight may go on after the first interrupt."""

GIVE_UP_AFTER = 3
"""Fatal errors without a single answer after which a model is not asked any more."""


class Runner:
    """Asks `requests` through `channels` and tells `listen` what happens.

    Requests with the same key are asked once and share the answer. `run` returns "finished",
    "interrupted" or "budget"; what was answered has been told by then.

    Args:
        requests: what to ask.
        channels: for each model (`provider/model`), how to reach it.
        budget: the cap on spending.
        listen: called for each event, on the event loop's thread.
        max_in_flight: calls at once to each model, in place of the endpoint's own number.
    """

    def __init__(
        self,
        requests: Iterable[Request],
        channels: Mapping[str, Channel],
        budget: Budget,
        listen: Listener,
        max_in_flight: int | None = None,
    ) -> None:
        self._channels = channels
        self._budget = budget
        self._listen = listen
        self._max_in_flight = max_in_flight
        self._status = "finished"
        self._in_flight = 0
        self._settled = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        groups: dict[str, list[Request]] = {}
        for request in requests:
            if request.key in groups:
                groups[request.key].append(request)
            else:
                groups[request.key] = [request]
                channels[request.model].waiting.append(groups[request.key])

    async def run(self) -> str:
        """Ask everything; returns how it ended."""
        self._loop = asyncio.get_running_loop()
        try:
            for channel in self._channels.values():
                channel.http = session(channel.endpoint)
                workers = min(
                    self._max_in_flight or channel.endpoint.max_in_flight, len(channel.waiting)
                )
                self._tasks += [asyncio.create_task(self._worker(channel)) for _ in range(workers)]
            outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            for channel in self._channels.values():
                if channel.http is not None:
                    await channel.http.close()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return self._status

    def stop(self) -> None:
        """From any thread: ask nothing new and let calls in flight finish; twice: stop now."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        assert self._loop is not None  # stop() has looked
        now = self._status == "interrupted"
        self._end("interrupted")
        self._loop.call_later(0 if now else GRACE_S, self._cancel)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _end(self, status: str) -> None:
        self._status = status
        for channel in self._channels.values():
            channel.waiting.clear()
        self._settled.set()

    async def _worker(self, channel: Channel) -> None:
        while channel.waiting:
            group = channel.waiting.popleft()
            reserved = await self._reserve(group[0])
            if reserved is None:
                return
            self._in_flight += 1
            cost = None
            try:
                answer = await self._ask(channel, group[0])
                cost = 0.0 if answer.error_kind in UNBILLED else answer.cost_usd
            finally:
                self._in_flight -= 1
                self._budget.settle(reserved, cost)
                self._settled.set()
            for request in group:
                self._listen(Answered(request.place, answer))
            self._count(channel, answer)

    async def _reserve(self, request: Request) -> float | None:
        """Money for one call; waits for calls in flight to give some back, or ends the run."""
        while True:
            reserved = self._budget.reserve(request.model, request.body)
            if reserved is not None or self._status != "finished":
                return reserved
            if self._in_flight == 0:
                self._end("budget")
                return None
            self._settled.clear()
            await self._settled.wait()

    async def _ask(self, channel: Channel, request: Request) -> Answer:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            endpoint, http = channel.endpoint, channel.http
            assert http is not None  # run() has opened it
            self._listen(Asked(request.place))
            try:
                answer = await ask(http, endpoint, request.body)
            except CallError as error:
                renew = endpoint.renewable and error.kind in ("connection", "auth")
                again = error.kind in TRANSIENT or (renew and attempt == 1)
                if not again or attempt == MAX_ATTEMPTS:
                    return _failed(channel, error, attempt)
                if self._status != "finished":  # it might have come through: no answer, no error
                    raise asyncio.CancelledError from None
                wait_s = _wait(attempt, error.retry_after_s)
                self._listen(Retried(request.place, attempt, wait_s, error.kind))
                try:
                    await (self._renew(channel, endpoint) if renew else asyncio.sleep(wait_s))
                except PexError as failed:
                    return Answer(error=str(failed), error_kind=error.kind, attempts=attempt)
                continue
            answer.attempts = attempt
            answer.cost_usd = _cost(channel.price, answer)
            return answer
        raise AssertionError("the last attempt returns")

    async def _renew(self, channel: Channel, old: Endpoint) -> None:
        """Connect again, once for all calls that failed on the same connection."""
        async with channel.renewing:
            if channel.endpoint is not old:
                return
            channel.endpoint = await asyncio.to_thread(channel.connect)
            if channel.http is not None:
                await channel.http.close()
            channel.http = session(channel.endpoint)

    def _count(self, channel: Channel, answer: Answer) -> None:
        if answer.error_kind is None:
            channel.answered += 1
        elif answer.error_kind in FATAL:
            channel.fatal += 1
            if channel.fatal >= GIVE_UP_AFTER and not channel.answered:
                self._give_up(channel, answer)

    def _give_up(self, channel: Channel, answer: Answer) -> None:
        """What would fail in the same way is not asked; its rows say so."""
        while channel.waiting:
            for request in channel.waiting.popleft():
                skipped = Answer(
                    error=f"not asked: {answer.error}", error_kind=answer.error_kind, attempts=0
                )
                self._listen(Answered(request.place, skipped))


def _failed(channel: Channel, error: CallError, attempts: int) -> Answer:
    message = error.message
    if error.kind == "unknown_model" and channel.known_models:
        message += f" ({nearest(channel.endpoint.model, channel.known_models)})"
    return Answer(error=message, error_kind=error.kind, attempts=attempts)


def _wait(attempt: int, asked_s: float | None) -> float:
    """Seconds until the next attempt: what the provider asks, else twice as long each time.

    The random part keeps many calls that failed together from coming back together.
    """
    if asked_s is not None:
        return min(asked_s, LONGEST_WAIT_S) + random.uniform(0, 0.1)
    return min(FIRST_WAIT_S * 2.0 ** (attempt - 1), LONGEST_WAIT_S) * random.uniform(0.5, 1.0)


def _cost(price: Price | None, answer: Answer) -> float | None:
    if price is None:
        return None
    if price.source == "free":
        return 0.0
    if answer.prompt_tokens is None or answer.completion_tokens is None:
        return None
    cached = answer.cached_tokens or 0
    return float(price.usd(answer.prompt_tokens, cached, answer.completion_tokens))
