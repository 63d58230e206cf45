"""What a card needs of one recorded run: failing cases, cost, latency, requirements.

Each run is read once, however many prompts it measured, and the facts are kept in `.pex/`: a run's
table does not change unless it is scored again.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.core import private
from pex.core.canonical_json import digest
from pex.core.errors import PexError
from pex.core.text import value_text
from pex.core.values import to_json_value
from pex.evidence.card.data import Failure
from pex.record import runs
from pex.record.measurements import Measurement
from pex.score.frame import failed_rows, summarise
from pex.score.requirements import requirement_digest

if TYPE_CHECKING:
    import pandas as pd

PRIVATE = "private"
"""The tag of a case whose data is not shown on cards and sites."""
SHORT = 160
_MOST_FAILURES = 10
_FORMAT = 3
_FOLDER = "cards"


@dataclasses.dataclass(frozen=True, slots=True)
class VariantFacts:
    """One variant of a run."""

    digest: str
    model: str
    answers: int
    cost_usd: float
    latency_s: float
    cases: int
    failing: tuple[str, ...]
    """The ids of the cases that fail."""
    private: tuple[str, ...]
    """Those of them that were marked private in the run; others may be by now."""
    failures: tuple[Failure, ...]
    requirements: Mapping[str, Sequence[str]]
    """By the requirement's id: its state, from what, and the digits of what it asked for then."""


class RunFacts:
    """The facts of the runs of one store.

    Args:
        project: the project, whose `.pex/` keeps them.
        uri: the store.
        measurements: what the store's runs measured: a run that was scored again has others.
    """

    def __init__(self, project: Path, uri: str, measurements: Sequence[Measurement]) -> None:
        self._folder = private.folder(private.state(project)) / _FOLDER
        self._uri = uri
        self._read: dict[str, tuple[VariantFacts, ...]] = {}
        self._measured: dict[str, list[Any]] = {}
        for row in measurements:
            facts = [row.variant, row.metric, None if math.isnan(row.value) else row.value, row.n]
            self._measured.setdefault(row.run_id, []).append(facts)

    def of_run(self, run_id: str) -> tuple[VariantFacts, ...]:
        """The variants of a run; none if its table cannot be read any more."""
        if run_id not in self._read:
            self._read[run_id] = self._kept(run_id)
        return self._read[run_id]

    def _kept(self, run_id: str) -> tuple[VariantFacts, ...]:
        state = digest([_FORMAT, self._uri, self._measured.get(run_id, [])])
        path = self._folder / f"{run_id}-{state}.json"
        try:
            return tuple(map(_from_json, json.loads(path.read_bytes())))
        except (OSError, ValueError, TypeError, KeyError):
            pass
        try:
            frame, about = runs.load(self._uri, run_id)
        except PexError:  # its files were deleted: the figures in MLflow remain
            return ()
        found = tuple(_facts(frame, about))
        private.folder(self._folder)
        for old in self._folder.glob(f"{run_id}-*.json"):
            old.unlink(missing_ok=True)
        private.touch(path)
        path.write_text(json.dumps([dataclasses.asdict(item) for item in found]), "utf-8")
        return found


def kept_facts(project: Path) -> list[Path]:
    """The files in which a project keeps facts of runs: inputs and answers of failed cases."""
    return sorted((private.state(project) / _FOLDER).glob("*.json"))


def _facts(frame: pd.DataFrame, about: Any) -> list[VariantFacts]:
    from pex.compare.requirements import states

    table = states(frame, about.requirements, about.checks) if about.requirements else None
    bad = failed_rows(frame)
    found = []
    for row in summarise(frame).to_dict("records"):
        name = row["variant"]
        own = frame["variant"] == name
        failing = frame[own & bad].drop_duplicates("case_id")
        hidden = failing["tags"].map(_is_private)
        shown = failing[~hidden] if len(failing) else failing
        answers = int(row["answers"])
        version = str(frame.loc[own, "prompt_version"].iloc[0])
        found.append(
            VariantFacts(
                digest=version,
                model=str(row["model"]),
                answers=answers,
                cost_usd=float(row["cost_usd"]) / answers if answers else math.nan,
                latency_s=float(row["latency_s"]),
                cases=int(frame.loc[own, "case_id"].nunique()),
                failing=tuple(map(str, failing["case_id"])),
                private=tuple(map(str, failing["case_id"][hidden])) if len(failing) else (),
                failures=tuple(
                    _failure({str(key): value for key, value in item.items()})
                    for item in shown.head(_MOST_FAILURES).to_dict("records")
                ),
                requirements={} if table is None else _requirements(table, str(name)),
            )
        )
    return found


def _requirements(table: pd.DataFrame, variant: str) -> dict[str, list[str]]:
    """The state of each requirement; its sentence counts cases and names none: some are private."""
    found = {}
    for row in table[table["variant"] == variant].to_dict("records"):
        at_least = to_json_value(row["at_least"])
        now = requirement_digest(str(row["text"]), str(row["priority"]), at_least)
        found[str(row["requirement"])] = [str(row["state"]), str(row["sentence"]), now]
    return found


def _is_private(tags: Any) -> bool:
    return any(str(tag).casefold() == PRIVATE for tag in (tags if tags is not None else ()))


def _failure(row: Mapping[str, Any]) -> Failure:
    inputs = [
        f"{key[5:]}: {short(value)}"
        for key, value in row.items()
        if key.startswith("case.") and not _is_missing(value)
    ]
    reasons = [
        f"{key[6:]}: {short(row.get(f'reason.{key[6:]}')) or 'failed'}"
        for key, value in row.items()
        if key.startswith("score.") and value == 0.0
    ]
    why = f"error: {short(row['error'])}" if not _is_missing(row["error"]) else "; ".join(reasons)
    return Failure(
        str(row["case_id"]), "; ".join(inputs), short(row["expected"]), short(row["output"]), why
    )


def short(value: Any) -> str:
    r"""A value in a line, shortened; a picture by its name alone.

    Example:
        >>> short("a  b\n" * 3), short("data:image/png;base64,AAAA"), short(None)
        ('a b a b a b', '(image)', '')
    """
    if _is_missing(value):
        return ""
    text = value_text(value)
    if text.startswith("data:"):
        return f"({text[5:40].partition('/')[0] or 'data'})"
    text = " ".join(text[: SHORT * 4].split())
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _from_json(data: Any) -> VariantFacts:
    failures = tuple(Failure(**item) for item in data.pop("failures"))
    for key in ("failing", "private"):
        data[key] = tuple(data[key])
    return VariantFacts(**data, failures=failures)
