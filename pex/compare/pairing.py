"""From the long frame to one number per case and variant, with omissions counted."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from pex.compare.metric import Metric
from pex.score.unusual_answers import unusual

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


_IDENTITY = ("request_key", "resolved_model", "output", "tool_calls", "error")
"""The columns that say what was sent and what came back; the first has prompt and parameters."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pairing:
    """A candidate and its baseline on the cases with a value for both.

    `candidate` and `baseline` hold one mean over the repeats for each of `case_ids`; `groups` the
    cases' groups as numbers. `dropped` counts the cases that were run but are not included,
    `errors_*` the calls that ended in an error, `replayed` the answers that were reused,
    `shared` the answers that both took from the same request.
    """

    case_ids: list[str]
    candidate: NDArray[np.float64]
    baseline: NDArray[np.float64]
    groups: NDArray[np.integer[Any]]
    dropped: int
    errors_candidate: int
    errors_baseline: int
    repeats: int
    replayed: int
    shared: int
    unusual: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    """How many answers of candidate and baseline were cut off or empty, if any."""
    unchanged: bool = False
    """Whether both sent the same requests, got the same answers, and these got the same scores."""

    @property
    def n(self) -> int:
        """The number of cases."""
        return len(self.case_ids)

    @property
    def differences(self) -> NDArray[np.float64]:
        """Candidate minus baseline, case by case."""
        return self.candidate - self.baseline


class Table:
    """One metric of a long frame, prepared once for all pairs of variants.

    Args:
        frame: the long frame, checked.
        metric: the metric.
        errors_as_worst: count a call that ended in an error as the worst value that a score can
            have (no, or the lowest value seen) instead of leaving it out.
    """

    def __init__(self, frame: pd.DataFrame, metric: Metric, errors_as_worst: bool = False) -> None:
        values = frame[metric.column].astype("float64")
        failed = frame["error"].notna()
        # A refused or broken call can still have a time, but not that of an answer.
        values = values.where(~failed)
        if errors_as_worst and failed.any():
            seen = values.dropna()
            worst = seen.min() if metric.higher_is_better else seen.max()
            values = values.where(~failed, 0.0 if metric.yes_no or not len(seen) else worst)
        keys = [frame["case_id"], frame["variant"]]
        by_place = values.groupby(keys, sort=False)
        self._means = by_place.mean().unstack("variant")
        self._asked = by_place.size().unstack("variant").notna()
        self._counts = by_place.count().unstack("variant").fillna(0)
        self._errors = failed.groupby(frame["variant"]).sum()
        self._unusual = {
            name: rows.groupby(frame["variant"]).sum() for name, rows in unusual(frame).items()
        }
        groups = frame.groupby("case_id", sort=False)["group"].first().reindex(self._means.index)
        # A case without a group is its own group.
        own = groups.where(groups.notna(), [f"\0{case}" for case in groups.index])
        self._groups = own.astype("category").cat.codes.to_numpy("int64")
        self._replayed = (
            frame["from_journal"].groupby(frame["variant"]).sum()
            if "from_journal" in frame.columns
            else None
        )
        self._frame = frame
        self._keys = (
            frame.groupby("variant")["request_key"].agg(set)
            if "request_key" in frame.columns
            else None
        )

    def mean(self, variant: str) -> float:
        """A variant's mean over its cases; NaN if it has no value."""
        return float(self._means[variant].mean()) if variant in self._means.columns else math.nan

    def pair(self, candidate: str, baseline: str) -> Pairing:
        """Two variants on the cases that both have; empty if either has no rows."""
        if not {candidate, baseline} <= set(self._means.columns):
            nothing = self._groups[:0]
            none = nothing.astype("float64")
            return Pairing([], none, none, nothing, len(self._means), 0, 0, 0, 0, 0)
        a, b = self._means[candidate].to_numpy(), self._means[baseline].to_numpy()
        there_a, there_b = a == a, b == b  # NaN is not equal to itself
        both = there_a & there_b
        asked = self._asked[[candidate, baseline]].to_numpy().any(axis=1)
        counts = self._counts[[candidate, baseline]].to_numpy()[both]
        replayed = shared = 0
        if self._replayed is not None:
            replayed = int(self._replayed[candidate] + self._replayed[baseline])
        if self._keys is not None:
            shared = len((self._keys[candidate] & self._keys[baseline]) - {None})
        alike = bool(both[asked].all()) and bool((a[both] == b[both]).all())
        return Pairing(
            case_ids=[str(case) for case in self._means.index[both]],
            candidate=a[both],
            baseline=b[both],
            groups=self._groups[both],
            dropped=int((asked & ~both).sum()),
            errors_candidate=int(self._errors[candidate]),
            errors_baseline=int(self._errors[baseline]),
            repeats=int(counts.max()) if len(counts) else 0,
            replayed=replayed,
            shared=shared,
            unusual={
                name: (int(found[candidate]), int(found[baseline]))
                for name, found in self._unusual.items()
                if found[candidate] + found[baseline]
            },
            unchanged=alike and self._unchanged(candidate, baseline),
        )

    def _unchanged(self, candidate: str, baseline: str) -> bool:
        """Whether requests and answers of two variants are the same, repeat by repeat."""
        frame = self._frame
        if not {"request_key", "output"} <= set(frame.columns):
            return False  # nothing says what was sent
        columns = [name for name in _IDENTITY if name in frame.columns]
        sides = []
        for name in (candidate, baseline):
            rows = frame.loc[frame["variant"] == name, ["case_id", "repeat", *columns]]
            if rows["request_key"].isna().any():
                return False
            sides.append(rows.set_index(["case_id", "repeat"]).sort_index().astype(str))
        return bool(len(sides[0])) and sides[0].equals(sides[1])
