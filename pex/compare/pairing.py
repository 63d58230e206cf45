"""From the long frame to one number per case and variant, with omissions counted."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any

from pex.compare.attacks import score_applies
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
    cases' groups as numbers. `dropped` counts the cases that were run but are not included, except
    those that the score does not apply to,
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
        import numpy as np

        failed = frame["error"].notna().to_numpy()
        # A refused or broken call can still have a time, but not that of an answer.
        values = np.array(frame[metric.column].astype("float64"), dtype="float64")
        values[failed] = math.nan
        if errors_as_worst and failed.any():
            values[failed] = _worst(values, metric)
        self._cases, case_of = _numbered(frame["case_id"])
        names, variant_of = _numbered(frame["variant"])
        self._number = {str(name): number for number, name in enumerate(names)}
        shape = (len(self._cases), len(names))
        place = case_of * shape[1] + variant_of

        def sums(weights: NDArray[Any] | None = None) -> NDArray[np.float64]:
            return np.bincount(place, weights, shape[0] * shape[1]).reshape(shape).astype(float)

        known = ~np.isnan(values)
        self._counts = sums(known)
        self._asked = sums() > 0
        applies = score_applies(frame, metric.column)
        self._wanted = self._asked if applies is None else sums(applies.astype(float)) > 0
        with np.errstate(invalid="ignore"):
            self._means = sums(np.where(known, values, 0.0)) / self._counts
        self._of_variant = functools.partial(_counted, variant_of=variant_of, variants=len(names))
        self._errors = self._of_variant(failed)
        self._unusual = {name: self._of_variant(rows) for name, rows in unusual(frame).items()}
        self._groups = _groups(frame["group"], self._cases, case_of)
        replayed = frame.get("from_journal")
        self._replayed = None if replayed is None else self._of_variant(replayed)
        self._frame, self._variant_of = frame, variant_of
        self._keys: dict[int, set[Any]] = {}

    def mean(self, variant: str) -> float:
        """A variant's mean over its cases; NaN if it has no value."""
        import numpy as np

        number = self._number.get(variant)
        column = self._means[:, number] if number is not None else np.empty(0)
        known = column[~np.isnan(column)]
        return float(known.mean()) if len(known) else math.nan

    def pair(self, candidate: str, baseline: str) -> Pairing:
        """Two variants on the cases that both have; empty if either has no rows."""
        import numpy as np

        one, two = self._number.get(candidate), self._number.get(baseline)
        if one is None or two is None:
            nothing = self._groups[:0]
            none = nothing.astype("float64")
            return Pairing([], none, none, nothing, len(self._means), 0, 0, 0, 0, 0)
        a, b = self._means[:, one], self._means[:, two]
        both = ~np.isnan(a) & ~np.isnan(b)
        # A case that the score does not apply to is not missing.
        asked = self._wanted[:, one] | self._wanted[:, two]
        counts = self._counts[:, [one, two]][both]
        alike = bool(both[asked].all()) and bool((a[both] == b[both]).all())
        return Pairing(
            case_ids=[str(case) for case in self._cases[both]],
            candidate=a[both],
            baseline=b[both],
            groups=self._groups[both],
            dropped=int((asked & ~both).sum()),
            errors_candidate=self._errors[one],
            errors_baseline=self._errors[two],
            repeats=int(counts.max()) if len(counts) else 0,
            replayed=self._replayed[one] + self._replayed[two] if self._replayed else 0,
            shared=len((self._keys_of(one) & self._keys_of(two)) - {None}),
            unusual={
                name: (found[one], found[two])
                for name, found in self._unusual.items()
                if found[one] + found[two]
            },
            unchanged=alike and self._unchanged(candidate, baseline),
        )

    def _keys_of(self, number: int) -> set[Any]:
        """The keys of a variant's requests."""
        if "request_key" not in self._frame.columns:
            return set()
        if number not in self._keys:
            rows = self._frame["request_key"].to_numpy(dtype=object)[self._variant_of == number]
            self._keys[number] = set(rows)
        return self._keys[number]

    def _unchanged(self, candidate: str, baseline: str) -> bool:
        """Whether requests and answers of two variants are the same, repeat by repeat."""
        frame = self._frame
        if not {"request_key", "output"} <= set(frame.columns):
            return False  # nothing says what was sent
        if self._keys_of(self._number[candidate]) != self._keys_of(self._number[baseline]):
            return False
        columns = [name for name in _IDENTITY if name in frame.columns]
        sides = []
        for name in (candidate, baseline):
            rows = frame.loc[frame["variant"] == name, ["case_id", "repeat", *columns]]
            if rows["request_key"].isna().any():
                return False
            sides.append(rows.set_index(["case_id", "repeat"]).sort_index().astype(str))
        return bool(len(sides[0])) and sides[0].equals(sides[1])


def _worst(values: NDArray[np.float64], metric: Metric) -> float:
    """The worst value that a score can have: no, or the lowest one seen."""
    import numpy as np

    seen = values[~np.isnan(values)]
    if metric.yes_no or not len(seen):
        return 0.0
    return float(seen.min() if metric.higher_is_better else seen.max())


def _numbered(column: pd.Series[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The distinct values of a column in their order, and the number of each row's value."""
    import numpy as np
    import pandas as pd

    codes, found = pd.factorize(column.to_numpy(dtype=object), sort=True)
    return np.asarray(found, dtype=object), codes.astype("int64")


def _counted(rows: Any, variant_of: NDArray[np.int64], variants: int) -> list[int]:
    """How many of the marked rows each variant has."""
    import numpy as np

    marked = np.asarray(rows, dtype=bool)
    return [int(number) for number in np.bincount(variant_of[marked], minlength=variants)]


def _groups(
    column: pd.Series[Any], cases: NDArray[Any], case_of: NDArray[np.int64]
) -> NDArray[np.integer[Any]]:
    """The number of each case's group; a case without one is its own group."""
    import numpy as np

    there = column.notna().to_numpy()
    given = column.to_numpy(dtype=object)[there]
    own = [f"\0{case}" for case in cases]
    # From the last row to the first: the first one of a case counts.
    for number, group in zip(case_of[there][::-1], given[::-1], strict=True):
        own[number] = str(group)
    return np.unique(np.asarray(own, dtype=object), return_inverse=True)[1].astype("int64")
