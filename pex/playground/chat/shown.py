"""Conversations as the view gets them, and as static text for readers without a kernel."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

from pex.core import jsontext
from pex.core.errors import PexError
from pex.core.messages import content_text
from pex.core.safe_text import clean
from pex.core.text import replace_surrogates
from pex.experiment.experiment import Experiment
from pex.playground.chat import requests
from pex.playground.chat.answer import ChatAnswer
from pex.playground.chat.conversation import ERROR, KEY, Chat, Reply
from pex.playground.chat.save_case import why_not
from pex.playground.chat.tools import shown_call
from pex.playground.draft import Column, Draft
from pex.report.tables import cut, format_seconds, format_usd

MAX_CHARS = 50_000
"""Characters of one message that are shown; the whole is sent and saved."""
STATIC_CHARS = 2_000
STATIC_TURNS = 40

Shown = dict[str, Any]


def chats_shown(draft: Draft) -> list[Shown]:
    """The conversations of a draft, without the model's answers."""
    columns = {column.id: column for column in draft.columns}
    return [
        _chat(draft, columns[chat.column], chat) for chat in draft.chats if chat.column in columns
    ]


def _chat(draft: Draft, column: Column, chat: Chat) -> Shown:
    entry = requests.entry_of(draft, chat)
    messages: list[Shown] = []
    problem = ""
    try:
        for message in requests.prompt_messages(draft, column, chat):
            text = content_text(message["content"])
            messages.append({"role": str(message["role"]), "text": _shown(text)})
    except PexError as error:
        problem = error.message
    return {
        "id": chat.id,
        "variant": chat.column,
        "case": entry.id,
        "messages": messages,
        "problem": clean(problem),
        "asks_itself": requests.asks_itself(column),
        "opening": _shown(requests.opening_text(draft, column, entry)),
        "unsaved": why_not(column, chat),
        "turns": [
            {
                "id": turn.id,
                "text": None if turn.text is None else _shown(turn.text),
                "steps": [
                    {
                        "id": step.id,
                        "replies": {
                            str(at): [reply.how, _shown(_reply_text(reply))]
                            for at, reply in sorted(step.replies.items())
                        },
                    }
                    for step in turn.steps
                ],
            }
            for turn in chat.turns
        ],
    }


def answer_shown(
    answer: ChatAnswer,
    column: Column,
    base: Experiment | None,
    fingerprint: str,
    running: Collection[int],
) -> Shown:
    """An answer as the view gets it.

    Args:
        answer: the answer.
        column: its variant.
        base: the experiment with the implementations of tools.
        fingerprint: of the prompt and the case as they are now.
        running: the places of the calls whose tools are running.
    """
    facts = answer.facts
    calls = []
    for at, call in enumerate(answer.calls):
        shown = shown_call(call, column, base)
        calls.append({
            "name": clean(shown.name[:200]), "arguments": _shown(shown.arguments),
            "problem": clean(shown.problem), "how": clean(shown.how), "effects": shown.effects,
            "running": at in running,
        })  # fmt: skip
    return {
        "state": answer.state,
        "text": _shown(answer.text),
        "cut": len(answer.text) > MAX_CHARS,
        "calls": calls,
        "facts": facts_line(facts),
        "tokens": [facts.get("prompt_tokens"), facts.get("completion_tokens")],
        "seconds": facts.get("latency_s"),
        "usd": facts.get("cost_usd"),
        "stale": answer.ended and answer.fingerprint != fingerprint,
    }


def facts_line(facts: Mapping[str, Any]) -> str:
    """Tokens, cost and time of an answer, in a line.

    Example:
        >>> facts_line({"prompt_tokens": 1200, "completion_tokens": 8, "latency_s": 0.5})
        '1,200 + 8 tokens · 500 ms'
    """
    parts = []
    if facts.get("prompt_tokens") is not None and facts.get("completion_tokens") is not None:
        parts.append(f"{facts['prompt_tokens']:,} + {facts['completion_tokens']:,} tokens")
    if facts.get("cost_usd") is not None:
        parts.append(format_usd(facts["cost_usd"]))
    if facts.get("latency_s") is not None:
        parts.append(format_seconds(facts["latency_s"]))
    if facts.get("finish_reason") == "length":
        parts.append("cut off at max_tokens")
    if facts.get("from_journal"):
        parts.append("reused")
    return " · ".join(parts)


def static_chats(
    chats: Sequence[Shown], cells: Mapping[str, Shown], names: Mapping[str, str]
) -> str:
    """Conversations as HTML for readers without a kernel: escaped and bounded.

    Args:
        chats: as the view has them.
        cells: their answers as the view has them.
        names: of the variants, by their ids.
    """
    parts = []
    for chat in chats:
        lines = [_line(m["role"], m["text"]) for m in chat["messages"]]
        for turn in chat["turns"][-STATIC_TURNS:]:
            if turn["text"] is not None:
                lines.append(_line("user", turn["text"]))
            for step in turn["steps"]:
                lines += _step_lines(step, cells.get(KEY + step["id"]))
        if not chat["turns"]:
            continue
        left = len(chat["turns"]) - STATIC_TURNS
        note = f"<p>{left} earlier turns are not shown here.</p>" if left > 0 else ""
        title = escape(f"Conversation with {names.get(chat['variant'], '')}")
        parts.append(f"<h4>{title}</h4>{note}<dl>{''.join(lines)}</dl>")
    return "".join(parts)


def _step_lines(step: Shown, answer: Shown | None) -> list[str]:
    if answer is None:
        return [_line("assistant", "(not answered)")]
    text = answer["text"]
    if answer["state"] != "answered":
        text = f"({answer['state']}) {text}"
    lines = [_line("assistant", text, answer["facts"])] if text or not answer["calls"] else []
    for at, call in enumerate(answer["calls"]):
        lines.append(_line("calls", f"{call['name']}({call['arguments']})"))
        reply = step["replies"].get(str(at))
        if reply is not None:
            lines.append(_line("replies" if reply[0] != "error" else "replies, error", reply[1]))
    return lines


def _line(who: str, text: str, facts: str = "") -> str:
    style = "white-space:pre-wrap;overflow-wrap:anywhere;margin:0 0 6px"
    small = f'<div style="color:var(--pex-soft)">{escape(facts)}</div>' if facts else ""
    return (
        f"<dt><b>{escape(who)}</b></dt>"
        f'<dd dir="auto" style="{style}">{escape(cut(text, STATIC_CHARS))}{small}</dd>'
    )


def _reply_text(reply: Reply) -> str:
    """What a tool replied, as somebody wrote it."""
    if reply.how != ERROR:
        return reply.text
    try:
        return str(jsontext.loads(reply.text)["error"])
    except (ValueError, KeyError, TypeError):
        return reply.text


def _shown(text: str) -> str:
    return clean(replace_surrogates(text[:MAX_CHARS]))
