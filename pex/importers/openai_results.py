"""Output items of OpenAI's hosted Evals as a recorded run: answers, and each grader's result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pex.core.score import Score
from pex.importers.found import Found, FoundAnswer, name_of, unknown
from pex.importers.imported import Note
from pex.importers.openai_evals import TOOL, read_export
from pex.importers.shared_messages import said_in, text_of, transcript


def read_openai_results(path: Path) -> Found:
    """Read output items.

    Raises:
        PexError: it is damaged, or has no output items.
    """
    export = read_export(path)
    if not export.items:
        raise unknown(path, "it has no object 'eval.run.output_item'", TOOL)
    runs = {str(run.get("id")): run for run in export.runs}
    answers = [_answer(item, runs) for item in export.items]
    unread = [result for item in export.items for result in item.get("results") or ()
              if not _values(result)]  # fmt: skip
    why = "neither a yes or no nor a score"
    notes = [Note(f"results of graders ({len(unread):,})", "left out", why, len(unread))]
    return Found(TOOL, "", "", answers, False, notes if unread else ())


def _answer(item: Mapping[str, Any], runs: Mapping[str, Mapping[str, Any]]) -> FoundAnswer:
    sample = item.get("sample") or {}
    error = sample.get("error") or {}
    failed = error.get("message") or error.get("code") if isinstance(error, Mapping) else error
    output = text_of([part.get("content") or "" for part in sample.get("output") or ()])
    row = item.get("datasource_item") or {}
    row = row.get("item", row) if isinstance(row, Mapping) else {}
    usage = sample.get("usage") or {}
    run = runs.get(str(item.get("run_id"))) or {}
    model = str(sample.get("model") or run.get("model") or "model")
    label = name_of(str(run.get("name") or item.get("run_id") or ""))
    return FoundAnswer(
        key=str(item.get("datasource_item_id")),
        text=transcript(said_in(sample.get("input"))),
        target=f"openai/{name_of(model)}|{label}",
        output=None if failed else output,
        error=f"{TOOL}: {failed}" if failed else None,
        scores={} if failed else _scores(item),
        inputs={str(key): value for key, value in row.items()} or None,
        details={
            "finish_reason": sample.get("finish_reason"),
            "resolved_model": model,
            "prompt_tokens": usage.get("prompt_tokens"),
            "completion_tokens": usage.get("completion_tokens"),
            "cached_tokens": usage.get("cached_tokens"),
            "started_at": item.get("created_at") or 0.0,
        },
    )


def _scores(item: Mapping[str, Any]) -> dict[str, Score]:
    """Whether each grader passed; a grader of scores has its number as well."""
    found: dict[str, Score] = {}
    for result in item.get("results") or ():
        name = name_of(str(result.get("name") or "check").partition("-")[0] or "check")
        name = name if name not in found else name_of(str(result.get("name")))
        for key, value in _values(result).items():
            found[f"{name}{key}"] = Score(value)
    return found


def _values(result: Mapping[str, Any]) -> dict[str, bool | float]:
    """What a grader found, by the end of the score's name; empty if it is neither kind."""
    found: dict[str, bool | float] = {}
    passed, score = result.get("passed"), result.get("score")
    if isinstance(passed, bool):
        found[""] = passed
    if isinstance(score, bool) or not isinstance(score, int | float):
        return found
    if score not in (0, 1) or not found:
        found[".score"] = float(score)
    return found
