"""Inspect's logs as recorded runs: answers and scores of samples, epochs as repeats.

A score of "C" is a yes, "I" and "N" (no answer) are a no, "P" is 0.5, as Inspect's own `accuracy`
counts them. Scores of several values become several scores; what is NaN or no number is not scored.
A sample that ended in an error has no scores: an error is not a zero.
"""

from __future__ import annotations

import datetime
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pex.core.score import WORDS, Score
from pex.importers.found import Found, FoundAnswer, name_of, unknown
from pex.importers.imported import Note, What
from pex.importers.inspect_log import content_text, read_log, reasoning_text, samples_of
from pex.importers.own_cases import MADE_BY_PEX, own_part

_LETTERS = {"C": True, "I": False, "P": 0.5}
_STOPS = {"max_tokens": "length", "model_length": "length"}


def read_inspect(path: Path) -> Found:
    """Read a log.

    Raises:
        PexError: it is damaged, of an unknown version, or has no samples.
    """
    log = read_log(path)
    spec = log["eval"]
    samples = list(samples_of(log))
    if not samples:
        why = "it has no samples (was it written with log_samples=False?)"
        raise unknown(path, why, "Inspect")
    target = _target(str(spec.get("model") or "model"))
    counts: Counter[str] = Counter()
    seen: set[tuple[str, int]] = set()
    answers = []
    for sample in samples:
        place = (str(sample.get("id")), int(sample.get("epoch") or 1))
        if place in seen:
            raise unknown(path, f"sample {place[0]}, epoch {place[1]} is there twice", "Inspect")
        seen.add(place)
        answers.append(_answer(sample, target, spec, counts))
    version = str((spec.get("packages") or {}).get("inspect_ai") or "")
    started = str((log.get("stats") or {}).get("started_at") or spec.get("created") or "")
    return Found(
        "Inspect",
        version,
        started,
        answers,
        False,
        [*_unfinished(log, len(samples)), *_counted(counts)],
    )


def _target(model: str) -> str:
    kind, _, rest = model.partition("/")
    return f"{name_of(kind)}/{name_of(rest or kind)}"


def _answer(
    sample: Mapping[str, Any], target: str, spec: Mapping[str, Any], counts: Counter[str]
) -> FoundAnswer:
    own = bool((spec.get("metadata") or {}).get(MADE_BY_PEX))
    error = _error(sample, counts, own)
    scores = dict(_scores(sample, counts))
    messages = [item for item in sample.get("messages") or () if isinstance(item, Mapping)]
    if error and scores:
        counts["scored errors"] += 1
    if sample.get("limit"):
        counts["limits"] += 1
    if _calls_of_model(messages) > 1 and any("model_graded" in scorer for scorer in scores):
        counts["graded usage"] += 1
    more = own_part(sample.get("metadata")) if own else {}
    return FoundAnswer(
        key=str(sample.get("id")),
        text=input_text(sample.get("input")),
        target=target,
        output=None if error else completion(sample),
        error=error,
        scores={} if error else scores,
        latency_s=_latency(sample, messages),
        cost_usd=_usage(sample, messages, spec).get("total_cost"),
        inputs=inputs_of(sample, own),
        expected=more.get("expected", expected_of(sample)),
        group=more.get("group"),
        tags=tuple(map(str, more.get("tags") or ())),
        repeat=int(sample.get("epoch") or 1),
        details=_details(sample, messages, spec) if not error else {},
    )


def input_text(given: Any) -> str:
    """A sample's input as one text: a string, or the messages with their roles."""
    if isinstance(given, str):
        return given
    said = [
        (str(message.get("role")), content_text(message.get("content")))
        for message in given or ()
        if isinstance(message, Mapping)
    ]
    if len(said) == 1:
        return said[0][1]
    return "\n\n".join(f"{role}: {text}" for role, text in said)


def expected_of(sample: Mapping[str, Any]) -> Any:
    """A sample's target: a string, several as a list, None if it has none."""
    target = sample.get("target")
    if isinstance(target, list):
        target = target[0] if len(target) == 1 else target
    return target or None


def inputs_of(sample: Mapping[str, Any], own: bool = False) -> dict[str, Any]:
    """A sample's input, choices and metadata as the columns of a case.

    Args:
        sample: the sample.
        own: it was written by pex: its metadata are all columns of the case.
    """
    metadata = sample.get("metadata") or {}
    columns = {str(key): value for key, value in metadata.items()}
    if own and columns.keys() - {MADE_BY_PEX}:
        return {key: value for key, value in columns.items() if key != MADE_BY_PEX}
    first: dict[str, Any] = {"input": input_text(sample.get("input"))}
    if sample.get("choices"):
        first["choices"] = list(sample["choices"])
    renamed = {key if key not in first else f"metadata_{key}": columns[key] for key in columns}
    return first | renamed


def completion(sample: Mapping[str, Any]) -> str:
    """The text of a sample's answer."""
    message = _last(sample)
    return content_text(message.get("content")) if message else ""


def _choice(sample: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = (sample.get("output") or {}).get("choices") or ()
    return choices[0] if choices and isinstance(choices[0], Mapping) else {}


def _last(sample: Mapping[str, Any]) -> Mapping[str, Any]:
    message = _choice(sample).get("message")
    return message if isinstance(message, Mapping) else {}


def _error(sample: Mapping[str, Any], counts: Counter[str], own: bool) -> str | None:
    error = sample.get("error")
    invalid = sample.get("invalidation")
    if not error and not invalid:
        return None
    if _choice(sample):
        counts["answered errors"] += 1
    if invalid:
        return f"Inspect: invalidated: {(invalid or {}).get('reason') or 'without a reason'}"
    said = error.get("message") if isinstance(error, Mapping) else error
    return str(said) if own and said else f"Inspect: {said or 'an error'}"


def _scores(sample: Mapping[str, Any], counts: Counter[str]) -> Iterator[tuple[str, Score]]:
    for scorer, given in (sample.get("scores") or {}).items():
        given = given if isinstance(given, Mapping) else {"value": given}
        answer = given.get("answer")
        reason = given.get("explanation") or (f"answer: {answer}" if answer else None)
        if given.get("history"):
            counts["edited scores"] += 1
        value, name = given.get("value"), name_of(str(scorer))
        if isinstance(value, Mapping):
            values = {f"{name}.{name_of(str(key))}": inner for key, inner in value.items()}
        elif isinstance(value, list):
            values = {f"{name}.{number}": inner for number, inner in enumerate(value, 1)}
        else:
            values = {name: value}
        for key, inner in values.items():
            number = score_value(inner)
            if number is None:
                counts["not scored"] += 1
                said = f"Inspect's value is {inner!r}"
                yield key, Score(None, reason=f"{said}; {reason}" if reason else said)
            else:
                said = "no answer" if inner == "N" else ""
                yield key, Score(number, reason="; ".join(filter(None, (said, reason))) or None)


def score_value(value: Any) -> bool | float | None:
    """A score's value as Inspect's `value_to_float` counts it; None where that has no number.

    Example:
        >>> [score_value(value) for value in ("C", "I", "P", "N", "yes", "0.25", "purple", 3)]
        [True, False, 0.5, False, True, 0.25, None, 3.0]
    """
    if isinstance(value, str):
        if value == "N":
            return False
        known = _LETTERS.get(value, WORDS.get(value.lower()))
        if known is not None:
            return known
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool):
        return value
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _calls_of_model(messages: list[Mapping[str, Any]]) -> int:
    return sum(message.get("role") == "assistant" for message in messages)


def _usage(
    sample: Mapping[str, Any], messages: list[Mapping[str, Any]], spec: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What the answer took: of the one call, else of all calls of the model in the sample."""
    own = (sample.get("output") or {}).get("usage")
    if _calls_of_model(messages) > 1 or not own:
        own = (sample.get("model_usage") or {}).get(spec.get("model")) or own
    return own or {}


def _latency(sample: Mapping[str, Any], messages: list[Mapping[str, Any]]) -> float | None:
    own = (sample.get("output") or {}).get("time")
    alone = _calls_of_model(messages) <= 1 and own is not None
    seconds = own if alone else sample.get("working_time")
    return float(seconds) if isinstance(seconds, int | float) and seconds >= 0 else None


def _details(
    sample: Mapping[str, Any], messages: list[Mapping[str, Any]], spec: Mapping[str, Any]
) -> dict[str, Any]:
    usage, last = _usage(sample, messages, spec), _last(sample)
    stop = str(_choice(sample).get("stop_reason") or "") or None
    cached, written = usage.get("input_tokens_cache_read"), usage.get("input_tokens_cache_write")
    tokens = usage.get("input_tokens")
    stop = _STOPS.get(stop or "", stop)
    found: dict[str, Any] = {
        "finish_reason": stop,
        "resolved_model": (sample.get("output") or {}).get("model") or None,
        # Inspect's input tokens are without those of the cache, pex's are with them.
        "prompt_tokens": None if tokens is None else tokens + (cached or 0) + (written or 0),
        "completion_tokens": usage.get("output_tokens"),
        "cached_tokens": cached,
        "cache_write_tokens": written,
        "reasoning_tokens": usage.get("reasoning_tokens"),
        "reasoning": reasoning_text(last.get("content")),
        "tool_calls": _calls(last) or None,
        "started_at": _seconds(sample.get("started_at")),
    }
    if stop in ("length", "content_filter"):
        found["remarks"] = ["cut_off" if stop == "length" else "filtered"]
    first = next((i for i, m in enumerate(messages) if m.get("role") == "assistant"), None)
    if first is not None and len(messages) - first > 1:
        found["conversation"] = [chat_message(message) for message in messages[first:]]
    return found


def chat_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message of Inspect in the form of OpenAI's chat completions."""
    found = {"role": str(message.get("role")), "content": content_text(message.get("content"))}
    calls = _calls(message)
    if calls:
        return {**found, "tool_calls": calls}
    if message.get("tool_call_id"):
        return {**found, "tool_call_id": str(message["tool_call_id"])}
    return found


def _calls(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": str(call.get("id")),
            "type": "function",
            "function": {
                "name": str(call.get("function")),
                "arguments": json.dumps(call.get("arguments") or {}, ensure_ascii=False),
            },
        }
        for call in message.get("tool_calls") or ()
        if isinstance(call, Mapping)
    ]


def _seconds(text: Any) -> float:
    try:
        return datetime.datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0


def _unfinished(log: Mapping[str, Any], samples: int) -> list[Note]:
    status = log.get("status")
    if status == "success":
        return []
    spec = log["eval"]
    of = (spec.get("dataset") or {}).get("samples")
    epochs = (spec.get("config") or {}).get("epochs") or 1
    many = f" of {of * epochs:,}" if isinstance(of, int) else ""
    said = {"started": "it was never finished", "cancelled": "it was cancelled"}
    how = f"{said.get(str(status), 'it ended in an error')}: {samples:,}{many} answers are there"
    missing = of * epochs - samples if isinstance(of, int) else 0
    return [Note("the log", "left out", how, max(1, missing))]


_NOTES: dict[str, tuple[What, str, str]] = {
    "answered errors": ("left out", "answers", "an error came after them"),
    "scored errors": ("left out", "scores of errors", "an error is not scored"),
    "limits": ("changed", "answers", "a limit of Inspect's stopped them; here they are finished"),
    "graded usage": ("changed", "tokens of answers",
                     "they include those of a grader, if it is the same model"),
    "edited scores": ("changed", "scores", "they were edited later; the last value is taken"),
    "not scored": ("left out", "scores", "without a number: NaN, or another word"),
}  # fmt: skip
"""By what is counted: its kind in the report, its place, and what is said."""


def _counted(counts: Counter[str]) -> list[Note]:
    return [
        Note(f"{where} ({counts[key]:,})", what, how, counts[key])
        for key, (what, where, how) in _NOTES.items()
        if counts[key]
    ]
