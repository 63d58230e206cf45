"""A conversation as a case: the user's turns, and what the tools were asked and replied.

It is a case as a run reads it: the turns are the value of the prompt's last message, which is one
variable, and the calls are in the columns that `tool_calls` and recorded replies read.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from pex.core.canonical_json import digest
from pex.core.errors import PexError
from pex.core.paths import PathCall, read_arguments
from pex.core.text import replace_surrogates
from pex.monitoring.trace_path import path_columns
from pex.playground.chat.answer import function_of
from pex.playground.chat.conversation import Chat
from pex.playground.chat.requests import Find, asks_itself, entry_of, opening_of
from pex.playground.draft import Column, Draft, Entry, Message
from pex.playground.history import new_id
from pex.score.tool_path import COLUMN
from pex.tools.spec import REPLIES

TURNS = "turns"
"""The variable that a prompt without one gets for the user's turns."""


def why_not(column: Column, chat: Chat) -> str:
    """Why a conversation with a prompt like this cannot be a case, "" if it can."""
    if asks_itself(column) and len(chat.turns) > 1:
        return (
            "in a case, the user's turns are the value of a variable, and this prompt's last "
            "message has other text too: move that into the system message, and leave "
            "{{ question }} alone in the last one"
        )
    if not opening_of(column) and not asks_itself(column) and column.locked:
        return f"the prompt cannot get a message {{{{ {TURNS} }}}}: {column.locked}"
    return ""


def with_case(draft: Draft, column: Column, chat: Chat, find: Find, expected: str) -> Draft:
    """The draft with a conversation as its last case.

    A prompt whose messages do not end with the user's gets one that is the turns alone, which is
    what it was in the conversation.

    Args:
        draft: with the conversation.
        column: its variant.
        chat: the conversation.
        find: the answers by their steps.
        expected: the expected last answer; "" for none.

    Raises:
        PexError: it cannot be a case, or the draft has this one already.
    """
    last = chat.last
    answer = None if last is None else find(last.id)
    reason = why_not(column, chat)
    if answer is None or answer.state != "answered":
        reason = "it has no last answer yet"
    elif answer.calls:
        reason = "the model waits for the replies of its tools"
    if reason:
        raise PexError(f"this conversation cannot be a case: {reason}")
    name = opening_of(column)
    base = entry_of(draft, chat).case(draft.variables)
    if not name and not asks_itself(column):
        name = _free(TURNS, {*draft.variables, *base.inputs})
        turns = Message("user", f"{{{{ {name} }}}}")
        new = dataclasses.replace(column, messages=(*column.messages, turns))
        columns = tuple(new if item is column else item for item in draft.columns)
        draft = dataclasses.replace(draft, columns=columns)
    inputs: dict[str, Any] = dict(base.inputs)
    if name:
        said = [replace_surrogates(turn.text or "") for turn in chat.turns]
        given = entry_of(draft, chat).column(name)
        inputs[given] = said if len(said) > 1 or isinstance(inputs.get(given), list) else said[0]
    calls = list(calls_of(chat, find))
    for path_column in (COLUMN, REPLIES):
        inputs.pop(path_column, None)
    if calls:
        inputs |= path_columns(calls)
    case = dataclasses.replace(
        base, id=digest(inputs), inputs=inputs, expected=expected or None, provenance=None
    )
    if case.id in {item.id for item in draft.cases.values()}:
        raise PexError("the draft has this conversation as a case already")
    return dataclasses.replace(draft, entries=(*draft.entries, Entry(new_id(), case)))


def calls_of(chat: Chat, find: Find) -> list[PathCall]:
    """The calls of a conversation with their replies, in their order."""
    found = []
    for number, step in enumerate(chat.steps, 1):
        answer = find(step.id)
        for at, call in enumerate(answer.calls if answer is not None else ()):
            name, text = function_of(call)
            reply = step.replies.get(at)
            text_of = reply.text if reply is not None else None
            found.append(PathCall(name, read_arguments(text), text_of, None, number))
    return found


def _free(name: str, taken: set[str]) -> str:
    number, found = 2, name
    while found in taken:
        found = f"{name}_{number}"
        number += 1
    return found
