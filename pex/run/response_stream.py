"""A response of OpenAI's Responses API that comes in pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pex.run.errors import CallError
from pex.run.event_stream import EventStream
from pex.run.failures import failure_in

_LAST = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
"""Events that end a stream."""


class ResponseStream(EventStream):
    r"""Takes the bytes of a streamed response as they come.

    The last event has the whole response in it; what came before is only used where some servers
    leave that out.

    Args:
        on_delta: gets each piece of the answer's text.

    Example:
        >>> stream = ResponseStream(print)
        >>> stream.feed(b'data: {"type": "response.output_text.delta", "delta": "Hi"}\n\n')
        Hi
        >>> stream.feed(b'data: {"type": "response.completed", "response": {"output": []}}\n\n')
        >>> stream.answer().output
        'Hi'
    """

    def __init__(self, on_delta: Callable[[str], None] | None = None) -> None:
        super().__init__(on_delta)
        self._texts: list[str] = []
        self._items: list[dict[str, Any]] = []
        self._whole: dict[str, Any] | None = None

    @property
    def text_came(self) -> bool:
        """Whether a first piece of the answer is there."""
        return bool(self._texts or self._items)

    def _missing(self) -> CallError | None:
        error = super()._missing()
        if error is None and self._whole is None and not (self._ended and self.text_came):
            error = CallError("connection", "the stream broke off in the middle of the answer")
        return error

    def _is_whole(self) -> bool:
        return self._whole is not None and bool(self._whole.get("output"))

    def _together(self) -> dict[str, Any]:
        whole = dict(self._whole or {})
        if not whole.get("output"):  # some servers leave out what they have sent in pieces
            text = {"type": "output_text", "text": self._joined(self._texts)}
            said = [{"type": "message", "content": [text]}] if self._texts else []
            whole["output"] = self._items or said
        return whole

    def _take(self, event: Any) -> None:
        if isinstance(event, list):
            for item in event:
                self._take(item)
            return
        if not isinstance(event, dict):
            self._lost = True
            return
        error = failure_in(event)
        if error is None and self._event_name == b"error":
            error = failure_in({"error": event})
        if error is not None:
            self._fail(error)
            return
        kind, delta = event.get("type"), event.get("delta")
        self._understood = self._understood or str(kind).startswith("response.")
        if kind == "response.output_text.delta" and isinstance(delta, str):
            if delta:
                self._texts.append(delta)
                self._emit_delta(delta)
        elif kind == "response.output_item.done" and isinstance(event.get("item"), dict):
            self._items.append(event["item"])
        elif isinstance(event.get("response"), dict) and kind in _LAST:
            self._whole = dict(event["response"])
            self._whole.setdefault("status", str(kind).partition(".")[2])
            if self._is_whole():  # whatever was wrong with the pieces, here is all of it
                self._lost, self._failure = False, None
