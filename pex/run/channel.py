"""A model that is to be asked, and the lane to its provider that it shares with others."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from pex.core.call import Answer, Request
from pex.core.responses import responses_body
from pex.core.settings import ProviderSettings, Settings
from pex.core.variant import ClientModel
from pex.run.budget import worst_case
from pex.run.client import Pool, probe
from pex.run.endpoint import Endpoint, connect, connect_client
from pex.run.images import tokens_at_most
from pex.run.limits import Limiter
from pex.run.loop import run_apart
from pex.run.prices import Price, price_of
from pex.run.request import BYTES_PER_TOKEN, max_tokens


@dataclasses.dataclass(slots=True)
class Call:
    """One request on its way, with the places that share its answer.

    `body` is what is sent next; `earlier` are the answers to the turns of a conversation before.
    """

    group: list[Request]
    channel: Channel
    body: dict[str, Any]
    attempts: int = 0
    earlier: list[Answer] = dataclasses.field(default_factory=list)
    previous: str | None = None
    """The response that the bytes of `payload` go on from, in the Responses API."""
    unsent: int = 0
    """So many bytes of the conversation are not sent for that, and paid all the same."""

    def payload(self, stream: bool = False) -> bytes:
        """The bytes that are sent, for an answer in one piece or as a stream."""
        body = self.body
        if stream:
            body = {**body, "stream": True, "stream_options": {"include_usage": True}}
        return orjson.dumps(body) if self.group[0].api == "chat" else self._as_response(body)

    def _as_response(self, body: dict[str, Any]) -> bytes:
        """The bytes for the Responses API that ask the same as a chat body."""
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
        tokens = tokens_at_most(self.body, size + self.unsent)
        return worst_case(self.channel.price, tokens, max_tokens(self.body))

    def tokens(self, size: int) -> float:
        """About how many tokens it takes, where a rate of tokens is kept; else 0."""
        size += self.unsent
        return size / BYTES_PER_TOKEN if self.channel.lane.limiter.meter_tokens else 0.0


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
    """One model: how to reach it, and how it has done so far."""

    endpoint: Endpoint
    connect: Callable[[], Endpoint]
    price: Price | None
    lane: Lane
    known_models: list[str] | None = None
    http: Pool | None = None
    stateless: bool = False
    """Its endpoint does not go on from an earlier response: conversations are sent whole."""
    answered_at: float | None = None
    failed_in_a_row: int = 0
    renewing: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)


def open_channels(
    models: Iterable[str],
    settings: Settings,
    state: Path,
    max_in_flight: int | None = None,
    timeout_s: float | None = None,
    clients: Mapping[str, ClientModel] | None = None,
) -> dict[str, Channel]:
    """Connect to every model and make sure that somebody answers there, before money is spent.

    Args:
        models: `provider/model`, each once.
        settings: the project's.
        state: the project's `.pex/` folder.
        max_in_flight: calls at once to each provider, in place of its own number.
        timeout_s: how long one call may take, in place of the provider's own.
        clients: the models that are asked through a client of the user's.

    Raises:
        PexError: an unknown provider, a key that is not set or refused, nobody at the address.
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
            listed[at] = run_apart(probe(endpoint))
        if name not in lanes:
            own = settings.providers.get(name, ProviderSettings())
            rates = (own.requests_per_minute, own.tokens_per_minute)
            metered = [rate is not None for rate in rates]
            limiter = Limiter(max_in_flight or endpoint.max_in_flight, *metered)
            lanes[name] = Lane(name, limiter, rates)
        channels[ref] = Channel(endpoint, again, price_of(ref, settings), lanes[name], listed[at])
    return channels
