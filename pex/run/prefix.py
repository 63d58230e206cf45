"""How much of a variant's requests is the same in all cases, for providers that cache prefixes.

A provider reads a prompt from its cache as far as it is the same as an earlier one, from its first
token on: tools and the schema of the answer come first, then the messages in their order. One
variable near the top therefore spoils everything after it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from pex.core.call import Request
from pex.core.canonical_json import canonical_json
from pex.core.cases import Case
from pex.core.hidden import CANARY, SHOWN, Hidden, replaced
from pex.core.messages import content_templates
from pex.core.prompt import Prompt
from pex.core.variant import Variant
from pex.run.images import with_placeholders
from pex.run.prices import Price
from pex.run.providers import BUILT_IN

USUAL = 1024
"""Tokens from which endpoints of `pex.toml` with a price for cache reads are taken to cache."""

_SAMPLE = 500
"""Requests from which the mean size of a variant's requests is estimated."""

_FROM: tuple[tuple[str, int], ...] = (
    # https://developers.openai.com/api/docs/guides/prompt-caching
    (r"(openai|azure|openrouter/openai)/", 1024),
    # https://ai.google.dev/gemini-api/docs/caching, Gemini 2.5 and later
    (r"(gemini|openrouter/google)/gemini-2\.5", 2048),
    (r"(gemini|openrouter/google)/gemini-[3-9]", 4096),
    # https://console.groq.com/docs/prompt-caching: 128 to 1,024, by model
    (r"groq/", 1024),
    # https://api-docs.deepseek.com/guides/kv_cache: at intervals that are not published
    (r"(deepseek|openrouter/deepseek)/", 1024),
    # https://docs.x.ai/developers/advanced-api-usage/prompt-caching: in blocks of 128
    (r"openrouter/x-ai/", 1024),
)
"""From how many tokens a provider caches by itself, by `provider/model`, with sources. Anthropic
(and its models elsewhere) caches only what `cache_control` marks, which its OpenAI-compatible
address ignores; Mistral only with a `prompt_cache_key`."""

_MARK = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_]\w*")


def caches_from(model: str, price: Price | None, body: Mapping[str, Any]) -> int | None:
    """From how many tokens the provider caches a prefix by itself; None if it does not.

    Args:
        model: `provider/model`.
        price: of the model; without a lower price for cache reads, there is nothing to gain.
        body: a request.

    Example:
        >>> from pex.run.prices import Rates
        >>> price = Price("x", [Rates(1e-6, 1e-7, 1e-6, 2e-6)])
        >>> caches_from("openai/gpt-5.1", price, {}), caches_from("openai/gpt-5.1", None, {})
        (1024, None)
    """
    if price is None or not price.has_cheaper_reads:
        return None
    found = next((least for pattern, least in _FROM if re.match(pattern, model)), None)
    asked = "prompt_cache_key" in body and model.startswith("mistral/")
    own = model.partition("/")[0] not in BUILT_IN
    return USUAL if found is None and (asked or own) else found


@dataclasses.dataclass(frozen=True, slots=True)
class Spoiler:
    """A variable near the top of a prompt: its mark, and the message and line, from 1."""

    mark: str
    message: int
    line: int
    fixed_tokens: int
    """About how many tokens would be shared if it came at the end."""
    would_save_usd: float


@dataclasses.dataclass(frozen=True, slots=True)
class Prefix:
    """The shared beginning of a variant's requests, in estimated tokens.

    `tokens` is the mean size of a request, `shared` the part that is the same in all `calls`;
    `cached_from` the provider's minimum, None if it does not cache. `saves_usd` is what reading
    it from the cache saves in a run, less what writing it costs.
    """

    variant: str
    model: str
    calls: int
    tokens: int
    shared: int
    cached_from: int | None
    saves_usd: float = 0.0
    spoiled_by: Spoiler | None = None

    @property
    def is_cached(self) -> bool:
        """Whether the provider's cache holds it, and there is a call to read it."""
        return self.cached_from is not None and self.shared >= self.cached_from and self.calls > 1

    def __str__(self) -> str:
        text = f"Shared prefix of '{self.variant}': "
        found = self.spoiled_by
        if found is not None:
            return (
                f"{text}{found.mark} in line {found.line} of message {found.message} differs "
                f"between cases: only about {self.shared:,} of {self.tokens:,} tokens are shared; "
                f"move it to the end (about {found.fixed_tokens:,} would be, saving about "
                f"${max(found.would_save_usd, 0):.2g})"
            )
        text += f"about {self.shared:,} of {self.tokens:,} tokens"
        if self.is_cached:
            return f"{text}, read from the provider's cache; saves about ${self.saves_usd:.2g}"
        return f"{text}; {self.model} caches from {self.cached_from or 0:,}"


class Shared:
    """The longest common beginning of texts, one after the other.

    Example:
        >>> shared = Shared()
        >>> for text in ("Rules. One", "Rules. Other", "Rules. Only"):
        ...     shared.add(text)
        >>> shared.prefix
        'Rules. O'
    """

    def __init__(self) -> None:
        self.prefix = ""
        self.first: str | None = None

    def add(self, text: str) -> None:
        """Shorten the beginning to what this text has too."""
        if self.first is None:
            self.prefix = self.first = text
        elif not text.startswith(self.prefix):
            same, differs = 0, len(self.prefix)
            while differs - same > 1:
                middle = (same + differs) // 2
                if text.startswith(self.prefix[:middle]):
                    same = middle
                else:
                    differs = middle
            self.prefix = self.prefix[:same]

    @property
    def share(self) -> float:
        """The part of the first text that is common to all."""
        return len(self.prefix) / len(self.first) if self.first else 0.0


def prompt_text(body: Mapping[str, Any]) -> str:
    """What a model reads of a request, in the order in which providers compare it."""
    parts = [
        orjson.dumps(body[name]).decode() for name in ("tools", "response_format") if name in body
    ]
    for message in with_placeholders(body["messages"], str(body.get("model", ""))):
        content = message.get("content")
        text = content if isinstance(content, str) else orjson.dumps(content).decode()
        parts.append(f"{message['role']}\n{text}\n")
    return "".join(parts)


def _as_sent(request: Request) -> str:
    """What a model reads of it, with words of its own where each request has others."""
    text = prompt_text(request.body)
    if request.marked is None:
        return text
    word = request.key[:20]
    return str(replaced(text, SHOWN, Hidden(word, word)))


def prefixes(
    requests: Iterable[Request],
    prices: Mapping[str, Price | None],
    tokens_of: Callable[[Request], float],
    variants: Sequence[Variant] = (),
    cases: Sequence[Case] = (),
) -> list[Prefix]:
    """The shared prefix of each variant, in the order of the requests.

    Args:
        requests: those that will be made.
        prices: for each model.
        tokens_of: estimates the prompt tokens of a request.
        variants: to name the variable that spoils a prefix.
        cases: of the run.
    """
    by_variant: dict[str, list[Request]] = {}
    for request in {request.key: request for request in requests}.values():
        by_variant.setdefault(request.variant, []).append(request)
    known = {variant.name: variant for variant in variants}
    found = []
    for name, group in by_variant.items():
        shared = Shared()
        for request in group:
            shared.add(_as_sent(request))
        price = prices.get(group[0].model)
        sample = group[:_SAMPLE]
        tokens = sum(map(tokens_of, sample)) / len(sample)
        first = tokens_of(group[0])
        least = caches_from(group[0].model, price, group[0].body)
        prefix = Prefix(
            name, group[0].model, len(group), round(tokens), round(first * shared.share), least
        )
        if price is not None and prefix.is_cached:
            saves = _saved(price, prefix, prefix.shared)
            prefix = dataclasses.replace(prefix, saves_usd=saves)
        if price is not None and least is not None and name in known and len(group) > 1:
            spoiler = _spoiler(known[name].prompt, cases, shared, first, prefix, price)
            prefix = dataclasses.replace(prefix, spoiled_by=spoiler)
        found.append(prefix)
    return found


def _saved(price: Price, prefix: Prefix, shared: int) -> float:
    """What reading so many tokens from the cache saves, if the first call writes them."""
    size = max(prefix.tokens, shared)
    fresh = price.usd(size, 0, 0)
    reads = fresh - price.usd(size, shared, 0)
    writes = price.usd(size, 0, 0, shared) - fresh
    return (prefix.calls - 1) * reads - writes


def _spoiler(
    prompt: Prompt,
    cases: Sequence[Case],
    shared: Shared,
    first: float,
    prefix: Prefix,
    price: Price,
) -> Spoiler | None:
    """The first variable that differs, if the fixed text after it would be worth caching."""
    varying = _varying(prompt, cases)
    place: tuple[str, int, int] | None = None
    fixed = len(shared.prefix) if not prompt.messages else 0
    for number, message in enumerate(prompt.messages, 1):
        for text in content_templates(message["content"]):
            marks = [mark for mark in _MARK.finditer(text) if _names(mark[0]) & varying]
            fixed += len(text) - sum(len(mark[0]) for mark in marks)
            if marks and place is None:
                line = text.count("\n", 0, marks[0].start()) + 1
                place = (" ".join(marks[0][0].split()), number, line)
    whole = len(shared.first or "")
    if place is None or not whole or prefix.cached_from is None:
        return None
    tokens = round(min(1.0, fixed / whole) * first)
    if tokens < prefix.cached_from or prefix.shared > tokens / 2:
        return None
    return Spoiler(*place, tokens, _saved(price, prefix, tokens) - prefix.saves_usd)


def _varying(prompt: Prompt, cases: Sequence[Case]) -> set[str]:
    """The variables of a prompt that do not have the same value in all cases."""
    seen: dict[str, bytes] = {}
    varying: set[str] = {CANARY} & prompt.hides
    for case in cases:
        values = case.values
        for name in prompt.variables:
            if name in varying:
                continue
            value = canonical_json(values.get(name, prompt.defaults.get(name)))
            if seen.setdefault(name, value) != value:
                varying.add(name)
    return varying


def _names(mark: str) -> set[str]:
    return set(_WORD.findall(mark))
