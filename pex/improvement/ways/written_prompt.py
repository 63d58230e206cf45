"""A prompt as text for a model that rewrites it, and the prompt in its reply."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pex.core.errors import PexError
from pex.core.messages import Message
from pex.core.prompt import Prompt
from pex.core.prompty import split_roles
from pex.experiment.asking import Reply

_THOUGHTS = (re.compile(r"<think(?:ing)?>", re.I), re.compile(r"</think(?:ing)?>", re.I))
_TAGGED = (re.compile(r"<prompt>", re.I), re.compile(r"</prompt>", re.I))
_FENCE = re.compile(r"(`{3,}|~{3,})[^`]*")
_TAG = re.compile(r"</?prompt>", re.IGNORECASE)
_PREAMBLE = re.compile(
    r"\A(?:sure|certainly|of course|okay|ok|here|below|this|the|i|my|new|improved|revised|prompt)\b"
    r"[^\n]{0,200}:[ \t]*\n+",
    re.IGNORECASE,
)


_REFUSAL = re.compile(
    r"\A.{0,80}?\b(?:(?:I|we)(?:'m| am| are)? (?:can't|cannot|can not|won't|will not|unable|"
    r"not able|must decline|decline)|sorry)\b",
    re.DOTALL | re.IGNORECASE,
)
"""How models begin when they refuse; looked for only in a reply that has no prompt."""


def to_text(prompt: Prompt) -> str:
    """The text of a prompt that a model may rewrite, with role lines if it has several messages.

    Messages with images are left out; `from_reply` keeps them.

    Example:
        >>> print(to_text(Prompt([{"role": "system", "content": "Be kind."},
        ...                       {"role": "user", "content": "{{ q }}"}], "p")))
        system:
        Be kind.
        <BLANKLINE>
        user:
        {{ q }}
    """
    messages = editable_messages(prompt)
    if _is_one_text(messages):
        return str(messages[0]["content"])
    return "\n\n".join(f"{message['role']}:\n{message['content']}" for message in messages)


def from_reply(reply: Reply, prompt: Prompt, name: str) -> Prompt | str:
    r"""The prompt in a reply, or why there is none.

    The reason begins with its kind, in words that follow a number of replies: "3 cut off".

    It may be between `<prompt>` and `</prompt>`, in a fenced block, or be the whole reply; text
    around it is dropped. Only messages change; all else is as in `prompt`.

    Args:
        reply: the reply.
        prompt: the prompt that was to be rewritten.
        name: the name of the new one.

    Example:
        >>> old = Prompt("Sort: {{ x }}", "p")
        >>> from_reply(Reply("Sure!\n<prompt>\nSort by size: {{ x }}\n</prompt>"), old, "q").text
        'Sort by size: {{ x }}'
        >>> from_reply(Reply("I can't help with that."), old, "q")
        "refused to write: “I can't help with that.”"
    """
    if reply.error is not None:
        return f"with a failed call: {reply.error}"
    if "cut_off" in reply.remarks:
        return "cut off"
    text = _without_thoughts(reply.text).strip()
    if not text:
        return "empty"
    found = _candidates(text, prompt.variables)
    if not found:
        kind = "refused to write" if _REFUSAL.match(text.replace("’", "'")) else "without a prompt"
        line = " ".join(text[:500].split())
        return f"{kind}: “{line if len(line) <= 80 else line[:79] + '…'}”"
    try:
        return prompt.changed(name=name, messages=_messages(found, prompt))
    except PexError as error:
        return f"with a broken template: {error.message}"


def _candidates(text: str, variables: Sequence[str]) -> str:
    """The part of a reply that is the prompt; empty if there is none."""
    inner = [text[start:end].strip() for _, start, end, _ in _between(text, *_TAGGED)]
    tagged = [found for found in inner if found]
    if tagged:
        # The last: a model may repeat the old prompt first.
        return _without_fence(tagged[-1])
    if fenced := [found for found in _fenced(text) if found]:
        return max(fenced, key=len)
    text = _TAG.sub("", text).strip()
    # A reply without any mark is a prompt only if it has the variables of one.
    if not variables or not all(re.search(rf"\b{re.escape(name)}\b", text) for name in variables):
        return ""
    if "{{" not in text and "{%" not in text:
        return ""
    return _PREAMBLE.sub("", text).strip()


def _without_thoughts(text: str) -> str:
    kept, at = [], 0
    for start, _, _, end in _between(text, *_THOUGHTS):
        kept.append(text[at:start])
        at = end
    return "".join([*kept, text[at:]])


def _between(
    text: str, opening: re.Pattern[str], closing: re.Pattern[str]
) -> Iterator[tuple[int, int, int, int]]:
    """Where each part between two marks begins and ends, outside and inside the marks.

    One pattern for all of it would take quadratic time on a reply of many marks that never close.
    """
    at = 0
    while (first := opening.search(text, at)) and (last := closing.search(text, first.end())):
        yield first.start(), first.end(), last.start(), last.end()
        at = last.end()


def _fenced(text: str) -> Iterator[str]:
    """What is in each fenced block that is closed."""
    lines = text.split("\n")
    unclosed: set[str] = set()
    at = 0
    while at < len(lines):
        found = _FENCE.fullmatch(lines[at])
        at += 1
        if found is None or found[1] in unclosed:
            continue
        fence = found[1]
        ends = (n for n in range(at, len(lines)) if lines[n].rstrip(" \t").endswith(fence))
        end = next(ends, None)
        if end is None:
            unclosed.add(fence)
            continue
        last = lines[end].rstrip(" \t").removesuffix(fence)
        yield "\n".join([*lines[at:end], last]).strip()
        at = end + 1


def _without_fence(text: str) -> str:
    first, _, rest = text.partition("\n")
    found = _FENCE.fullmatch(first)
    if found is None or not rest.endswith(found[1]):
        return text
    return rest.removesuffix(found[1]).strip()


def _messages(text: str, prompt: Prompt) -> list[Message]:
    """The messages of a rewritten text, in the structure of the prompt where that fits."""
    editable = editable_messages(prompt)
    written = [dict(message) for message in split_roles(text)]
    roles = [message["role"] for message in editable]
    if _is_one_text(editable) and len(editable) == len(prompt.messages):
        return written
    if [message["role"] for message in written] != roles:
        if len(editable) == len(prompt.messages):
            return written
        raise PexError("it changes the messages of a prompt with images")
    following = iter(written)
    return [
        {**message, "content": next(following)["content"]}
        if isinstance(message["content"], str)
        else dict(message)
        for message in prompt.messages
    ]


def editable_messages(prompt: Prompt) -> list[Message]:
    """The messages that are text alone."""
    return [message for message in prompt.messages if isinstance(message["content"], str)]


def _is_one_text(messages: Sequence[Message]) -> bool:
    return len(messages) == 1 and messages[0]["role"] == "user"
