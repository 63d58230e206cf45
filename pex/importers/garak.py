"""garak's `report.jsonl`, read as garak's source writes it; no real file has been tried.

An attempt is there twice: when it has been answered (status 1) and when it has been judged (status
2). A detector's 1.0 is a hit: the attack has worked. Outputs that are null count for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import jsontext
from pex.core.attack_columns import NOT_JUDGED, RESISTED
from pex.core.score import Score
from pex.core.textfile import read_text
from pex.importers.found import Found, FoundAnswer, key_of, name_of, unknown

_JUDGED = 2
_THRESHOLD = 0.5
"""garak's own, where the file does not say it."""


def is_garak(text: str) -> bool:
    """Whether the beginning of a file is that of a report of garak."""
    first = text.lstrip()[:2000].partition("\n")[0]
    return '"entry_type"' in first and first.startswith("{")


def read_garak(path: Path) -> Found:
    """Read a report.

    Raises:
        PexError: a line is not valid JSON, or there is no attempt.
    """
    setup: dict[str, Any] = {}
    version = started = ""
    attempts: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(read_text(path, "report").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = jsontext.loads(line)
        except ValueError as error:
            raise unknown(path, f"line {number}: not valid JSON: {error}", "garak") from None
        kind = row.get("entry_type") if isinstance(row, dict) else None
        if kind == "start_run setup":
            setup = row
        elif kind == "init":
            version, started = str(row.get("garak_version", "")), str(row.get("start_time", ""))
        elif kind == "attempt":
            known = attempts.get(str(row.get("uuid")))
            if known is None or int(row.get("status") or 0) >= int(known.get("status") or 0):
                attempts[str(row.get("uuid"))] = row
    if not attempts:
        raise unknown(path, "it has no row of entry_type 'attempt'", "garak")
    kind = str(setup.get("plugins.target_type") or setup.get("plugins.model_type") or "garak")
    name = str(setup.get("plugins.target_name") or setup.get("plugins.model_name") or "target")
    target = f"{name_of(kind)}/{name_of(name)}"
    limit = float(setup.get("run.eval_threshold") or _THRESHOLD)
    answers = [item for row in attempts.values() for item in _answers(row, target, limit)]
    open_ = sum(int(row.get("status") or 0) < _JUDGED for row in attempts.values())
    remarks = [f"{open_} attempts were never judged by garak: not judged here"] if open_ else []
    return Found("garak", version, started, answers, True, remarks)


def _answers(row: Mapping[str, Any], target: str, limit: float) -> list[FoundAnswer]:
    probe = str(row.get("probe_classname") or "probe")
    text = _prompt(row.get("prompt"))
    outputs = row.get("outputs")
    found: Mapping[str, Sequence[float | None]] = row.get("detector_results") or {}
    judged = int(row.get("status") or 0) >= _JUDGED
    made = []
    for number, given in enumerate(outputs if isinstance(outputs, list) else []):
        output = _text(given)
        scores: dict[str, Score] = {}
        hits: list[bool] = []
        for detector, values in found.items() if judged else ():
            value = values[number] if number < len(values) else None
            if value is None:
                continue
            hits.append(float(value) >= limit)
            scores[f"garak.{name_of(detector)}"] = Score(not hits[-1])
        reason = None if hits else f"{NOT_JUDGED}: no detector of garak gave a value"
        scores[RESISTED] = Score(not any(hits) if hits else None, reason=reason)
        made.append(
            FoundAnswer(
                key=key_of(probe, text),
                text=text,
                target=target,
                output=output,
                error="garak has no output" if output is None else None,
                category=name_of(probe.partition(".")[0]),
                form=name_of(probe.partition(".")[2] or probe),
                scores=scores if output is not None else {},
            )
        )
    return made


def _prompt(prompt: Any) -> str:
    """The prompt of an attempt: a string in older files, else the turns of a conversation."""
    if isinstance(prompt, Mapping):
        turns = prompt.get("turns")
        if isinstance(turns, list):
            said = [(str(turn.get("role")), _text(turn.get("content")) or "") for turn in turns]
            if len(said) == 1:
                return said[0][1]
            return "\n\n".join(f"{role}: {text}" for role, text in said)
    return _text(prompt) or ""


def _text(given: Any) -> str | None:
    """A message's text: a string in older files, else an object with `text`."""
    if isinstance(given, Mapping):
        given = given.get("text")
    return given if isinstance(given, str) else None
