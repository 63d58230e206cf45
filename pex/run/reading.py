"""The body of a chat completion, read into an answer."""

from __future__ import annotations

from typing import Any

import orjson

from pex.core.call import Answer
from pex.run.failures import CallError, message_of
from pex.run.usage import read_usage


def parse(raw: bytes) -> Any:
    """The JSON value of a body.

    Raises:
        CallError: it is not valid JSON.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise CallError("bad_body", f"the answer is no JSON: {message_of(raw)}") from None


def answer_of(data: Any) -> Answer:
    """The answer in the body of a chat completion.

    Raises:
        CallError: it has none.
    """
    if not isinstance(data, dict) or not isinstance(data.get("choices"), list):
        said = message_of(orjson.dumps(data))
        raise CallError("bad_body", f"the answer has no choices: {said}")
    if not data["choices"]:
        raise CallError("empty", "the answer's list of choices is empty")
    choice = data["choices"][0]
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise CallError("bad_body", "the answer's first choice has no message")
    finish_reason = choice.get("finish_reason")
    output, calls = message.get("content"), message.get("tool_calls")
    if isinstance(output, list):  # some providers send parts
        output = "".join(str(part.get("text", "")) for part in output if isinstance(part, dict))
    if output is None and message.get("refusal"):
        output, finish_reason = message["refusal"], "refusal"
    if not output and finish_reason == "content_filter":
        raise CallError("content_filter", "the provider's content filter held the answer back")
    if output is None:
        output = orjson.dumps(calls).decode() if calls else ""
    return Answer(
        output=str(output),
        finish_reason=finish_reason,
        resolved_model=data.get("model"),
        tool_calls=calls or None,
        logprobs=(choice.get("logprobs") or {}).get("content") or None,
        **read_usage(data.get("usage")),
    )
