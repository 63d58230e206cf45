"""A model of a run, and the lane to its provider that it shares with other models."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from pex.core.attachments import filled, references_in
from pex.core.call import Answer, Request
from pex.core.errors import PexError
from pex.core.responses import responses_body
from pex.core.variant import ClientModel
from pex.project.settings import ModelSettings, ProviderSettings, Settings
from pex.run.budget import worst_case
from pex.run.client import Pool, probe, session
from pex.run.database import database_of
from pex.run.endpoint import Endpoint, connect, connect_client
from pex.run.errors import CallError
from pex.run.hidden_words import Words, with_marks
from pex.run.images import attached_tokens, tokens_at_most
from pex.run.limits import Limiter
from pex.run.prices import Price, price_of
from pex.run.providers import LOCAL
from pex.run.reasoning import Tags, tags_of
from pex.run.refusals import Refusals
from pex.run.request import BYTES_PER_TOKEN, max_tokens
from pex.run.threads import run_in_thread
from pex.run.tool_path import ToolPath

RECONNECT_S = 0.5
"""Seconds between a failure to reconnect and one more attempt."""

TOOLS_AT_MOST = 1_000
"""Tokens of the words that a provider puts around tools (Anthropic: 264 to 804)."""


@dataclasses.dataclass(slots=True)
class Call:
    """One request on its way, with the places that share its answer.

    `body` is what is sent next; `earlier` are the answers to the earlier turns of a conversation,
    or the earlier steps of `path`, if tools run.
    `meant` and `sent` are the request as it went out last, and before the parameters that the
    model refuses were taken out.
    """

    group: list[Request]
    channel: Channel
    body: dict[str, Any]
    attempts: int = 0
    earlier: list[Answer] = dataclasses.field(default_factory=list)
    meant: dict[str, Any] = dataclasses.field(default_factory=dict)
    sent: dict[str, Any] = dataclasses.field(default_factory=dict)
    words: Words | None = None
    """The canary and the delimiter, which only the bytes have that are sent."""

    previous: str | None = None
    """The response that the bytes of `payload` go on from, in the Responses API."""
    unsent: int = 0
    """Bytes of the conversation that are therefore not sent, but paid all the same."""
    path: ToolPath | None = None
    """How far it has come; None if no tools run and no user is simulated."""
    stands_in: Call | None = None
    """The call that goes on when the simulated user has written its next message."""

    def payload(self, stream: bool = False) -> bytes:
        """The bytes that are sent, for an answer in one piece or as a stream."""
        self.meant = with_marks(self.group[0], self.body)
        if stream:
            extra = {"stream": True, "stream_options": {"include_usage": True}}
            self.meant = {**self.meant, **extra}
        self.sent = self.channel.refusals.sent(self.meant)
        chat = self.group[0].api == "chat"
        sent = orjson.dumps(self.sent) if chat else self._as_response(self.sent)
        return sent if self.words is None else self.words.filled(sent)

    async def complete(self, payload: bytes) -> bytes:
        """The bytes with the files that they name by a digest; read and drawn on a thread.

        Raises:
            CallError: a file is gone or was changed.
        """
        files = references_in(self.body["messages"])
        if not files:
            return payload
        try:
            return await asyncio.to_thread(filled, payload, files)
        except PexError as error:
            raise CallError("file", str(error), sent=False) from None

    def _as_response(self, body: dict[str, Any]) -> bytes:
        """The bytes for the Responses API that mean the same as a chat body."""
        self.previous, self.unsent = None, 0
        whole = orjson.dumps(responses_body(body))
        named = self.earlier[-1].response_id if self.earlier else None
        if named is None or self.channel.stateless or body.get("store") is False:
            return whole
        self.previous = named
        sent = orjson.dumps(responses_body(body, named))
        thoughts = sum(answer.reasoning_tokens or 0 for answer in self.earlier)
        self.unsent = max(0, len(whole) - len(sent)) + thoughts
        return sent

    def worst_usd(self, size: int) -> float:
        """What it may cost at most, sent in `size` bytes."""
        if self.channel.price is None or self.channel.price.source == "free":
            return 0.0
        tokens = tokens_at_most(self.body, size + self.unsent) + TOOLS_AT_MOST * (
            "tools" in self.body
        )
        return worst_case(self.channel.price, tokens, max_tokens(self.body))

    def tokens(self, size: int) -> float:
        """About how many tokens it takes, where a rate of tokens is kept; else 0."""
        if not self.channel.lane.limiter.meter_tokens:
            return 0.0
        parts = attached_tokens(self.body["messages"], self.group[0].model)
        return (size + self.unsent) / BYTES_PER_TOKEN + parts


@dataclasses.dataclass(slots=True)
class Lane:
    """All calls of a run to one provider: what waits, and how many may be in flight.

    `rates` are requests and tokens per minute; `delayed` counts calls that wait for another try,
    and `due` has when each of them goes out and the kind of error that it waits out.
    """

    name: str
    limiter: Limiter
    rates: tuple[float | None, float | None] = (None, None)
    waiting: collections.deque[Call] = dataclasses.field(default_factory=collections.deque)
    delayed: int = 0
    due: list[tuple[float, str]] = dataclasses.field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


@dataclasses.dataclass(slots=True)
class Channel:
    """One model: how to reach it, and how it has done so far.

    Calls take its connections and give them back: those of a token that has run out are closed
    when the last call on them has ended.
    """

    endpoint: Endpoint
    connect: Callable[[], Endpoint]
    price: Price | None
    lane: Lane
    known_models: list[str] | None = None
    http: Pool | None = None
    stateless: bool = False
    """Its endpoint cannot continue an earlier response: conversations are sent whole."""
    answered_at: float | None = None
    answered_by: Endpoint | None = None
    was_renewed: bool = False
    failed_in_a_row: int = 0
    refusals: Refusals = dataclasses.field(default_factory=Refusals)
    renewing: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)
    tags: Tags | None = dataclasses.field(default_factory=lambda: tags_of(None))
    """What holds the model's reasoning in its text."""
    failure: PexError | None = None
    """Why connecting again failed."""
    in_use: collections.Counter[Pool] = dataclasses.field(default_factory=collections.Counter)
    closing: set[asyncio.Task[None]] = dataclasses.field(default_factory=set)

    def open(self) -> None:
        """Make its connection pool, on the runner's event loop."""
        self.http = session(self.endpoint)

    def take(self) -> Pool:
        """The connections for one call."""
        assert self.http is not None  # open() has been called
        self.in_use[self.http] += 1
        return self.http

    def give_back(self, http: Pool) -> None:
        """The call has ended."""
        self.in_use[http] -= 1
        if not self.in_use[http]:
            del self.in_use[http]
            if http is not self.http:
                self._close(http)

    def may_renew(self, endpoint: Endpoint, kind: str) -> bool:
        """Whether a call that failed so on `endpoint` may succeed on another.

        A renewed token that has never worked is not renewed again.
        """
        if not endpoint.renewed_after(kind):
            return False
        served = self.answered_by is endpoint or not self.was_renewed
        return kind == "connection" or served or self.endpoint is not endpoint

    async def reconnect(self, old: Endpoint) -> None:
        """Connect again, once for all calls that failed on `old`.

        Calls in flight keep the connections that they have.

        Raises:
            PexError: it failed twice, now or for an earlier call.
        """
        async with self.renewing:
            if self.endpoint is not old:
                return
            if self.failure is not None:
                raise self.failure
            try:
                endpoint = await self._connected()
            except PexError as failed:
                self.failure = failed
                raise
            before, self.endpoint, self.was_renewed = self.http, endpoint, True
            self.open()
            if before is not None and not self.in_use[before]:
                self._close(before)

    async def _connected(self) -> Endpoint:
        try:
            return await asyncio.to_thread(self.connect)
        except PexError:
            await asyncio.sleep(RECONNECT_S)
            return await asyncio.to_thread(self.connect)

    def _close(self, http: Pool) -> None:
        task = asyncio.ensure_future(http.close())
        self.closing.add(task)
        task.add_done_callback(self.closing.discard)

    async def close(self) -> None:
        """Close what is open; no call is in flight any more."""
        if self.http is not None:
            await self.http.close()
        if self.closing:
            await asyncio.wait(self.closing)


def open_channels(
    models: Iterable[str],
    settings: Settings,
    state: Path,
    max_in_flight: int | None = None,
    timeout_s: float | None = None,
    fixed: frozenset[str] = frozenset(),
    clients: Mapping[str, ClientModel] | None = None,
) -> dict[str, Channel]:
    """Connect to every model and check that its endpoint responds, before money is spent.

    Args:
        models: `provider/model`, each once.
        settings: the project's.
        state: the project's `.pex/` folder.
        max_in_flight: calls at once to each provider, instead of its own number.
        timeout_s: how long one call may take, instead of the provider's own.
        fixed: parameters in which the variants of the run differ: they are never dropped.
        clients: the models that are called through a client of the user's.

    Raises:
        PexError: an unknown provider, a key that is not set or refused, no response at the address.
    """
    channels: dict[str, Channel] = {}
    listed: dict[tuple[str, int], list[str] | None] = {}
    lanes: dict[str, Lane] = {}
    for ref in models:

        def again(ref: str = ref) -> Endpoint:
            given = (clients or {}).get(ref)
            endpoint = connect_client(given, settings) if given else connect(ref, settings, state)
            return dataclasses.replace(endpoint, timeout_s=timeout_s or endpoint.timeout_s)

        endpoint = again()
        name = endpoint.provider
        at = (name, id(endpoint.client))
        if at not in listed:
            listed[at] = run_in_thread(probe(endpoint))
        if name not in lanes:
            own = settings.providers.get(name, ProviderSettings())
            rates = (own.requests_per_minute, own.tokens_per_minute)
            metered = [rate is not None for rate in rates]
            limiter = Limiter(max_in_flight or endpoint.max_in_flight, *metered)
            lanes[name] = Lane(name, limiter, rates)
        refusals = Refusals(ref, _place(endpoint), fixed, database_of(state, settings)).recall()
        channels[ref] = Channel(
            endpoint, again, price_of(ref, settings), lanes[name], listed[at], refusals=refusals
        )
        channels[ref].tags = tags_of(settings.models.get(ref, ModelSettings()).reasoning_tags)
    return channels


def _place(endpoint: Endpoint) -> str:
    """The endpoint as it is remembered: the built-in server's port changes each time."""
    return endpoint.provider if endpoint.provider == LOCAL else endpoint.base
