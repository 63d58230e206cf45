"""Checks of a prompt's parameters and tools."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.errors import PexError, nearest
from pex.core.schemas import check_schema
from pex.core.text import whole_text
from pex.core.values import WrittenInt, as_text, to_json_value

RESERVED = {
    "model": "the model is named as provider/model, in models=",
    "messages": "messages come from the prompt",
    "stream": "answers are streamed with run(stream=True)",
    "stream_options": "answers are streamed with run(stream=True)",
    "n": "for several answers to one case use repeats=",
    "background": "pex waits for answers; provider_batch=True does not keep a connection open",
    "previous_response_id": "a conversation is a case with a list of turns",
}
TEXTS = ("reasoning_effort", "stop", "user", "verbosity")
"""Parameters that are strings, even if they look like numbers."""
NUMBERS = ("frequency_penalty", "presence_penalty", "temperature", "top_p")
WHOLE = ("max_tokens", "max_completion_tokens", "seed", "top_k", "top_logprobs")
"""Parameters that are numbers, even if leading zeros make them look like strings."""

KNOWN = frozenset(
    ("temperature", "top_p", "top_k", "min_p", "typical_p", "seed", "stop", "stop_token_ids",
     "max_tokens", "max_completion_tokens", "frequency_penalty", "presence_penalty",
     "repetition_penalty", "repeat_penalty", "logit_bias", "logprobs", "top_logprobs",
     "response_format", "reasoning_effort", "reasoning", "thinking", "verbosity", "tools",
     "tool_choice", "parallel_tool_calls", "stream_options", "service_tier", "store", "metadata",
     "user", "modalities", "audio", "prediction", "prompt_cache_key", "safety_identifier",
     "web_search_options", "functions", "function_call", "extra_body", "chat_template_kwargs",
     "safe_prompt", "cache_prompt", "grammar", "num_ctx", "keep_alive", "provider", "transforms")
)  # fmt: skip
"""Parameter names of endpoints; other parameters are also sent as they are."""
_CHOICES = ("auto", "none", "required")
LEVELS = {
    "reasoning_effort": ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    "verbosity": ("low", "medium", "high"),
}
"""The values that providers know; each takes some of them, and others may come."""
_LISTS = frozenset(
    ("stop", "stop_token_ids", "tools", "functions", "modalities", "transforms", "include")
)
"""Parameters whose value is itself a list."""


def params_grid(factors: Mapping[str, Any]) -> list[dict[str, Any]]:
    r"""Every combination of the values of parameters, the last one varying fastest.

    A list has the values of a parameter that pex knows and that takes a single value; parameters
    that are lists themselves, such as `stop` and `tools`, vary if they are lists of lists. All else
    is one value.

    Args:
        factors: for each parameter its value, or a list of its values.

    Raises:
        PexError: a list has no values.

    Example:
        >>> params_grid({"reasoning_effort": ["low", "high"], "seed": 1})
        [{'reasoning_effort': 'low', 'seed': 1}, {'reasoning_effort': 'high', 'seed': 1}]
        >>> params_grid({"stop": ["\\n", "."]})
        [{'stop': ['\\n', '.']}]
    """
    values = [_values(name, value) for name, value in factors.items()]
    return [dict(zip(factors, chosen, strict=True)) for chosen in itertools.product(*values)]


def _values(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple) or name not in KNOWN:
        return [value]
    if name not in _LISTS:
        if not value:
            raise PexError(f"params: '{name}' has no values", hint="for example: ['low', 'high']")
        return list(value)
    varies = bool(value) and all(isinstance(item, list | tuple) for item in value)
    return list(value) if varies else [value]


def level_remarks(params: Mapping[str, Any]) -> list[str]:
    """What looks like a typing mistake in an effort or a verbosity; it is sent all the same.

    Example:
        >>> level_remarks({"reasoning_effort": "hihg"})
        ["reasoning_effort 'hihg' is sent as it is; did you mean 'high'?"]
        >>> level_remarks({"reasoning_effort": "high", "verbosity": None})
        []
    """
    found = []
    for name, levels in LEVELS.items():
        value = params.get(name)
        if isinstance(value, str) and value not in levels:
            found.append(f"{name} '{value}' is sent as it is; {nearest(value, levels)}")
    return found


def json_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as they are sent: plain data, with strings and numbers as each parameter requires.

    Raises:
        PexError: a value has no JSON form, or contains half a character.

    Example:
        >>> json_params({"stop": [1, "x"], "temperature": 0.5})
        {'stop': ['1', 'x'], 'temperature': 0.5}
    """
    made = {}
    for name, value in params.items():
        try:
            made[str(name)] = _meant(name, value)
        except PexError as error:
            raise PexError(f"parameter '{name}': {error.message}", hint=error.hint) from None
    return {name: whole_text(value, f"parameter '{name}'") for name, value in made.items()}


def _meant(name: str, value: Any) -> Any:
    if name in NUMBERS or name in WHOLE:
        value = int(value) if isinstance(value, WrittenInt) else value
    if name not in TEXTS or isinstance(value, bool):
        return to_json_value(value)
    return (
        [as_text(item) for item in value]
        if isinstance(value, list)
        else to_json_value(as_text(value))
    )


def check_params(params: Mapping[str, Any], where: str) -> None:
    """Raise a `PexError` for a parameter that pex sets itself, or a value that cannot be right.

    A null parameter is not sent: it removes the prompt's own.

    Example:
        >>> check_params({"n": 3}, "prompt 'p'")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: prompt 'p': 'n' is not a parameter: for several answers to one case use repeats=
    """  # noqa: E501 - the message is one line
    for name in params:
        if name in RESERVED and params[name] is not None:
            raise PexError(f"{where}: '{name}' is not a parameter: {RESERVED[name]}")
    for name in ("max_tokens", "max_completion_tokens"):
        value = params.get(name)
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        if value is not None and not whole:
            raise PexError(f"{where}: {name}: expected a whole number of at least 1, got {value!r}")
    for name in ("temperature", "top_p"):
        value = params.get(name)
        if value is None:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0:
            raise PexError(f"{where}: {name}: expected a number, 0 or more, got {value!r}")
    form = params.get("response_format")
    if form is not None and (
        not isinstance(form, Mapping) or not isinstance(form.get("type"), str)
    ):
        raise PexError(
            f"{where}: response_format: expected an object with a type, got {form!r}",
            hint='for example {"type": "json_object"}',
        )
    if params.get("tools") is not None:
        check_tools(params["tools"], where)


def check_tools(tools: Any, where: str) -> list[str]:
    """Raise a `PexError` unless these are tools in OpenAI's form; returns their names.

    Example:
        >>> check_tools([{"type": "function", "function": {"name": "f", "parameters": {"type": 1}}}],
        ...     "prompt 'p'")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: prompt 'p': tool 'f': its parameters are not a JSON Schema: type: 1 is not valid under any of the given schemas
    """  # noqa: E501 - the message is one line
    import jsonschema

    if not isinstance(tools, Sequence) or isinstance(tools, str):
        raise PexError(f"{where}: tools: expected a list, got {type(tools).__name__}")
    names: list[str] = []
    for number, tool in enumerate(tools, 1):
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise PexError(
                f"{where}: tool {number}: it has no name",
                hint='expected {"type": "function", "function": {"name": …, "parameters": …}}',
            )
        name = function["name"]
        if name in names:
            raise PexError(f"{where}: two tools are called '{name}'")
        names.append(name)
        schema = function.get("parameters", {})
        kind = jsonschema.validators.validator_for(
            schema if isinstance(schema, dict) else {}, default=jsonschema.Draft202012Validator
        )
        try:
            check_schema(kind, schema)
        except jsonschema.SchemaError as error:
            place = ".".join(str(part) for part in error.absolute_path)
            raise PexError(
                f"{where}: tool '{name}': its parameters are not a JSON Schema: "
                f"{place + ': ' if place else ''}{error.message}"
            ) from None
        if not isinstance(schema, Mapping):
            raise PexError(
                f"{where}: tool '{name}': its parameters are not a JSON Schema: {schema!r}"
            )
    return names


def check_tool_choice(choice: Any, names: Sequence[str], where: str) -> None:
    """Raise a `PexError` for a choice that fits none of the tools."""
    if choice is None:
        return
    if isinstance(choice, str):
        if choice not in _CHOICES:
            raise PexError(
                f"{where}: tool_choice '{choice}': expected auto, none, required, or "
                '{"type": "function", "function": {"name": …}}',
                hint=nearest(choice, _CHOICES),
            )
        wanted = None
    else:
        function = choice.get("function") if isinstance(choice, Mapping) else None
        wanted = function.get("name") if isinstance(function, Mapping) else None
        if wanted is None:
            raise PexError(f"{where}: tool_choice: expected a name under 'function'")
        if wanted not in names:
            raise PexError(
                f"{where}: tool_choice: there is no tool '{wanted}'", hint=nearest(wanted, names)
            )
    if not names:
        raise PexError(f"{where}: tool_choice without tools")
