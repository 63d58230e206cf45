"""What OpenAI's Responses API sends, read into the form of a chat completion.

From there on it has one path with every other answer: the same readers, prices and scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pex.run.errors import CallError
from pex.run.failures import failure_in

_FINISH = {"max_output_tokens": "length", "content_filter": "content_filter"}
"""Why a response is incomplete -> the finish reason in chat."""


def chat_form(data: Any) -> Any:
    """The body of a chat completion that says the same as the body of a response.

    A body that is not a response is returned as it is; the reader of chat completions says then
    what is wrong with it.

    Raises:
        CallError: the response failed; its kind says how.

    Example:
        >>> chat = chat_form({"status": "completed", "output": [{"type": "message", "content": [
        ...     {"type": "output_text", "text": "Hello"}]}], "usage": {"input_tokens": 3}})
        >>> chat["choices"][0]["message"]["content"], chat["usage"]["prompt_tokens"]
        ('Hello', 3)
    """
    if not isinstance(data, dict) or "choices" in data:
        return data
    if "output" not in data and data.get("object") != "response":
        return data
    status, output = data.get("status"), data.get("output")
    if data.get("error") or status in ("failed", "cancelled"):
        raise failure(data.get("error") or {"message": f"the response was {status}"})
    if status in ("queued", "in_progress"):
        raise CallError("bad_body", f"the response is not complete: it is {status}")
    if not isinstance(output, list):
        return data
    message, logprobs = _message([item for item in output if isinstance(item, dict)])
    details = data.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    if status == "incomplete" or reason:
        finish = _FINISH.get(str(reason), str(reason or status))
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "message": message}
    if logprobs:
        choice["logprobs"] = {"content": logprobs}
    chat = {"id": data.get("id"), "model": data.get("model"), "choices": [choice]}
    if isinstance(data.get("usage"), dict):
        chat["usage"] = _usage(data["usage"])
    return chat


def response_id(data: Any, previous: str | None = None) -> str | None:
    """The id under which the endpoint keeps a response for the next turn; None if it does not.

    Args:
        data: the body of a response, or the last event's `response` of a streamed one.
        previous: the id that the request went on from.

    Raises:
        CallError: the endpoint ignored `previous`: the answer is to half a conversation.
    """
    if not isinstance(data, dict) or data.get("object", "response") != "response":
        return None
    if previous is not None and data.get("previous_response_id", previous) != previous:
        raise CallError("bad_body", "the endpoint ignored previous_response_id")
    name = data.get("id")
    return name if isinstance(name, str) and name and data.get("store") is not False else None


def failure(error: Any) -> CallError:
    """What the error object of a response, or of an event in its stream, means."""
    fields = error if isinstance(error, dict) else {"message": str(error)}
    return failure_in({"error": fields}) or CallError("server", "the response failed")


def _message(output: list[dict[str, Any]]) -> tuple[dict[str, Any], list[Any]]:
    """The items of a response as one chat message, and the log probabilities of its text."""
    texts: list[str] = []
    refusals: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    logprobs: list[Any] = []
    for item in output:
        kind = item.get("type")
        if kind == "reasoning":
            thoughts += [_text(part) for key in ("summary", "content") for part in _list(item, key)]
        elif kind == "function_call":
            calls.append(_call(item))
        elif kind == "message" and item.get("phase") == "commentary":
            thoughts += map(_text, _parts(item))  # said on the way to the answer
        elif kind == "message":
            for part in _parts(item):
                if isinstance(part, dict) and part.get("refusal"):
                    refusals.append(str(part["refusal"]))
                    continue
                texts.append(_text(part))
                logprobs += _list(part, "logprobs") if isinstance(part, dict) else []
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None}
    if refusals:
        message["refusal"] = "".join(refusals)
    if any(thoughts):
        message["reasoning_content"] = "\n\n".join(filter(None, thoughts))
    if calls:
        message["tool_calls"] = calls
    return message, logprobs


def _call(item: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": item.get("name"), "arguments": item.get("arguments")}
    return {"id": item.get("call_id") or item.get("id"), "type": "function", "function": function}


def _parts(item: Mapping[str, Any]) -> list[Any]:
    content = item.get("content")
    return content if isinstance(content, list) else [content] if content else []


def _list(item: Mapping[str, Any], key: str) -> list[Any]:
    value = item.get(key)
    return value if isinstance(value, list) else []


def _text(part: Any) -> str:
    text = part.get("text") if isinstance(part, dict) else part
    return text if isinstance(text, str) else ""


def _usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """The counts under the names of chat, and whatever else is reported as it came."""
    names = {
        "input_tokens": "prompt_tokens",
        "output_tokens": "completion_tokens",
        "input_tokens_details": "prompt_tokens_details",
        "output_tokens_details": "completion_tokens_details",
    }
    return {names.get(key, key): value for key, value in usage.items()}
