"""What a model thinks aloud before its answer, taken out of the text and kept beside it.

Servers that know a model's tags send its reasoning in a field of its own; others leave it in the
text. Only what comes first is reasoning: an answer that speaks of such a tag further down, in
prose or in code, stays whole. The journal keeps the text as it came, so that other tags (or none,
`reasoning_tags = []`) also hold for answers that are there already.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

from pex.core.call import Answer

NAMES = ("think", "thinking", "thought", "reasoning", "reason", "seed:think")
"""Tags of DeepSeek-R1, Qwen, GLM, MiniMax, Magistral; Seed-OSS has its own."""

EMPTY = "empty"
"""The remark of an answer that has no text and calls no tool."""

_PAIRS = (
    ("◁think▷", "◁/think▷"),  # Kimi
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Cohere Command A
    ("<|begin_of_thought|>", "<|end_of_thought|>"),  # OpenThinker, Sky-T1
    ("<|channel>thought", "<channel|>"),  # Gemma
)
_CHANNEL = "<|channel|>"
_HARMONY_OPENERS = (_CHANNEL, "<|start|>")
_HARMONY = re.compile(  # gpt-oss, where its server does not take the channels apart
    r"(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*+(\w++)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"
    r"(.*?)(?=<\|end\|>|<\|return\|>|<\|call\|>|<\|start\|>|<\|channel\|>|\Z)"
    r"(?:<\|end\|>|<\|return\|>|<\|call\|>)?",
    re.DOTALL,
)
_BARE_HARMONY = re.compile(r"analysis(.*?)assistantfinal(.*)\Z", re.DOTALL)
"""The same where a server drops the special tokens and keeps the words between them."""

_FINAL = re.compile(r"<\|channel\|>\s*final[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>")
_LONGEST_TAG = 200
"""In characters; a longer text between angle brackets is not a tag."""

_ANSWER_OPENERS = ("<|start_response|>", "<|begin_of_solution|>")
_MOST = 50
"""Closing tags that are looked at: a hostile text may consist of nothing else."""

_SPACE = "\ufeff\u200b \t\r\n"
_SPACES = re.compile(f"[{_SPACE}]*")
_MOST_SCANNED = 50_000_000
"""Characters of a streamed answer that are gone through, over and over, for where it begins."""

_ANSWER = re.compile(r"(?<!\s)\s*<\|?(?:START_RESPONSE|begin_of_solution)\|?>", re.IGNORECASE)
_ANSWER_END = re.compile(r"<\|?(?:END_RESPONSE|end_of_solution)\|?>\s*\Z", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Tags:
    """What opens and closes reasoning: one pattern for each pair, and both texts for a stream."""

    pairs: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]
    openers: tuple[str, ...]
    harmony: bool


def tags_of(names: Sequence[str] | None) -> Tags | None:
    """The tags by the setting `reasoning_tags`: None for the usual ones, nothing for an empty list.

    Args:
        names: of the tags, with or without their brackets.

    Example:
        >>> split("<plan>Hm.</plan>Yes", tags_of(["plan"])), split("<think>a</think>b", tags_of([]))
        (('Yes', 'Hm.'), ('<think>a</think>b', ''))
    """
    return _tags(None if names is None else tuple(names))


@functools.cache
def _tags(names: tuple[str, ...] | None) -> Tags | None:
    if names is not None and not names:
        return None
    given = [name.strip("<>[]/| ") for name in (NAMES if names is None else names)]
    flags = re.IGNORECASE
    pairs, openers = [], []
    for name in filter(None, given):
        word = re.escape(name)
        pairs.append(
            (
                re.compile(rf"<{word}(?:\s[^<>]*)?(?<!/)>", flags),
                re.compile(rf"</{word}\s*>", flags),
            )
        )
        pairs.append((re.compile(rf"\[{word}\]", flags), re.compile(rf"\[/{word}\]", flags)))
        openers += [f"<{name}", f"[{name}]"]
    if names is None:
        for opener, closer in _PAIRS:
            pairs.append(
                (re.compile(re.escape(opener), flags), re.compile(re.escape(closer), flags))
            )
            openers.append(opener)
    return Tags(tuple(pairs), tuple(opener.lower() for opener in openers), names is None)


def split(text: str, tags: Tags | None) -> tuple[str, str]:
    r"""The answer and the reasoning of a text, "" if there is none.

    Example:
        >>> usual = tags_of(None)
        >>> split("<think>\nIt is good.\n</think>\n\npositive", usual)
        ('positive', 'It is good.')
        >>> split("It is good.\n</think>\npositive", usual)
        ('positive', 'It is good.')
        >>> split("Write `<think>` first.", usual)
        ('Write `<think>` first.', '')
    """
    if tags is None or not _may_have(text):
        return text, ""
    if tags.harmony:
        found = _channels(text)
        if found is not None:
            return found
    thoughts: list[str] = []
    at, nested, closers = 0, False, _Closers(text)
    while (block := _leading(text, at, tags, closers)) is not None:
        at, thought, opened_again = block
        nested = nested or opened_again
        thoughts.append(thought)
    answer = text[at:]
    if not thoughts or nested:
        alone = _closed_only(answer, tags)
        if alone is not None:
            answer, thought = alone
            thoughts.append(thought)
    if not thoughts:
        return text, ""
    answer = _ANSWER_END.sub("", _ANSWER.sub("", answer, count=1))
    reasoning = "\n\n".join(thought.strip() for thought in thoughts if thought.strip())
    return answer.lstrip(), reasoning


def without_reasoning(answer: Answer, tags: Tags | None) -> Answer:
    """The answer as it is scored, judged and shown; itself if there is nothing to take out.

    One that has no text and calls no tool is remarked upon.
    """
    output, reasoning = answer.output or "", ""
    said = answer.conversation
    if _may_have(output):
        output, reasoning = split(output, tags)
    if said is not None and tags is not None:
        said, earlier = _conversation(said, tags)
        reasoning = earlier or reasoning  # the last message is the output
    no_text = answer.error is None and not answer.tool_calls and (not output or output.isspace())
    empty = no_text and EMPTY not in answer.remarks
    if not reasoning and not empty and output == (answer.output or ""):
        return answer
    before = [answer.reasoning] if answer.reasoning else []
    return dataclasses.replace(
        answer,
        output=output if answer.output is not None else None,
        reasoning="\n\n".join([*before, *([reasoning] if reasoning else [])]) or None,
        conversation=said,
        remarks=[*answer.remarks, EMPTY] if empty else answer.remarks,
    )


def _conversation(said: list[dict[str, Any]], tags: Tags) -> tuple[list[dict[str, Any]], str]:
    """The messages with the model's own taken apart, and all that it thought."""
    thoughts, messages = [], []
    for message in said:
        content = message.get("content")
        if message.get("role") == "assistant" and isinstance(content, str) and _may_have(content):
            content, thought = split(content, tags)
            message = {**message, "content": content}
            thoughts.append(thought)
        messages.append(message)
    return messages, "\n\n".join(thought for thought in thoughts if thought)


def _may_have(text: str) -> bool:
    """Whether a text can hold a tag at all; most do not, and cost nothing more."""
    return "<" in text or "[" in text or "▷" in text or text.startswith("analysis")


class _Closers:
    """The closing tags of a text, each looked for once: a hostile one may have blocks only."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: dict[re.Pattern[str], re.Match[str] | None] = {}

    def after(self, closer: re.Pattern[str], start: int) -> re.Match[str] | None:
        """The first one from `start` on, which is never before the last that was asked for."""
        if closer not in self._found or _is_before(self._found[closer], start):
            self._found[closer] = closer.search(self._text, start)
        return self._found[closer]


def _is_before(found: re.Match[str] | None, start: int) -> bool:
    return found is not None and found.start() < start


def _leading(text: str, at: int, tags: Tags, closers: _Closers) -> tuple[int, str, bool] | None:
    """Where the block that stands at `at` ends, the block, and whether its tag is opened again."""
    spaces = _SPACES.match(text, at)
    assert spaces is not None  # it also matches nothing
    start = spaces.end()
    for opener, closer in tags.pairs:
        begin = opener.match(text, start)
        if begin is None:
            continue
        end = _end(text, begin.end(), closer, tags, closers)
        if end is None:
            return len(text), text[begin.end() :], False  # cut off while it was thinking
        thought = text[begin.end() : end.start()]
        return end.end(), thought, opener.search(thought) is not None
    return None


def _end(
    text: str, start: int, closer: re.Pattern[str], tags: Tags, closers: _Closers
) -> re.Match[str] | None:
    """What closes a block: its own tag, if it is not quoted, else that of another pair."""
    own = closers.after(closer, start)
    if own is not None and not _is_in_quotes(text, own, start):
        return own
    if own is not None:
        ends = itertools.islice(closer.finditer(text, own.end()), _MOST)
        # Where all of them are quoted, it is more likely a backtick that stands alone.
        return next((end for end in ends if not _is_in_quotes(text, end, start)), own)
    others = (closers.after(other, start) for _, other in tags.pairs)
    return min(filter(None, others), key=lambda end: end.start(), default=None)


def _closed_only(text: str, tags: Tags) -> tuple[str, str] | None:
    """A block whose opening tag the prompt's template has written already."""
    for opener, closer in tags.pairs:
        begin = opener.search(text)
        for end in itertools.islice(closer.finditer(text), _MOST):
            if begin is not None and begin.end() <= end.start():
                break  # it speaks of the tags
            if not _is_quoted(text, end):
                return text[end.end() :], text[: end.start()]
    return None


def _is_quoted(text: str, tag: re.Match[str]) -> bool:
    """Whether a tag stands in code or in the middle of a sentence."""
    if _is_in_quotes(text, tag):
        return True
    begin, end = tag.span()
    before, after = text[max(0, begin - 1) : begin], text[end : end + 1]
    return before == " " and after in tuple(" ,.;:?!")


def _is_in_quotes(text: str, tag: re.Match[str], start: int = 0) -> bool:
    """Whether a tag stands in code or between quotation marks, as seen from `start`."""
    begin, end = tag.span()
    line = max(start, text.rfind("\n", start, begin) + 1)
    if text.count("```", start, begin) % 2 or text.count("`", line, begin) % 2:
        return True
    before, after = text[max(start, begin - 1) : begin], text[end : end + 1]
    return bool(before and after) and before in "'\"“‘«(" and after in "'\"”’»)"


def _channels(text: str) -> tuple[str, str] | None:
    """The final channel and all others."""
    if _CHANNEL not in text:
        bare = _BARE_HARMONY.match(text)
        return None if bare is None else (bare.group(2).lstrip(), bare.group(1).strip())
    start = text.lstrip()
    first = _HARMONY.match(start)
    if first is None:
        if not start.startswith((_CHANNEL, "<|start|>")):
            return None
        return "", start.replace(_CHANNEL, "").strip()  # cut off before it said anything
    parts = [(found.group(1), found.group(2).strip()) for found in _HARMONY.finditer(start)]
    final = "\n".join(said for channel, said in parts if channel == "final")
    others = "\n\n".join(said for channel, said in parts if channel != "final" and said)
    return final, others


class AnswerText:
    r"""The text of a streamed answer as it is shown: without the reasoning.

    A block whose opening tag was never sent cannot be told from the answer before it is closed;
    the whole answer, once it is there, is right.

    Args:
        show: gets each piece of the answer.
        tags: what holds the reasoning.

    Example:
        >>> text = AnswerText(print, tags_of(None))
        >>> for piece in ("<th", "ink>Hm.</thi", "nk>", "\n\nYes", "!"): text.feed(piece)
        Yes
        !
    """

    def __init__(self, show: Callable[[str], None], tags: Tags | None) -> None:
        self._show = show
        self._tags = tags
        self._held = ""
        self._closer: re.Pattern[str] | None = None
        self._thought = False
        self._scanned = 0
        self._open = tags is None

    def feed(self, piece: str) -> None:
        """Take the next piece of the whole text."""
        if self._open:
            self._show(piece)
            return
        self._held += piece
        while self._closed() and self._opened():
            continue

    def _closed(self) -> bool:
        """Whether no block is open any more; the text of one is dropped."""
        if self._closer is None:
            return True
        end = self._closer.search(self._held)
        if end is None:
            self._held = self._held[-_LONGEST_TAG:]
            return False
        self._held, self._closer = self._held[end.end() :], None
        self._open = end.re is _FINAL
        if self._open:
            self._emit()
        return not self._open

    def _opened(self) -> bool:
        """Whether another block begins; what does not begin one is shown."""
        assert self._tags is not None
        self._scanned += len(self._held)
        if self._scanned > _MOST_SCANNED:  # no model does that; the whole answer is still read
            self._open, self._held, self._show = True, "", _nowhere
            return False
        text = self._held.lstrip(_SPACE)
        begin = len(self._held) - len(text)
        for opener, closer in self._tags.pairs:
            found = opener.match(self._held, begin)
            if found is not None:
                self._held, self._closer = self._held[found.end() :], closer
                self._thought = True
                return True
        text = text[:_LONGEST_TAG].lower()
        if self._tags.harmony and text.startswith(_HARMONY_OPENERS):
            self._closer, self._thought = _FINAL, True
            return True
        openers = (*self._tags.openers, *(_HARMONY_OPENERS if self._tags.harmony else ()))
        undecided = len(text) < _LONGEST_TAG and any(_meets(text, opener) for opener in openers)
        if self._thought and any(opener.startswith(text) for opener in _ANSWER_OPENERS):
            undecided = text not in _ANSWER_OPENERS
        if text and not undecided:
            self._open = True
            self._emit()
        return False

    def _emit(self) -> None:
        text, self._held = self._held, ""
        if self._thought:
            text = _ANSWER.sub("", text, count=1).lstrip()
        if text:
            self._show(text)


def _nowhere(text: str) -> None:
    """A listener that ignores its text."""


def _meets(text: str, opener: str) -> bool:
    """Whether a text begins with a tag, or may do so with its next piece."""
    if not text.startswith(opener):
        return opener.startswith(text)
    named = opener.startswith("<") and not opener.startswith("<|")  # "<think", but "<thinker>"
    return not named or text[len(opener) : len(opener) + 1] in ("", ">", " ", "\t", "\n")
