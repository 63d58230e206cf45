"""Why a model stopped, in the words of all providers, and what each means."""

from __future__ import annotations

import re

from pex.run.errors import BUSY

_FINISHES: dict[str, str] = {
    **dict.fromkeys(
        ("length", "max_tokens", "max_output_tokens", "max_completion_tokens", "token_limit",
         "model_length",  # Mistral
         "model_context_window_exceeded", "context_length_exceeded",  # Anthropic
         "truncated", "incomplete"), "cut_off"),
    **dict.fromkeys(
        ("content_filter", "content_filtered", "safety", "recitation", "blocklist", "spii",
         "prohibited_content", "image_safety", "image_prohibited_content", "image_recitation",
         "language",  # Gemini, with or without "content_filter: " before it
         "guardrail_intervened",  # Bedrock
         "sensitive",  # Zhipu
         "moderation", "blocked", "refusal"), "filtered"),  # Anthropic: stopped by a classifier
    **dict.fromkeys(
        ("error",  # OpenRouter, vLLM, Mistral
         "abort", "aborted",  # vLLM, SGLang
         "failed", "cancelled", "canceled", "disconnect", "disconnected",
         "network_error",  # Zhipu
         "load", "unload",  # Ollama
         "killed", "preempted", "evicted", "out_of_memory", "exception"), "server"),
    "user_cancel": "server", "error_limit": "cut_off", "error_toxic": "filtered",  # Cohere
    **dict.fromkeys(("rate_limit", "rate_limited"), "rate_limit"),
    **dict.fromkeys(("insufficient_system_resource", "overloaded"), BUSY),  # DeepSeek
    **dict.fromkeys(("timeout", "time_limit"), "timeout"),
    **dict.fromkeys(
        ("malformed_function_call", "malformed_response", "unexpected_tool_call",
         "too_many_tool_calls", "missing_thought_signature"), "bad_body"),  # Gemini
    **dict.fromkeys(
        ("other", "no_image", "image_other", "finish_reason_unspecified", "unknown"), "unsure"),
}  # fmt: skip
"""Why the model stopped -> what that means; what is neither here nor below is an ordinary end."""

_FINISH_PARTS: tuple[tuple[str, str], ...] = (
    ("malformed", "bad_body"),
    ("overload", BUSY),
    ("unavailable", BUSY),
    ("rate_limit", "rate_limit"),
    ("timeout", "timeout"),
    ("timed_out", "timeout"),
    *((part, "server") for part in ("error", "fail", "abort", "cancel", "interrupt", "disconnect")),
    ("content_filter", "filtered"),
    ("moderat", "filtered"),
    ("guardrail", "filtered"),
    ("max_tokens", "cut_off"),
)
"""A part of a reason that no table has, such as `internal_server_error` -> what it means."""


def finish_meaning(reason: str | None) -> str | None:
    """The meaning of a finish reason: `cut_off`, `filtered`, `unsure`, a kind of error, or None.

    Example:
        >>> [finish_meaning(word) for word in ("stop", "MAX_TOKENS", "content_filter: SAFETY")]
        [None, 'cut_off', 'filtered']
    """
    if reason is None or reason in ("stop", "tool_calls"):
        return None
    word = re.sub(r"[^a-z]+", "_", reason.lower()).strip("_")
    found = _FINISHES.get(word)
    for prefix in ("content_filter_", "function_call_filter_", "finish_reason_"):  # Gemini
        if found is None and word.startswith(prefix):
            found = _FINISHES.get(word.removeprefix(prefix)) or _FINISHES.get(prefix[:-1])
    if found is None:
        found = next((meaning for part, meaning in _FINISH_PARTS if part in word), None)
    return found
