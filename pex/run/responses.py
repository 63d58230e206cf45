"""What OpenAI's Responses API sends, read into the form of a chat completion.

From there on it has one path with every other answer: the same readers, prices and scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from pex.run.failures import CallError, failure_in

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
    """The id under which the endpoint keeps a response for the next turn; None where it does not.

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


class ResponseStream:
    r"""Takes the events of a streamed response as they come; used like `Stream`.

    Args:
        on_delta: gets each piece of the answer's text.

    Example:
        >>> stream = ResponseStream(print)
        >>> stream.feed(b'data: {"type": "response.output_text.delta", "delta": "Hi"}\n\n')
        Hi
        >>> stream.feed(b'data: {"type": "response.completed", "response": {"output": []}}\n\n')
        >>> stream.finish()["output"][0]["content"][0]["text"]
        'Hi'
    """

    def __init__(self, on_delta: Callable[[str], None]) -> None:
        self._on_delta = on_delta
        self._rest: list[bytes] = []
        self._texts: list[str] = []
        self._items: list[dict[str, Any]] = []
        self._whole: dict[str, Any] | None = None

    @property
    def text_came(self) -> bool:
        """Whether a first piece of the answer is there."""
        return bool(self._texts or self._items)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            CallError: a piece that is not valid JSON, or an error of the provider.
        """
        first, *others = chunk.split(b"\n")
        self._rest.append(first)
        if others:
            line = b"".join(self._rest)
            self._rest = [others.pop()]
            self._take([line, *others])

    def finish(self) -> dict[str, Any]:
        """The body of the response, in the form of one that came whole.

        Raises:
            CallError: the stream ended in the middle.
        """
        self._take([b"".join(self._rest)])
        if self._whole is None:
            raise CallError("connection", "the stream broke off in the middle of the answer")
        if not self._whole.get("output"):  # some servers leave out what they have sent in pieces
            text = {"type": "output_text", "text": "".join(self._texts)}
            said = [{"type": "message", "content": [text]}] if self._texts else []
            self._whole["output"] = self._items or said
        return self._whole

    def _take(self, lines: list[bytes]) -> None:
        for event in _events(lines):
            kind = event.get("type")
            if kind == "error":
                raise failure(event.get("error") or event)
            if "choices" not in event and event.get("error"):
                raise failure(event["error"])
            if kind == "response.output_text.delta" and isinstance(event.get("delta"), str):
                self._texts.append(event["delta"])
                self._on_delta(event["delta"])
            elif kind == "response.output_item.done" and isinstance(event.get("item"), dict):
                self._items.append(event["item"])
            elif isinstance(event.get("response"), dict) and kind in _LAST:
                self._whole = dict(event["response"])
                self._whole.setdefault("status", str(kind).partition(".")[2])


_LAST = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
"""Events that end a stream."""


def _events(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        text = line[5:].strip() if line.startswith(b"data:") else b""
        if not text or text == b"[DONE]":
            continue
        try:
            event = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise CallError("bad_body", "a piece of the stream is not valid JSON") from None
        if not isinstance(event, dict):
            raise CallError("bad_body", "a piece of the stream is not an object")
        yield event
