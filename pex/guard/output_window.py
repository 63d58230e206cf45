"""The part of an answer that is being looked at, and which of it is code."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import re

from pex.guard.output_letters import Letters

_TOKEN = re.compile(r"(?P<fence>(?:(?<=\n)|\A) {0,3}(?:`{3,}|~{3,}))|(?P<tick>`+)")
_LONGEST_CODE = 300
"""Characters of code within a line; more between two backticks is no code."""
_WORD = re.compile(
    "[^\\s\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uac00-\ud7a3"
    "\uf900-\ufaff\uff00-\uffef]*"
)
"""Of what a word consists, backwards; scripts without spaces between words have none."""


@dataclasses.dataclass(frozen=True, slots=True)
class CodeState:
    """Whether a place is within code of Markdown.

    Args:
        fence: the marks that opened a block of code; empty outside of one.
        tick: the backticks that opened code in the line; empty outside.
        open_at: where they stand, counted from the beginning of the answer.
    """

    fence: str = ""
    tick: str = ""
    open_at: int = 0


_NO_CODE = CodeState()


class Window:
    """A part of an answer.

    Args:
        text: the part, with some of what came before it.
        start: the first place that is not decided yet; what is before is there to look back at.
        final: whether nothing follows.
        offset: where the text begins in the answer.
        state: of code, at `start`.
    """

    def __init__(
        self,
        text: str,
        start: int = 0,
        *,
        final: bool = True,
        offset: int = 0,
        state: CodeState | None = None,
    ) -> None:
        self.text, self.start, self.final, self.offset = text, start, final, offset
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self._states: list[tuple[int, CodeState]] = [(start, state or CodeState())]
        self.open_code = len(text)
        """From here on it is not known yet whether something is code."""
        self._read_code()

    def _read_code(self) -> None:
        state = self._states[0][1]
        begin = self.start if state.fence else None
        if state == _NO_CODE and "`" not in self.text and "~~~" not in self.text:
            return
        for match in _TOKEN.finditer(self.text, self.start):
            at, here = match.start(), self.offset + match.start()
            if state.tick and not self._in_line(state, at):
                state = _NO_CODE
            if match.lastgroup == "fence" and not state.tick:
                marks = match[0].strip()
                if not state.fence:
                    state, begin = CodeState(marks), at
                elif marks.startswith(state.fence):
                    self._add(self.start if begin is None else begin, match.end())
                    state, begin = _NO_CODE, None
            elif state.fence:
                continue
            elif not state.tick:
                state = CodeState("", match[0].strip(), here)
            elif match[0].strip() == state.tick:
                self._add(max(state.open_at - self.offset, self.start), match.end())
                state = _NO_CODE
            self._states.append((match.end(), state))
        if state.fence:
            self._add(self.start if begin is None else begin, len(self.text))
        elif state.tick and not self.final and self._in_line(state, len(self.text)):
            self.open_code = max(state.open_at - self.offset, self.start)

    def _in_line(self, state: CodeState, at: int) -> bool:
        """Whether code that was opened can still be closed at a place."""
        opened = state.open_at - self.offset
        return at - opened <= _LONGEST_CODE and self.text.find("\n", max(opened, 0), at) < 0

    def _add(self, first: int, last: int) -> None:
        self._firsts.append(first)
        self._lasts.append(last)

    def in_code(self, at: int) -> bool:
        """Whether a place is within code, where markup is shown and does nothing."""
        number = bisect.bisect_right(self._firsts, at) - 1
        return number >= 0 and at < self._lasts[number]

    def state_at(self, at: int) -> CodeState:
        """The state of code at a place."""
        number = bisect.bisect_right(self._states, at, key=lambda pair: pair[0]) - 1
        return self._states[max(number, 0)][1]

    @functools.cached_property
    def letters(self) -> Letters:
        """The letters that are not decided yet."""
        return Letters(self.text, self.start)

    def last_word(self) -> int:
        """Where the word begins that is not finished yet."""
        match = _WORD.match(self.text[self.start :][::-1])
        return len(self.text) - (match.end() if match else 0)
