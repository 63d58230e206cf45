"""Reads an answer as it arrives: text goes on as soon as no rule can need it any more.

A rule finds something from a place of a window on, and says from where on it is not sure yet.
Whatever is before that place is decided, so it makes no difference how an answer is cut into
pieces.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
from collections.abc import Callable, Iterable, Sequence

from pex.guard.findings import MOST_LISTED, Finding, span_digest, visible
from pex.guard.known_keys import Known
from pex.guard.output_context import OutputContext, OutputPolicy
from pex.guard.output_window import CodeState, Window
from pex.guard.redact import known, redact_with

Find = Callable[[Window, OutputContext, OutputPolicy], Iterable[Finding]]
Hold = Callable[[Window, OutputContext, OutputPolicy], int]
Whole = Callable[[Window], Iterable[tuple[int, int]]]

_SHORTEST_KEY = 8

LOOK_BACK = 400
"""Characters before a place that a rule may look back at."""


@dataclasses.dataclass(frozen=True, slots=True)
class OutputRule:
    """A rule of the checks of answers.

    Args:
        name: its name in a policy.
        find: what it finds in a window.
        hold: from where on more text could change that; unfinished words are held by themselves.
        owasp: the risk of the OWASP Top 10 for LLM applications (2026) that it belongs to.
        whole: spans that the rule can judge only as a whole, such as addresses.
    """

    name: str
    find: Find
    hold: Hold
    owasp: str
    whole: Whole | None = None

    @property
    def about(self) -> str:
        """What it finds, in a sentence."""
        return (self.find.__doc__ or "").strip().partition("\n")[0]


@dataclasses.dataclass(slots=True)
class _Edit:
    """A replacement: from here on, places in the clean text differ by so much."""

    clean: int
    original: int


class Stage:
    """Some of the rules, applied to a text that arrives in pieces.

    Args:
        rules: what is looked for.
        context: of the answer.
        policy: of the application.
        words: whether a word that is not finished is held.
    """

    def __init__(
        self,
        rules: Sequence[OutputRule],
        context: OutputContext,
        policy: OutputPolicy,
        words: bool,
    ) -> None:
        self._rules = [rule for rule in rules if rule.name not in policy.off]
        self._context, self._policy, self._words = context, policy, words
        self._text, self._start = "", 0  # what is looked at, and what of it went on
        self._offset = 0  # where it begins in the answer
        self._state = CodeState()
        self._next = 0  # so long must the text be for another look
        self._edits: list[_Edit] = [_Edit(0, 0)]
        self._written = 0
        self._counts: collections.Counter[str] = collections.Counter()
        self.findings: list[Finding] = []

    @property
    def held(self) -> int:
        """Characters that are held back."""
        return len(self._text) - self._start

    def feed(self, piece: str, final: bool = False) -> str:
        """Take a piece, and give on what is decided.

        Args:
            piece: what arrived.
            final: whether it is the last one.
        """
        self._text += piece
        if not final and len(self._text) < self._next:
            return ""
        window = Window(
            self._text, self._start, final=final, offset=self._offset, state=self._state
        )
        cut = len(self._text) if final else self._decided(window)
        if cut <= self._start and not final:
            return self._wait()
        found = self._found(window, cut)
        spans = _joined(found)
        if not final:
            places = [*((one.start, one.end) for one in found), *(span[:2] for span in spans)]
            cut = self._before_whole(window, cut, places)
            if cut <= self._start:
                return self._wait()
        found = [one for one in found if one.start < cut]
        clean = self._cleaned(spans, cut)
        self.findings += [
            dataclasses.replace(one, start=one.start + self._offset, end=one.end + self._offset)
            for one in found
            if one.digest
        ]
        self._go_on(window, cut)
        return clean

    def _wait(self) -> str:
        # What has been held for long is looked at less often: the time stays linear.
        self._next = len(self._text) + max(1, self.held // 8)
        return ""

    def _decided(self, window: Window) -> int:
        context, policy = self._context, self._policy
        cut = window.last_word() if self._words else len(window.text)
        for rule in self._rules:
            cut = min(cut, rule.hold(window, context, policy))
            if cut <= window.start:
                break
        return cut

    def _before_whole(self, window: Window, cut: int, found: list[tuple[int, int]]) -> int:
        """A place at or before `cut` where nothing is cut in two; spans can overlap."""
        spans = list(found)
        for rule in self._rules:
            if rule.whole is not None:
                spans += rule.whole(window)
        for first, last in sorted(spans, reverse=True):
            if first < cut < last:
                cut = first
        return cut

    def _found(self, window: Window, cut: int) -> list[Finding]:
        policy = self._policy
        values: Known | None = None
        found = []
        for rule in self._rules:
            severity = policy.severities.get(rule.name)
            for one in rule.find(window, self._context, policy):
                if not window.start <= one.start < cut:
                    continue
                span = window.text[one.start : one.end]
                self._counts[rule.name] += 1
                if self._counts[rule.name] > MOST_LISTED and not policy.allow:
                    found.append(one)  # it is replaced, and is not listed
                    continue
                digest = span_digest(span)
                if digest in policy.allow:
                    continue
                shown = one.shown or visible(span)
                if len(shown) >= _SHORTEST_KEY:
                    values = values or known()
                    shown = redact_with(shown, values)
                found.append(
                    dataclasses.replace(
                        one, rule=rule.name, digest=digest, shown=shown,
                        severity=severity or one.severity,
                    )
                )  # fmt: skip
        return sorted(found, key=lambda one: (one.start, -one.end, one.rule))

    def _cleaned(self, spans: Iterable[tuple[int, int, str]], cut: int) -> str:
        parts, at = [], self._start
        size = self._written
        for first, last, replacement in spans:
            if first >= cut:
                break
            kept = self._text[at:first]
            parts += [kept, replacement]
            size += len(kept)
            if replacement:  # a place within the replacement is where it begins
                self._edits.append(_Edit(size, self._offset + first))
            size += len(replacement)
            self._edits.append(_Edit(size, self._offset + last))
            at = last
        parts.append(self._text[at:cut])
        size += max(0, cut - at)
        self._written = size
        return "".join(parts)

    def _go_on(self, window: Window, cut: int) -> None:
        self._state = window.state_at(cut)
        drop = max(0, cut - LOOK_BACK)
        self._text, self._start = self._text[drop:], cut - drop
        self._offset += drop
        self._next = 0

    def original(self, at: int, end: bool = False) -> int:
        """The place in the text that came in of a place in the text that went out."""
        if end and at:
            return self.original(at - 1) + 1
        number = bisect.bisect_right(self._edits, at, key=lambda edit: edit.clean) - 1
        edit = self._edits[number]
        return edit.original + at - edit.clean


def _joined(found: Iterable[Finding]) -> list[tuple[int, int, str]]:
    """The spans that are replaced; those that overlap become one, replaced as the first is."""
    spans: list[tuple[int, int, str]] = []
    for one in found:
        if one.replacement is None:
            continue
        if spans and one.start < spans[-1][1]:
            first, last, replacement = spans[-1]
            spans[-1] = (first, max(last, one.end), replacement)
        else:
            spans.append((one.start, one.end, one.replacement))
    return spans
