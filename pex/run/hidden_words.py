"""The canary and the delimiter of a request: put in as it is sent, taken out of what comes back.

A request is kept, counted, shown and named by its key with placeholders in their places. Between
its bytes on the way out and its answer on the way in, nothing outside this module has the words.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from pex.core.call import Answer, Request
from pex.core.hidden import MARKS, SHOWN, Hidden, replaced
from pex.guard.canary import derive, find_canary
from pex.project.secret import project_secret
from pex.run.errors import CallError

_SHORTEST_REST = 6
"""An error may quote a request and cut it off: so many characters of a word are still one."""


def in_key(text: bytes) -> bytes:
    """The bytes of a request that its key is made of: the same in every process."""
    return text.replace(_CANARY, rb"\u0000canary\u0000").replace(_FENCE, rb"\u0000delimiter\u0000")


def with_marks(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """The body of a request, or of a turn of it, with marks where its words will be."""
    if request.marked is None:
        return body
    later = body["messages"][len(request.marked) :]
    said = [
        replaced(message, SHOWN, MARKS) if message.get("role") == "assistant" else message
        for message in later
    ]
    return {**body, "messages": [*request.marked, *said]}


def words_of(request: Request, state: Path) -> Words | None:
    """The words of a request; None if it has none.

    Args:
        request: any request.
        state: the project's `.pex/` folder, where the secret is.

    Raises:
        PexError: the project's secret cannot be read.
    """
    return None if request.marked is None else Words(request, project_secret(state))


class Words:
    """The words of one request, which are the same for all variants of its case and repeat."""

    def __init__(self, request: Request, secret: bytes) -> None:
        place = (request.case_id, str(request.repeat))
        text = orjson.dumps([request.body["messages"], request.turns]).decode().lower()
        number = 0
        while (fence := derive(secret, "delimiter", *place, str(number))) in text:
            number += 1
        self._hidden = Hidden(derive(secret, "canary", *place), fence)
        self._has_canary = _CANARY in orjson.dumps(request.marked)

    def filled(self, payload: bytes) -> bytes:
        """The bytes that are sent."""
        canary, fence = str(self._hidden.canary), self._hidden.fence
        return payload.replace(_CANARY, canary.encode()).replace(_FENCE, fence.encode())

    def take_out(self, answer: Answer) -> None:
        """Put placeholders into an answer, and note in which forms it has the canary."""
        if self._has_canary:
            said = [text for text in (answer.output, answer.reasoning) if text]
            if answer.tool_calls:
                said.append(orjson.dumps(answer.tool_calls).decode())
            forms = {leak.form for text in said for leak in find_canary(text, self._canary)}
            if any(_cut_off(text, self._canary) for text in said):
                forms.add("piece")
            answer.canary = sorted(forms)
            if forms:
                answer.logprobs = None  # they spell it out, token by token
        for name in ("output", "reasoning", "error", "raw_body"):
            text = getattr(answer, name)
            if text:
                setattr(answer, name, self.masked(text))
        if answer.tool_calls:
            answer.tool_calls = replaced(answer.tool_calls, self._hidden, SHOWN)

    def take_out_of(self, error: CallError) -> None:
        """Put placeholders into an error, which may quote the request."""
        error.message = self.masked(error.message)
        error.raw_body = self.masked(error.raw_body) if error.raw_body else error.raw_body
        error.param = self.masked(error.param) if error.param else error.param

    def masked(self, text: str) -> str:
        """A text with placeholders, also for a word that is cut off at its end."""
        text = str(replaced(text, self._hidden, SHOWN))
        for word, shown in self._pairs:
            if cut := _cut_off(text, word):
                return text[: cut[0]] + shown + text[cut[1] :]
        return text

    def streaming(self, show: Callable[[str], None]) -> Callable[[str], None]:
        """A function that takes the pieces of a streamed answer and shows them with placeholders.

        It holds back what may be the beginning of a word; the whole answer has it.
        """
        held = ""

        def feed(piece: str) -> None:
            nonlocal held
            text = str(replaced(held + piece, self._hidden, SHOWN))
            rest = max((_overlap(text, word) for word, _ in self._pairs), default=0)
            held = text[len(text) - rest :]
            if rest < len(text):
                show(text[: len(text) - rest])

        return feed

    @property
    def _canary(self) -> str:
        return str(self._hidden.canary)

    @property
    def _pairs(self) -> tuple[tuple[str, str], ...]:
        return ((self._canary, str(SHOWN.canary)), (self._hidden.fence, SHOWN.fence))


def _cut_off(text: str, word: str) -> tuple[int, int] | None:
    """Where a text ends with the beginning of a word; dots and quotes can follow."""
    end = text.rstrip("….'\"}] ")
    size = _overlap(end, word)
    return (len(end) - size, len(end)) if size >= _SHORTEST_REST else None


def _overlap(text: str, word: str) -> int:
    """How many characters at the end of a text are the beginning of a word."""
    for size in range(min(len(text), len(word) - 1), 0, -1):
        if text.endswith(word[:size]):
            return size
    return 0


def _escaped(mark: str | None) -> bytes:
    """A mark as it is in JSON."""
    return orjson.dumps(mark)[1:-1]


_CANARY, _FENCE = _escaped(MARKS.canary), _escaped(MARKS.fence)
