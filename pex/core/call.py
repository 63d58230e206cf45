"""One request to a model and its answer, as plain data."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a model: one variant, one case, one repeat.

    `body` is the JSON body of a chat completion; `key` names the request and its repeat
    independently of host, port and credentials. `turns` are what the user says after the first
    answer, each after the answer before it.
    """

    variant: str
    case_id: str
    repeat: int
    model: str
    body: dict[str, Any]
    key: str
    case_group: str | None = None
    turns: tuple[str, ...] = ()
    api: str = "chat"
    """The page that answers: "chat", or "responses" of OpenAI's Responses API."""

    @property
    def place(self) -> tuple[str, str, int]:
        """The place of this request in the table: (variant, case_id, repeat)."""
        return (self.variant, self.case_id, self.repeat)


@dataclasses.dataclass(slots=True)
class Answer:
    """What came back for one request; `error` is set where no answer came.

    Times are in seconds, `started_at` in seconds since 1970 (UTC); tokens are counts as the
    provider reports them, None where it does not.
    """

    output: str | None = None
    error: str | None = None
    error_kind: str | None = None
    finish_reason: str | None = None
    resolved_model: str | None = None
    started_at: float = 0.0
    latency_s: float | None = None
    ttft_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cost_usd: float | None = None
    from_journal: bool = False
    attempts: int = 1
    tool_calls: list[dict[str, Any]] | None = None
    logprobs: list[dict[str, Any]] | None = None
    conversation: list[dict[str, Any]] | None = None
    """Where a case has several turns: every message after the first request, the answers too."""
    reasoning: str | None = None
    """What the model thought before it answered, kept apart from the output."""
    remarks: list[str] = dataclasses.field(default_factory=list)
    """Words for what is unusual: cut_off, filtered, read_leniently, parameter_dropped …"""
    raw_body: str | None = None
    """The body as it came, where it could not be read whole."""
    response_id: str | None = None
    """The name under which the endpoint keeps it, where the next turn can go on from there."""
