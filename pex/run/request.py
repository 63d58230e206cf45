"""From variants and cases to requests: the body that is sent, and the key that names it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from pex.core.call import Request
from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.prompty import response_format
from pex.core.variant import Variant

PATH = "chat/completions"
BYTES_PER_TOKEN = 3.5
"""A rule of thumb for European languages; other scripts need up to three times the tokens."""

_NEWER_NAME = re.compile(r"(openai|azure)/(o\d|gpt-[5-9])")


def requests(
    variants: Sequence[Variant], cases: Sequence[Case], repeats: int, max_tokens: int | None = None
) -> Iterator[Request]:
    """Every request of a run, case by case, so that rows of the table fill one after another.

    Args:
        variants: what is compared.
        cases: what is asked.
        repeats: how often, at least 1.
        max_tokens: sent where neither prompt nor variant says how long an answer may be.

    Raises:
        PexError: a variable that a case does not have.
    """
    for case in cases:
        for variant in variants:
            body = body_of(variant, case, max_tokens)
            stem = _stem(variant.model, body)
            for repeat in range(1, repeats + 1):
                key = hashlib.sha256(stem + b"\n%d" % repeat).hexdigest()
                yield Request(variant.name, case.id, repeat, variant.model, body, key, case.group)


def body_of(variant: Variant, case: Case, max_tokens: int | None = None) -> dict[str, Any]:
    """The JSON body of one chat completion.

    Raises:
        PexError: the case has no value for a variable of the prompt.
    """
    params = dict(variant.all_params)
    if max_tokens is not None:
        params.setdefault("max_tokens", max_tokens)
    if "max_tokens" in params and _NEWER_NAME.match(variant.model):
        params["max_completion_tokens"] = params.pop("max_tokens")
    try:
        messages = variant.prompt.render(case.inputs)
    except PexError as error:
        raise PexError(f"{error.message} (case '{case.id}')", hint=error.hint) from None
    body = {"model": variant.model.partition("/")[2], "messages": messages, **params}
    if variant.prompt.response_schema:
        body["response_format"] = response_format(variant.prompt.response_schema)
    if variant.prompt.tools:
        body["tools"] = variant.prompt.tools
    return body


def max_tokens(body: Mapping[str, Any]) -> int:
    """The longest answer that a request allows, 0 where it does not say."""
    return int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)


def check_variables(variants: Sequence[Variant], cases: Sequence[Case]) -> None:
    """Raise a `PexError` for a variable that no case has, before anything is rendered."""
    columns = list(dict.fromkeys(name for case in cases for name in case.inputs))
    for variant in variants:
        for name in variant.prompt.variables:
            if name not in columns and name not in variant.prompt.defaults:
                raise PexError(
                    f"prompt '{variant.prompt.name}': no case has a value for '{{{{ {name} }}}}'",
                    hint=nearest(name, columns),
                )


def _stem(model: str, body: dict[str, Any]) -> bytes:
    # Provider name and path, never host, port or key: the built-in server's port is random.
    provider = model.partition("/")[0]
    # The canonical form; prompts, parameters and cases have made their values plain already.
    text = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return b"\n".join([provider.encode(), PATH.encode(), text])
