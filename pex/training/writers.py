"""The writers of the formats: an example becomes the row of one format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pex.core.canonical_json import json_text
from pex.training.example import Example, Message, UnfitError
from pex.training.formats import Format

Row = dict[str, Any]


def openai_chat(example: Example) -> Row:
    """The messages and the answer, with the tools; images as links or data URLs.

    Example:
        >>> example = Example([{"role": "user", "content": "Hi"}], {"role": "assistant"})
        >>> openai_chat(example)["messages"][1]
        {'role': 'assistant'}
    """
    row: Row = {"messages": [*example.messages, example.answer]}
    if example.tools:
        row["tools"] = example.tools
    return row


def openai_dpo(example: Example) -> Row:
    """The input, and one message on each side; text only."""
    _refuse_images(example, "OpenAI's DPO takes text only")
    given = {"messages": example.messages, "tools": example.tools or []}
    return {
        "input": {**given, "parallel_tool_calls": True},
        "preferred_output": [example.answer],
        "non_preferred_output": [_rejected(example)],
    }


def trl_messages(example: Example) -> Row:
    """The whole conversation; tools as a string of JSON, which Arrow leaves as it is."""
    return _trl(example, {"messages": [*example.messages, example.answer]})


def trl_prompt_completion(example: Example) -> Row:
    """The prompt and its completion, as messages."""
    return _trl(example, {"prompt": example.messages, "completion": [example.answer]})


def trl_preference(example: Example) -> Row:
    """The prompt, and the chosen and the rejected answer."""
    sides = {"chosen": [example.answer], "rejected": [_rejected(example)]}
    return _trl(example, {"prompt": example.messages, **sides})


def trl_preference_implicit(example: Example) -> Row:
    """The same, with the prompt at the beginning of both sides."""
    chosen = [*example.messages, example.answer]
    return _trl(example, {"chosen": chosen, "rejected": [*example.messages, _rejected(example)]})


def trl_unpaired(example: Example) -> Row:
    """The prompt, an answer, and whether it is good."""
    if example.label is None:
        raise UnfitError("it has no label")
    row = {"prompt": example.messages, "completion": [example.answer], "label": example.label}
    return _trl(example, row)


def alpaca(example: Example) -> Row:
    """Instruction, output, and what was said before as `system` and `history`."""
    _refuse_images(example, "alpaca has text only")
    _refuse_tools(example, "alpaca has no tools")
    system, turns = _system_apart(example.messages)
    if not turns or turns[-1]["role"] != "user" or len(turns) % 2 == 0:
        raise UnfitError("alpaca wants turns of user and assistant that end with the user's")
    history = [
        [_text(turns[at]), _text(turns[at + 1])] for at in range(0, len(turns) - 1, 2)
    ]  # fmt: skip
    row = {"instruction": _text(turns[-1]), "input": "", "output": _text(example.answer)}
    return {**row, "system": system, "history": history}


def sharegpt(example: Example) -> Row:
    """Turns of human and gpt; calls and results of tools as function_call and observation."""
    _refuse_images(example, "sharegpt is written with text only")
    system, turns = _system_apart(example.messages)
    said = [_turn(message) for message in [*turns, example.answer]]
    row: Row = {"conversations": said, "system": system}
    return {**row, "tools": json_text(example.tools or [])}


WRITERS: Mapping[Format, Callable[[Example], Row]] = {
    "openai-chat": openai_chat,
    "openai-dpo": openai_dpo,
    "trl-messages": trl_messages,
    "trl-prompt-completion": trl_prompt_completion,
    "trl-preference": trl_preference,
    "trl-preference-implicit": trl_preference_implicit,
    "trl-unpaired": trl_unpaired,
    "alpaca": alpaca,
    "sharegpt": sharegpt,
}


def _rejected(example: Example) -> Message:
    if example.rejected is None:
        raise UnfitError("it has no second answer")
    return example.rejected


def _trl(example: Example, row: Row) -> Row:
    _refuse_images(example, "trl wants images in a column of their own, as files")
    if example.tools:
        row["tools"] = json_text(example.tools)
    return {
        name: [_plain_message(message) for message in value] if isinstance(value, list) else value
        for name, value in row.items()
    }


def _plain_message(message: Message) -> dict[str, Any]:
    """A message with its text as a string, so that all rows have one type."""
    return {**message, "content": _text(message)}


def _text(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content)
    return content if isinstance(content, str) else ""


def _has_image(message: Message | None) -> bool:
    content = message.get("content") if message else None
    return isinstance(content, list) and any(part.get("type") != "text" for part in content)


def _refuse_images(example: Example, why: str) -> None:
    if any(map(_has_image, (*example.messages, example.answer, example.rejected))):
        raise UnfitError(f"it has an image: {why}")


def _refuse_tools(example: Example, why: str) -> None:
    given = (*example.messages, example.answer)
    if example.tools or any(message.get("tool_calls") for message in given):
        raise UnfitError(f"it has tools: {why}")


def _system_apart(messages: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    system = [_text(message) for message in messages if message["role"] in ("system", "developer")]
    turns = [message for message in messages if message["role"] not in ("system", "developer")]
    return "\n\n".join(system), turns


def _turn(message: Message) -> dict[str, str]:
    calls = message.get("tool_calls")
    if calls:
        read = [
            {
                "name": call["function"]["name"],
                "arguments": json.loads(call["function"]["arguments"]),
            }
            for call in calls
        ]
        return {"from": "function_call", "value": json_text(read[0] if len(read) == 1 else read)}
    names = {"user": "human", "assistant": "gpt", "tool": "observation"}
    return {"from": names[str(message["role"])], "value": _text(message)}
