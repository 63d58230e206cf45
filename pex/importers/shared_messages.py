"""One prompt out of the messages of many samples: what they share is text, the rest columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pex.importers.variables import literal

Said = Sequence[tuple[str, str]]
"""Messages as roles and texts."""


def shared_messages(given: Sequence[Said]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """A prompt's messages, and for each sample the columns that fill them in.

    The last message that differs is the column `input`, others are `message_1`, `message_2` … If
    the samples do not have the same roles, all of a sample is `input`, as one user message.

    Args:
        given: the messages of each sample.

    Example:
        >>> asked = [[("system", "Be brief."), ("user", q)] for q in ("Why?", "How?")]
        >>> shared_messages(asked)[0]
        [{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': '{{ input }}'}]
        >>> shared_messages(asked)[1]
        [{'input': 'Why?'}, {'input': 'How?'}]
    """
    roles = {tuple(role for role, _ in said) for said in given}
    if len(roles) != 1 or not next(iter(roles)):
        return [{"role": "user", "content": "{{ input }}"}], [
            {"input": transcript(said)} for said in given
        ]
    (shared,) = roles
    differ = [
        place
        for place in range(len(shared))
        if len({said[place][1] for said in given}) > 1
    ] or [len(shared) - 1]  # fmt: skip
    names = {place: f"message_{place + 1}" for place in differ} | {differ[-1]: "input"}
    messages = [
        {
            "role": role,
            "content": f"{{{{ {names[place]} }}}}"
            if place in names
            else literal(given[0][place][1]),
        }
        for place, role in enumerate(shared)
    ]
    columns = [{name: said[place][1] for place, name in names.items()} for said in given]
    return messages, columns


def differ_in_roles(given: Sequence[Said]) -> bool:
    """Whether samples have messages of different roles, which `shared_messages` makes one text."""
    return len({tuple(role for role, _ in said) for said in given}) > 1


FLATTENED = "samples with messages of different roles: one user message, with the roles in it"


def transcript(said: Said) -> str:
    r"""Messages as one text: the text of a single one, else each with its role.

    Example:
        >>> transcript([("user", "Hi")]), transcript([("user", "Hi"), ("assistant", "Yes?")])
        ('Hi', 'user: Hi\n\nassistant: Yes?')
    """
    if len(said) == 1:
        return said[0][1]
    return "\n\n".join(f"{role}: {text}" for role, text in said)


def said_in(messages: Any) -> list[tuple[str, str]]:
    """The roles and texts of chat messages; a string is one of the user's.

    Parts that are not text are `[image_url]` and the like.
    """
    if isinstance(messages, str):
        return [("user", messages)]
    found = []
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, Mapping):
            role = str(message.get("role") or "user")
            role = {"developer": "system"}.get(role, role)
            found.append((role, text_of(message.get("content"))))
    return found


def text_of(content: Any) -> str:
    """A content's text: a string, a part, or parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        text = content.get("text")
        return text if isinstance(text, str) else f"[{content.get('type')}]"
    if isinstance(content, list):
        return "\n".join(text_of(part) for part in content)
    return ""
