"""Traces of a deployed application, put into a real MLflow store thousands a second.

MLflow's own interface writes about fifteen traces a second; this fills MLflow's own tables in
bulk, with rows as its tracing writes them: the trace, its tags and metadata, a span of the
application with the call of the model in it, linked prompts and assessments.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sql
from mlflow.store.tracking.dbmodels import models

from pex.tracking.store import connect

DEFAULTS: dict[str, Any] = {
    "state": "ok",
    "latency_s": 0.8,
    "name": "answer",
    "request": "How long does the delivery to Bern take, please?",
    "response": "It takes two to three working days.",
    "system": None,
    "model": "gpt-4.1-mini",
    "provider": "openai",
    "prompt": None,
    "prompt_tokens": 120,
    "completion_tokens": 40,
    "cached_tokens": None,
    "cache_write_tokens": None,
    "cost_usd": 0.0001,
    "finish_reason": "stop",
    "error": None,
    "user": None,
    "session": None,
    "service": None,
    "tags": {},
    "inputs": None,
    "tool_calls": [],
    "path": [],
    "feedback": [],
    "spans": "whole",
}
"""What a row has unless it says otherwise; None leaves it out of the trace.

`started_at` is a moment or milliseconds (default: one trace a minute up to now), `state` is ok,
error or unfinished, `error` a pair (type, message), `prompt` "name/version" or a list of these,
`inputs` the variables of the application's span, `path` the messages after the user's, `feedback` a
list of dicts (name, value, source, by, comment, at), `spans` is whole, none (the trace has only its
info) or broken (their JSON ends in the middle).
"""
CHUNK = 2000
_STATES = {"ok": "OK", "error": "ERROR", "unfinished": "IN_PROGRESS"}
_counter = itertools.count()


def bulk_traces(uri: str, experiment: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Insert traces into an experiment, which is made if it is missing; returns their ids."""
    client = connect(uri)
    found = client.get_experiment_by_name(experiment)
    number = int(found.experiment_id if found else client.create_experiment(experiment))
    engine = sql.create_engine(uri)
    ids = []
    now = int(datetime.datetime.now(datetime.UTC).timestamp() * 1000)
    try:
        for chunk in _chunks(rows):
            tables: dict[Any, list[dict[str, Any]]] = {}
            for row in chunk:
                _check(row)
                ids.append(_trace(tables, number, {**DEFAULTS, **row}, now))
            with engine.begin() as connection:
                for table, values in tables.items():
                    connection.execute(sql.insert(table.__table__), values)
    finally:
        engine.dispose()
    return ids


def _chunks(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    waiting = iter(rows)
    while chunk := list(itertools.islice(waiting, CHUNK)):
        yield chunk


def _check(row: Mapping[str, Any]) -> None:
    unknown = row.keys() - DEFAULTS.keys() - {"trace_id", "started_at"}
    assert not unknown, f"a deployed trace has no {sorted(unknown)}"


def _trace(tables: dict[Any, list[dict[str, Any]]], number: int, row: Any, now: int) -> str:
    count = next(_counter)
    made = hashlib.blake2b(f"{now} {count}".encode(), digest_size=16).hexdigest()
    trace_id = str(row.get("trace_id") or f"tr-{made}")
    start = row.get("started_at", now - 60_000 * (count % 10_000))
    if isinstance(start, datetime.datetime):
        start = int(start.timestamp() * 1000)
    latency = None if row["state"] == "unfinished" else row["latency_s"]
    tables.setdefault(models.SqlTraceInfo, []).append(
        {
            "request_id": trace_id,
            "experiment_id": number,
            "timestamp_ms": start,
            "execution_time_ms": None if latency is None else round(latency * 1000),
            "status": _STATES[row["state"]],
            "request_preview": None if row["request"] is None else _asked(row)[:1000],
            "response_preview": None if row["response"] is None else row["response"][:1000],
            "db_payload_generation": 1,
            "trace_name": row["name"],
            "session_id": row["session"],
            "input_tokens": row["prompt_tokens"],
            "output_tokens": row["completion_tokens"],
            "total_tokens": _sum(row["prompt_tokens"], row["completion_tokens"]),
            "cache_read_input_tokens": row["cached_tokens"],
            "cache_creation_input_tokens": row["cache_write_tokens"],
            "total_cost": row["cost_usd"],
        }
    )
    tags = {
        "mlflow.artifactLocation": f"/nowhere/{trace_id}/artifacts",
        "mlflow.trace.spansLocation": "TRACKING_STORE",
        **row["tags"],
    }
    if row["service"] is not None:
        tags["service"] = row["service"]
    metadata = {
        "mlflow.trace_schema.version": "3",
        "mlflow.trace.infoFinalized": "true",
        "mlflow.traceInputs": "" if row["request"] is None else _asked(row)[:1000],
        "mlflow.traceOutputs": (row["response"] or "")[:1000],
        "mlflow.source.name": "app.py",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": "app",
    }
    if row["user"] is not None:
        metadata["mlflow.trace.user"] = row["user"]
    for table, pairs in ((models.SqlTraceTag, tags), (models.SqlTraceMetadata, metadata)):
        tables.setdefault(table, []).extend(
            {"request_id": trace_id, "key": key, "value": value} for key, value in pairs.items()
        )
    if row["spans"] != "none":
        tables.setdefault(models.SqlSpan, []).extend(
            _spans(trace_id, made, number, row, start, latency)
        )
    prompts = [row["prompt"]] if isinstance(row["prompt"], str) else row["prompt"] or []
    for prompt in prompts:
        tables.setdefault(models.SqlEntityAssociation, []).append(
            {
                "association_id": f"a-{hashlib.blake2b(f'{made}{prompt}'.encode(), digest_size=16).hexdigest()}",  # noqa: E501
                "source_type": "trace",
                "source_id": trace_id,
                "destination_type": "prompt_version",
                "destination_id": prompt,
                "created_time": start,
            }
        )
    for place, opinion in enumerate(row["feedback"]):
        values = _opinion(opinion, trace_id, f"a-{made[:24]}{place:08x}", number, start)
        tables.setdefault(models.SqlAssessments, []).append(values)
    return trace_id


def _asked(row: Mapping[str, Any]) -> str:
    return json.dumps(row["inputs"] or {"question": row["request"]}, ensure_ascii=False)


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


def _spans(
    trace_id: str, made: str, number: int, row: Mapping[str, Any], start: int, latency: float | None
) -> Iterator[dict[str, Any]]:
    first = start * 1_000_000
    last = None if latency is None else first + round(latency * 1e9)
    failed = row["state"] == "error"
    root, call = made[:16], made[16:]
    whole: dict[str, Any] = {"mlflow.spanType": "CHAIN"}
    if row["request"] is not None:
        whole["mlflow.spanInputs"] = row["inputs"] or {"question": row["request"]}
    if row["response"] is not None and not failed:
        whole["mlflow.spanOutputs"] = row["response"]
    yield _span(trace_id, number, root, None, row["name"], "CHAIN", first, last, whole, row)
    messages = [{"role": "system", "content": row["system"]}] if row["system"] else []
    messages += [{"role": "user", "content": row["request"]}, *row["path"]]
    chat: dict[str, Any] = {
        "mlflow.spanType": "CHAT_MODEL",
        "mlflow.spanInputs": {"model": row["model"], "messages": messages},
    }
    if row["model"] is not None:
        chat |= {"mlflow.llm.model": row["model"], "mlflow.llm.provider": row["provider"]}
    if row["prompt_tokens"] is not None and row["completion_tokens"] is not None:
        chat["mlflow.chat.tokenUsage"] = {
            "input_tokens": row["prompt_tokens"],
            "output_tokens": row["completion_tokens"],
            "total_tokens": row["prompt_tokens"] + row["completion_tokens"],
        }
    if not failed and last is not None:
        message = {"role": "assistant", "content": row["response"]}
        if row["tool_calls"]:
            message["tool_calls"] = row["tool_calls"]
        choice = {"index": 0, "finish_reason": row["finish_reason"], "message": message}
        chat["mlflow.spanOutputs"] = {"model": row["model"], "choices": [choice]}
    found = _span(trace_id, number, call, root, "Completions", "CHAT_MODEL", first, last, chat, row)
    yield found | {
        "model_name": row["model"],
        "model_provider": row["provider"] if row["model"] is not None else None,
        "total_cost": row["cost_usd"],
    }


def _span(
    trace_id: str,
    number: int,
    span_id: str,
    parent: str | None,
    name: str,
    kind: str,
    first: int,
    last: int | None,
    attributes: Mapping[str, Any],
    row: Mapping[str, Any],
) -> dict[str, Any]:
    failed = row["state"] == "error"
    status = "ERROR" if failed else "UNSET" if last is None else "OK"
    error_type, message = row["error"] or ("APITimeoutError", "Request timed out.")
    text = f"{error_type}: {message}" if failed else ""
    events = []
    if failed:
        about = {"exception.type": error_type, "exception.message": message}
        events = [{"name": "exception", "time_unix_nano": last or first, "attributes": about}]
    content = json.dumps(
        {
            "trace_id": _base64(trace_id.removeprefix("tr-")),
            "span_id": _base64(span_id),
            "parent_span_id": _base64(parent) if parent else None,
            "name": name,
            "start_time_unix_nano": first,
            "end_time_unix_nano": last,
            "events": events,
            "status": {"code": f"STATUS_CODE_{status}", "message": text},
            "attributes": {
                "mlflow.traceRequestId": json.dumps(trace_id),
                **{key: json.dumps(value, ensure_ascii=False) for key, value in attributes.items()},
            },
            "links": [],
        },
        ensure_ascii=False,
    )
    return {
        "trace_id": trace_id,
        "experiment_id": number,
        "span_id": span_id,
        "parent_span_id": parent,
        "name": name,
        "type": kind,
        "status": status,
        "start_time_unix_nano": first,
        "end_time_unix_nano": last,
        "content": content[: len(content) // 2] if row["spans"] == "broken" else content,
        "model_name": None,
        "model_provider": None,
        "total_cost": None,
    }


def _base64(digits: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(digits)).decode()
    except ValueError:  # an id that the test chose
        return base64.b64encode(hashlib.md5(digits.encode()).digest()).decode()


def _opinion(
    opinion: Mapping[str, Any], trace_id: str, own_id: str, number: int, start: int
) -> dict[str, Any]:
    at = opinion.get("at", start + 5000)
    if isinstance(at, datetime.datetime):
        at = int(at.timestamp() * 1000)
    value = opinion.get("value", True)
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return {
        "assessment_id": own_id,
        "trace_id": trace_id,
        "name": opinion.get("name", "user"),
        "assessment_type": opinion.get("type", "feedback"),
        "value": json.dumps(value),
        "created_timestamp": at,
        "last_updated_timestamp": at,
        "experiment_id": number,
        "trace_timestamp_ms": start,
        "aggregate_value": float(value) if isinstance(value, int | float) else None,
        "is_numeric_value": numeric,
        "source_type": opinion.get("source", "HUMAN"),
        "source_id": opinion.get("by", "someone"),
        "rationale": opinion.get("comment"),
        "valid": opinion.get("valid", True),
    }
