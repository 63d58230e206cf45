"""A prompt as the arguments of an openai package call."""

from __future__ import annotations

import functools
import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.prompty_schema import response_format
from pex.core.responses import responses_body

APIS = ("chat", "responses")
_NEWER_NAME = re.compile(r"(openai|azure)/(o\d|gpt-[5-9])")
"""Models whose answer limit is called `max_completion_tokens`."""


def check_api(api: str, where: str) -> None:
    """Raise a `PexError` for an unknown API."""
    if api not in APIS:
        raise PexError(
            f"{where}: api '{api}': expected 'chat' or 'responses'", hint=nearest(str(api), APIS)
        )


def case_values(case: Case | Mapping[str, Any] | None, where: str) -> Mapping[str, Any]:
    """A case's values for a prompt's variables.

    Raises:
        PexError: the case is not a mapping.
    """
    values = case.values if isinstance(case, Case) else {} if case is None else case
    if not isinstance(values, Mapping):
        raise PexError(
            f"{where}: expected a case, or a dict with its values, got {type(case).__name__}",
            hint="for example prompt.openai({'review': 'Nice.'}), or prompt.openai(review='Nice.')",
        )
    return values


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
    known = _known(api)
    unnamed = {key: value for key, value in body.items() if key not in known}
    if unnamed:  # parameters of other endpoints that the package does not name, such as top_k
        body = {key: value for key, value in body.items() if key in known}
        body["extra_body"] = unnamed
    return body


@functools.cache
def _known(api: str) -> frozenset[str]:
    """The arguments named by the installed openai package."""
    if api == "responses":
        from openai.types.responses import ResponseCreateParams as Params
    else:
        from openai.types.chat import CompletionCreateParams as Params
    return frozenset(name for kind in typing.get_args(Params) for name in kind.__annotations__)
