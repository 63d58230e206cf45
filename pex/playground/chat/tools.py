"""The tools that a model calls in a conversation: whether a call fits, and what answers it."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import jsontext
from pex.core.call import Request
from pex.core.canonical_json import json_text
from pex.core.errors import PexError
from pex.experiment.experiment import Experiment
from pex.guard.redact import redact
from pex.playground.chat.answer import function_of
from pex.playground.chat.conversation import RUN, Chat, Reply
from pex.playground.chat.requests import Find, case_of
from pex.playground.draft import Column, Draft
from pex.run.tool_path import ToolCall
from pex.score.structured import follows
from pex.tools.spec import RecordedSpec
from pex.tools.toolbox import Toolbox


@dataclasses.dataclass(frozen=True, slots=True)
class CallShown:
    """A call as somebody sees it who has to answer it.

    `problem` is why its arguments do not fit, `how` what its implementation is, "" without one;
    `effects` is whether that does something outside.
    """

    name: str
    arguments: str
    problem: str = ""
    how: str = ""
    effects: bool = False


def tools_of(column: Column) -> list[Any]:
    """What the model is offered; nothing as long as the variant has a problem."""
    try:
        found = column.prompt.tools or dict(column.params).get("tools")
    except PexError:
        return []
    return found if isinstance(found, list) else []


def shown_call(call: Mapping[str, Any], column: Column, base: Experiment | None) -> CallShown:
    """A call as it is shown: its arguments on several lines, and what can answer it."""
    name, text = function_of(call)
    how, effects = _implementation(name, base)
    return CallShown(name, _pretty(text), problem_of(name, text, tools_of(column)), how, effects)


def problem_of(name: str, text: str, tools: Sequence[Any]) -> str:
    """Why a call does not fit the tools that the model was offered, "" if it does.

    Example:
        >>> schema = {"type": "object", "required": ["id"]}
        >>> tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
        >>> problem_of("f", "{}", tools), problem_of("f", '{"id": 1}', tools)
        ("the arguments do not fit: $: 'id' is a required property", '')
        >>> problem_of("g", "{}", tools)
        "there is no tool 'g', only: f"
    """
    schemas = {
        tool["function"]["name"]: tool["function"].get("parameters")
        for tool in tools
        if isinstance(tool, Mapping) and isinstance(tool.get("function"), Mapping)
    }
    if not schemas:
        return "the prompt has no tools"
    if name not in schemas:
        return f"there is no tool '{name[:80]}', only: {', '.join(schemas)}"
    try:
        arguments = jsontext.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        return f"the arguments are not valid JSON: {error}"
    if not isinstance(arguments, dict):
        return "the arguments must be a JSON object"
    try:
        mismatch = _check_of(json_text(schemas[name] or {}))(arguments)
    except PexError as error:
        return f"the tool's parameters cannot be checked: {error.message}"
    return f"the arguments do not fit: {mismatch}" if mismatch else ""


def run_tool(
    draft: Draft, base: Experiment | None, chat: Chat, at: int, find: Find, *, effects: bool
) -> Reply:
    """Answer a call of the last step with the tool's implementation, which takes its time.

    Args:
        draft: with the conversation.
        base: the experiment that has the implementation.
        chat: the conversation.
        at: the call's place in the answer.
        find: the answers by their steps.
        effects: whether a tool with effects may run.

    Raises:
        PexError: there is no implementation, it cannot be loaded, or it has effects.
    """
    column = next(item for item in draft.columns if item.id == chat.column)
    calls = _calls_until(chat, at, find)
    *earlier, call = calls
    how, has_effects = _implementation(call.name, base)
    if base is None or not how:
        raise PexError(f"tool '{call.name}' has no implementation here", hint="answer it by hand")
    if has_effects and not effects:
        raise PexError(f"tool '{call.name}' has effects", hint="press Run with effects")
    variant = draft.variants([column.id])[0]
    case = case_of(draft, column, chat)
    # Calls share their recorded replies: one that an earlier call took is not given again.
    named = {
        name: tool
        for name, tool in base.tools.items()
        if name == call.name or isinstance(_spec(name, base), RecordedSpec)
    }
    toolbox = Toolbox(named, 1, _beside(base), [call.name] if effects else False)
    try:
        toolbox.loop_of(variant, case)
        toolbox.open([variant])
        request = Request(
            variant.name, case.id, 1, variant.model, {"tools": tools_of(column)}, chat.id
        )
        tools = toolbox.begin(request)
        for one in earlier:
            tools.read(one)
        worlds = [r.world for step in chat.steps for r in step.replies.values() if r.world]
        if worlds:
            tools.world = dict(worlds[-1])
        tools.read(call)
        if call.reply is None:
            asyncio.run(tools.run(call))
        return Reply(redact(call.reply or ""), RUN, tools.world if call.has_world else None)
    finally:
        toolbox.close()


def _calls_until(chat: Chat, at: int, find: Find) -> list[ToolCall]:
    """All calls of a conversation up to one of the last step."""
    found: list[ToolCall] = []
    last = chat.last
    for step in chat.steps:
        answer = find(step.id)
        calls = answer.calls if answer is not None else ()
        for number, call in enumerate(calls[: at + 1] if step is last else calls):
            name, text = function_of(call)
            found.append(ToolCall(f"{step.id}-{number}", name, text, text))
    return found


def _implementation(name: str, base: Experiment | None) -> tuple[str, bool]:
    """What answers a tool, and whether it has effects; ("", False) if nothing does."""
    if base is None or name not in base.tools:
        return "", False
    try:
        tool = Toolbox({name: base.tools[name]}, 1, _beside(base), True).tools[name]
    except PexError as error:
        return f"{name}: {error.message}", False
    effects = tool.runs and tool.spec.effects
    return str(tool).removeprefix(f"{name}: ").removesuffix("; has effects, and runs"), effects


def _spec(name: str, base: Experiment) -> Any:
    return Toolbox({name: base.tools[name]}, 1, _beside(base)).tools[name].spec


def _beside(base: Experiment) -> Path | None:
    return base.path.parent if base.path is not None else None


@functools.lru_cache(maxsize=64)
def _check_of(schema: str) -> Any:
    return follows(jsontext.loads(schema))


def _pretty(text: str) -> str:
    """Arguments with a line for each, or as they are if they are not JSON."""
    try:
        return json.dumps(jsontext.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
