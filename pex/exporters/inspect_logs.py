"""A run as logs of Inspect (JSON, version 2): one for each variant, read by `read_eval_log`.

A sample's input are the messages that were sent, its metadata the columns of the case, its epoch
the repeat. Yes and no are "C" and "I", other scores are numbers.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.about import About, VariantInfo
from pex.core.case import Case
from pex.core.version import __version__
from pex.exporters.exported import Exported, as_string, file_name
from pex.exporters.rows import Row, by_variant, tokens
from pex.importers.imported import Note
from pex.importers.own_cases import MADE_BY_PEX
from pex.score.frame import yes_no

if TYPE_CHECKING:
    from pex.results.results import Results

_STATUS = {"finished": "success", "interrupted": "cancelled"}
_STOPS = {"length": "max_tokens", None: "stop"}
_KNOWN_STOPS = ("stop", "max_tokens", "model_length", "tool_calls", "content_filter")
_CONFIG = {
    "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "seed": "seed",
    "max_tokens": "max_tokens", "max_completion_tokens": "max_tokens",
    "frequency_penalty": "frequency_penalty", "presence_penalty": "presence_penalty",
    "reasoning_effort": "reasoning_effort", "stop": "stop_seqs", "logprobs": "logprobs",
    "top_logprobs": "top_logprobs",
}  # fmt: skip
"""Parameters of pex, and what Inspect's `GenerateConfig` calls them."""
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def inspect_logs(results: Results) -> Exported:
    """One log for each variant."""
    about = results.about
    counts: Counter[str] = Counter()
    binary = yes_no(results.frame)
    files: dict[str, str] = {}
    notes = []
    for variant, rows in by_variant(results):
        log = _log(about, variant, rows, binary, counts)
        name = file_name(variant.name, files, ".json")
        files[name] = json.dumps(log, ensure_ascii=False, indent=1) + "\n"
        notes += _param_notes(variant)
    notes.append(Note("answers", "taken over", count=len(results.frame)))
    notes += [Note(*_NOTES[key], count=number) for key, number in counts.items() if number]
    return Exported(
        "Inspect",
        about.name,
        files,
        notes,
        'Each variant is a log: `inspect view --log-dir .`, or `read_eval_log("NAME.json")`.',
    )


_NOTES: dict[str, tuple[str, Any, str]] = {
    "expected": (
        "expected answers", "changed", "targets are strings; the value itself is in the metadata",
    ),
    "not scored": ("scores without a value", "left out", "Inspect would count them as 0"),
    "not rendered": (
        "inputs", "changed", "the prompt cannot be filled in again: the columns stand there",
    ),
    "no metadata": ("group and tags", "left out", f"a column is called {MADE_BY_PEX}"),
}  # fmt: skip


def _param_notes(variant: VariantInfo) -> list[Note]:
    return [
        Note(
            f"variant '{variant.name}', {name}",
            "changed",
            "Inspect's configuration has no such field: it is in the log's metadata",
        )
        for name in variant.params
        if name not in _config(variant)[1]
    ]


def _config(variant: VariantInfo) -> tuple[dict[str, Any], set[str]]:
    """Inspect's configuration, and which parameters it has taken."""
    found: dict[str, Any] = {}
    taken = set()
    for name, value in variant.params.items():
        field = _CONFIG.get(name)
        if field == "stop_seqs":
            value = value if isinstance(value, list) else [value]
        if field is None or (field == "reasoning_effort" and value not in _EFFORTS):
            continue
        found[field] = value
        taken.add(name)
    return found, taken


def _log(
    about: About,
    variant: VariantInfo,
    rows: Sequence[Row],
    binary: set[str],
    counts: Counter[str],
) -> dict[str, Any]:
    samples = [_sample(row, variant.model, binary, counts) for row in rows]
    ids = list(dict.fromkeys(row.case.id for row in rows))
    config = _config(variant)[0]
    names = [name for name in about.scorers if any(name in row.scores for row in rows)]
    names = list(dict.fromkeys([*names, *(name for row in rows for name in row.scores)]))
    started = _moment(about.started_at)
    ended = started + datetime.timedelta(seconds=about.elapsed_s)
    run = about.run_id or _identity(about.name, about.started_at)
    return {
        "version": 2,
        "status": _STATUS.get(about.status, "error"),
        "eval": {
            "eval_id": _identity(run, variant.name),
            "run_id": run,
            "created": started.isoformat(),
            "task": about.name,
            "task_id": _identity(about.name, variant.name, "task"),
            "task_version": 0,
            "dataset": {"name": about.name, "samples": len(ids), "sample_ids": ids,
                        "shuffled": False},
            "model": variant.model,
            "model_generate_config": config,
            "config": {"epochs": about.repeats},
            "packages": {},
            "scorers": [{"name": name, "options": {}, "metrics": [{"name": "inspect_ai/mean",
                         "options": {}}]} for name in names],
            "metadata": {MADE_BY_PEX: {"version": __version__, "variant": variant.name,
                                       "prompt": variant.prompt, "params": dict(variant.params)}},
        },
        "plan": {"name": "plan", "steps": [{"solver": "generate", "params": {}}], "config": config},
        "results": {
            "total_samples": len(samples),
            "completed_samples": sum("error" not in sample for sample in samples),
            "scores": [_mean(name, rows) for name in names],
        },
        "stats": {
            "started_at": started.isoformat(),
            "completed_at": ended.isoformat(),
            "model_usage": {variant.model: _sum(samples)},
        },
        "samples": samples,
    }  # fmt: skip


def _mean(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    """The mean over the cases of the mean over their repeats, as Inspect reduces epochs."""
    of_case: dict[str, list[float]] = {}
    for row in rows:
        score = row.scores.get(name)
        if score is not None and score.value is not None:
            of_case.setdefault(row.case.id, []).append(float(score.value))
    means = [statistics.fmean(values) for values in of_case.values()]
    metrics = {"mean": {"name": "mean", "value": statistics.fmean(means)}} if means else {}
    return {"name": name, "scorer": name, "reducer": "mean", "scored_samples": len(means),
            "metrics": metrics}  # fmt: skip


def _sum(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    total: Counter[str] = Counter()
    for sample in samples:
        for usage in sample["model_usage"].values():
            total.update(usage)
    return {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, **total}


def _sample(row: Row, model: str, binary: set[str], counts: Counter[str]) -> dict[str, Any]:
    case, answer = row.case, row.answer
    began = datetime.datetime.fromtimestamp(answer.started_at, datetime.UTC)
    seconds = answer.latency_s or 0.0
    asked = [_message(message) for message in row.messages]
    later = [_message(message) for message in answer.conversation or ()]
    counts["not rendered"] += not row.rendered
    usage: dict[str, Any] = tokens(answer)
    if answer.cost_usd is not None:
        usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, **usage,
                 "total_cost": answer.cost_usd}  # fmt: skip
    sample: dict[str, Any] = {
        "id": case.id,
        "epoch": row.repeat,
        "input": asked,
        "target": _target(case, counts),
        "messages": asked,
        "output": {"model": answer.resolved_model or model, "choices": []},
        "scores": {},
        "metadata": _metadata(case, counts),
        "store": {},
        "events": [],
        "attachments": {},
        "model_usage": {model: usage} if usage else {},
        "started_at": began.isoformat(),
        "completed_at": (began + datetime.timedelta(seconds=seconds)).isoformat(),
        "total_time": answer.latency_s,
        "working_time": answer.latency_s,
        "uuid": _identity(case.id, row.variant, row.repeat),
    }
    if answer.error is not None:
        sample["error"] = {"message": answer.error, "traceback": "", "traceback_ansi": ""}
        return sample
    last = _answer_message(row)
    stop = _STOPS.get(answer.finish_reason, answer.finish_reason)
    sample["messages"] = [*asked, *later[:-1], last]
    sample["output"] |= {
        "choices": [{"message": last, "stop_reason": stop if stop in _KNOWN_STOPS else "unknown"}],
        "completion": answer.output or "",
        "time": answer.latency_s,
    }
    if usage:
        sample["output"]["usage"] = usage
    for name, score in row.scores.items():
        if score.value is None:
            counts["not scored"] += 1
            continue
        value: Any = float(score.value)
        if name in binary:
            value = "C" if value else "I"
        sample["scores"][name] = {"value": value, "explanation": score.reason}
    return sample


def _answer_message(row: Row) -> dict[str, Any]:
    answer = row.answer
    content: Any = answer.output or ""
    if answer.reasoning:
        content = [
            {"type": "reasoning", "reasoning": answer.reasoning},
            {"type": "text", "text": answer.output or ""},
        ]
    message = {"role": "assistant", "content": content, "source": "generate"}
    if answer.tool_calls:
        message["tool_calls"] = [_call(call) for call in answer.tool_calls]
    return message


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A chat message as Inspect has it; pictures stay as addresses or data."""
    role = str(message.get("role"))
    role = "system" if role == "developer" else role
    found: dict[str, Any] = {"role": role, "content": _content(message.get("content"))}
    if message.get("tool_calls"):
        found["tool_calls"] = [_call(call) for call in message["tool_calls"]]
    if message.get("tool_call_id"):
        found["tool_call_id"] = str(message["tool_call_id"])
    return found


def _content(content: Any) -> Any:
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    parts = []
    for part in content:
        if part.get("type") == "image_url":
            parts.append({"type": "image", "image": str(part["image_url"].get("url"))})
        else:
            text = part.get("text")
            parts.append({"type": "text", "text": as_string(part) if text is None else text})
    return parts


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    arguments = function.get("arguments") or "{}"
    found = {"id": str(call.get("id") or ""), "function": str(function.get("name") or ""),
             "type": "function"}  # fmt: skip
    try:
        read = json.loads(arguments)
    except (TypeError, ValueError):
        read = None
    if isinstance(read, dict):
        return {**found, "arguments": read}
    return {**found, "arguments": {}, "parse_error": f"not valid JSON: {arguments}"}


def _target(case: Case, counts: Counter[str]) -> str | list[str]:
    expected = case.expected
    if expected is None:
        return ""
    if isinstance(expected, str):
        return expected
    if isinstance(expected, list) and all(isinstance(item, str) for item in expected):
        return expected
    counts["expected"] += 1
    return as_string(expected)


def _metadata(case: Case, counts: Counter[str]) -> dict[str, Any]:
    more: dict[str, Any] = {"group": case.group, "tags": [*case.tags], "expected": case.expected}
    if isinstance(case.expected, str):
        del more["expected"]
    more = {key: value for key, value in more.items() if value not in (None, [])}
    if more and MADE_BY_PEX in case.inputs:
        counts["no metadata"] += 1
        return dict(case.inputs)
    return {**case.inputs, **({MADE_BY_PEX: more} if more else {})}


def _identity(*parts: object) -> str:
    text = "\0".join(map(str, parts))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:22]


def _moment(text: str) -> datetime.datetime:
    found = datetime.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
