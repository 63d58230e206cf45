"""The counts of tokens that an endpoint reports, whatever it calls them."""

from __future__ import annotations

from typing import Any

from pex.core.call import read_count


def read_usage(usage: Any) -> dict[str, Any]:
    """The counts in `usage` under the names of `Answer`; none where nothing is reported."""
    if not isinstance(usage, dict):
        return {}
    prompt, completion = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    prompt = prompt if isinstance(prompt, dict) else {}
    completion = completion if isinstance(completion, dict) else {}
    return {
        "prompt_tokens": read_count(usage.get("prompt_tokens")),
        "completion_tokens": read_count(usage.get("completion_tokens")),
        "reasoning_tokens": read_count(completion.get("reasoning_tokens")),
        "cached_tokens": read_count(prompt.get("cached_tokens")),
    }
