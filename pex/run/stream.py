"""An answer that comes in pieces, put together as if it had come whole.

Server-sent events as the standard has them and as servers send them: any line ends, comments,
several lines of data, a byte order mark, no space or no empty line, JSON lines without `data:`,
and one JSON body where a stream was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from pex.core.call import Answer
from pex.core.plain_json import plain_json, replace_surrogates
from pex.run.content import ToolCalls, read_content, read_reasoning
from pex.run.error_body import message_of
from pex.run.failures import CallError, failure_in
from pex.run.lenient import read_leniently
from pex.run.reading import LENIENT, answer_of, kept, read_answer, unforeseen

_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,99}(?:data|event|id|retry)?:")
_END = re.compile(rb"\r\n|\n|\r")
_HALF = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
MOST_TRIED_BYTES = 64 * 1024 * 1024
"""Of events over several lines, so much is read again and again to find where they end."""

_FINISHES = ("finish_reason", "finishReason", "stop_reason", "done_reason", "native_finish_reason")


class Rest:
    r"""The line that has not ended yet, whose pieces are put together once, however many come.

    Example:
        >>> rest = Rest()
        >>> rest.lines(b"one\r"), rest.lines(b"\ntwo\nth"), rest.take()
        ([], [b'one', b'two'], b'th')
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def lines(self, chunk: bytes) -> list[bytes]:
        """The lines that end with the next bytes."""
        held = bool(self._pieces) and self._pieces[-1].endswith(b"\r")
        if not held and b"\n" not in chunk and b"\r" not in chunk:
            self._pieces.append(chunk)
            return []
        self._pieces.append(chunk)
        text = self.take()
        # A CR at the end may be half of a line's end.
        ends = text[:-1] if text.endswith(b"\r") else text
        if b"\r" in ends:
            *lines, rest = _END.split(ends)
        else:
            *lines, rest = ends.split(b"\n")
        rest += text[len(ends) :]
        if rest:
            self._pieces.append(rest)
        return lines

    def take(self) -> bytes:
        """What there is of the line."""
        text, self._pieces = b"".join(self._pieces), []
        return text


def looks_like_stream(raw: bytes) -> bool:
    """Whether a body is a stream of events, whatever its content type says.

    Example:
        >>> looks_like_stream(b'data: {}'), looks_like_stream(b': ping'), looks_like_stream(b'{}')
        (True, True, False)
    """
    return raw[:1] != b"{" and _BEGIN.match(raw) is not None


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
        >>> stream.answer().output
        'Hello'
    """

    def __init__(self, on_delta: Callable[[str], None] | None = None) -> None:
        self._on_delta = on_delta
        self._chunks: list[bytes] = []
        self._rest = Rest()
        self._tried_bytes = 0
        self._length = 0
        self._event_data: list[bytes] = []
        self._event_name = b""
        self._body: list[bytes] = []
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
        self._understood = False
        self._chosen = False
        self._ended = False
        self._lost = False
        self._failure: CallError | None = None

    @property
    def text_came(self) -> bool:
        """Whether a first piece of the answer is there."""
        return bool(self._texts or self._calls or self._older_call)

    @property
    def raw(self) -> bytes:
        """All that has come so far."""
        return b"".join(self._chunks)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; what is wrong with them is raised by `answer`."""
        self._chunks.append(chunk)
        self._lines(self._rest.lines(chunk))

    def answer(self) -> Answer:
        """The answer.

        Raises:
            CallError: there is none, or not all of it; the error keeps what came.
        """
        self._lines([*_END.split(self._rest.take()), b""])
        if self._body and not self._understood and self._failure is None:
            return read_answer(self.raw)  # one body after all
        if self._body:
            self._fail(CallError("bad_body", "a piece of the stream is not valid JSON"))
        error = self._failure or self._missing()
        if error is not None:
            error.raw_body = kept(self.raw)
            raise error
        answer = answer_of(plain_json(self._together()), self.raw)
        if self._lost and LENIENT not in answer.remarks:
            answer.remarks.append(LENIENT)
            answer.raw_body = kept(self.raw)
        return answer

    def _missing(self) -> CallError | None:
        if not self.raw.strip():
            return CallError("bad_body", "the stream is empty")
        if not self._understood:
            return CallError("bad_body", f"not a stream of answers: {message_of(self.raw)}")
        if self._chosen and self._finish_reason is None and not self._ended:
            return CallError("connection", "the stream broke off in the middle of the answer")
        return None

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

    def _joined(self, pieces: list[str]) -> str:
        """The pieces as one text; a character may have been cut in two between them."""
        text = "".join(pieces)
        whole = replace_surrogates(text)
        self._lost = self._lost or whole.count("\ufffd") > text.count("\ufffd")
        return whole

    # -- lines and events

    def _lines(self, lines: list[bytes]) -> None:
        try:
            for line in lines:
                self._line(line)
        except Exception as error:  # noqa: BLE001 - what nobody has thought of is named all the same
            self._fail(unforeseen(error, b""))

    def _line(self, line: bytes) -> None:
        if not line:
            self._end_event()
            return
        if line[:3] == b"\xef\xbb\xbf":
            line = line[3:]
        name, colon, value = line.partition(b":")
        if name == b"data" and colon:
            self._data(value[1:] if value[:1] == b" " else value)
        elif name == b"event" and colon:
            self._event_name = value.strip()
        elif name in (b"", b"id", b"retry") and colon:
            return  # a comment, or what only a browser needs
        elif line.lstrip()[:1] in (b"{", b"[") or self._body:
            self._body.append(line)
            if line.rstrip()[-1:] == b"}" and self._whole_line(line):  # JSON lines
                self._body.pop()

    def _whole_line(self, line: bytes) -> bool:
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            return False
        if not self._understood and isinstance(value, dict) and not _is_piece(value):
            return False
        self._take(value)
        return True

    def _data(self, value: bytes) -> None:
        """A line of data: mostly a whole event, whose end some servers do not mark."""
        text = value.strip()
        if text in (b"[DONE]", b'"[DONE]"'):
            self._end_event()
            self._ended = True
            return
        if not text:
            return
        if self._event_data:
            self._event_data.append(value)
            found, event = self._tried(self._event_data)
            if found:
                self._event_data = []
            elif _is_event(text):  # the one before was damaged, and its end is not marked
                self._event_data.pop()
                self._end_event(keep_name=True)
                found, event = self._parsed(text)
        else:
            found, event = self._parsed(text)
            if not found:
                self._event_data.append(value)
        if found:
            self._take(event)

    def _tried(self, lines: list[bytes]) -> tuple[bool, Any]:
        """Whether the lines so far are a JSON value, and which.

        Each line is another try of all before it: as many as that may take, then only the end of
        the event counts.
        """
        self._tried_bytes += sum(map(len, lines)) + len(lines)
        if self._tried_bytes > MOST_TRIED_BYTES:
            return False, None
        return self._parsed(b"\n".join(lines))

    def _parsed(self, text: bytes) -> tuple[bool, Any]:
        """Whether it is a JSON value, and which."""
        try:
            return True, orjson.loads(text)
        except orjson.JSONDecodeError:
            if text[:1] not in (b"{", b"["):
                return False, None
        try:
            event = read_leniently(text, halves=True)
        except ValueError:
            return False, None
        try:
            orjson.loads(_HALF.sub(b"?", text))
        except orjson.JSONDecodeError:
            self._lost = True  # more than a character that was cut in two
        return True, event

    def _end_event(self, *, keep_name: bool = False) -> None:
        lines, self._event_data = self._event_data, []
        if lines:
            text = b"\n".join(lines).strip()
            found, event = False, None
            if self._tried_bytes > MOST_TRIED_BYTES:
                found, event = self._parsed(text)
            if found:
                self._take(event)
            else:
                self._refuse(text)
        if not keep_name:
            self._event_name = b""

    def _refuse(self, text: bytes) -> None:
        """A piece that is not JSON: a sign of life, or a piece of the answer that is lost."""
        error = None
        if self._event_name == b"error":
            error = failure_in({"error": text.decode("utf-8", "replace")})
        if error is not None or text[:1] in (b"{", b"["):
            self._fail(error or CallError("bad_body", "a piece of the stream is not valid JSON"))

    def _fail(self, error: CallError) -> None:
        error.begun = error.begun or self.text_came
        self._failure = self._failure or error

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
        error = failure_in({"error": choice.get("error")})
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
        for name in _FINISHES:
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
            if self._on_delta is not None:
                self._on_delta(replace_surrogates(text))
        elif not self._texts:
            self._texts.append("")

    def _add_logprobs(self, logprobs: Any) -> None:
        content = logprobs.get("content") if isinstance(logprobs, dict) else None
        if isinstance(content, list):
            self._logprobs += content
        elif content is not None or (logprobs and not isinstance(logprobs, dict)):
            self._lost = True


def _is_event(text: bytes) -> bool:
    """Whether a line is an event of its own, and no line in the middle of another."""
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(event, dict) and not event.keys().isdisjoint(("choices", "error", "usage"))


def _is_piece(value: dict[str, Any]) -> bool:
    """Whether a line is a piece of a stream; a whole answer is read as a body."""
    choices = value.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0].get("message") is None
    return choices is not None or value.get("done") is not None
