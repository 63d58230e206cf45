"""One request of a draft as code for other programs: the openai package, curl, messages.

The body is the one that pex sends. Keys are never written, only the names of their variables.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from pex.core.call import Request
from pex.core.errors import PexError
from pex.core.hidden import SHOWN
from pex.core.responses import responses_body
from pex.experiment.experiment import Experiment
from pex.playground import drafting
from pex.playground.as_code import literal, message_lines
from pex.playground.draft import Draft
from pex.run.keyless import Header, Keyless, keyless
from pex.run.request import requests

KINDS = ("openai", "curl", "messages")
MOST_CHARS = 400_000
WIDTH = 88

_SDK = {
    "chat": frozenset(
        ("model", "messages", "audio", "frequency_penalty", "logit_bias", "logprobs",
         "max_completion_tokens", "max_tokens", "metadata", "modalities", "n",
         "parallel_tool_calls", "prediction", "presence_penalty", "reasoning_effort",
         "response_format", "seed", "service_tier", "stop", "store", "temperature", "tool_choice",
         "tools", "top_logprobs", "top_p", "user", "verbosity")
    ),
    "responses": frozenset(
        ("model", "input", "instructions", "include", "max_output_tokens", "metadata",
         "parallel_tool_calls", "previous_response_id", "reasoning", "service_tier", "store",
         "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation",
         "user")
    ),
}  # fmt: skip
"""What the package's functions take by name; everything else goes through `extra_body`."""


def request_code(kind: str, draft: Draft, base: Experiment | None, column: str, entry: str) -> str:
    """The request of one variant and one case.

    Args:
        kind: "openai", "curl" or "messages".
        draft: where they are.
        base: the experiment that the draft started from.
        column: the variant's id.
        entry: the case's id.

    Raises:
        PexError: something in them is not valid, or there is no such kind.
    """
    if kind not in KINDS:
        raise PexError(f"there is no code of the kind '{kind}'")
    experiment = drafting.experiment_of(draft, base, [column], [entry])
    variant = experiment.variants[0]
    _, settings = drafting.settings_of(base)
    longest, folder = settings.budget.max_tokens, experiment.folder
    request = next(requests([variant], experiment.cases, 1, longest, folder, settings.api_of))
    if kind == "messages":
        text = visible_json(request.body["messages"]) + "\n"
    else:
        where = keyless(variant.model, settings, variant.via)
        text = (python if kind == "openai" else curl)(request, where)
    if len(text) > MOST_CHARS:
        raise PexError(
            f"this request has {len(text):,} characters, too many to show",
            hint="variant.prompt.openai(case) has it in Python",
        )
    return text


def python(request: Request, where: Keyless) -> str:
    """A call with the package `openai`."""
    body = _body(request, where)
    deployed = where.azure and "api-version" in where.query
    made, query = "AzureOpenAI" if deployed else "OpenAI", dict(where.query)
    lines = [*_notes(request, where)]
    if any(header.variable for header in where.all_headers):
        lines += ["import os", ""]
    lines += [f"from openai import {made}", "", f"client = {made}("]
    lines.append(f"    base_url={literal(where.base)},")
    lines.append(
        f"    api_key={f'os.environ[{literal(where.key)}]' if where.key else literal('none')},"
    )
    if deployed:
        lines.append(f"    api_version={literal(query.pop('api-version'))},")
    if where.headers:
        pairs = ", ".join(f"{literal(h.name)}: {_python_header(h)}" for h in where.headers)
        lines.append(f"    default_headers={{{pairs}}},")
    if query:
        lines.append(f"    default_query={literal(query)},")
    chat = where.api == "chat"
    lines += [")", f"response = client.{'chat.completions' if chat else 'responses'}.create("]
    known = _SDK[where.api]
    for name, value in body.items():
        if name in known:
            lines += _argument(name, value)
    more = {name: value for name, value in body.items() if name not in known}
    if more:
        lines += _argument("extra_body", more)
    said = "response.choices[0].message.content" if chat else "response.output_text"
    return "\n".join([*lines, ")", f"print({said})", ""])


def curl(request: Request, where: Keyless) -> str:
    """A call with `curl`, for a shell."""
    lines = [*_notes(request, where), f"curl {shlex.quote(where.page)} \\"]
    headers = [Header("Content-Type", "application/json"), *where.all_headers]
    lines += [f"  -H {_shell_header(header)} \\" for header in headers]
    # In a quoted here-document the shell changes nothing, whatever the messages say.
    lines += ["  --data-binary @- <<'JSON'", visible_json(_body(request, where)), "JSON", ""]
    return "\n".join(lines)


def visible_json(value: Any) -> str:
    r"""Indented JSON in which what cannot be seen is escaped.

    Example:
        >>> print(visible_json(["日本", "a\u202eb\U000e0041"]))
        [
          "日本",
          "a\u202eb\udb40\udc41"
        ]
    """
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return "".join(
        char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text
    )


def _body(request: Request, where: Keyless) -> dict[str, Any]:
    return dict(request.body) if where.api == "chat" else responses_body(request.body)


def _notes(request: Request, where: Keyless) -> list[str]:
    notes = [*where.notes]
    if request.marked is not None:
        notes.append(
            f"{SHOWN.fence} and {SHOWN.canary} stand for words that must be new for each call: "
            "prompt.messages(…) makes them"
        )
    if request.turns:
        turns = len(request.turns)
        follow = f"{turns} more message{'s follow' if turns != 1 else ' follows'}"
        notes.append(f"the first request of a conversation: {follow}, each after an answer")
    return [f"# {note[:1].upper()}{note[1:]}." for note in notes]


def _python_header(header: Header) -> str:
    if not header.variable:
        return literal(header.text)
    found = f"os.environ[{literal(header.variable)}]"
    return f"{literal(header.text)} + {found}" if header.text else found


def _shell_header(header: Header) -> str:
    if not header.variable:
        return shlex.quote(f"{header.name}: {header.text}")
    return f'"{header.name}: {header.text}${header.variable}"'


def _argument(name: str, value: Any) -> list[str]:
    """An argument of a call; one that is long is spread over lines."""
    if name == "messages" or (name == "input" and isinstance(value, list)):
        lines = [line for message in value for line in _message(message)]
        return [f"    {name}=[", *lines, "    ],"]
    return _spread(f"    {name}=", value, 4)


def _message(message: Mapping[str, Any]) -> list[str]:
    if isinstance(message.get("content"), str):
        return message_lines(message)
    return _spread("        ", message, 8)


def _spread(before: str, value: Any, depth: int) -> list[str]:
    one = f"{before}{literal(value)},"
    if len(one) <= WIDTH or not isinstance(value, dict | list) or not value:
        return [one]
    deeper = " " * (depth + 4)
    if isinstance(value, dict):
        items = [
            _spread(f"{deeper}{literal(key)}: ", item, depth + 4) for key, item in value.items()
        ]
    else:
        items = [_spread(deeper, item, depth + 4) for item in value]
    first, last = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return [f"{before}{first}", *(line for item in items for line in item), f"{' ' * depth}{last},"]
