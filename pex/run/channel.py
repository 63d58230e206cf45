"""A model that is to be asked: how to reach it, what it costs, and what waits for it."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import aiohttp

from pex.core.call import Request
from pex.core.settings import Settings
from pex.run.client import probe
from pex.run.endpoint import Endpoint, connect
from pex.run.loop import run_apart
from pex.run.prices import Price, price_of


@dataclasses.dataclass(slots=True)
class Channel:
    """One model: how to reach it, and the requests that wait for it."""

    endpoint: Endpoint
    connect: Callable[[], Endpoint]
    price: Price | None
    known_models: list[str] | None = None
    waiting: collections.deque[list[Request]] = dataclasses.field(default_factory=collections.deque)
    http: aiohttp.ClientSession | None = None
    answered: int = 0
    fatal: int = 0
    renewing: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)


def open_channels(
    models: Iterable[str], settings: Settings, state: Path, timeout_s: float | None = None
) -> dict[str, Channel]:
    """Connect to every model and make sure that somebody answers there, before money is spent.

    Args:
        models: `provider/model`, each once.
        settings: the project's.
        state: the project's `.pex/` folder.
        timeout_s: how long one call may take, in place of the provider's own.

    Raises:
        PexError: an unknown provider, a key that is not set or refused, nobody at the address.
    """
    channels: dict[str, Channel] = {}
    listed: dict[str, list[str] | None] = {}
    for ref in models:

        def again(ref: str = ref) -> Endpoint:
            endpoint = connect(ref, settings, state)
            return dataclasses.replace(endpoint, timeout_s=timeout_s or endpoint.timeout_s)

        endpoint = again()
        if endpoint.provider not in listed:
            listed[endpoint.provider] = run_apart(probe(endpoint))
        channels[ref] = Channel(endpoint, again, price_of(ref, settings), listed[endpoint.provider])
    return channels
