"""A prompt as text for a model that rewrites it, and the prompt in its reply."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pex.core.errors import PexError
from pex.core.messages import Message
from pex.core.prompt import Prompt
from pex.core.prompty import split_roles
from pex.experiment.asking import Reply

_THOUGHTS = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_TAGGED = re.compile(r"<prompt>(.*?)</prompt>", re.DOTALL | re.IGNORECASE)
_FENCED = re.compile(r"^(`{3,}|~{3,})[^\n`]*\n(.*?)\n?\1[ \t]*$", re.DOTALL | re.MULTILINE)
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
    text = _THOUGHTS.sub("", reply.text).strip()
    if not text:
        return "empty"
    found = _candidates(text, prompt.variables)
    if not found:
        kind = "refused to write" if _REFUSAL.match(text.replace("’", "'")) else "without a prompt"
        return f"{kind}: “{text if len(text) <= 80 else text[:79] + '…'}”"
    try:
        return prompt.changed(name=name, messages=_messages(found, prompt))
    except PexError as error:
        return f"with a broken template: {error.message}"


def _candidates(text: str, variables: Sequence[str]) -> str:
    """The part of a reply that is the prompt; empty if there is none."""
    tagged = [found for found in _TAGGED.findall(text) if found.strip()]
    if tagged:
        # The last: a model may repeat the old prompt first.
        return _without_fence(tagged[-1].strip())
    fenced = [found[2].strip() for found in _FENCED.finditer(text) if found[2].strip()]
    if fenced:
        return max(fenced, key=len)
    text = _TAG.sub("", text).strip()
    # A reply without any mark is a prompt only if it has the variables of one.
    if not variables or not all(re.search(rf"\b{re.escape(name)}\b", text) for name in variables):
        return ""
    if "{{" not in text and "{%" not in text:
        return ""
    return _PREAMBLE.sub("", text).strip()


def _without_fence(text: str) -> str:
    found = _FENCED.fullmatch(text)
    return found[2].strip() if found else text


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
