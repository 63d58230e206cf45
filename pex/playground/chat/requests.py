"""The requests of a conversation: the prompt's own messages, then all that was said after them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import template
from pex.core.canonical_json import digest
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.hidden import Hidden
from pex.core.messages import Message
from pex.core.prompt import Prompt
from pex.experiment.experiment import Experiment
from pex.playground import drafting
from pex.playground.chat.answer import ChatAnswer, function_of
from pex.playground.chat.conversation import Chat, Step, Turn
from pex.playground.draft import Column, Draft, Entry
from pex.playground.starting import NAME

Find = Callable[[str], ChatAnswer | None]
"""The answer to a step by its id."""


class ContinuedPrompt(Prompt):
    """A prompt with what was said after its messages, as it is: it is text, not a template."""

    said: tuple[Message, ...]

    @classmethod
    def of(cls, prompt: Prompt, said: Sequence[Message]) -> ContinuedPrompt:
        """The prompt, gone on from.

        Example:
            >>> prompt = ContinuedPrompt.of(
            ...     Prompt("Say {{ word }}.", "say"), [{"role": "assistant", "content": "{{ x }}"}]
            ... )
            >>> prompt.render_with_images({"word": "hi"}, Path())[-1]["content"]
            '{{ x }}'
        """
        made = cls.__new__(cls)
        made.__dict__.update(prompt.__dict__)
        made.__dict__["said"] = tuple(said)
        return made

    @property
    def digest(self) -> str:
        """Twelve hex digits that change whenever a request changes."""
        return digest([super().digest, list(self.said)])

    def render_with_images(
        self,
        values: Mapping[str, Any],
        folder: Path,
        words: Hidden | None = None,
        *,
        by_digest: bool = False,
    ) -> list[Message]:
        """The messages as they are sent, see `Prompt.render_with_images`."""
        messages = super().render_with_images(values, folder, words, by_digest=by_digest)
        return [*messages, *map(dict, self.said)]


def opening_of(column: Column) -> str:
    """The variable that is the whole last message, whose value is what the user says first.

    Example:
        >>> from pex.playground.draft import Message as Typed
        >>> opening_of(Column("a", "p", "", {}, (Typed("user", "{{ question }}"),)))
        'question'
    """
    last = column.messages[-1]
    return (template.only_variable(last.text) or "") if last.role == "user" else ""


def asks_itself(column: Column) -> bool:
    """Whether the prompt's own messages end with the user's, which the model answers first."""
    return column.messages[-1].role == "user" and not opening_of(column)


def entry_of(draft: Draft, chat: Chat) -> Entry:
    """The case of a conversation: the chosen one, else the first, else one without values."""
    for entry in draft.entries:
        if entry.id == chat.entry:
            return entry
    return draft.entries[0] if draft.entries else Entry("")


def opening_text(draft: Draft, column: Column, entry: Entry) -> str:
    """What the case has the user say first: the first of its turns."""
    name = opening_of(column)
    value = entry.case(draft.variables).values.get(name) if name else None
    if isinstance(value, list):
        value = value[0] if value else ""
    return value if isinstance(value, str) else ""


def case_of(draft: Draft, column: Column, chat: Chat) -> Case:
    """The case with which the prompt's messages are rendered."""
    case = entry_of(draft, chat).case(draft.variables)
    name = opening_of(column)
    if not name:
        return case
    first = chat.turns[0].text if chat.turns else ""
    given = entry_of(draft, chat).column(name)
    return dataclasses.replace(case, inputs={**case.inputs, given: first or ""})


def prompt_messages(draft: Draft, column: Column, chat: Chat) -> list[Message]:
    """The prompt's own messages with the case's values, without what the user says.

    Raises:
        PexError: the prompt has a problem, or the values do not fit.
    """
    messages = column.prompt.render(case_of(draft, column, chat).values)
    return messages[:-1] if opening_of(column) else messages


def said_before(column: Column, chat: Chat, find: Find) -> list[Message]:
    """What was said after the prompt's messages, up to the last step.

    Raises:
        PexError: an answer is missing.
    """
    said: list[Message] = []
    last = chat.last
    first = chat.turns[0].id if opening_of(column) and chat.turns else ""
    for turn in chat.turns:
        if turn.text is not None and turn.id != first:
            said.append({"role": "user", "content": turn.text})
        for step in turn.steps:
            if step is not last:
                said += _messages_of(turn, step, find(step.id))
    return said


def _messages_of(turn: Turn, step: Step, answer: ChatAnswer | None) -> list[Message]:
    if answer is None or answer.state != "answered":
        raise PexError(
            f"the answer to '{(turn.text or 'the prompt')[:40]}' is missing",
            hint="edit that turn, and go on from there",
        )
    if not answer.calls:
        return [{"role": "assistant", "content": answer.text}]
    calls, replies = [], []
    for at, call in enumerate(answer.calls):
        name, arguments = function_of(call)
        call_id = str(call.get("id") or f"call_{step.id}_{at + 1}")  # some servers give none
        own = call.get("function")
        own = own if isinstance(own, Mapping) else {}
        function = {**own, "name": name, "arguments": arguments}
        calls.append({**call, "id": call_id, "type": "function", "function": function})
        replies.append(
            {"role": "tool", "tool_call_id": call_id, "name": name,
             "content": step.replies[at].text}
        )  # fmt: skip
    return [{"role": "assistant", "content": answer.text or None, "tool_calls": calls}, *replies]


def fingerprint_of(draft: Draft, column: Column, chat: Chat) -> str:
    """Changes with the prompt and with the values that it shows, not with what the user says."""
    values = entry_of(draft, chat).case(draft.variables).values
    own = [values.get(name) for name in column.variables if name != opening_of(column)]
    return digest([column.fingerprint, own])


def experiment_of(draft: Draft, base: Experiment | None, chat: Chat, find: Find) -> Experiment:
    """The experiment whose only request is the conversation's last step.

    Raises:
        PexError: the variant has a problem.
    """
    column = next(item for item in draft.columns if item.id == chat.column)
    found = drafting.problems(draft, [column.id], [])
    if found:
        raise PexError(found[0], hint="\n  ".join(found[1:]) or None)
    late = drafting.late_problems(draft, base, [column.id], [])
    drafting.check_none([(column, late[column.id])])
    variant = draft.variants([column.id])[0]
    prompt = ContinuedPrompt.of(variant.prompt, said_before(column, chat, find))
    variant = dataclasses.replace(variant, prompt=prompt)
    case = case_of(draft, column, chat)
    if base is None:
        return Experiment(NAME, [variant], [case])
    return base.drafted([variant], [case], own_scorers=False, answers_only=True)
