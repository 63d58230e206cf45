"""The path of an answer whose tools ran, for people: its requests and tools in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from pex.core.call import Answer
from pex.core.paths import calls_of, tool_times
from pex.core.safe_text import clean
from pex.core.text import value_text
from pex.report.tables import cut, format_seconds, format_usd

ERRORS = {
    "raised": "raised an error",
    "timeout": "no reply in time",
    "too_long": "reply too long",
    "no_json": "reply is not JSON",
    "arguments": "arguments do not fit",
    "unknown": "no such tool",
    "not_allowed": "has effects, not run",
    "not_recorded": "no recorded reply",
    "died": "its server has ended",
    "not_run": "not run, the path had ended",
}
_MOST = 40
"""Calls that a static list shows."""


def path_items(steps: Any, conversation: Any, most: int) -> list[dict[str, Any]]:
    """What happened, in order: each request, then the tools that it called, and the user's turns.

    `begin` and `length` are the place of each in the whole time, from 0 to 1; `call` counts the
    tools from 1. What the user said stands where it was said; a simulated user took time for it.

    Args:
        steps: of an answer.
        conversation: its messages, for what the model says beside its calls.
        most: characters of a text.
    """
    if not isinstance(steps, Sequence) or isinstance(steps, str) or not steps:
        return []
    said, heard = _said(conversation)
    if any(step.get("user") for step in steps):
        heard = {}  # the steps have what it wrote, and what that took
    whole = calls_of(Answer(steps=list(steps)))
    items: list[dict[str, Any]] = []
    at, count = 0.0, 0
    number = 0
    for step in steps:
        took = float(step.get("latency_s") or 0.0)
        if step.get("user"):
            text = _bounded(value_text(step.get("message") or ""), most)
            facts = " · ".join(["simulated", *_facts_of_step(step)])
            items.append(_user_item(text or "(nothing)", facts, at, took))
            at += took
            continue
        if number in heard:
            items.append(_user_item(_bounded(heard[number], most), "", at, 0.0))
        items.append(
            {
                "kind": "step",
                "title": f"Step {step.get('step', number + 1)}",
                "text": _bounded(said[number] if number < len(said) else "", most),
                "facts": _step_facts(step),
                "begin": at,
                "length": took,
            }
        )
        number += 1
        at, tools = at + took, step.get("tools") or ()
        times = tool_times(tools)
        for tool, (begin, lasts) in zip(tools, times, strict=True):
            call = whole[count] if count < len(whole) else None
            count += 1
            arguments = call.arguments if call is not None else tool.get("arguments")
            items.append(
                {
                    "kind": "tool",
                    "call": count,
                    "title": clean(str(tool.get("name"))),
                    "arguments": _arguments(arguments, most),
                    "reply": _bounded(value_text(tool.get("reply") or ""), most),
                    "error": ERRORS.get(str(tool.get("error")), tool.get("error") or ""),
                    "facts": _tool_facts(tool, lasts),
                    "begin": at + begin,
                    "length": lasts,
                }
            )
        at += max((begin + lasts for begin, lasts in times), default=0.0)
    for item in items:
        item["begin"] = item["begin"] / at if at else 0.0
        item["length"] = item["length"] / at if at else 0.0
    return items


def path_line(items: Sequence[Mapping[str, Any]]) -> str:
    """A path in a few words.

    Example:
        >>> path_line([{"kind": "step"}, {"kind": "tool", "error": "no such tool"}])
        '1 step, 1 tool call (1 failed)'
    """
    steps = sum(item["kind"] == "step" for item in items)
    turns = sum(item["kind"] == "user" for item in items)
    tools = [item for item in items if item["kind"] == "tool"]
    failed = sum(bool(item["error"]) for item in tools)
    line = f"{steps} step{'s' * (steps != 1)}"
    if tools or not turns:
        line += f", {len(tools)} tool call{'s' * (len(tools) != 1)}"
    line += f" ({failed} failed)" if failed else ""
    return f"{line}, {turns} message{'s' * (turns != 1)} of the user" if turns else line


def path_html(row: Mapping[str, Any], most: int) -> str:
    """A path as a list that opens, for pages without a kernel; empty if no tool ran.

    Args:
        row: a row of the long frame.
        most: characters of a text.
    """
    items = path_items(row.get("steps"), row.get("conversation"), most)
    if not items:
        return ""
    shown = "".join(_item_html(item) for item in items[:_MOST])
    more = f"<li>… {len(items) - _MOST:,} more</li>" if len(items) > _MOST else ""
    return (
        f'<details class="pex-path-static"><summary class="pex-meta">{escape(path_line(items))}'
        f'</summary><ul class="pex-meta">{shown}{more}</ul></details>'
    )


def _item_html(item: Mapping[str, Any]) -> str:
    facts = f" · {escape(item['facts'])}" if item["facts"] else ""
    if item["kind"] in ("step", "user"):
        text = f"<div>{escape(item['text'])}</div>" if item["text"] else ""
        return f"<li>{escape(item['title'])}{facts}{text}</li>"
    error = f' <span class="pex-bad">! {escape(item["error"])}</span>' if item["error"] else ""
    return (
        f"<li><b>{escape(item['title'])}</b>({escape(item['arguments'])}){facts}{error}"
        f'<div class="pex-output" dir="auto">{escape(item["reply"])}</div></li>'
    )


def _user_item(text: str, facts: str, begin: float, length: float) -> dict[str, Any]:
    return {
        "kind": "user",
        "title": "User",
        "text": text,
        "facts": facts,
        "begin": begin,
        "length": length,
    }


def _said(conversation: Any) -> tuple[list[str], dict[int, str]]:
    """What the model says in each of its messages, and what the user says before which of them."""
    messages = conversation if isinstance(conversation, Sequence) else ()
    said: list[str] = []
    heard: dict[int, str] = {}
    for message in messages:
        role = message.get("role") if isinstance(message, Mapping) else None
        if role == "assistant":
            said.append(value_text(message.get("content") or ""))
        elif role == "user":
            heard[len(said)] = value_text(message.get("content") or "")
    return said, heard


def _step_facts(step: Mapping[str, Any]) -> str:
    return " · ".join(_facts_of_step(step))


def _facts_of_step(step: Mapping[str, Any]) -> Iterator[str]:
    if step.get("latency_s") is not None:
        yield format_seconds(float(step["latency_s"]))
    given, made = step.get("prompt_tokens"), step.get("completion_tokens")
    if given is not None and made is not None:
        yield f"{given:,} tokens in, {made:,} out"
    if step.get("cost_usd") is not None:
        yield format_usd(float(step["cost_usd"]))
    if step.get("from_journal"):
        yield "reused"


def _tool_facts(tool: Mapping[str, Any], lasts: float) -> str:
    facts = [format_seconds(lasts)] if lasts else []
    return " · ".join([*facts, *(["reused"] if tool.get("from_journal") else [])])


def _arguments(arguments: Any, most: int) -> str:
    if isinstance(arguments, Mapping):
        given = (f"{name}={value_text(value)}" for name, value in arguments.items())
        return _bounded(", ".join(given), most)
    return _bounded(value_text(arguments or ""), most)


def _bounded(text: str, most: int) -> str:
    return clean(cut(text, most))
