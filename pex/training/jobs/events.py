"""What the events of a job say: sentences, and the numbers of a step."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

_STEP = re.compile(r"\bstep\s+(\d+)(?:/(\d+))?", re.IGNORECASE)
_LOSS = re.compile(r"\b(training|validation|full validation) loss\s*[=:]\s*([\d.eE+-]+)")
_NAMES = {
    "training": "train_loss",
    "validation": "valid_loss",
    "full validation": "full_valid_loss",
}
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """An event of a job; `step` and `metrics` where it has numbers."""

    id: str
    at: float
    level: str
    message: str
    step: int | None = None
    steps: int | None = None
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)


def read_event(raw: Any) -> Event:
    """An event, whether its numbers are data or stand in its sentence.

    Args:
        raw: as the openai package returns it.

    Example:
        >>> from types import SimpleNamespace as Raw
        >>> said = "Step 10/90: training loss=0.75, validation loss=0.9"
        >>> event = read_event(Raw(id="e1", created_at=1, level="info", message=said, data=None))
        >>> event.step, event.steps, event.metrics
        (10, 90, {'train_loss': 0.75, 'valid_loss': 0.9})
    """
    data = raw.data if isinstance(raw.data, dict) else {}
    step, steps = _whole(data.get("step")), _whole(data.get("total_steps"))
    message = str(raw.message or "")
    found = _STEP.search(message)
    if found and step is None:
        step, steps = int(found[1]), int(found[2]) if found[2] else None
    metrics = {
        key: float(value)
        for key, value in data.items()
        if _is_number(value) and key not in ("step", "total_steps") and _KEY.fullmatch(key)
    }
    for name, value in _LOSS.findall(message):
        number = _number(value)
        if number is not None:
            metrics.setdefault(_NAMES[name], number)
    if step is None:
        metrics = {}
    return Event(
        str(raw.id), float(raw.created_at or 0), str(raw.level or "info"), message, step, steps,
        metrics,
    )  # fmt: skip


def _whole(value: Any) -> int | None:
    return int(value) if _is_number(value) and value >= 0 else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
