"""The counts of tokens that an endpoint reports, whatever it calls them."""

from __future__ import annotations

from typing import Any


def read_usage(usage: Any) -> dict[str, Any]:
    """The counts in `usage` under the names of `Answer`; none where nothing is reported."""
    if not isinstance(usage, dict):
        return {}
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return {
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "reasoning_tokens": completion.get("reasoning_tokens"),
        "cached_tokens": prompt.get("cached_tokens"),
    }
