"""A prompt as the arguments of a call with the openai package."""

from __future__ import annotations

import functools
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.images import with_files
from pex.core.prompty_schema import response_format
from pex.core.responses import responses_body
from pex.core.text import whole_text

if TYPE_CHECKING:
    from pex.core.prompt import Prompt

APIS = ("chat", "responses")
_NEWER_NAME = re.compile(r"(openai|azure)/(o\d|gpt-[5-9])")
"""Models that call the limit on an answer `max_completion_tokens`."""


def call_arguments(
    prompt: Prompt, case: Case | Mapping[str, Any] | None, api: str, variables: Mapping[str, Any]
) -> dict[str, Any]:
    """What `Prompt.openai` returns.

    Args:
        prompt: what is asked.
        case: values for its variables.
        api: "chat" or "responses".
        variables: further values; they come before those of the case.

    Raises:
        PexError: another API, a case that is not keys and values, a variable without a value.
    """
    where = f"prompt '{prompt.name}'"
    if api not in APIS:
        raise PexError(
            f"{where}: api '{api}': expected 'chat' or 'responses'", hint=nearest(str(api), APIS)
        )
    values = case.inputs if isinstance(case, Case) else {} if case is None else case
    if not isinstance(values, Mapping):
        raise PexError(
            f"{where}: expected a case, or a dict with its values, got {type(case).__name__}",
            hint="for example prompt.openai({'review': 'Nice.'}), or prompt.openai(review='Nice.')",
        )
    body = _chat_body(prompt, {**values, **variables})
    body = responses_body(body) if api == "responses" else body
    known = _known(api)
    unnamed = {key: value for key, value in body.items() if key not in known}
    if unnamed:  # parameters of other endpoints, such as top_k, which the package does not name
        body = {key: value for key, value in body.items() if key in known}
        body["extra_body"] = unnamed
    return body


def _chat_body(prompt: Prompt, values: Mapping[str, Any]) -> dict[str, Any]:
    params = {key: value for key, value in prompt.params.items() if value is not None}
    if "max_tokens" in params and _NEWER_NAME.match(prompt.model or ""):
        params["max_completion_tokens"] = params.pop("max_tokens")
    body: dict[str, Any] = {}
    if prompt.model:
        body["model"] = prompt.model.partition("/")[2] or prompt.model
    messages = with_files(prompt.render(values), Path(), prompt)
    body["messages"] = whole_text(messages, f"prompt '{prompt.name}'")
    body |= params
    if prompt.response_schema:
        body["response_format"] = response_format(prompt.response_schema)
    if prompt.tools:
        body["tools"] = prompt.tools
    return body


@functools.cache
def _known(api: str) -> frozenset[str]:
    """The arguments that the installed openai package names."""
    if api == "responses":
        from openai.types.responses import ResponseCreateParams as Params
    else:
        from openai.types.chat import CompletionCreateParams as Params
    return frozenset(name for kind in typing.get_args(Params) for name in kind.__annotations__)
