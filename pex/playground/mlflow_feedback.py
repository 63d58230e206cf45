"""Feedback on the answers of recorded runs, written to their traces in MLflow."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pex.core.events import RowKey
from pex.playground.debounce import Debouncer
from pex.playground.error_text import error_text
from pex.playground.feedback import Feedback

if TYPE_CHECKING:
    from pex.record.traces import TraceWriter
    from pex.results.results import Results

NAME = "thumbs_up"
"""Of the assessment: yes or no, with the note as its rationale."""
WAIT_S = 1.0
"""From a click or a keystroke until it is written, together with what follows."""


@dataclasses.dataclass(frozen=True, slots=True)
class Recorded:
    """A run in MLflow, with the place of each of its cells."""

    uri: str
    run_id: str
    traces: TraceWriter | None
    places: Mapping[str, RowKey]

    @classmethod
    def of(cls, results: Results | None, keys: Mapping[RowKey, str]) -> Recorded | None:
        """A run that has ended; None if it is not in MLflow."""
        if results is None or results.run_id is None or results.about.record_error:
            return None
        places = {cell: place for place, cell in keys.items()}
        uri = str(results.about.tracking_uri)
        return cls(uri, results.run_id, results.traces, places)


class MlflowFeedback:
    """Writes feedback in the background, a moment after it was given.

    Args:
        look: the recorded run of a cell's answer, and the feedback on it; None if the answer is
            in no recorded run.
        say: told what could not be written.
    """

    def __init__(
        self,
        look: Callable[[str], tuple[Recorded, Feedback] | None],
        say: Callable[[str], None],
    ) -> None:
        self._look = look
        self._say = say
        self._cells: set[str] = set()
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._soon = Debouncer(WAIT_S, self.write)

    def trigger(self, cells: Iterable[str]) -> None:
        """Write the feedback on the answers of these cells soon."""
        with self._guard:
            self._cells.update(cells)
            waits = bool(self._cells)
        if waits:
            self._soon.trigger()

    def write(self) -> None:
        """Write it now; what is there already is not written again."""
        with self._writing:  # an earlier thumb never overwrites a later one
            with self._guard:
                cells, self._cells = self._cells, set()
            runs: dict[str, tuple[Recorded, list[dict[str, Any]]]] = {}
            for cell in cells:
                found = self._look(cell)
                if found is None:
                    continue
                run, feedback = found
                ratings = runs.setdefault(run.run_id, (run, []))[1]
                ratings.append(_rating(run.places[cell], feedback))
            for run, ratings in runs.values():
                self._put(run, ratings)

    def _put(self, run: Recorded, ratings: list[dict[str, Any]]) -> None:
        from pex.record.assessments import put

        try:
            if run.traces is not None:
                run.traces.wait()
            done = put(run.uri, run.run_id, NAME, ratings)
        except Exception as error:  # noqa: BLE001 - there is nobody else to tell
            self._say(f"feedback is kept in the draft, but not in MLflow: {error_text(error)}")
            return
        if done.no_trace:
            many = f"{done.no_trace} answer{'s have' if done.no_trace != 1 else ' has'}"
            self._say(
                f"feedback is kept in the draft, but {many} no trace in MLflow to write it to"
            )


def _rating(place: RowKey, feedback: Feedback) -> dict[str, Any]:
    from pex.core.user_name import user_name

    variant, case, repeat = place
    return {
        "variant": variant,
        "case_id": case,
        "repeat": repeat,
        "value": {"up": True, "down": False}.get(feedback.thumb),
        "rationale": feedback.note or None,
        "rater": user_name(),
    }
