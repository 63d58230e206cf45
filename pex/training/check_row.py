"""Checks one row of training data by the rules of its format."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

from pex.core.errors import nearest
from pex.training.check_contents import Add
from pex.training.check_messages import check_messages, unknown_keys
from pex.training.check_tool_calls import check_arguments, check_tools
from pex.training.formats import KEYS, OPENAI

_FROM = ("human", "gpt", "function_call", "observation", "system")
_OTHER_FROM = {
    "user": "human",
    "assistant": "gpt",
    "tool": "observation",
    "bot": "gpt",
    "chatgpt": "gpt",
    "model": "gpt",
    "function": "function_call",
}


def check_row(row: Any, format_name: str, add: Add) -> None:
    """Check a row.

    Args:
        row: the row as it was read.
        format_name: its format.
        add: takes the findings.
    """
    if not isinstance(row, Mapping):
        add("row", "", "the row is not a JSON object", "each row is one object: {…}")
        return
    needed, optional = KEYS[format_name]
    missing = [key for key in needed if row.get(key) is None]
    for key in missing:
        others = [str(name) for name in row if name not in (*needed, *optional)]
        hint = nearest(key, others) if others else "add it"
        add("missing", key, f"the key '{key}' is missing", _in_row(hint))
    if not missing:
        unknown_keys(row, (*needed, *optional), "", add)
    tools = check_tools(row.get("tools"), "tools", format_name, add)
    if format_name == "openai-dpo":
        _check_dpo(row, add)
    elif format_name in ("openai-chat", "trl-messages"):
        if "messages" not in missing:
            _conversation(row["messages"], "messages", format_name, tools, add)
    elif format_name == "alpaca":
        _check_alpaca(row, missing, add)
    elif format_name == "sharegpt":
        if "conversations" not in missing:
            _check_sharegpt(row["conversations"], add)
    else:
        _check_trl(row, format_name, tools, missing, add)


def _in_row(hint: str) -> str:
    return hint.replace("did you mean", "is it the key").replace("there is: ", "the row has ")


def _conversation(
    messages: Any, field: str, format_name: str, tools: Any, add: Add, *, ends: bool = True
) -> None:
    check_messages(messages, field, format_name, tools, add, ends=ends)
    check_arguments(messages, field, format_name, add)
    if tools is None and format_name in OPENAI and isinstance(messages, list):
        for number, message in enumerate(messages):
            if isinstance(message, Mapping) and message.get("tool_calls"):
                add(
                    "no-tools",
                    f"{field}[{number}].tool_calls",
                    "tool calls, but the row has no 'tools'",
                    "add the tools' descriptions, as they are sent to the model",
                )
                return


def _check_dpo(row: Mapping[str, Any], add: Add) -> None:
    given = row.get("input")
    if isinstance(given, Mapping):
        unknown_keys(given, ("messages", "tools", "parallel_tool_calls"), "input", add)
        tools = check_tools(given.get("tools"), "input.tools", "openai-dpo", add)
        messages = given.get("messages")
        _conversation(messages, "input.messages", "openai-dpo", tools, add, ends=False)
        messages = messages if isinstance(messages, list) else []
        last = messages[-1] if messages else None
        if isinstance(last, Mapping) and last.get("role") == "assistant":
            add(
                "dpo-input",
                f"input.messages[{len(messages) - 1}]",
                "the input ends with the assistant's turn",
                "it ends with the user's: the two answers come after it",
            )
    elif given is not None:
        add(
            "dpo-input",
            "input",
            "expected an object with 'messages'",
            '"input": {"messages": […], "tools": []}',
        )
    for side in ("preferred_output", "non_preferred_output"):
        _check_side(row.get(side), side, add)
    one, two = row.get("preferred_output"), row.get("non_preferred_output")
    if one is not None and one == two:
        add(
            "same",
            "non_preferred_output",
            "it is the same as preferred_output",
            "delete the row: there is nothing to prefer",
        )


def _check_side(side: Any, field: str, add: Add) -> None:
    if side is None:
        return
    if not isinstance(side, list) or not side:
        add(
            "side",
            field,
            "expected a list with one assistant message",
            '[{"role": "assistant", "content": "…"}]',
        )
        return
    check_messages(side, field, "openai-dpo", None, add, ends=False)
    check_arguments(side, field, "openai-dpo", add)
    roles = [message.get("role") for message in side if isinstance(message, Mapping)]
    if "assistant" not in roles or any(role not in ("assistant", "tool") for role in roles):
        add(
            "side",
            field,
            f"messages of {', '.join(map(str, roles))}",
            "it must have an assistant message, and none of the system or user",
        )
    elif len(side) > 1:
        add(
            "side-length",
            field,
            f"{len(side)} messages: OpenAI trains on the last turn only, and "
            "Together takes exactly one",
            "keep the last assistant message",
            "warning",
        )


def _check_trl(
    row: Mapping[str, Any], format_name: str, tools: Any, missing: list[str], add: Add
) -> None:
    columns = [name for name in ("prompt", "completion", "chosen", "rejected") if name in row]
    kinds = {name: isinstance(row[name], str) for name in columns if row[name] is not None}
    if len(set(kinds.values())) > 1:
        strings = ", ".join(name for name, is_string in kinds.items() if is_string)
        add(
            "mixed",
            strings,
            "a string, while the other columns are lists of messages",
            "write all columns as strings, or all as messages",
        )
    for name, is_string in kinds.items():
        if is_string:
            if not row[name].strip() and name != "prompt":
                add("content", name, f"'{name}' is empty", "give it its text, or delete the row")
            continue
        whole = format_name == "trl-preference-implicit"
        if name == "prompt" or whole:
            _conversation(row[name], name, format_name, tools, add, ends=name != "prompt")
        else:
            _check_answers(row[name], name, format_name, add)
    prompt = row.get("prompt")
    last = prompt[-1] if isinstance(prompt, list) and prompt else None
    if isinstance(last, Mapping) and last.get("role") == "assistant" and isinstance(prompt, list):
        add(
            "prompt-end",
            f"prompt[{len(prompt) - 1}]",
            "the prompt ends with the assistant's turn: trl continues it instead of answering",
            "end it with the user's, unless that is meant",
            "warning",
        )
    if (
        format_name == "trl-unpaired"
        and "label" not in missing
        and not isinstance(row["label"], bool)
    ):
        add(
            "label",
            "label",
            f"expected true or false, got {json.dumps(row['label'], default=str)}",
            "true: a good answer, false: a bad one",
        )
    if "chosen" in columns and row["chosen"] is not None and row["chosen"] == row.get("rejected"):
        add(
            "same",
            "rejected",
            "it is the same as chosen",
            "delete the row: there is nothing to prefer",
        )
    elif format_name == "trl-preference-implicit" and not missing:
        _check_prefix(row["chosen"], row["rejected"], add)


def _check_answers(messages: Any, field: str, format_name: str, add: Add) -> None:
    """The answer: messages of the assistant, perhaps with results of tools between them."""
    check_messages(messages, field, format_name, None, add)
    check_arguments(messages, field, format_name, add)
    for number, message in enumerate(messages if isinstance(messages, list) else ()):
        role = message.get("role") if isinstance(message, Mapping) else None
        if role in ("user", "system", "developer"):
            add(
                "answer-role",
                f"{field}[{number}].role",
                f"a message of the {role} in the answer",
                "move it to 'prompt'",
            )


def _check_prefix(chosen: Any, rejected: Any, add: Add) -> None:
    """With an implicit prompt both sides begin with the same messages, up to the last turn."""
    if isinstance(chosen, list) and isinstance(rejected, list):
        for number, (one, two) in enumerate(zip(chosen[:-1], rejected[:-1], strict=False)):
            role = one.get("role") if isinstance(one, Mapping) else None
            if one != two and role != "assistant":
                add(
                    "prefix",
                    f"rejected[{number}]",
                    "not the same message as in chosen: the prompt is what both begin with",
                    "copy the prompt's messages exactly",
                )
                return
        if not chosen or not rejected or chosen[0] != rejected[0]:
            add(
                "prefix",
                "rejected",
                "chosen and rejected begin with no common message",
                "both begin with the prompt; or write a column 'prompt'",
            )
    elif isinstance(chosen, str) and isinstance(rejected, str) and chosen[:1] != rejected[:1]:
        add(
            "prefix",
            "rejected",
            "chosen and rejected have no common beginning",
            "both begin with the prompt; or write a column 'prompt'",
        )


def _check_alpaca(row: Mapping[str, Any], missing: list[str], add: Add) -> None:
    for key in ("instruction", "output", "input", "system"):
        value = row.get(key)
        if value is None or key in missing:
            continue
        if not isinstance(value, str):
            add("alpaca", key, "expected a string", "write it as a string: json.dumps(…)")
        elif not value.strip() and key in ("instruction", "output"):
            add("content", key, f"'{key}' is empty", "give it its text, or delete the row")
    history = row.get("history")
    if history is None:
        return
    if not isinstance(history, list):
        add("alpaca", "history", "expected a list of pairs", '[["question", "answer"], …]')
        return
    for number, turn in enumerate(history):
        if (
            not isinstance(turn, list)
            or len(turn) != 2
            or not all(isinstance(t, str) for t in turn)
        ):
            add("alpaca", f"history[{number}]", "expected two strings", '["question", "answer"]')


def _check_sharegpt(turns: Any, add: Add) -> None:
    if not isinstance(turns, list) or not turns:
        add(
            "messages",
            "conversations",
            "expected a list of turns",
            '[{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}]',
        )
        return
    speakers = []
    for number, turn in enumerate(turns):
        place = f"conversations[{number}]"
        if not isinstance(turn, Mapping):
            add("message", place, "expected an object", '{"from": "human", "value": "…"}')
            continue
        speaker = turn.get("from")
        if speaker is None and "role" in turn:
            add(
                "role",
                place,
                "'role' and 'content' are OpenAI's names",
                "write 'from' and 'value', or check the file as openai-chat",
            )
            continue
        if speaker not in _FROM:
            right = _OTHER_FROM.get(str(speaker).casefold())
            hint = f"did you mean '{right}'?" if right else nearest(str(speaker), _FROM)
            add(
                "role", f"{place}.from", f"unknown speaker {json.dumps(speaker, default=str)}", hint
            )
            continue
        value = turn.get("value")
        if not isinstance(value, str):
            add(
                "content",
                f"{place}.value",
                "expected a string",
                "write it as a string: json.dumps(…)",
            )
        elif not value.strip():
            add("content", f"{place}.value", "the turn is empty", "give it its text, or delete it")
        elif speaker == "function_call":
            _check_function_call(value, f"{place}.value", add)
        unknown_keys(turn, ("from", "value", "weight"), place, add)
        speakers.append((number, str(speaker)))
    if len(speakers) == len(turns):
        _check_turns(speakers, add)


def _check_function_call(value: str, field: str, add: Add) -> None:
    try:
        calls = json.loads(value)
    except ValueError:
        calls = None
    listed = calls if isinstance(calls, list) else [calls]
    if not all(isinstance(call, dict) and {"name", "arguments"} <= set(call) for call in listed):
        add(
            "arguments",
            field,
            "expected JSON with 'name' and 'arguments'",
            '"{\\"name\\": \\"weather\\", \\"arguments\\": {\\"city\\": \\"Bern\\"}}"',
        )


def _check_turns(speakers: list[tuple[int, str]], add: Add) -> None:
    """Human or observation, then gpt or function_call, and so on; the system's turn is first."""
    asks = {"human": True, "observation": True, "gpt": False, "function_call": False}
    turns = [(number, name) for number, name in speakers if name != "system"]
    for number, name in speakers:
        if name == "system" and number:
            add(
                "system",
                f"conversations[{number}]",
                "the system's turn is not the first",
                "put it first, or into the key 'system'",
            )
    if turns and not asks[turns[0][1]]:
        add(
            "first",
            f"conversations[{turns[0][0]}]",
            f"the first turn is of '{turns[0][1]}'",
            "the first turn is of 'human'",
        )
    for (_, one), (number, two) in itertools.pairwise(turns):
        if asks[one] == asks[two]:
            kind = "assistants" if not asks[two] else "users"
            add(
                kind,
                f"conversations[{number}]",
                f"'{two}' directly after '{one}'",
                "turns alternate: human or observation, then gpt or function_call",
            )
        elif two == "observation" and one != "function_call":
            add(
                "answer",
                f"conversations[{number}]",
                "an observation without a function_call",
                "add the call before it, or delete it",
            )
        elif one == "function_call" and two != "observation":
            add(
                "unanswered",
                f"conversations[{number}]",
                "a function_call without an observation",
                "add the observation after the call",
            )
    if turns and asks[turns[-1][1]]:
        add(
            "last",
            f"conversations[{turns[-1][0]}]",
            f"the last turn is of '{turns[-1][1]}'",
            "the last turn must be gpt's: that is what is learnt",
        )
