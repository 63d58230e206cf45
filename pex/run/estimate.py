"""What a run would do, before any model is asked."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from pex.core.call import Request
from pex.run.prices import Price
from pex.run.request import BYTES_PER_TOKEN


@dataclasses.dataclass(frozen=True, slots=True)
class Preview:
    """The first request as it would be sent, and the size of the run.

    Tokens and cost are estimates: the prompt by its bytes, the answer at its longest. `cost_usd`
    is None where a model has no known price, `seconds` where nothing was run before.
    """

    first: dict[str, Any]
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    unpriced: tuple[str, ...]
    seconds_per_call: float | None

    def __str__(self) -> str:
        lines = [f"First of {self.calls} requests to {self.first['model']}:"]
        for message in self.first["messages"]:
            lines += [f"  {message['role']}:", *_indented(message["content"])]
        settings = {k: v for k, v in self.first.items() if k not in ("model", "messages")}
        if settings:
            lines.append(f"  with {orjson.dumps(settings).decode()}")
        return "\n".join([*lines, *self.sizes()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f'<pre style="white-space:pre-wrap">{html.escape(str(self))}</pre>'

    def sizes(self) -> list[str]:
        """The size of the run in a few lines of text."""
        if self.cost_usd is None:
            cost = f"not known: no price for {', '.join(self.unpriced)}"
        else:
            cost = "nothing" if self.cost_usd == 0 else f"at most about ${self.cost_usd:.2g}"
        lines = [
            f"{self.calls} calls, about {self.prompt_tokens:,} tokens in and at most "
            f"{self.completion_tokens:,} out",
            f"Cost: {cost}",
        ]
        if self.seconds_per_call is not None:
            lines.append(f"Last time a call took {self.seconds_per_call:.2g} s")
        return lines


def estimate(
    requests: Sequence[Request],
    prices: Mapping[str, Price | None],
    max_tokens: int,
    seconds_per_call: float | None = None,
) -> Preview:
    """Size up a run.

    Args:
        requests: at least one; equal ones are asked once and count once.
        prices: for each model.
        max_tokens: how long an answer may be where the request does not say.
        seconds_per_call: the median of an earlier run.
    """
    distinct = list({request.key: request for request in requests}.values())
    tokens_in = tokens_out = 0
    cost = 0.0
    for request in distinct:
        size = round(len(orjson.dumps(request.body["messages"])) / BYTES_PER_TOKEN)
        body = request.body
        longest = int(body.get("max_tokens") or body.get("max_completion_tokens") or max_tokens)
        tokens_in += size
        tokens_out += longest
        price = prices[request.model]
        if price is not None:
            cost += price.usd(size, 0, longest)
    unpriced = tuple(sorted(model for model, price in prices.items() if price is None))
    return Preview(
        first=distinct[0].body,
        calls=len(distinct),
        prompt_tokens=tokens_in,
        completion_tokens=tokens_out,
        cost_usd=None if unpriced else cost,
        unpriced=unpriced,
        seconds_per_call=seconds_per_call,
    )


def _indented(content: Any) -> list[str]:
    text = content if isinstance(content, str) else orjson.dumps(content).decode()
    return [f"    {line}" for line in text.splitlines()]
