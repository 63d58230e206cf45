"""What was scored before, beside the watermark: a line for each scorer and trace, only added to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from pex.core.score import Score

FILE = "scores.jsonl"


class ScoresFile:
    """The scores of a monitor on disk; a line that was cut off by a kill is ignored.

    Args:
        folder: the folder with the monitor's state.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def read(self, identities: Mapping[str, str]) -> dict[str, dict[str, dict[str, Score]]]:
        """The scores by the scorers as they are now: by scorer, trace, name.

        Args:
            identities: each scorer's identity; scores of another one are not returned.
        """
        found: dict[str, dict[str, dict[str, Score]]] = {name: {} for name in identities}
        if not self.path.is_file():
            return found
        with self.path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    row = json.loads(line)
                    scorer, trace_id = row["scorer"], row["trace_id"]
                    if identities.get(scorer) == row["identity"]:
                        scores = {name: Score(*values) for name, values in row["scores"].items()}
                        found[scorer][trace_id] = scores
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue
        return found

    def add(self, rows: Iterable[tuple[str, str, str, Mapping[str, Score]]]) -> None:
        """Add rows of (scorer, identity, trace id, scores), and sync them to disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            if file.tell() and not _ends_in_newline(self.path):
                file.write("\n")
            for scorer, identity, trace_id, scores in rows:
                _write(file, scorer, identity, trace_id, scores)
            file.flush()
            os.fsync(file.fileno())


def _ends_in_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _write(
    file: IO[str], scorer: str, identity: str, trace_id: str, scores: Mapping[str, Score]
) -> None:
    row: dict[str, Any] = {
        "scorer": scorer,
        "identity": identity,
        "trace_id": trace_id,
        # No reasons: they can quote the answer, and texts stay in MLflow.
        "scores": {name: [one.value, None, one.error] for name, one in scores.items()},
    }
    file.write(json.dumps(row) + "\n")
