"""The events of a stream, however their server writes them.

Server-sent events as the standard has them and as servers send them: any line ends, comments,
several lines of data, a byte order mark, no space or no empty line, JSON lines without `data:`,
and one JSON body where a stream was asked for.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import orjson

from pex.core.call import Answer
from pex.core.sanitized_json import sanitized_json
from pex.core.text import replace_surrogates
from pex.run.error_body import message_of
from pex.run.errors import CallError
from pex.run.failures import failure_in
from pex.run.lenient import read_leniently
from pex.run.reading import LENIENT, answer_of, kept, read_answer, unforeseen

_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,99}(?:data|event|id|retry)?:")
_END = re.compile(rb"\r\n|\n|\r")
_HALF = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
MOST_TRIED_BYTES = 64 * 1024 * 1024
"""Of events over several lines, so much is read again and again to find where they end."""


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
        self._pieces.append(chunk)
        if not held and b"\n" not in chunk and b"\r" not in chunk:
            return []
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


class EventStream(ABC):
    """Takes the bytes of a stream as they come; what its events say is its subclasses' business.

    These take each event in `_take`, say in `_missing` and `_is_whole` how far the answer has come,
    and in `_together` what it is.

    Args:
        on_delta: gets each piece of the answer's text.
    """

    def __init__(self, on_delta: Callable[[str], None] | None = None) -> None:
        self._on_delta = on_delta
        self._chunks: list[bytes] = []
        self._rest = Rest()
        self._tried_bytes = 0
        self._event_data: list[bytes] = []
        self._event_name = b""
        self._body: list[bytes] = []
        self._body_is_late = False
        self._understood = False
        self._ended = False
        self._lost = False
        self._failure: CallError | None = None

    @property
    @abstractmethod
    def text_came(self) -> bool:
        """Whether a first piece of the answer is there."""

    @property
    def raw(self) -> bytes:
        """All that has come so far."""
        return b"".join(self._chunks)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; what is wrong with them is raised by `answer`."""
        self._chunks.append(chunk)
        self._lines(self._rest.lines(chunk))

    def answer(self, previous: str | None = None) -> Answer:
        """The answer; `previous` as in `answer_of`.

        Raises:
            CallError: there is none, or not all of it; the error keeps what came.
        """
        self._lines([*_END.split(self._rest.take()), b""])
        if self._body and not self._understood and self._failure is None:
            return read_answer(self.raw, previous)  # one body after all
        if self._body and not self._body_is_late:
            self._failure = self._failure or _not_json()
        self._lost = self._lost or bool(self._body)
        error = self._failure or self._missing()
        if error is not None:
            error.raw_body = kept(self.raw)
            raise error
        try:
            answer = answer_of(sanitized_json(self._together()), self.raw, previous=previous)
        except CallError as failed:
            failed.begun = failed.begun or self.text_came
            raise
        if self._lost and LENIENT not in answer.remarks:
            answer.remarks.append(LENIENT)
            answer.raw_body = kept(self.raw)
        return answer

    @abstractmethod
    def _take(self, event: Any) -> None:
        """Take what one event says, a JSON value."""

    def _missing(self) -> CallError | None:
        """Why this is not an answer so far, None if it may be one."""
        if not self.raw.strip():
            return CallError("bad_body", "the stream is empty")
        if not self._understood:
            return CallError("bad_body", f"not a stream of answers: {message_of(self.raw)}")
        return None

    @abstractmethod
    def _is_whole(self) -> bool:
        """Whether the answer has ended: a stream that breaks after that loses none of it."""

    @abstractmethod
    def _together(self) -> dict[str, Any]:
        """What has come, in the form of a body that came whole."""

    def _emit_delta(self, piece: str) -> None:
        """Pass on a piece of the answer's text."""
        if self._on_delta is not None:
            self._on_delta(replace_surrogates(piece))

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
        except Exception as error:  # noqa: BLE001 - an unexpected error gets a name too
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
            self._body_is_late = self._is_whole() if not self._body else self._body_is_late
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
        if text.upper() in (b"[DONE]", b'"[DONE]"'):
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
            self._fail(error or _not_json())

    def _fail(self, error: CallError) -> None:
        if self._is_whole():
            self._lost = True
            return
        error.begun = error.begun or self.text_came
        self._failure = self._failure or error


def _not_json() -> CallError:
    return CallError("bad_body", "a piece of the stream is not valid JSON")


def _is_event(text: bytes) -> bool:
    """Whether a line is an event of its own, and no line in the middle of another."""
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    names = ("choices", "error", "usage", "response", "delta")
    return isinstance(event, dict) and not event.keys().isdisjoint(names)


def _is_piece(value: dict[str, Any]) -> bool:
    """Whether a line is a piece of a stream; a whole answer is read as a body."""
    choices = value.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0].get("message") is None
    named = str(value.get("type")).startswith("response.")
    return named or choices is not None or value.get("done") is not None
