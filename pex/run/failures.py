"""Every way a call can fail, by name: what a reply without an answer means.

What is known comes first: the HTTP status, and the codes, types, states and details that the
provider sends, wherever it puts them. The words of a message only count if nothing else is clear.
A new oddity is a line in `_CODES` here or in the table of `finish_reasons`, and a row in
`tests/run/test_failures.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pex.run.error_body import (
    ErrorBody,
    error_of_value,
    is_error,
    message_of,
    named_parameter,
    parse_error,
    readable,
)
from pex.run.errors import BUSY, CASE_PARTS, CallError, of_kind
from pex.run.retry_after import asked_s

_CODES: tuple[tuple[str, str], ...] = (
    # -- the prompt was flagged: says nothing about the model or about other cases
    # OpenAI, Azure `code`; Moonshot `type`; Zhipu contentFilter
    ("content_filter", "content_filter"),
    ("content_policy", "content_filter"),  # OpenAI content_policy_violation, LiteLLM
    ("ResponsibleAIPolicyViolation", "content_filter"),  # Azure `innererror.code`
    ("=invalid_prompt", "content_filter"),  # OpenAI's reasoning models: "your prompt was flagged"
    ("policy_violation", "content_filter"),  # OpenAI cyber_policy_violation and its siblings
    ("=bio_policy", "content_filter"),  # OpenAI, Responses API
    ("usage_policy", "content_filter"),
    ("moderation", "content_filter"),  # OpenAI moderation_blocked, Mistral
    ("guardrail", "content_filter"),  # Bedrock, LiteLLM, Mistral
    ("flagged", "content_filter"),  # OpenRouter `metadata.flagged_input`, see error_body
    ("data_inspection", "content_filter"),  # Alibaba DashScope DataInspectionFailed
    ("PROHIBITED_CONTENT", "content_filter"),  # Gemini `blockReason`
    ("safety", "content_filter"),  # Gemini SAFETY, IMAGE_SAFETY
    ("=BLOCKLIST", "content_filter"),  # Gemini
    ("=SPII", "content_filter"),  # Gemini: sensitive personal information
    ("RECITATION", "content_filter"),  # Gemini
    ("prompt_blocked", "content_filter"),
    ("content_blocked", "content_filter"),
    ("unsafe_content", "content_filter"),
    ("sensitive", "content_filter"),  # Zhipu
    ("=1301", "content_filter"),  # Zhipu
    # -- the model has written something that its own server could not use: another try may do
    ("json_validate_failed", "bad_body"),  # Groq
    ("tool_use_failed", "bad_body"),  # Groq
    ("output_parse_failed", "bad_body"),  # Groq
    ("malformed", "bad_body"),  # Gemini MALFORMED_FUNCTION_CALL
    # -- no money left; a limit by the minute is none of these
    ("in_flight_budget", "rate_limit"),  # OpenRouter, with status 402
    ("insufficient_quota", "quota"),  # OpenAI
    ("insufficient_balance", "quota"),  # DeepSeek, Zhipu
    ("insufficient_credit", "quota"),  # OpenRouter, xAI
    ("insufficient_funds", "quota"),
    ("exceeded_current_quota", "quota"),  # Moonshot
    ("billing", "quota"),  # OpenAI billing_hard_limit_reached, Anthropic billing_error
    ("payment_required", "quota"),  # OpenRouter, Mistral, Cohere
    ("credit_limit", "quota"),  # Together
    ("credit_balance", "quota"),  # Anthropic
    ("budget_exceeded", "quota"),  # LiteLLM
    ("arrear", "quota"),  # Alibaba DashScope Arrearage
    ("PerDay", "quota"),  # Gemini `details[].violations[].quotaId`: no use in asking again today
    ("spend_limit", "quota"),
    ("=1113", "quota"),  # Zhipu
    # -- longer than the model can read
    ("context_length", "too_long"),  # OpenAI, Groq context_length_exceeded
    ("context_window", "too_long"),  # LiteLLM ContextWindowExceededError
    ("context_size", "too_long"),  # llama.cpp exceed_context_size_error
    ("string_above_max_length", "too_long"),  # OpenAI
    ("too_long", "too_long"),
    ("too_large", "too_long"),  # Anthropic request_too_large
    ("tokens_limit_reached", "too_long"),  # GitHub Models
    # -- the key, and what it permits
    ("api_key", "auth"),  # OpenAI invalid_api_key, Gemini API_KEY_INVALID
    ("authenticat", "auth"),  # Anthropic, Together, Moonshot, llama.cpp; Gemini UNAUTHENTICATED
    ("unauthori", "auth"),  # Mistral and other FastAPI servers
    ("permission", "auth"),  # Anthropic, Gemini PERMISSION_DENIED, Groq model_permission_blocked
    ("access_denied", "auth"),  # Alibaba, Azure
    ("access_terminated", "auth"),
    ("=forbidden", "auth"),
    ("account_deactivated", "auth"),  # OpenAI
    ("account_suspended", "auth"),
    ("organization_restricted", "auth"),  # Groq
    ("invalid_organization", "auth"),
    ("unsupported_country", "auth"),  # OpenAI unsupported_country_region_territory
    ("ip_not_authorized", "auth"),
    ("invalid_token", "auth"),
    ("token_expired", "auth"),
    ("expired_token", "auth"),
    ("token_not_found", "auth"),  # LiteLLM token_not_found_in_db
    ("SERVICE_DISABLED", "auth"),  # Gemini
    # -- no such model, or no such page
    ("model_not", "unknown_model"),  # OpenAI model_not_found, Together model_not_available
    ("invalid_model", "unknown_model"),  # Mistral
    ("unknown_model", "unknown_model"),
    ("unsupported_model", "unknown_model"),
    ("DeploymentNotFound", "unknown_model"),  # Azure
    ("OperationNotSupported", "unknown_model"),  # Azure: a model that does not chat
    ("decommissioned", "unknown_model"),  # Groq
    ("model_deprecated", "unknown_model"),
    ("not_found", "unknown_model"),  # Anthropic, Ollama, vLLM NotFoundError, Gemini NOT_FOUND
    ("unknown_url", "unknown_model"),  # OpenAI
    # -- too much to do: ours, or theirs
    ("engine_overloaded", BUSY),  # Moonshot, with status 429
    ("service_tier_capacity", "rate_limit"),  # Mistral
    ("=3505", "rate_limit"),  # Mistral: the same
    ("capacity_exceeded", "rate_limit"),  # Groq, with status 498
    ("rate_limit", "rate_limit"),  # OpenAI, Anthropic, Groq, Mistral, Azure, Moonshot
    ("rate_quota", "rate_limit"),
    ("too_many_requests", "rate_limit"),
    ("throttl", "rate_limit"),  # Bedrock, DashScope
    ("request_limited", "rate_limit"),  # Together dynamic_request_limited
    ("limit_requests", "rate_limit"),  # DashScope
    ("slow_down", "rate_limit"),  # OpenAI, with status 503
    ("RESOURCE_EXHAUSTED", "rate_limit"),  # Gemini
    ("=1300", "rate_limit"),  # Mistral
    ("=1302", "rate_limit"),  # Zhipu
    ("overloaded", BUSY),  # Anthropic overloaded_error
    ("unavailable", BUSY),  # Gemini UNAVAILABLE, llama.cpp unavailable_error (it still loads)
    ("insufficient_system_resource", BUSY),  # DeepSeek
    ("capacity", BUSY),  # Gemini MODEL_CAPACITY_EXHAUSTED, Azure NoCapacity
    ("timeout", "timeout"),  # Anthropic timeout_error, Azure OperationTimeout
    ("timed_out", "timeout"),
    ("DEADLINE_EXCEEDED", "timeout"),  # Gemini
    # -- what was sent does not fit
    ("unsupported_parameter", "refused_parameter"),  # OpenAI
    ("unsupported_value", "refused_parameter"),  # OpenAI
    ("unknown_parameter", "refused_parameter"),  # OpenAI
    ("extra_forbidden", "refused_parameter"),  # Mistral and other pydantic servers
    ("UnsupportedParams", "refused_parameter"),  # LiteLLM
)
"""A code as providers send it -> the kind; the first line that fits any code of a reply holds.

A code fits where the line's word is a part of it (`=`: the whole of it); capitals and what is not
a letter or digit do not count.
"""

_VAGUE: tuple[tuple[str, str], ...] = (
    ("invalid", "refused_parameter"),  # OpenAI invalid_request_error, Gemini INVALID_ARGUMENT
    ("bad_request", "refused_parameter"),  # vLLM BadRequestError
    ("unprocessable", "refused_parameter"),
    ("missing", "refused_parameter"),
    ("internal", "server"),  # Gemini INTERNAL, vLLM InternalServerError
    ("server", "server"),  # OpenAI server_error
    ("upstream", "server"),
    ("provider", "server"),  # OpenRouter
    ("api_error", "server"),  # Anthropic; Ollama sends it with every status
)
"""Codes that say less than an HTTP status; they hold if there is none."""

_STATUSES: dict[int, str] = {
    401: "auth", 402: "quota", 403: "auth", 404: "unknown_model", 405: "unknown_model",
    407: "auth", 408: "timeout", 409: "server", 410: "unknown_model", 413: "too_long",
    420: "rate_limit", 425: "server", 429: "rate_limit", 451: "content_filter",
    498: "rate_limit", 499: "server", 503: BUSY, 504: "timeout", 522: "timeout",
    524: "timeout", 529: BUSY,
}  # fmt: skip
"""An HTTP status -> the kind; 407 is a proxy's, 498 Groq's, 499 nginx's, 52x Cloudflare's, 529
Anthropic's.
"""

_KEY_TOKEN = r"(?:access|auth\w*|bearer|api|refresh|session|security|oauth\d?|jwt|your)[ _-]?token"

_WORDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE | re.DOTALL))
    for kind, pattern in (
        ("content_filter",
         r"content.?(?:filter|policy|polic(?:y|ies)|management|moderation)|usage polic|"
         r"(?:flagged|blocked|rejected|violat\w*|prohibited|inappropriate|harmful).{0,80}"
         r"(?:polic|safety|moderation|guideline|content|prompt)|"
         r"(?:prompt|input|content|request|text).{0,60}(?:flagged|blocked by|moderation|high risk|"
         r"violat|inappropriate|unsafe|sensitive|not safe)|content exists risk|"  # DeepSeek
         r"guard.?rail.{0,40}(?:violat|block|trigger|interven|detect|reject|fail)|"
         r"(?:violat|block|trigger|reject)\w*.{0,40}guard.?rail|jail.?break|prompt injection|"
         r"(?:sensitive|prohibited|banned|unsafe|harmful|inappropriate|offensive).{0,20}"
         r"(?:words?|terms?|content|information|topics?|material|language)"
         r"(?!\s(?:type|format|classif|categor|is not supported|not supported))|"
         r"\b(?:PII|personal (?:data|information))\b.{0,40}(?:detect|found|block)"),
        ("quota",
         r"insufficient.?(?:quota|balance|credit|funds)|current quota|credit balance|"
         r"out of (?:credits|balance)|billing|"
         r"\b(?:daily|monthly|weekly)\b.{0,40}(?:quota|limit|allowance|usage)|"
         r"(?:quota|limit|allowance|usage).{0,60}\b(?:per|this|for the|for this|each|a)\s"
         r"(?:day|week|month)"),
        ("too_long",
         r"context.?(?:length|window|size|limit)|maximum context|too (?:long|many tokens)|"
         r"maximum.{0,40}tokens|exceeds?.{0,60}(?:context|token)|request too large"),
        ("auth",
         r"api.?key|unauthori[sz]ed|authenticat|not authori[sz]ed|permission denied|access denied|"
         # Of a key: not "max_tokens is invalid", "invalid token count", "token 7 is invalid".
         rf"invalid {_KEY_TOKEN}|{_KEY_TOKEN}.{{0,20}}(?:invalid|expired|revoked)|"
         r"invalid token(?!s|\s(?:counts?|limits?|ids?|budget|at|in|\d))|"
         r"\btoken (?:is |has |was )?(?:been )?(?:expired|revoked)|"
         r"\b(?:login|log.?in|sign.?in) (?:fail|required)|not logged in"),
        ("unknown_model",
         r"model.{0,120}(?:not found|does not exist|not exist|no longer|deprecated)|"
            r"(?:unknown|no such|invalid) model|no models? (?:is |are )?loaded|"
         r"unexpected endpoint|(?:\A|\n)not found(?:\n|\Z)"),  # LM Studio, with status 200
        ("rate_limit",
         r"rate.?limit|too many requests|quota|requests? (?:per|limit)|tokens per|\bqps\b|"
         r"throttl"),
        ("busy", r"overload|at capacity|temporarily|unavailable|loading|try again"),
        ("timeout", r"timed? ?out|deadline"),
        ("refused_parameter",
         r"(?:unsupported|unknown|unrecogni[sz]ed|invalid|unexpected|extra|not supported|"
         r"not permitted).{0,60}(?:parameter|argument|value|field|input|property|keyword)|"
         r"(?:parameter|argument|value|field|property|keyword).{0,60}(?:unsupported|unknown|"
         r"unrecogni[sz]ed|invalid|unexpected|not supported|not allowed)"),
    )
)  # fmt: skip
"""Words of a message, if nothing else says what happened."""

_MOST_WORDS = 4000
_WORDS_FOR: dict[int, frozenset[str]] = {
    400: frozenset({"content_filter", "too_long", "quota", "auth", "unknown_model"}),
    403: frozenset({"content_filter", "quota", "rate_limit"}),
    422: frozenset({"content_filter", "too_long"}),
    429: frozenset({"quota"}),
    500: frozenset({"content_filter", "too_long", "rate_limit"}),
    502: frozenset({"rate_limit"}),
}
"""The kinds that a message can show if the status says less."""

_PER_MINUTE = re.compile(
    r"per.?(?:minute|min\b|second|sec\b)|\b[RT]P[MS]\b|rate.?limit|try again in|retry (?:in|after)",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"request too large", re.IGNORECASE)  # OpenAI, Groq: it never fits a minute


def refusal(status: int, raw: bytes, headers: Mapping[str, str]) -> CallError:
    """What a reply with an error's status means.

    Example:
        >>> body = b'{"error": {"message": "Over quota", "code": "insufficient_quota"}}'
        >>> refusal(429, body, {}).kind, refusal(429, b"slow down", {}).kind
        ('quota', 'rate_limit')
    """
    said = parse_error(raw)
    error = _error(said, status, f"HTTP {status}: {message_of(raw)}")
    if error.kind == "refused_parameter":
        error.param = named_parameter(raw) or error.param
        if any("image" in code.lower() for code in said.codes):  # OpenAI image_parse_error
            error.param = CASE_PARTS[0]
    exact = asked_s(headers)
    error.retry_after_s = exact if exact is not None else said.wait_s
    if exact is not None and error.kind == "quota" and not _first(said.codes, _CODES):
        error.kind = "rate_limit"  # who says when to come back has not run out of money
    return error


def failure_in(value: Any, *, begun: bool = False) -> CallError | None:
    """The error that a body or a piece of a stream with status 200 is, None if it is none.

    Args:
        value: the JSON value.
        begun: some of the answer had come already.

    Example:
        >>> failure_in({"error": {"message": "No auth credentials found", "code": 401}}).kind
        'auth'
        >>> failure_in({"choices": [], "error": None})
    """
    if not is_error(value):
        return None
    said = error_of_value(value)
    text = readable(said.message)
    error = _error(said, None, text)
    error.retry_after_s, error.begun = said.wait_s, begun
    return error


def named_in(value: Any) -> CallError | None:
    """The error of a body that holds no answer, where its codes, status or words name one."""
    said = error_of_value(value)
    codes = _first(said.codes, _CODES)
    if codes is None and said.status is None and _by_words(said, None) is None:
        return None
    error = _error(said, None, readable(said.message))
    error.retry_after_s = said.wait_s
    return error


# -- what it means


def _error(said: ErrorBody, status: int | None, text: str) -> CallError:
    kind = _kind(said, status)
    error = of_kind(kind, text)
    error.param = said.param
    return error


def _kind(said: ErrorBody, status: int | None) -> str:
    """The kind, by the codes first, then the status, then words."""
    http, status = status, _effective(status, said.status)
    if http == 413 or (status == 429 and _TOO_LARGE.search(said.message)):
        return "too_long"
    found = _first(said.codes, _CODES)
    if found == "too_long" and "token" in (said.param or ""):
        return "refused_parameter"  # the answer may not be so long, the prompt is not
    if found is not None:
        return found
    if status is None:
        vague = _first(said.codes, _VAGUE)
        found = _by_words(said, None)
        return found or vague or "server"
    found = _by_words(said, _WORDS_FOR.get(status, frozenset()))
    if found is not None:
        return found
    if status in _STATUSES:
        return _STATUSES[status]
    return "server" if status >= 500 or status < 400 else "refused_parameter"


def _effective(status: int | None, inside: int | None) -> int | None:
    """The status that counts: a gateway's own 400 or 500 says less than the one inside."""
    if status is None or (inside is not None and status in (400, 500, 502)):
        return inside if inside is not None else status
    return status


def _by_words(said: ErrorBody, kinds: frozenset[str] | None) -> str | None:
    text = "\n".join(said.messages)[:_MOST_WORDS]
    for kind, pattern in _WORDS:
        if (kinds is None or kind in kinds) and pattern.search(text):
            if kind == "quota" and (said.wait_s is not None or _PER_MINUTE.search(text)):
                continue  # a limit per minute, whatever it is called
            if kind == "too_long" and "token" in (said.param or ""):
                continue
            return kind
    return None


def _normal(code: str) -> str:
    return re.sub(r"[^a-z0-9]", "", code.lower())


def _first(codes: list[str], table: tuple[tuple[str, str], ...]) -> str | None:
    normal = [_normal(code) for code in codes]
    for word, kind in _NORMALISED[id(table)]:
        if any(code == word[1:] if word[0] == "=" else word in code for code in normal):
            return kind
    return None


_NORMALISED = {
    id(table): [("=" * word.startswith("=") + _normal(word), kind) for word, kind in table]
    for table in (_CODES, _VAGUE)
}
