"""A trace that waits, and what was decided on it."""

from __future__ import annotations

import dataclasses
import datetime

from pex.core.safe_text import clean
from pex.monitoring.triage.files import Change


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """A trace that waits for a decision.

    Args:
        trace_id: its id in MLflow.
        why: why it is in the queue.
        cluster: the name of the cluster of traces like it.
        size: how many traces of the shown part are in that cluster.
        text: the beginning of what the user said.
        prompt: the version of the prompt, as name/version, if it is known.
        started_at: when it began.
    """

    trace_id: str
    why: str
    cluster: str
    size: int
    text: str
    prompt: str
    started_at: datetime.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """What was decided: on which traces, what was written, which personal data was replaced."""

    trace_ids: tuple[str, ...]
    outcome: str
    about: str = ""
    replaced: tuple[str, ...] = ()
    change: Change | None = None

    def __str__(self) -> str:
        """The decision in a sentence."""
        traces = "" if len(self.trace_ids) == 1 else f", {len(self.trace_ids)} traces"
        about = f" {self.about}" if self.about else ""
        hidden = f"; replaced: {', '.join(self.replaced)}" if self.replaced else ""
        return clean(f"{self.outcome}{about}{traces}{hidden}")
