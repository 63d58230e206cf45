"""What a run would do, before any model is called."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import orjson

from pex.core.call import Request
from pex.core.cases import Case
from pex.core.safe_text import clean
from pex.core.variant import Variant
from pex.run.images import counted_bytes, shown, tokens_about, without_images
from pex.run.ledger import Past
from pex.run.prefix import Prefix, prefixes
from pex.run.prices import Price
from pex.run.request import BYTES_PER_TOKEN, max_tokens, user_turn

EARLIER = "earlier calls"
TOKENIZER = "the model's tokenizer"
BYTES = "bytes"
_USUAL_STEPS = 3
"""Requests that an answer is expected to take if tools run."""
_REPLY = 200
"""Tokens that a tool's reply is expected to have."""
_USUAL_TURNS = 3
"""Messages that a simulated user is expected to write."""
_PREFIXES = 6
"""So many are shown; all are in `Preview.prefixes`."""
_SAMPLE = 100_000
"""So many characters are enough to see how a tokenizer cuts a run's texts."""


@dataclasses.dataclass(frozen=True, slots=True)
class Preview:
    """The first request as it would be sent, and the size of the run.

    `turns` are what the user says after its first answer. `calls` are those that would be made,
    `most_calls` at most, and `replayed` those whose answers are reused; `tokens_from` says what
    the tokens are estimated from. `completion_tokens` and `cost_usd` are what earlier answers
    suggest, or the longest allowed if there are none; `longest_tokens` and `at_most_usd` are for
    the longest answers. Costs are None if a model has no known price, `seconds` if nothing was run
    before. `prefixes` are the shared beginnings of each variant's prompts; the costs are those
    without a cache.
    `flagged` are lines about cases that the guard flags, `tools` about what runs when the model
    calls a tool; `max_steps` are the requests that an answer may take then. `user` is what a
    simulated user is asked for its first message, `max_turns` how many it may write.
    """

    first: dict[str, Any]
    turns: tuple[str, ...]
    calls: int
    replayed: int
    prompt_tokens: int
    completion_tokens: int
    longest_tokens: int
    tokens_from: tuple[str, ...]
    cost_usd: float | None
    at_most_usd: float | None
    unpriced: tuple[str, ...]
    seconds: float | None
    prefixes: tuple[Prefix, ...] = ()
    flagged: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    max_steps: int = 1
    most_calls: int = 0
    user: dict[str, Any] | None = None
    max_turns: int = 0

    def __str__(self) -> str:
        count = self.calls + self.replayed
        lines = [f"First of {count} request{'s' * (count != 1)} to {self.first['model']}:"]
        for message in self.first["messages"]:
            lines += [f"  {message['role']}:", *_indented(message["content"])]
        for turn in self.turns:
            lines += ["  then, after the answer:", *_indented(turn)]
        settings = {k: v for k, v in self.first.items() if k not in ("model", "messages")}
        offered = _offered(settings.pop("tools", None))
        if settings:
            lines.append(f"  with {orjson.dumps(settings).decode()}")
        if offered:
            lines.append(f"  offering {', '.join(offered)}")
        if self.tools:
            lines += ["Tools that run when the model calls them:", *(f"  {t}" for t in self.tools)]
        if self.user is not None:
            most = f"{self.max_turns} message{'s' * (self.max_turns != 1)}"
            lines.append(f"Simulated user, up to {most}, by {self.user['model']}:")
            for message in self.user["messages"]:
                lines += [f"  {message['role']}:", *_indented(message["content"])]
        return clean("\n".join([*lines, *self.sizes(), *self.flagged]))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        text = html.escape(str(self))
        return (
            f'<pre class="mathjax_ignore tex2jax_ignore" style="white-space:pre-wrap">{text}</pre>'
        )

    def sizes(self) -> list[str]:
        """The size of the run in a few lines of text."""
        if not self.calls:
            return ["All answers are reused from the journal: no calls, no cost"]
        reused = f" ({self.replayed} more answers are reused)" if self.replayed else ""
        out = f"about {self.completion_tokens:,} out, {self.longest_tokens:,} at most"
        if self.completion_tokens == self.longest_tokens:
            out = f"at most {self.longest_tokens:,} out"
        calls = f"{self.calls} call{'s' * (self.calls != 1)}"
        if self.max_steps > 1 or self.max_turns:
            why = [f"up to {self.max_steps} for each answer whose tools run"] * (self.max_steps > 1)
            why += [
                f"up to {self.max_turns} messages of each simulated user, with their answers"
            ] * bool(self.max_turns)
            calls = f"About {self.calls} calls, {self.most_calls} at most ({'; '.join(why)})"
        lines = [
            f"{calls}{reused}, about {self.prompt_tokens:,} tokens in and {out}",
            f"Input tokens are estimated from {' and '.join(map(_explained, self.tokens_from))}",
            f"Cost: {self._cost()}",
        ]
        lines += self._prefix_lines()
        if self.seconds is not None:
            lines.append(f"Time: about {_time(self.seconds)}, at the pace of the last run")
        return lines

    def _prefix_lines(self) -> list[str]:
        """What the provider's cache can make of the prompts, where it can."""
        told = [prefix for prefix in self.prefixes if prefix.cached_from and prefix.calls > 1]
        lines = [str(prefix) for prefix in told[:_PREFIXES]]
        more = len(told) - len(lines)
        return [*lines, f"{more} more prefixes in .prefixes"] if more else lines

    def _cost(self) -> str:
        if self.cost_usd is None or self.at_most_usd is None:
            return f"unknown: no price for {', '.join(self.unpriced)}"
        if self.at_most_usd == 0:
            return "free"
        if self.cost_usd == self.at_most_usd:
            return f"at most about ${self.at_most_usd:.2g}"
        if self.max_turns:
            turns = min(_USUAL_TURNS, self.max_turns)
            return (
                f"about ${self.cost_usd:.2g} if a simulated user writes {turns} "
                f"message{'s' * (turns != 1)}; about ${self.at_most_usd:.2g} if each writes "
                f"{self.max_turns}, and every text is as long as allowed"
            )
        if self.max_steps > 1:
            steps = min(_USUAL_STEPS, self.max_steps)
            return (
                f"about ${self.cost_usd:.2g} if an answer whose tools run takes {steps} calls; "
                f"about ${self.at_most_usd:.2g} if each takes {self.max_steps}, and every text is "
                "as long as allowed"
            )
        return (
            f"about ${self.cost_usd:.2g}; about ${self.at_most_usd:.2g} if every answer is as long "
            "as allowed"
        )


def estimate(
    requests: Sequence[Request],
    prices: Mapping[str, Price | None],
    past: Past,
    found: Collection[str] = (),
    tokenizers: Tokenizers | None = None,
    price_part: float = 1.0,
    variants: Sequence[Variant] = (),
    cases: Sequence[Case] = (),
) -> Preview:
    """Size up a run.

    Args:
        requests: at least one; equal ones are sent once and count once.
        prices: for each model.
        past: what earlier calls measured.
        found: keys whose answers are reused.
        tokenizers: for models that have one at hand, what counts the tokens of a text; None
            where it cannot at the moment.
        price_part: what is paid of the ordinary price, half in a provider batch.
        variants: to name a variable that spoils a shared prefix.
        cases: of the run, for the same.
    """
    distinct = {request.key: request for request in requests}
    asked = [request for key, request in distinct.items() if key not in found]
    users = [user_turn(request, ()) for request in asked if request.user is not None]
    rates = _rates([*asked, *users], past, tokenizers or {})
    sums = _Sums()
    for request in asked:
        _add_request(sums, request, rates, prices, past)
    unpriced = tuple(sorted(model for model, price in prices.items() if price is None))
    pace = past.seconds_per_call
    return Preview(
        first=requests[0].body,
        turns=requests[0].turns,
        calls=sums.calls,
        replayed=len(distinct) - len(asked),
        prompt_tokens=round(sums.tokens_in),
        completion_tokens=round(sums.expected_out),
        longest_tokens=round(sums.longest_out),
        tokens_from=tuple(dict.fromkeys(source for _, source in rates.values())),
        cost_usd=None if unpriced else sums.expected_usd * price_part,
        at_most_usd=None if unpriced else sums.at_most_usd * price_part,
        unpriced=unpriced,
        seconds=None if pace is None or not asked else pace * sums.calls,
        max_steps=max((r.loop.max_steps for r in requests if r.loop is not None), default=1),
        most_calls=sums.most_calls,
        user=next((r.user.body for r in requests if r.user is not None), None),
        max_turns=max((r.user.max_turns for r in requests if r.user is not None), default=0),
        prefixes=tuple(
            prefixes(asked, prices, lambda request: _size(request, rates), variants, cases)
        ),
    )


@dataclasses.dataclass(slots=True)
class _Sums:
    """What the calls of a run come to, as expected and at most."""

    calls: int = 0
    most_calls: int = 0
    tokens_in: float = 0.0
    expected_out: float = 0.0
    longest_out: float = 0.0
    expected_usd: float = 0.0
    at_most_usd: float = 0.0

    def expect(self, price: Price | None, size: float, out: float) -> None:
        """One more call that is expected."""
        self.calls += 1
        self.tokens_in += size
        self.expected_out += out
        if price is not None:
            self.expected_usd += price.usd(round(size), 0, round(out))

    def allow(self, price: Price | None, most: float, longest: float) -> None:
        """One more call that is possible."""
        self.most_calls += 1
        self.longest_out += longest
        if price is not None:
            self.at_most_usd += price.at_most(round(most), round(longest))


def _add_request(
    sums: _Sums,
    request: Request,
    rates: Rates,
    prices: Mapping[str, Price | None],
    past: Past,
) -> None:
    """Add the calls of one request: its turns, each with the steps of its tools."""
    rate, price = rates[request.model][0], prices[request.model]
    out, longest = _lengths(request, past)
    steps = 1 if request.loop is None else request.loop.max_steps
    size = most = _size(request, rates)
    # What the user says in each turn: tokens as expected and at most, and whether it is expected.
    turns = [(rate * len(turn.encode()), rate * len(turn.encode()), True) for turn in request.turns]
    asked = None if request.user is None else user_turn(request, ())
    if request.user is not None and asked is not None:
        words, most_words = _lengths(asked, past)
        turns = [
            (words, float(most_words), number < _USUAL_TURNS)
            for number in range(request.user.max_turns)
        ]
        said = most_said = float(_size(asked, rates))
        for _, _, usual in turns:
            said, most_said = said + out, most_said + longest
            if usual:
                sums.expect(prices[asked.model], said, words)
            sums.allow(prices[asked.model], most_said, most_words)
            said, most_said = said + words, most_said + most_words
    for heard, most_heard, usual in [(0.0, 0.0, True), *turns]:
        size, most = size + heard, most + most_heard  # each turn sends what was said before
        for step in range(steps):  # so does each step after its tools
            reply = _REPLY if step + 1 < steps else 0
            if step < _USUAL_STEPS and usual:
                sums.expect(price, size, out)
                size += out + reply
            sums.allow(price, most, longest)
            most += longest + reply


def _lengths(request: Request, past: Past) -> tuple[float, int]:
    """Tokens of an answer, as expected and at most."""
    longest = max_tokens(request.body)
    mean = past.completion_tokens.get((request.variant, request.model), longest)
    return min(mean, longest) if longest else mean, longest


Rates = Mapping[str, tuple[float, str]]
"""By model: tokens for each byte of the messages, and what says so."""
Tokenizers = Mapping[str, Callable[[str], int | None]]


def size_of(
    requests: Sequence[Request], past: Past, tokenizers: Tokenizers
) -> Callable[[Request], float]:
    """A function that estimates the prompt tokens of these requests."""
    rates = _rates(requests, past, tokenizers)
    return lambda request: _size(request, rates)


def _rates(requests: Sequence[Request], past: Past, tokenizers: Tokenizers) -> Rates:
    texts: dict[str, str] = {}
    for request in requests:
        sample = texts.setdefault(request.model, "")
        if len(sample) < _SAMPLE:
            texts[request.model] = sample + _text(request)
    return {
        model: _rate(model, sample, past, tokenizers.get(model)) for model, sample in texts.items()
    }


def _size(request: Request, rates: Rates) -> float:
    rate, source = rates[request.model]
    if source == EARLIER:  # a rate for all that was sent
        return rate * counted_bytes(request.body["messages"], request.model)
    parts = tokens_about(request.body["messages"], request.model)
    return rate * len(_text(request).encode()) + parts


def _rate(
    model: str, texts: str, past: Past, count: Callable[[str], int | None] | None
) -> tuple[float, str]:
    """Tokens for each byte of the messages, and what says so."""
    measured = past.tokens_per_byte.get(model)
    if measured is not None:
        return measured, EARLIER
    sample = texts[:_SAMPLE]
    counted = count(sample) if count is not None else None
    if counted is not None:
        return counted / len(sample.encode()), TOKENIZER
    return 1 / BYTES_PER_TOKEN, BYTES


def _text(request: Request) -> str:
    return orjson.dumps(without_images(request.body["messages"])[0]).decode()


def _explained(source: str) -> str:
    if source == BYTES:
        return "their bytes (a rough estimate; up to 3 times that for non-European languages)"
    return source


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _offered(tools: Any) -> list[str]:
    """The tools of a request with the names of their arguments.

    Example:
        >>> parameters = {"properties": {"id": {}, "note": {}}}
        >>> _offered([{"function": {"name": "cancel", "parameters": parameters}}])
        ['cancel(id, note)']
    """
    found = []
    for tool in tools if isinstance(tools, list) else ():
        inside = tool.get("function", tool) if isinstance(tool, dict) else {}
        inside = inside if isinstance(inside, dict) else {}
        schema = inside.get("parameters")
        given = schema.get("properties") if isinstance(schema, dict) else None
        names = ", ".join(map(str, given)) if isinstance(given, dict) else ""
        found.append(f"{inside.get('name') or inside.get('type') or '?'}({names})")
    return found


def _indented(content: Any) -> list[str]:
    text = content if isinstance(content, str) else "\n".join(shown(part) for part in content)
    return [f"    {line}" for line in text.splitlines()]
