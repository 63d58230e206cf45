"""The path of an answer whose tools ran, as spans: a chat for each request, then its tools."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pex.core import jsontext
from pex.core.paths import tool_times


@dataclasses.dataclass(frozen=True, slots=True)
class PathSpan:
    """One span inside of the answer's: its own key, name, times in ms, values, error."""

    key: str
    name: str
    begun_ms: int
    lasted_ms: int
    values: dict[str, Any]
    error: str | None = None
    error_kind: str | None = None


def path_spans(
    row: Mapping[str, Any],
    sent: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    begun_ms: int,
) -> Iterator[PathSpan]:
    """The spans of a path, one after the other; tools of one request beside each other.

    The times follow from how long each took: a path that was continued on another day has no gap.

    Args:
        row: a row of the long frame with `steps`.
        sent: the messages of the first request.
        params: the parameters of its variant.
        begun_ms: when the path began.
    """
    provider, _, model = row["model"].partition("/")
    said = list(sent)
    later = list(row.get("conversation") or [])
    at = begun_ms
    users = 0
    for step in row["steps"]:
        if step.get("user"):
            users += 1
            yield _user_span(step, users, at)
            at += _ms(step.get("latency_s"))
            continue
        turn: Mapping[str, Any] = {}
        while later and not turn:
            message = later.pop(0)
            if message.get("role") == "assistant":
                turn = message
            else:
                said.append(message)
        usage = _usage(step)
        choice = {"index": 0, "message": dict(turn), "finish_reason": step.get("finish_reason")}
        lasted = _ms(step.get("latency_s"))
        yield PathSpan(
            f"step {step['step']}", f"step {step['step']}: {model}", at, lasted,
            {
                "mlflow.spanType": "CHAT_MODEL",
                "mlflow.llm.provider": provider,
                "mlflow.llm.model": model,
                "mlflow.message.format": "openai",
                "mlflow.spanInputs": {"model": model, "messages": list(said), **params},
                "mlflow.spanOutputs": {"choices": [choice]},
                "mlflow.chat.tokenUsage": usage,
                "mlflow.llm.cost": None
                if step.get("cost_usd") is None
                else {"total_cost": step["cost_usd"]},
                "finish_reason": step.get("finish_reason"),
                "ttft_s": step.get("ttft_s"),
                "from_journal": step.get("from_journal") or None,
            },
        )  # fmt: skip
        at += lasted
        tools = step.get("tools") or ()
        times = [(at + _ms(begin), _ms(lasts)) for begin, lasts in tool_times(tools)]
        for number, (call, place) in enumerate(zip(tools, times, strict=True), 1):
            error = call.get("error")
            yield PathSpan(
                f"step {step['step']} tool {number}", str(call.get("name")), *place,
                {
                    "mlflow.spanType": "TOOL",
                    "mlflow.spanInputs": call.get("arguments"),
                    "mlflow.spanOutputs": _parsed(call.get("reply")),
                    "tool_call_id": call.get("id"),
                    "from_journal": call.get("from_journal") or None,
                },
                None if error is None else str(call.get("reply") or error),
                error,
            )  # fmt: skip
        at += _tools_ms(step)
        said.append(turn)


def _user_span(step: Mapping[str, Any], number: int, begun_ms: int) -> PathSpan:
    """What a simulated user wrote; its tokens and cost are none of the trace's."""
    return PathSpan(
        f"user {number}", f"simulated user {number}", begun_ms, _ms(step.get("latency_s")),
        {
            "mlflow.spanType": "AGENT",
            "mlflow.spanOutputs": step.get("message"),
            "user_tokens": _usage(step),
            "user_cost_usd": step.get("cost_usd"),
            "finish_reason": step.get("finish_reason"),
            "from_journal": step.get("from_journal") or None,
        },
    )  # fmt: skip


def lasted_ms(steps: Sequence[Mapping[str, Any]]) -> int:
    """How long a path took, with its tools.

    Example:
        >>> lasted_ms([{"latency_s": 0.5, "tools": [{"latency_s": 0.2}, {"latency_s": 1}]}])
        1500
    """
    return sum(_ms(step.get("latency_s")) + _tools_ms(step) for step in steps)


def _tools_ms(step: Mapping[str, Any]) -> int:
    times = tool_times(step.get("tools") or ())
    return max((_ms(begin) + _ms(lasts) for begin, lasts in times), default=0)


def _ms(seconds: Any) -> int:
    return round((seconds or 0.0) * 1000)


def _usage(step: Mapping[str, Any]) -> dict[str, int] | None:
    given, made = step.get("prompt_tokens"), step.get("completion_tokens")
    if given is None or made is None:
        return None
    return {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}


def _parsed(reply: Any) -> Any:
    """A reply as JSON where it is an object or a list, so MLflow shows it as a tree."""
    if not isinstance(reply, str) or reply[:1] not in ("{", "["):
        return reply
    try:
        return jsontext.loads(reply)
    except (ValueError, RecursionError):
        return reply
