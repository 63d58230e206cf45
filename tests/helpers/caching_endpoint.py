"""An endpoint that bills like a provider with an automatic cache of prefixes."""

from __future__ import annotations

import contextvars
from typing import Any

from aiohttp import web

from pex.run.prefix import prompt_text
from tests.helpers.endpoint import FaultyEndpoint, completion

CHARS = 4
"""Characters of a token."""
BLOCK, LEAST = 128, 1024
"""The cache keeps whole blocks of tokens, from a least number on."""

PRICES = (
    '[prices."lab/m1"]\ninput_usd_per_million = 2.0\noutput_usd_per_million = 8.0\n'
    "cached_input_usd_per_million = 0.2\ncache_write_usd_per_million = 2.5\n"
)
"""Reads at a tenth, writes at 1.25 times the price of a fresh token."""

_cached: contextvars.ContextVar[int] = contextvars.ContextVar("_cached")


def settings(endpoint: FaultyEndpoint, prices: str = PRICES) -> str:
    """What `pex.toml` says of it."""
    return f'[providers.lab]\nbase_url = "{endpoint.url}"\n{prices}'


class CachingEndpoint(FaultyEndpoint):
    """Its cache holds the beginning of a prompt from when the first answer to it is complete.

    Each answer is the last message; its usage says what was read and what was written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.held: set[int] = set()
        self.fault: Any = lambda body, number: None
        """As `reply` of other endpoints; None for an answer."""
        self.reply = self._answer

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        blocks = self._blocks(body)
        found = [n for n, block in enumerate(blocks) if block in self.held]
        _cached.set(LEAST + BLOCK * found[-1] if found else 0)
        response = await super()._chat(request)
        if response.status == 200:
            self.held.update(blocks)
        return response

    def _blocks(self, body: dict[str, Any]) -> list[int]:
        text, model = prompt_text(body), body["model"]
        ends = range(LEAST * CHARS, len(text) + 1, BLOCK * CHARS)
        return [hash((model, text[:end])) for end in ends]

    def _answer(self, body: dict[str, Any], number: int) -> Any:
        fault = self.fault(body, number)
        if fault is not None:
            return fault
        tokens, cached = len(prompt_text(body)) // CHARS, _cached.get()
        blocks = len(self._blocks(body))
        kept = LEAST + BLOCK * (blocks - 1) if blocks else 0
        usage = {
            "prompt_tokens": tokens,
            "completion_tokens": 2,
            "total_tokens": tokens + 2,
            "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": kept - cached},
        }
        return completion(body["messages"][-1]["content"]) | {"usage": usage}
