"""Accepting a period as the baseline of a monitor, from the command line or a notebook."""

from __future__ import annotations

import datetime
from pathlib import Path

from pex.core.errors import PexError
from pex.monitoring.baseline import accept
from pex.monitoring.monitor import Day, day_of, midnight, spec_of


def accept_period(
    source: str | Path,
    why: str,
    *,
    first: Day = None,
    last: Day = None,
    now: datetime.datetime | None = None,
) -> Path:
    """Make a period the baseline of a monitor: what is later is compared with it.

    Args:
        source: `monitor.yaml`.
        why: the reason, for later readers.
        first: the first day (UTC); default: `baseline_days` before the end.
        last: the last day, included; default: the present.
        now: the time at which it is accepted; default: the present.

    Returns:
        The file beside `monitor.yaml` that says so, to be committed.

    Raises:
        PexError: no such file, no reason, a day that cannot be read, or a period without a day.

    Example:
        >>> accept_period("x", "all is well")
        Traceback (most recent call last):
        ...
        pex.core.errors.PexError: a baseline needs a monitor.yaml; x is not a file
    """
    if not Path(source).is_file():
        raise PexError(f"a baseline needs a monitor.yaml; {source} is not a file")
    spec, folder = spec_of(Path(source))
    return accept(
        spec,
        folder,
        why,
        now or datetime.datetime.now(datetime.UTC),
        midnight(day_of(first, "first")),
        midnight(day_of(last, "last"), 1),
    )
