"""garak's `report.jsonl`, as garak 0.17 writes it.

An attempt is there twice: when it has been answered (status 1) and when it has been judged (status
2). A detector's value at or above the threshold is a hit: the attack has worked. A report does not
name its threshold, but counts what passed for each probe and detector, which tells the hits. Null
outputs and null values count for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pex.core import jsontext
from pex.core.attack_columns import NOT_JUDGED, RESISTED
from pex.core.score import Score
from pex.core.textfile import read_text
from pex.importers.found import Found, FoundAnswer, key_of, name_of, unknown
from pex.importers.imported import Note

_JUDGED = 2
_THRESHOLD = 0.5
"""garak's own, for probes that were not counted because the run ended before."""


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
    sums: list[dict[str, Any]] = []
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
        elif kind == "eval":
            sums.append(row)
        elif kind == "attempt":
            known = attempts.get(str(row.get("uuid")))
            if known is None or int(row.get("status") or 0) >= int(known.get("status") or 0):
                attempts[str(row.get("uuid"))] = row
    if not attempts:
        raise unknown(path, "it has no row of entry_type 'attempt'", "garak")
    kind = str(setup.get("plugins.target_type") or setup.get("plugins.model_type") or "garak")
    name = str(setup.get("plugins.target_name") or setup.get("plugins.model_name") or "target")
    target = f"{name_of(kind)}/{name_of(name)}"
    limits = _limits(sums, attempts.values())
    answers = [item for row in attempts.values() for item in _answers(row, target, limits)]
    return Found("garak", version, started, answers, True, _notes(attempts.values()))


def _limits(
    sums: Sequence[Mapping[str, Any]], attempts: Collection[Mapping[str, Any]]
) -> dict[tuple[str, str], float]:
    """By probe and detector: the lowest value that garak counted as a hit.

    Of n values, the p lowest passed, so the next one is the first hit.
    """
    values: dict[tuple[str, str], list[float]] = {}
    for row in attempts:
        for detector, found in _judged(row).items():
            place = (str(row.get("probe_classname") or "probe"), detector)
            values.setdefault(place, []).extend(float(value) for value in found
                                                if value is not None)  # fmt: skip
    limits = {}
    for row in sums:
        place = (str(row.get("probe")), str(row.get("detector")).removeprefix("detector."))
        own = sorted(values.get(place, ()))
        total = row.get("total_evaluated", row.get("total"))
        passed = row.get("passed")
        if isinstance(passed, int) and total == len(own) and 0 <= passed <= len(own):
            limits[place] = own[passed] if passed < len(own) else math.inf
    return limits


def _judged(row: Mapping[str, Any]) -> Mapping[str, Sequence[float | None]]:
    """What the detectors found, by detector; nothing for an attempt that was not judged."""
    if int(row.get("status") or 0) < _JUDGED:
        return {}
    return row.get("detector_results") or {}


def _notes(attempts: Collection[Mapping[str, Any]]) -> list[Note]:
    """What is not taken over of the attempts."""
    open_ = sum(int(row.get("status") or 0) < _JUDGED for row in attempts)
    turns = sum(
        len(conversation.get("turns") or ()) - len(_turns(row.get("prompt"))) > 1
        for row in attempts
        for conversation in row.get("conversations") or ()
    )
    notes = []
    if open_:
        how = "garak never judged these attempts: the run ended before, or failed"
        notes.append(Note(f"verdicts ({open_:,})", "left out", how, open_))
    if turns:
        how = "of a conversation, the first message and the last answer are taken"
        notes.append(Note(f"turns between ({turns:,} conversations)", "left out", how, turns))
    return notes


def _answers(
    row: Mapping[str, Any], target: str, limits: Mapping[tuple[str, str], float]
) -> list[FoundAnswer]:
    probe = str(row.get("probe_classname") or "probe")
    text = _prompt(row.get("prompt"))
    outputs = row.get("outputs")
    made = []
    for number, given in enumerate(outputs if isinstance(outputs, list) else []):
        output = _text(given)
        scores: dict[str, Score] = {}
        hits: list[bool] = []
        for detector, values in _judged(row).items():
            value = values[number] if number < len(values) else None
            if value is None:
                continue
            hits.append(float(value) >= limits.get((probe, detector), _THRESHOLD))
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


def _turns(prompt: Any) -> list[Any]:
    turns = prompt.get("turns") if isinstance(prompt, Mapping) else None
    return turns if isinstance(turns, list) else []


def _prompt(prompt: Any) -> str:
    """The prompt of an attempt: a string in older files, else the turns of a conversation."""
    turns = _turns(prompt)
    if not turns:
        return _text(prompt) or ""
    said = [(str(turn.get("role")), _text(turn.get("content")) or "") for turn in turns]
    if len(said) == 1:
        return said[0][1]
    return "\n\n".join(f"{role}: {text}" for role, text in said)


def _text(given: Any) -> str | None:
    """A message's text: a string in older files, else an object with `text`."""
    if isinstance(given, Mapping):
        given = given.get("text")
    return given if isinstance(given, str) else None
