"""Embeddings of a sample of the inputs, for `drift: meaning`; each text is embedded once."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pex.core import jsonl, private
from pex.local.embedding import embed
from pex.monitoring.baseline import Baseline
from pex.monitoring.traces import Traces

PER_DAY = 40
"""So many traces of a day are embedded."""
SUFFIX = ".embeddings.jsonl"
_TEXT = "user"
"""Of which text the vectors are: of what the user said. Those without it are of all that was sent,
with the prompt: they are made anew."""


def meaning_sample(traces: Traces, baseline: Baseline, now: datetime.datetime) -> list[str]:
    """The ids of the traces to embed: at most 40 a day from the baseline on, always the same ones.

    Which ones follows from a hash of their ids, so a later look wants no other traces of past days.

    Args:
        traces: what was read.
        baseline: the period; without one nothing can be compared, so nothing is chosen.
        now: the time of the look.
    """
    if baseline.first is None:
        return []
    frame = traces.frame[["trace_id", "started_at"]]
    frame = frame[(frame["started_at"] >= baseline.first) & (frame["started_at"] <= now)]
    frame = frame.assign(
        day=frame["started_at"].dt.date,
        place=[hashlib.sha256(str(item).encode()).hexdigest() for item in frame["trace_id"]],
    )
    chosen = frame.sort_values(["day", "place"]).groupby("day").head(PER_DAY)
    return [str(item) for item in chosen["trace_id"]]


def sample_vectors(
    state: Path,
    monitor: str,
    trace_ids: Sequence[str],
    fetch: Callable[[list[str]], Mapping[str, str]],
) -> dict[str, list[float]]:
    """The embeddings of the sample; those of earlier looks come from `.pex/monitor/`.

    The file has vectors and trace ids, no texts.

    Args:
        state: the project's `.pex/`.
        monitor: the monitor's name.
        trace_ids: from `meaning_sample`.
        fetch: the inputs of traces as texts, by id; a trace that is gone may be missing.

    Raises:
        PexError: the built-in model is not installed, or it failed.
    """
    path = private.folder(state / "monitor") / f"{monitor}{SUFFIX}"
    known: dict[str, list[float]] = {}
    stale = False
    if path.is_file():
        for line in jsonl.lines_in(path.read_bytes()):
            entry = jsonl.entry_in(line)  # a line that a killed look cut off is made again
            if entry is None or not isinstance(entry.get("vector"), list):
                continue
            if entry.get("text") == _TEXT:
                known[str(entry["trace_id"])] = entry["vector"]
            else:
                stale = True
        if stale and not known:
            path.unlink()
    wanted = [item for item in trace_ids if item not in known]
    if wanted:
        texts = {key: text for key, text in fetch(wanted).items() if text.strip()}
        vectors = embed(list(texts.values()))
        new = dict(zip(texts, vectors, strict=True))
        jsonl.append(
            path,
            [{"trace_id": key, "text": _TEXT, "vector": vector} for key, vector in new.items()],
        )
        known |= new
    return {item: known[item] for item in trace_ids if item in known}
