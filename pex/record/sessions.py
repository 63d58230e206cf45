"""The turns of a conversation as an MLflow session: a trace for each, beside that of the whole.

The traces of turns belong to no run: a run keeps one trace for each answer, so that MLflow pairs
two runs case by case. They have neither tokens nor cost: MLflow's totals would count them twice.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.messages import content_text
from pex.record.make_span import hash_of, make_span

if TYPE_CHECKING:
    from mlflow.entities import Span, TraceInfo

SESSION = "mlflow.trace.session"
"""MLflow's own metadata of a trace that is one turn of a session."""
NAMED = "pex.session"
"""The metadata of the whole conversation's trace with the name of its session."""
TURNS = "pex.turns"
"""The metadata of the whole conversation's trace with the number of its turns in the session."""
WHOLE = "pex.conversation_trace"
"""The metadata of a turn's trace with the id of the whole conversation's trace."""

_PREVIEW = 1000
"""Characters; MLflow cuts previews there."""
_READABLE = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """What the user wrote, what was answered, and the tools called in between."""

    number: int
    user: str
    answer: str
    tools: tuple[str, ...] = ()


def count_turns(row: Mapping[str, Any]) -> int:
    """How many turns a row's session has: none if the user wrote only once."""
    later = row.get("conversation") or ()
    wrote = sum(message.get("role") == "user" for message in later)
    return wrote + 1 if wrote else 0


def turns_of(sent: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> list[Turn]:
    """The turns of a row; none if the user wrote only once.

    Args:
        sent: the messages of the first request.
        row: a row of the long frame.

    Example:
        >>> row = {"output": "At noon.", "conversation": [
        ...     {"role": "assistant", "content": "Hello."},
        ...     {"role": "user", "content": "When?"},
        ...     {"role": "assistant", "content": "At noon."}]}
        >>> [(t.user, t.answer) for t in turns_of([{"role": "user", "content": "Hi"}], row)]
        [('Hi', 'Hello.'), ('When?', 'At noon.')]
    """
    if not count_turns(row):
        return []
    later = row.get("conversation") or ()
    asked = [message for message in sent if message.get("role") == "user"]
    turns, user, answer, tools = list[Turn](), _text(asked[-1]) if asked else "", "", list[str]()
    for message in [*later, {"role": "user", "content": ""}]:
        if message.get("role") == "user":
            turns.append(Turn(len(turns) + 1, user, answer, tuple(tools)))
            user, answer, tools = _text(message), "", []
        elif message.get("role") == "assistant":
            answer = _text(message)
            calls = message.get("tool_calls") or ()
            tools += [str(call.get("function", {}).get("name")) for call in calls]
    return turns


def session_of(case_id: str, repeat: int | None, variant: str, trace_id: str) -> str:
    """The name of a conversation's session in MLflow, with letters that its search takes.

    Example:
        >>> session_of("it's 7", 2, "desk", "tr-570d45db4d873157817bfac1bc8ea8ca")
        'it-s-7-r2-desk-570d45db'
    """
    parts = [case_id, *([] if repeat is None else [f"r{repeat}"]), variant]
    readable = re.sub(r"[^\w.]+", "-", "-".join(parts)).strip("-")[:_READABLE]
    return f"{readable}-{trace_id.removeprefix('tr-')[:8]}"


def turn_id(whole_id: str, number: int) -> str:
    """The id of a turn's trace, whether it has been written or not."""
    return f"tr-{hash_of('turn', whole_id, number)[:32]}"


def turn_ids(whole: TraceInfo) -> list[str]:
    """The ids of the turns' traces that belong to a whole conversation's trace."""
    count = int(whole.trace_metadata.get(TURNS, 0))
    return [turn_id(whole.trace_id, number) for number in range(1, count + 1)]


def turn_traces(
    whole: TraceInfo,
    turns: Sequence[Turn],
    experiment_id: str,
    failed: tuple[str | None, str | None] = (None, None),
) -> list[tuple[TraceInfo, list[Span]]]:
    """The traces of a conversation's turns, in order.

    How long a turn took is known only where tools ran or a user was simulated, so none has a
    duration; the times at which they begin share the whole's duration out, to keep their order.

    Args:
        whole: the trace of the whole conversation.
        turns: its turns.
        experiment_id: MLflow's experiment.
        failed: what failed in the last turn, and its kind.
    """
    from mlflow.entities import TraceInfo, TraceLocation, TraceState

    pairs = []
    share = (whole.execution_duration or 0) / len(turns)
    for turn in turns:
        error, kind = failed if turn.number == len(turns) else (None, None)
        begun_ms = whole.request_time + max(round(share * (turn.number - 1)), turn.number - 1)
        trace_id = turn_id(whole.trace_id, turn.number)
        info = TraceInfo(
            trace_id=trace_id,
            trace_location=TraceLocation.from_experiment_id(experiment_id),
            request_time=begun_ms,
            state=TraceState.OK if error is None else TraceState.ERROR,
            request_preview=turn.user[:_PREVIEW],
            response_preview=turn.answer[:_PREVIEW],
            trace_metadata={
                SESSION: whole.trace_metadata[NAMED],
                WHOLE: whole.trace_id,
            },
            tags={"mlflow.traceName": f"turn {turn.number}"},
        )
        values = {
            "mlflow.spanType": "CHAIN",
            "mlflow.spanInputs": turn.user,
            "mlflow.spanOutputs": turn.answer,
            "mlflow.traceRequestId": trace_id,
            "tools": list(turn.tools) or None,
        }
        named = f"turn {turn.number}"
        pairs.append((info, [make_span(trace_id, None, error, kind, named, (begun_ms, 0), values)]))
    return pairs


def _text(message: Mapping[str, Any]) -> str:
    return content_text(message.get("content") or "")
