"""A prompt as the arguments of an openai package call."""

from __future__ import annotations

import functools
import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.errors import PexError, nearest
from pex.core.prompty_schema import response_format
from pex.core.responses import responses_body

APIS = ("chat", "responses")
_BOTH = (
    "metadata", "model", "parallel_tool_calls", "prompt_cache_key", "safety_identifier",
    "service_tier", "store", "stream", "stream_options", "temperature", "tool_choice", "tools",
    "top_logprobs", "top_p", "user",
)  # fmt: skip
_EVERY_VERSION = {
    "chat": frozenset((
        *_BOTH, "audio", "frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens",
        "max_tokens", "messages", "modalities", "n", "prediction", "presence_penalty",
        "reasoning_effort", "response_format", "seed", "stop", "verbosity", "web_search_options",
    )),
    "responses": frozenset((
        *_BOTH, "background", "conversation", "include", "input", "instructions",
        "max_output_tokens", "max_tool_calls", "previous_response_id", "prompt", "reasoning",
        "text", "truncation",
    )),
}  # fmt: skip
"""The arguments that every version of the openai package names that pex accepts, from 2.0 on."""

_NEWER_NAME = re.compile(r"(openai|azure)/(o\d|gpt-[5-9])")
"""Models whose answer limit is called `max_completion_tokens`."""


def check_api(api: str, where: str) -> None:
    """Raise a `PexError` for an unknown API."""
    if api not in APIS:
        raise PexError(
            f"{where}: api '{api}': expected 'chat' or 'responses'", hint=nearest(str(api), APIS)
        )


def call_arguments(
    messages: Sequence[Mapping[str, Any]],
    *,
    model: str | None,
    params: Mapping[str, Any],
    response_schema: dict[str, Any] | None,
    tools: Sequence[Mapping[str, Any]] | None,
    api: str,
) -> dict[str, Any]:
    """The result of `Prompt.openai`.

    Args:
        messages: rendered, with their images.
        model: `provider/model`, if the prompt names one.
        params: parameters such as `temperature`.
        response_schema: the JSON Schema of the answer.
        tools: in OpenAI's form.
        api: "chat" or "responses".
    """
    params = {key: value for key, value in params.items() if value is not None}
    if "max_tokens" in params and _NEWER_NAME.match(model or ""):
        params["max_completion_tokens"] = params.pop("max_tokens")
    body: dict[str, Any] = {"model": model.partition("/")[2] or model} if model else {}
    body |= {"messages": messages, **params}
    if response_schema:
        body["response_format"] = response_format(response_schema)
    if tools:
        body["tools"] = tools
    body = responses_body(body) if api == "responses" else body
    unnamed = body.keys() - _EVERY_VERSION[api]
    if unnamed:  # only then is the package looked at: its import takes a second
        unnamed -= _named(api)
    if unnamed:  # parameters of other endpoints, such as top_k
        extra = {key: value for key, value in body.items() if key in unnamed}
        body = {key: value for key, value in body.items() if key not in unnamed}
        body["extra_body"] = extra
    return body


@functools.cache
def _named(api: str) -> frozenset[str]:
    """The arguments named by the installed openai package."""
    if api == "responses":
        from openai.types.responses import ResponseCreateParams as Params
    else:
        from openai.types.chat import CompletionCreateParams as Params
    return frozenset(name for kind in typing.get_args(Params) for name in kind.__annotations__)
