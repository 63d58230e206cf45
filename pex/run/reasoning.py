"""What a model thinks aloud before its answer, taken out of the text and kept beside it.

Servers that know a model's tags send its reasoning in a field of its own; others leave it in the
text. Only what comes first is reasoning: an answer that speaks of such a tag further down, in
prose or in code, stays whole. The journal keeps the text as it came, so that other tags (or none,
`reasoning_tags = []`) also hold for answers that are there already.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from pex.core.call import Answer

NAMES = ("think", "thinking", "thought", "reasoning", "reason", "seed:think")
"""Tags of DeepSeek-R1, Qwen, GLM, MiniMax, Magistral; Seed-OSS has its own."""

EMPTY = "empty"
"""The remark of an answer that has no text."""

_PAIRS = (
    ("◁think▷", "◁/think▷"),  # Kimi
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Cohere Command A
    ("<|begin_of_thought|>", "<|end_of_thought|>"),  # OpenThinker, Sky-T1
    ("<|channel>thought", "<channel|>"),  # Gemma
)
_CHANNEL = "<|channel|>"
_HARMONY = re.compile(  # gpt-oss, where its server does not take the channels apart
    r"(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*+(\w++)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"
    r"(.*?)(?=<\|end\|>|<\|return\|>|<\|call\|>|<\|start\|>|<\|channel\|>|\Z)"
    r"(?:<\|end\|>|<\|return\|>|<\|call\|>)?",
    re.DOTALL,
)
_BARE_HARMONY = re.compile(r"analysis(.*?)assistant\s*final(.*)\Z", re.DOTALL)
"""The same where a server drops the special tokens and keeps the words between them."""

_SPACE = "\ufeff\u200b \t\r\n"
_CLOSES = (">", "]", "▷")
_NO_SPACE = re.compile(f"[^{_SPACE}]")
_MOST_LOOKED = 50_000_000
"""Characters of a streamed answer that are gone through, over and over, for where thinking ends."""
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
            (re.compile(rf"<{word}(?:\s[^<>]*)?>", flags), re.compile(rf"</{word}\s*>", flags))
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
    r"""The answer and the reasoning of a text, "" where there is none.

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
    at, nested = 0, False
    while (block := _leading(text, at, tags)) is not None:
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
    """The answer as it is scored, judged and shown; itself where there is nothing to take out.

    One that has no text is remarked upon.
    """
    output, reasoning = answer.output or "", ""
    said = answer.conversation
    if _may_have(output):
        output, reasoning = split(output, tags)
    if said is not None and tags is not None:
        said, earlier = _conversation(said, tags)
        reasoning = earlier or reasoning  # the last message is the output
    no_text = answer.error is None and (not output or output.isspace())
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


def _leading(text: str, at: int, tags: Tags) -> tuple[int, str, bool] | None:
    """Where the block that begins here ends, the block, and whether its tag is opened in it again.

    A text may consist of nothing but such blocks: it is never copied for one of them.
    """
    begins = _NO_SPACE.search(text, at)
    start = begins.start() if begins else len(text)
    for opener, closer in tags.pairs:
        begin = opener.match(text, start)
        if begin is None:
            continue
        end = closer.search(text, begin.end())
        if end is None:
            return len(text), text[begin.end() :], False  # cut off while it was thinking
        again = opener.search(text, begin.end(), end.start()) is not None
        return end.end(), text[begin.end() : end.start()], again
    return None


def _closed_only(text: str, tags: Tags) -> tuple[str, str] | None:
    """A block whose opening tag the prompt's template has written already."""
    for opener, closer in tags.pairs:
        opened, code = -1, _Code(text)
        for end in closer.finditer(text):
            if opened < 0:
                first = opener.search(text)
                opened = first.end() if first else len(text) + 1
            if opened <= end.start():
                break  # it speaks of the tags
            if not (code.holds(end.start()) or _in_sentence(text, end)):
                return text[end.end() :], text[: end.start()]
    return None


class _Code:
    """Whether places of a text, one after the other, stand in code."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = self._fences = self._ticks = 0

    def holds(self, place: int) -> bool:
        """Whether an odd number of marks stands before the place."""
        line = self._text.rfind("\n", self._at, place)
        self._fences += self._text.count("```", self._at, place)
        since = self._at if line < 0 else line
        self._ticks = self._text.count("`", since, place) + (self._ticks if line < 0 else 0)
        self._at = place
        return bool(self._fences % 2 or self._ticks % 2)


def _in_sentence(text: str, tag: re.Match[str]) -> bool:
    """Whether a tag stands between quotation marks, or between words."""
    before, after = text[max(tag.start() - 1, 0) : tag.start()], text[tag.end() : tag.end() + 1]
    if before and before in "'\"“‘«(" and after in "'\"”’»)":
        return True
    return before == " " and after in (" ", ",", ".", ";", ":", "?", "!")


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
    r"""The text of a streamed answer as it is shown: what is reasoning is held back.

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
        self._thinking = False
        self._looked = 0
        self._open = tags is None

    def feed(self, piece: str) -> None:
        """Take the next piece of the whole text."""
        if self._open:
            self._show(piece)
            return
        thinking = self._thinking
        self._held += piece
        # While it thinks, only what may close the block is worth another look.
        if thinking and not any(mark in piece for mark in _CLOSES):
            return
        self._looked += len(self._held)
        if self._looked > _MOST_LOOKED:
            return
        text = self._held.lstrip(_SPACE).lower()
        answer = self._held
        if not text or any(_meets(text, opener) for opener in self._openers()):
            answer = self._answer_so_far()
            if not answer:
                self._thinking = not self._held.rstrip().endswith(_CLOSES)
                return
        self._open = True
        self._held = ""
        self._show(answer)

    def _openers(self) -> tuple[str, ...]:
        assert self._tags is not None
        return (*self._tags.openers, _CHANNEL, "<|start|>") if self._tags.harmony else (
            self._tags.openers
        )  # fmt: skip

    def _answer_so_far(self) -> str:
        """What follows the reasoning, once it is certain that no further block does."""
        answer, _ = split(self._held, self._tags)
        text = answer.lstrip(_SPACE).lower()
        if not text or any(_meets(text, opener) for opener in self._openers()):
            return ""
        return answer


def _meets(text: str, opener: str) -> bool:
    """Whether a text begins with a tag, or may do so with its next piece."""
    if not text.startswith(opener):
        return opener.startswith(text)
    named = opener.startswith("<") and not opener.startswith("<|")  # "<think", but "<thinker>"
    return not named or text[len(opener) : len(opener) + 1] in ("", ">", " ", "\t", "\n")
