"""A chat completion that comes in pieces, put together as if it had come whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pex.run.content import ToolCalls, read_content, read_reasoning
from pex.run.errors import CallError
from pex.run.event_stream import EventStream
from pex.run.failures import failure_in
from pex.run.finish_reasons import finish_meaning
from pex.run.reading import REASONS


class Stream(EventStream):
    r"""Takes the bytes of a stream as they come.

    Args:
        on_delta: gets each piece of the answer's text.

    Example:
        >>> stream = Stream(print)
        >>> stream.feed(b'data: {"choices": [{"delta": {"content": "Hel"}}]}\n\ndata: {"choi')
        Hel
        >>> stream.feed(b'ces": [{"delta": {"content": "lo"}, "finish_reason": "stop"}]}\n\n')
        lo
        >>> stream.answer().output
        'Hello'
    """

    def __init__(self, on_delta: Callable[[str], None] | None = None) -> None:
        super().__init__(on_delta)
        self._length = 0
        self._texts: list[str] = []
        self._reasoning: list[str] = []
        self._refusals: list[str] = []
        self._calls = ToolCalls()
        self._older_call = ToolCalls()
        self._logprobs: list[Any] = []
        self._whole: dict[str, Any] = {}
        self._filters: list[Any] = []
        self._finish_reason: Any = None
        self._index: Any = None
        self._chosen = False

    @property
    def text_came(self) -> bool:
        """Whether a first piece of the answer is there."""
        said = self._texts and self._texts[-1]  # the first may be empty
        return bool(said or self._calls or self._older_call)

    def _missing(self) -> CallError | None:
        error = super()._missing()
        if error is None and self._chosen and self._finish_reason is None and not self._ended:
            error = CallError("connection", "the stream broke off in the middle of the answer")
        return error

    def _is_whole(self) -> bool:
        reason = self._finish_reason
        if not (isinstance(reason, str) and self.text_came):
            return False
        return finish_meaning(reason) in (None, "cut_off")

    def _together(self) -> dict[str, Any]:
        """What has come, in the form of an answer that came whole."""
        if not self._chosen:
            return {**self._whole, "choices": []}
        message: dict[str, Any] = {
            "content": self._joined(self._texts) if self._texts else None,
            "reasoning": self._joined(self._reasoning),
            "refusal": self._joined(self._refusals) or None,
            "tool_calls": self._calls.found() or self._older_call.found(),
        }
        self._lost = self._lost or self._calls.lost or self._older_call.lost
        choice = {"message": message, "finish_reason": self._finish_reason}
        if self._lost and not any(message.values()):
            choice["message"] = self._lost  # nothing was understood
        if self._filters:
            choice["content_filter_results"] = self._filters
        if self._logprobs:
            choice["logprobs"] = {"content": self._logprobs}
        return {**self._whole, "choices": [choice]}

    # -- what an event says

    def _take(self, event: Any) -> None:
        if isinstance(event, list):
            for item in event:
                self._take(item)
            return
        if not isinstance(event, dict):
            self._lost = True
            return
        if self._failure is not None:
            return
        error = failure_in(event)
        if error is None and self._event_name == b"error" and "choices" not in event:
            error = failure_in({"error": event})
        if error is not None:
            self._fail(error)
            return
        for name in ("model", "usage", "x_groq", "eval_count", "prompt_eval_count",
                     "prompt_filter_results"):  # fmt: skip
            if event.get(name):
                self._whole[name] = event[name]
        choices = event.get("choices")
        if isinstance(choices, dict):
            choices = [choices]
        if isinstance(choices, list):
            self._understood = True
            for choice in choices:
                self._choice(choice)
        elif isinstance(event.get("message"), dict):  # Ollama's own API
            self._understood = True
            self._choice(event)
        elif event.get("usage"):
            self._understood = True
        elif choices is not None:
            self._lost = True

    def _choice(self, choice: Any) -> None:
        if not isinstance(choice, dict):
            self._lost = True
            return
        index = choice.get("index")
        if isinstance(index, int):
            self._index = index if self._index is None else self._index
            if index != self._index:
                return  # another answer to the same request
        self._chosen = True
        message = choice.get("delta") or choice.get("message")
        inside = message.get("error") if isinstance(message, dict) else None
        error = failure_in({"error": choice.get("error") or inside})
        if error is not None:
            self._fail(error)
            return
        if choice.get("delta") is not None:
            self._delta(choice["delta"])
        elif choice.get("message") is not None:
            self._message(choice["message"])
        elif choice.get("text") is not None:
            self._delta({"content": choice["text"]})
        self._add_logprobs(choice.get("logprobs"))
        if choice.get("usage") and not self._whole.get("usage"):  # Moonshot
            self._whole["usage"] = choice["usage"]
        if choice.get("content_filter_results"):
            self._filters.append(choice["content_filter_results"])
        for name in REASONS:
            if choice.get(name):
                self._finish_reason = choice[name]
                break

    def _delta(self, delta: Any) -> None:
        if isinstance(delta, str | list):
            delta = {"content": delta}
        if not isinstance(delta, dict):
            self._lost = True
            return
        content = delta.get("content")
        if isinstance(content, str):
            self._say(content)
        elif content is not None:
            found = read_content(content)
            self._lost = self._lost or found.lost
            if found.text:
                self._say(found.text)
            if found.reasoning:
                self._reasoning.append(found.reasoning)
            if found.refusal:
                self._refusals.append(found.refusal)
        reasoning = read_reasoning(delta)
        if reasoning:
            self._reasoning.append(reasoning)
        if isinstance(delta.get("refusal"), str):
            self._refusals.append(delta["refusal"])
        elif delta.get("refusal"):
            self._lost = True
        pieces = delta.get("tool_calls")
        if isinstance(pieces, list):
            for piece in pieces:
                self._calls.add_piece(piece)
        elif pieces is not None:
            self._calls.add_piece(pieces)
        if isinstance(delta.get("function_call"), dict):
            self._older_call.add_piece({"index": 0, "function": delta["function_call"]})

    def _message(self, message: Any) -> None:
        """A piece in the place of a whole message: the next piece of it, or all of it so far."""
        if isinstance(message, dict) and isinstance(message.get("content"), str):
            content = message["content"]
            if 0 < self._length <= len(content) and content.startswith("".join(self._texts)):
                message = {**message, "content": content[self._length :]}
        self._delta(message)

    def _say(self, text: str) -> None:
        self._understood = True
        if text:
            self._texts.append(text)
            self._length += len(text)
            self._emit_delta(text)
        elif not self._texts:
            self._texts.append("")

    def _add_logprobs(self, logprobs: Any) -> None:
        content = logprobs.get("content") if isinstance(logprobs, dict) else None
        if isinstance(content, list):
            self._logprobs += content
        elif content is not None or (logprobs and not isinstance(logprobs, dict)):
            self._lost = True
