"""The counts of tokens that an endpoint reports, whatever it calls them.

Endpoints agree on little here, and money hangs on it. The rules:

- A count is a whole number from 0 to 2,147,483,647 (`10`, `10.0`, `"10"`), anything else unknown.
- `completion_tokens` is everything that was generated, reasoning included. OpenAI counts reasoning
  in it; xAI counts it beside it, and Gemini's compatible page only in the total. So what the total
  leaves after the prompt counts if it is more, and reasoning that is larger than the completion
  it should be a part of is counted in addition to it.
- `prompt_tokens` is everything that was read. Cached and written tokens are a part of it, except
  where Anthropic's own names are used (`cache_read_input_tokens`): these are beside `input_tokens`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pex.core.call import MOST_TOKENS, read_count

_PROMPT = ("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_token_count",
           "inputTokens", "promptTokens")  # fmt: skip
_COMPLETION = ("completion_tokens", "output_tokens", "candidatesTokenCount",
               "candidates_token_count", "outputTokens", "completionTokens")  # fmt: skip
_TOTAL = ("total_tokens", "totalTokenCount", "total_token_count", "totalTokens")
_PROMPT_PARTS = ("prompt_tokens_details", "input_tokens_details")
_COMPLETION_PARTS = ("completion_tokens_details", "output_tokens_details")
_REASONING = ("reasoning_tokens", "thinking_tokens", "thoughtsTokenCount", "thoughts_token_count")
_CACHED = (
    "cached_tokens",  # OpenAI's details; Moonshot beside prompt_tokens
    "cache_read_tokens",
    "prompt_cache_hit_tokens",  # DeepSeek
    "cachedContentTokenCount",  # Gemini
    "cached_content_token_count",
    "num_cached_tokens",
)
_WRITTEN = ("cache_write_tokens", "cache_creation_tokens")  # OpenAI from GPT-5.6; LiteLLM
_CACHED_BESIDE = ("cache_read_input_tokens", "cacheReadInputTokens")  # Anthropic, Bedrock
_WRITTEN_BESIDE = ("cache_creation_input_tokens", "cache_write_input_tokens",
                   "cacheWriteInputTokens")  # fmt: skip


_ORDINARY = frozenset({
    "prompt_tokens", "completion_tokens", "total_tokens",
    "prompt_tokens_details", "completion_tokens_details",
})  # fmt: skip
_ORDINARY_PARTS = frozenset({"cached_tokens", "audio_tokens"})
_NO_PARTS: dict[str, Any] = {}


def read_usage(usage: Any) -> dict[str, Any]:
    """The counts in `usage` under the names of `Answer`; none if nothing is reported.

    Args:
        usage: what stands in the body, of whatever type.

    Example:
        >>> read_usage({"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 331,
        ...     "completion_tokens_details": {"reasoning_tokens": 317}})["completion_tokens"]
        319
        >>> read_usage({"prompt_tokens": 10.5, "completion_tokens": -1})["prompt_tokens"] is None
        True
    """
    if not isinstance(usage, dict):
        return {}
    if (ordinary := _ordinary(usage)) is not None:
        return ordinary
    reads, writes = _parts(usage, _PROMPT_PARTS), _parts(usage, _COMPLETION_PARTS)
    prompt, total = _first(_PROMPT, usage), _first(_TOTAL, usage)
    completion = _first(_COMPLETION, usage)
    reasoning = _first(_REASONING, *writes, usage)
    cached, written = _first(_CACHED, *reads, usage), _first(_WRITTEN, *reads, usage)
    if prompt is None and "prompt_cache_miss_tokens" in usage:
        prompt = _sum(cached, read_count(usage["prompt_cache_miss_tokens"]))
    read_beside, written_beside = _first(_CACHED_BESIDE, usage), _first(_WRITTEN_BESIDE, usage)
    if cached is None and written is None:
        cached, written = read_beside, written_beside
        if _are_beside(usage, prompt, (cached or 0) + (written or 0), total, completion):
            prompt = _sum(prompt, cached or 0, written or 0)
    else:  # under both names (LiteLLM), mostly with less under OpenAI's
        cached = cached if cached or read_beside is None else read_beside
        written = written if written or written_beside is None else written_beside
    if prompt is None and total is not None and not _is_present(_PROMPT, usage):
        prompt = total - completion if completion is not None and total >= completion else None
    if completion is not None or not _is_present(_COMPLETION, usage):
        completion, reasoning = _generated(prompt, completion, reasoning, total)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "reasoning_tokens": reasoning,
        "cached_tokens": cached,
        "cache_write_tokens": written,
    }


def _ordinary(usage: Mapping[str, Any]) -> dict[str, Any] | None:
    """The counts in OpenAI's own form, which most reports have; None if it is another."""
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(prompt) is not int or type(completion) is not int or not usage.keys() <= _ORDINARY:
        return None
    if not (0 <= prompt <= MOST_TOKENS and 0 <= completion <= MOST_TOKENS):
        return None
    reads = usage.get("prompt_tokens_details") or _NO_PARTS
    writes = usage.get("completion_tokens_details") or _NO_PARTS
    if usage.get("total_tokens") != prompt + completion or type(reads) is not dict:
        return None
    if type(writes) is not dict or not reads.keys() <= _ORDINARY_PARTS:
        return None
    cached, reasoning = reads.get("cached_tokens"), writes.get("reasoning_tokens")
    if cached is not None and (type(cached) is not int or not 0 <= cached <= prompt):
        return None
    if reasoning is not None and (type(reasoning) is not int or not 0 <= reasoning <= completion):
        return None
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "reasoning_tokens": reasoning,
        "cached_tokens": cached,
        "cache_write_tokens": None,
    }


def _generated(
    prompt: int | None, completion: int | None, reasoning: int | None, total: int | None
) -> tuple[int | None, int | None]:
    """Everything that was generated, and how much of it was reasoning."""
    left = None if prompt is None or total is None or total < prompt else total - prompt
    if completion is None:
        return left, reasoning
    whole: int | None = completion
    if left is not None and left > completion:
        reasoning = left - completion if reasoning is None else reasoning
        whole = left
    if reasoning is not None and reasoning > completion:
        whole = _sum(completion, reasoning) if left is None else max(left, completion + reasoning)
    return whole if whole is None or whole <= MOST_TOKENS else None, reasoning


def _are_beside(
    usage: Mapping[str, Any],
    prompt: int | None,
    cache: int,
    total: int | None,
    completion: int | None,
) -> bool:
    """Whether counts under Anthropic's names come on top of the prompt's."""
    if prompt is None or not cache:
        return False
    if cache > prompt:
        return True
    counted = total is not None and total - (completion or 0) == prompt
    return "prompt_tokens" not in usage and not counted


def _parts(usage: Mapping[str, Any], names: tuple[str, ...]) -> list[Mapping[str, Any]]:
    """The detailed counts, under whichever names they stand."""
    return [usage[name] for name in names if isinstance(usage.get(name), dict)]


def _first(names: tuple[str, ...], *places: Mapping[str, Any]) -> int | None:
    """The first of these counts that is known."""
    for place in places:
        for name in names:
            if name in place:
                count = read_count(place[name])
                if count is not None:
                    return count
    return None


def _is_present(names: tuple[str, ...], usage: Mapping[str, Any]) -> bool:
    """Whether there is a value at all, even one that is not a count: then none is guessed."""
    return any(usage.get(name) is not None for name in names)


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    whole = sum(known)
    return whole if len(known) == len(counts) and whole <= MOST_TOKENS else None
