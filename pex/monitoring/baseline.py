"""The baseline of a monitor: the fixed period that later days are compared with.

It is the period that began with the last accepted release (an alias of the library), fixed dates of
`monitor.yaml`, or what a person accepted: an entry of `monitor_baseline.json` beside it.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pex.core import jsontext
from pex.core.errors import PexError, nearest
from pex.core.user_name import user_name
from pex.library.moves import Move
from pex.monitoring.spec import MonitorSpec

FILE = "monitor_baseline.json"
"""Not `baseline.json`: a plan in the same folder has its accepted runs there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Baseline:
    """A period, from `first` to before `end`, in UTC; a problem if there is none yet.

    Args:
        first: where it begins, None with a `problem`.
        end: where it ends; what is later is compared with it.
        source: where it comes from, in words.
        problem: why there is no baseline, in a sentence with what to do.
    """

    first: datetime.datetime | None = None
    end: datetime.datetime | None = None
    source: str = ""
    problem: str = ""

    def __str__(self) -> str:
        """The period in words."""
        if self.first is None or self.end is None:
            return f"no baseline: {self.problem}"
        last = self.end - datetime.timedelta(microseconds=1)
        return f"{self.first:%Y-%m-%d} to {last:%Y-%m-%d} ({self.source})"


def find_baseline(
    spec: MonitorSpec,
    folder: Path,
    moves: Sequence[Move],
    now: datetime.datetime,
    keep: Baseline | None = None,
) -> Baseline:
    """The baseline period of a monitor.

    For an alias it is the newest period that is complete: until a release has been there for
    `baseline_days`, it is compared with the period of the release before. An accepted entry of
    `monitor_baseline.json` counts where it is newer than the alias's move.

    Args:
        spec: the monitor.
        folder: the folder of `monitor.yaml`.
        moves: the moves of aliases in the project, oldest first (`pex.library.moves.read_history`).
        now: the time of the look.
        keep: the baseline of alarms that are still open: it stays until somebody accepts.

    Raises:
        PexError: a damaged `monitor_baseline.json`, or an alias that no prompt has.
    """
    if spec.baseline_dates is not None:
        period = spec.baseline_dates
        return Baseline(
            _midnight(period.first),
            _midnight(period.last + datetime.timedelta(days=1)),
            "the dates in monitor.yaml",
        )
    entry = _read(folder / FILE).get(spec.name)
    accepted = _accepted(entry) if entry is not None else None
    if spec.baseline in (None, "pinned"):
        return accepted or Baseline(
            problem="none was accepted; when all is well: pexlab monitor --accept WHY"
        )
    found = _of_alias(spec, str(spec.baseline), moves, now)
    if accepted is not None and entry is not None:
        at = datetime.datetime.fromisoformat(entry["when"])
        if found.first is None or at > found.first:
            return accepted
        if keep is not None and keep.first is not None and at > keep.first:
            return accepted
    return keep if keep is not None and keep.first is not None else found


def accept(
    spec: MonitorSpec,
    folder: Path,
    why: str,
    now: datetime.datetime,
    first: datetime.datetime | None = None,
    end: datetime.datetime | None = None,
    who: str | None = None,
) -> Path:
    """Accept how things are, or were in a period: write it to `monitor_baseline.json`.

    Args:
        spec: the monitor.
        folder: the folder of `monitor.yaml`.
        why: the reason, for later readers.
        now: the time at which it is accepted.
        first: the beginning of the period, such as the day since which an alarm has been there; by
            default `baseline_days` before its end.
        end: the end of the period; by default `now`.
        who: the person who accepts; by default the user.

    Returns:
        The file.

    Raises:
        PexError: no reason, a monitor with `baseline_dates`, a damaged or unwritable file.
    """
    if not why.strip():
        raise PexError("accepting a baseline needs a reason", hint='pexlab monitor --accept "WHY"')
    if spec.baseline_dates is not None:
        raise PexError(
            f"{spec.name}: the baseline is fixed by baseline_dates",
            hint="change the dates in monitor.yaml, or write `baseline: pinned` instead of them",
        )
    path = folder / FILE
    known = _read(path)
    until = min(end or now, now)
    begin = first or until - datetime.timedelta(days=spec.baseline_days)
    if begin >= until:
        raise PexError(
            f"the baseline would begin at {begin:%Y-%m-%d %H:%M}, not before its end, "
            f"{until:%Y-%m-%d %H:%M}"
        )
    known[spec.name] = {
        "first": begin.astimezone(datetime.UTC).isoformat(timespec="seconds"),
        "end": until.astimezone(datetime.UTC).isoformat(timespec="seconds"),
        "who": who or user_name(),
        "when": now.astimezone(datetime.UTC).isoformat(timespec="seconds"),
        "why": why.strip(),
    }
    part = path.with_suffix(".part")
    try:
        part.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise PexError(f"{path} cannot be written: {error.strerror or error}") from None
    return path


def _of_alias(
    spec: MonitorSpec, reference: str, moves: Sequence[Move], now: datetime.datetime
) -> Baseline:
    name, at, alias = reference.rpartition("@")
    prompt = name if at else spec.source.prompt
    those = [m for m in moves if m.alias == alias and prompt in (None, m.prompt)]
    prompts = sorted({move.prompt for move in those})
    if len(prompts) > 1:
        raise PexError(
            f"{spec.name}: baseline: {len(prompts)} prompts have the alias '{alias}'",
            hint=f"name one, such as '{prompts[0]}@{alias}', or give source.prompt",
        )
    if not those:
        aliases = sorted({move.alias for move in moves if prompt in (None, move.prompt)})
        of = f" of '{prompt}'" if prompt else ""
        raise PexError(
            f"{spec.name}: baseline: no move of the alias '{alias}'{of} is known",
            hint=nearest(alias, [*aliases, "pinned"])
            or "moves are in library/moves.jsonl; `pexlab library promote` makes one",
        )
    length = datetime.timedelta(days=spec.baseline_days)
    ends = [item.at for item in those[1:]]
    for move, following in reversed(list(zip(those, [*ends, None], strict=True))):
        end = move.at + length if following is None else min(move.at + length, following)
        if end <= now:
            return Baseline(
                move.at.astimezone(datetime.UTC),
                end.astimezone(datetime.UTC),
                f"{alias} of {move.prompt} moved to version {move.to} by {move.by}",
            )
    only = those[-1]
    return Baseline(
        problem=f"the period of {spec.baseline_days} days that began when {alias} of {only.prompt} "
        f"moved to version {only.to} ends on {only.at + length:%Y-%m-%d}"
    )


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)


def _accepted(entry: dict[str, Any]) -> Baseline:
    first, end = (datetime.datetime.fromisoformat(entry[key]) for key in ("first", "end"))
    return Baseline(first, end, f"accepted by {entry['who']}: {entry['why']}")


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    try:
        found = jsontext.loads(path.read_text(encoding="utf-8"))
        for entry in found.values():
            for key in ("first", "end", "when"):
                if datetime.datetime.fromisoformat(entry[key]).tzinfo is None:
                    raise ValueError
            entry["who"], entry["why"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PexError(
            f"{path}: this is not a file of accepted baselines",
            hint="restore it from git, or remove it and accept again: pexlab monitor --accept WHY",
        ) from None
    return dict(found)
