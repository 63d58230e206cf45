"""A run in the schema of Every Eval Ever, 0.3.0: for each variant an object and its instances.

The object has a result for each score, with its interval; the instances are a line for each answer
and score. Source: https://github.com/evaleval/every_eval_ever (`every_eval_ever/schemas`).
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.about import About, VariantInfo
from pex.core.messages import content_text
from pex.core.values import to_json_value
from pex.core.version import __version__
from pex.exporters.exported import Exported, as_string, file_name
from pex.exporters.rows import Row, by_variant, tokens
from pex.importers.imported import Note
from pex.score.frame import shares, yes_no

if TYPE_CHECKING:
    from pex.results.results import Results

SCHEMA = "0.3.0"
_UNBOUNDED = ("-Infinity", "Infinity")


def every_eval_ever(results: Results) -> Exported:
    """`data/EXPERIMENT/PROVIDER/MODEL/UUID.json` and `UUID_samples.jsonl` for each variant."""
    about = results.about
    counts: Counter[str] = Counter()
    files: dict[str, str] = {}
    for variant, rows in by_variant(results):
        stem = _stem(about, variant)
        found = _object(results, variant)
        instances = _instances(found, rows, yes_no(results.frame), counts)
        lines = [json.dumps(line, ensure_ascii=False) + "\n" for line in instances]
        text = "".join(lines)
        found["detailed_evaluation_results"] = {
            "format": "jsonl",
            "file_path": f"{stem}_samples.jsonl",
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(text.encode()).hexdigest(),
            "total_rows": len(lines),
        }
        files[f"{stem}.json"] = json.dumps(found, ensure_ascii=False, indent=2) + "\n"
        files[f"{stem}_samples.jsonl"] = text
    notes = [Note("answers", "taken over", count=len(results.frame))]
    notes += [Note(*_NOTES[key], count=number) for key, number in counts.items() if number]
    unknown = (
        "deployment and availability are 'unknown', the organisation is 'unknown': fill them in"
    )
    notes.append(Note("model_info, source_metadata", "changed", unknown))
    return Exported(
        "Every Eval Ever",
        about.name,
        files,
        notes,
        f"Schema {SCHEMA}. Each variant is an object with its results, and the lines of its "
        "instances beside it. Before it is published, fill in what is 'unknown'.",
    )


_NOTES: dict[str, tuple[str, Any, str]] = {
    "not scored": ("scores without a value", "left out", "an instance needs a number"),
    "errors": (
        "answers that ended in an error", "changed",
        "the schema needs a score of every instance: 0 and not correct, with the error beside it; "
        "the results of the object do not count them",
    ),
    "correct": (
        "scores that are numbers", "changed",
        "is_correct, which the schema needs, is true where the score is above 0",
    ),
}  # fmt: skip


def _stem(about: About, variant: VariantInfo) -> str:
    """The path that the schema asks for: data set, developer, model, and a UUID of version 4."""
    developer, _, model = variant.model.partition("/")
    folders = [file_name(part, (), "") for part in (about.name, developer, model or developer)]
    identity = "\0".join((about.name, about.run_id or about.started_at, variant.name))
    unique = uuid.UUID(bytes=hashlib.sha256(identity.encode()).digest()[:16], version=4)
    return "/".join(("data", *folders, str(unique)))


def _object(results: Results, variant: VariantInfo) -> dict[str, Any]:
    about = results.about
    summary = results.summary()
    rows = summary[summary["variant"] == variant.name].to_dict("records")
    row = rows[0] if rows else {}
    stamp = str(int(time.time()))
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"{about.name}/{variant.model}/{variant.name}/{stamp}",
        "evaluation_timestamp": about.started_at,
        "retrieved_timestamp": stamp,
        "source_metadata": {
            "source_name": about.name,
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "third_party",
            "additional_details": {"purpose": about.purpose} if about.purpose else {},
        },
        "eval_library": {"name": "pexlab", "version": __version__},
        "model_info": {
            "name": variant.model.partition("/")[2] or variant.model,
            "id": variant.model,
            "inference_platform": variant.model.partition("/")[0],
            "additional_details": {"deployment_type": "unknown", "model_availability": "unknown"},
        },
        "evaluation_results": [_result(name, results, variant, row) for name in results.scores],
    }


def _result(
    name: str, results: Results, variant: VariantInfo, row: Mapping[Hashable, Any]
) -> dict[str, Any]:
    about, frame = results.about, results.frame
    binary = name in yes_no(frame)
    bounded = binary or name in shares(frame)
    value = to_json_value(row.get(f"score.{name}"))
    ends = [to_json_value(row.get(f"score.{name}.{end}")) for end in ("lo", "hi")]
    details: dict[str, Any] = {"score": 0.0 if value is None else float(value)}
    number = to_json_value(row.get(f"score.{name}.n"))
    if value is None:
        details["details"] = {"not_scored": "no answer has this score; the schema needs a number"}
    if None not in ends:
        details["uncertainty"] = {
            "confidence_interval": {
                "lower": ends[0],
                "upper": ends[1],
                "confidence_level": 0.95,
                "method": "Wilson" if binary else "Student's t over the cases' means",
            },
            **({} if number is None else {"num_samples": int(number)}),
        }
    least, most = (0.0, 1.0) if bounded else _UNBOUNDED
    return {
        "evaluation_result_id": _result_id(about, variant.name, name),
        "evaluation_name": f"{about.name}/{name}",
        "source_data": {"dataset_name": about.name, "source_type": "other"},
        "metric_config": {
            "metric_name": name,
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": least,
            "max_score": most,
        },
        "score_details": details,
        "generation_config": _generation(about, variant),
    }


def _generation(about: About, variant: VariantInfo) -> dict[str, Any]:
    template = next((item.text for item in about.prompts if item.name == variant.prompt), "")
    limits = {"max_tokens": ("max_tokens", "max_completion_tokens")}
    known: dict[str, Any] = {"prompt_template": template}
    rest: dict[str, str] = {}
    for name, value in variant.params.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if name in ("temperature", "top_p", "top_k") and number:
            known[name] = value
        elif name in limits["max_tokens"] and isinstance(value, int):
            known["max_tokens"] = value
        else:
            rest[name] = as_string(value)
    return {"generation_args": known, "additional_details": rest}


def _result_id(about: About, variant: str, score: str) -> str:
    text = "\0".join((about.run_id or about.started_at, variant, score))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _instances(
    found: Mapping[str, Any], rows: Sequence[Row], binary: set[str], counts: Counter[str]
) -> Iterator[dict[str, Any]]:
    results = {item["metric_config"]["metric_name"]: item for item in found["evaluation_results"]}
    for row in rows:
        for name, score in row.scores.items():
            value = score.value
            if row.answer.error is not None:
                counts["errors"] += 1
            elif value is None:
                counts["not scored"] += 1
                continue
            elif name not in binary:
                counts["correct"] += 1
            result = results[name]
            number = 0.0 if value is None else float(value)
            yield {
                "schema_version": SCHEMA,
                "evaluation_id": found["evaluation_id"],
                "model_id": found["model_info"]["id"],
                "evaluation_name": result["evaluation_name"],
                "evaluation_result_id": result["evaluation_result_id"],
                "sample_id": row.case.id,
                **_said(row),
                "evaluation": {"score": number, "is_correct": number > 0, **_turns(row)},
                **_usage(row),
                "error": row.answer.error,
                "metadata": {
                    "repeat": str(row.repeat),
                    **({"reason": score.reason} if score.reason else {}),
                    **{key: as_string(item) for key, item in row.case.inputs.items()},
                },
            }


def _said(row: Row) -> dict[str, Any]:
    """Input and answer: one turn, several, or with tools."""
    expected = row.case.expected
    references = expected if isinstance(expected, list) else [] if expected is None else [expected]
    raw = "\n\n".join(
        content_text(message["content"]) for message in row.messages if message["role"] == "user"
    )
    formatted = "\n\n".join(f"{m['role']}: {content_text(m['content'])}" for m in row.messages)
    reference = [as_string(item) for item in references]
    digest = hashlib.sha256((raw + "".join(reference)).encode(errors="surrogatepass")).hexdigest()
    answer = row.answer
    several = _is_several(row)
    messages = [*row.messages, *(answer.conversation or [_own(row)])] if several else None
    source = "messages[turn_idx].content" if several else "output.raw"
    place = len(messages) - 1 if messages else 0
    return {
        "sample_hash": digest,
        "interaction_type": several or "single_turn",
        "input": {"raw": raw, "formatted": formatted, "reference": reference},
        "output": None
        if several
        else {
            "raw": [answer.output or ""],
            **({"reasoning_trace": [answer.reasoning]} if answer.reasoning else {}),
        },
        "messages": messages and [_message(turn, item) for turn, item in enumerate(messages)],
        "answer_attribution": [
            {
                "turn_idx": place,
                "source": source,
                "extracted_value": answer.output or "",
                "extraction_method": "custom",
                "is_terminal": True,
            }
        ],
    }


def _is_several(row: Row) -> str:
    said = row.answer.conversation or ()
    if row.answer.tool_calls or any(message.get("tool_calls") for message in said):
        return "agentic"
    return "multi_turn" if said else ""


def _own(row: Row) -> dict[str, Any]:
    return {"role": "assistant", "content": row.answer.output, "tool_calls": row.answer.tool_calls}


def _message(turn: int, message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    calls = [
        {
            "id": str(call.get("id") or ""),
            "name": str((call.get("function") or {}).get("name") or ""),
            "arguments": _arguments((call.get("function") or {}).get("arguments")),
        }
        for call in message.get("tool_calls") or ()
    ]
    reply = message.get("tool_call_id")
    return {
        "turn_idx": turn,
        "role": str(message.get("role")),
        "content": None if content is None else content_text(content),
        "tool_calls": calls or None,
        "tool_call_id": [str(reply)] if reply else None,
    }


def _arguments(text: Any) -> dict[str, str]:
    try:
        read = json.loads(text or "{}")
    except (TypeError, ValueError):
        read = None
    if not isinstance(read, dict):
        return {"arguments": as_string(text)}
    return {str(key): as_string(value) for key, value in read.items()}


def _turns(row: Row) -> dict[str, int]:
    if not _is_several(row):
        return {}
    said = row.answer.conversation or [_own(row)]
    calls = sum(len(message.get("tool_calls") or ()) for message in said)
    return {"num_turns": len(row.messages) + len(said), "tool_calls_count": calls}


def _usage(row: Row) -> dict[str, Any]:
    used, seconds = tokens(row.answer), row.answer.latency_s
    first = row.answer.ttft_s
    performance = {
        "latency_ms": None if seconds is None else seconds * 1000,
        "time_to_first_token_ms": None if first is None else first * 1000,
    }
    return {"token_usage": used or None, "performance": performance}
