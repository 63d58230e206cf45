"""An answer that comes in pieces (server-sent events), put together as if it had come whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson


class StreamError(Exception):
    """The stream broke off, said that something failed, or is not what it should be."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


def streams(content_type: str) -> bool:
    """Whether a response is a stream; an endpoint may answer in one piece all the same."""
    return content_type == "text/event-stream"


class Stream:
    r"""Takes the bytes of a stream as they come.

    Args:
        on_delta: gets each piece of the answer's text.

    Example:
        >>> stream = Stream(print)
        >>> stream.feed(b'data: {"choices": [{"delta": {"content": "Hel"}}]}\n\ndata: {"choi')
        Hel
        >>> stream.feed(b'ces": [{"delta": {"content": "lo"}, "finish_reason": "stop"}]}\n\n')
        lo
        >>> stream.finish()["choices"][0]["message"]["content"]
        'Hello'
    """

    def __init__(self, on_delta: Callable[[str], None]) -> None:
        self._on_delta = on_delta
        self._rest = b""
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._tools: dict[int, dict[str, Any]] = {}
        self._logprobs: list[Any] = []
        self._whole: dict[str, Any] = {}
        self._finish_reason: str | None = None
        self._ended = False

    @property
    def text_came(self) -> bool:
        """Whether a first piece of the answer is there."""
        return bool(self._texts or self._tools)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            StreamError: a piece that is no JSON, or an error of the provider.
        """
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self._event(line[5:].strip())

    def finish(self) -> dict[str, Any]:
        """The answer, in the form of one that came whole.

        Raises:
            StreamError: the stream ended in the middle.
        """
        if self._rest.startswith(b"data:"):
            self._event(self._rest[5:].strip())
        if self._finish_reason is None and not self._ended:
            raise StreamError("connection", "the stream broke off in the middle of the answer")
        message: dict[str, Any] = {"content": "".join(self._texts) or None}
        if self._tools:
            message["tool_calls"] = [self._tools[number] for number in sorted(self._tools)]
        if self._refusals:
            message["refusal"] = "".join(self._refusals)
        choice = {"message": message, "finish_reason": self._finish_reason}
        if self._logprobs:
            choice["logprobs"] = {"content": self._logprobs}
        return {**self._whole, "choices": [choice]}

    def _event(self, text: bytes) -> None:
        if text == b"[DONE]":
            self._ended = True
            return
        if not text:
            return
        try:
            data = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise StreamError("bad_body", "a piece of the stream is no JSON") from None
        if not isinstance(data, dict):
            raise StreamError("bad_body", "a piece of the stream is no object")
        if data.get("error"):
            error = data["error"]
            said = error.get("message", error) if isinstance(error, dict) else error
            raise StreamError("server", f"error in the stream: {said}")
        for name in ("model", "usage"):
            if data.get(name):
                self._whole[name] = data[name]
        for choice in data.get("choices") or []:
            self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta") or {}
        if delta.get("content"):
            self._texts.append(str(delta["content"]))
            self._on_delta(str(delta["content"]))
        if delta.get("refusal"):
            self._refusals.append(str(delta["refusal"]))
        for piece in delta.get("tool_calls") or []:
            self._tool(piece)
        self._logprobs += (choice.get("logprobs") or {}).get("content") or []
        self._finish_reason = choice.get("finish_reason") or self._finish_reason

    def _tool(self, piece: dict[str, Any]) -> None:
        """The name comes first, the arguments in pieces."""
        number = int(piece.get("index", len(self._tools)))
        call = self._tools.setdefault(
            number, {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] = piece.get("id") or call["id"]
        for key in ("name", "arguments"):
            call["function"][key] += (piece.get("function") or {}).get(key) or ""
