"""A judge's agreement with people, kept beside its prompt."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from pex.core.errors import PexError
from pex.core.events import RowKey
from pex.core.textfile import read_text
from pex.score.judge.positions import Positions
from pex.stats.intervals import wilson

_MOST_LABELS = 101
_RATES = ((1.0, 1.0), (1.0, 0.0), (0.0, 0.0), (0.0, 1.0))
"""(people's, the judge's): found, missed, left alone, flagged."""


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """A share with the ends of its 95 % interval (Wilson's), between 0 and 1."""

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True, slots=True)
class Disagreement:
    """An answer on which the judge and the people disagree."""

    place: RowKey
    judged: float
    human: float


@dataclasses.dataclass(frozen=True, slots=True)
class Calibration:
    """A judge's scores beside people's, for the same answers.

    Args:
        n: the number of answers with both scores.
        labels: the scores that occur, in order; yes is 1.0, no 0.0.
        table: counts by the people's label (rows) and the judge's (columns).
        kappa: agreement beyond chance, at most 1; Cohen's, weighted by the squared distance if the
            scores are not just yes and no. None if all scores are the same.
        kappa_low: lower end of its 95 % interval.
        kappa_high: upper end.
        agreement: the share of answers on which both agree.
        sensitivity: the share of answers good for people that the judge calls good; yes/no only.
        specificity: the share of answers bad for people that the judge calls bad; yes/no only.
        unrated: the number of answers scored by only one of the two; they are in no figure.
        disagreements: the disagreements, widest first.
        positions: the effect of the order of the two answers on a pairwise judge.
        judge: everything that the judge's verdicts depend on (`Judge.identity`).
        raters: the names of the raters.
        rated_at: the date or time of the ratings, in ISO format.
    """

    n: int
    labels: tuple[float, ...]
    table: tuple[tuple[int, ...], ...]
    kappa: float | None
    kappa_low: float | None
    kappa_high: float | None
    agreement: Share
    sensitivity: Share | None
    specificity: Share | None
    unrated: int
    disagreements: tuple[Disagreement, ...]
    positions: Positions | None = None
    judge: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    raters: tuple[str, ...] = ()
    rated_at: str = ""

    def enough(self, min_kappa: float) -> tuple[bool, str]:
        """Whether the agreement is sufficient, and the figures behind that."""
        if self.kappa is None or self.kappa_low is None:
            only = f"all {self.n} ratings and verdicts are {self.labels_seen[0]:g}"
            return False, f"uncalibrated: {only}, which says nothing about agreement"
        shown = f"kappa {self.kappa:.2f} [{self.kappa_low:.2f}, {self.kappa_high:.2f}]"
        if self.kappa < min_kappa:
            return False, f"{shown} is below {min_kappa:g}"
        if self.kappa_low <= 0:
            return False, f"{shown} could be chance: {self.n} rated answers are too few"
        return True, f"{shown} over {self.n} rated answers"

    @property
    def labels_seen(self) -> tuple[float, ...]:
        """The labels that the people or the judge gave."""
        columns = list(zip(*self.table, strict=True))
        pairs = zip(self.labels, self.table, columns, strict=True)
        return tuple(label for label, row, column in pairs if any(row) or any(column))

    def __repr__(self) -> str:
        said = (
            self.enough(-1)[1]
            if self.kappa is None
            else (
                f"kappa {self.kappa:.2f} [{self.kappa_low:.2f}, {self.kappa_high:.2f}] "
                f"on {self.n} answers rated by people"
            )
        )
        shares = {"agreement": self.agreement, "sensitivity": self.sensitivity,
                  "specificity": self.specificity}  # fmt: skip
        figures = [
            f"{name} {share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"
            for name, share in shares.items() if share is not None
        ]  # fmt: skip
        seen = [number for number, label in enumerate(self.labels) if label in self.labels_seen]
        head = ["people \\ judge", *(f"{self.labels[number]:g}" for number in seen)]
        rows = [
            [f"{self.labels[row]:g}", *(str(self.table[row][column]) for column in seen)]
            for row in seen
        ]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in (head, *rows)
        ]
        return "\n".join([said, ", ".join(figures), *lines])

    def save(self, path: str | Path) -> Path:
        """Write it as JSON, for example to `Judge.calibration_path`."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(self, option=orjson.OPT_INDENT_2) + b"\n")
        return path

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read a calibration written by `save`.

        Raises:
            PexError: the file does not exist, or is not a calibration.
        """
        path = Path(path)
        text = read_text(path, "calibration")
        try:
            data = orjson.loads(text)
            return cls(**{**data, **_rebuilt(data)})
        except (orjson.JSONDecodeError, TypeError, KeyError, ValueError, AttributeError):
            raise PexError(
                f"calibration {path}: it cannot be read",
                hint="remove it, and the judge is uncalibrated until it is rated again",
            ) from None


def calibrate(
    judged: Mapping[RowKey, bool | float | None],
    human: Mapping[RowKey, bool | float | None],
    judge: Mapping[str, Any] | None = None,
    positions: Positions | None = None,
    raters: Sequence[str] = (),
    rated_at: str | None = None,
) -> Calibration:
    """Compare a judge's scores with people's.

    Scores that are all yes or no give Cohen's kappa, sensitivity and specificity; others give the
    weighted kappa over all whole numbers from the lowest to the highest score, or, if there are
    fractions, over the scores that occur.

    Args:
        judged: the judge's scores, by (variant, case_id, repeat); None if there is none.
        human: people's scores, in the same form.
        judge: everything that its verdicts depend on, `Judge.identity`; if it is given, a judge
            that later changes is no longer calibrated.
        positions: the effect of the order, for a pairwise judge.
        raters: the names of the raters.
        rated_at: the time of the ratings; by default, now.

    Raises:
        PexError: no answer has both scores.

    Source: J. Cohen, Educational and Psychological Measurement 20 (1960) 37-46, and Psychological
    Bulletin 70 (1968) 213-220 (weighted).

    Example:
        >>> places = [("short", str(n), 1) for n in range(4)]
        >>> people = dict(zip(places, [True, True, False, False]))
        >>> found = calibrate(dict(zip(places, [True, False, False, False])), people)
        >>> found.kappa, found.agreement.value, found.disagreements[0].place
        (0.5, 0.75, ('short', '1', 1))
    """
    from pex.stats.agreement import kappa, sensitivity_specificity

    ours = {place: float(value) for place, value in judged.items() if value is not None}
    theirs = {place: float(value) for place, value in human.items() if value is not None}
    both = {place: (theirs[place], ours[place]) for place in ours if place in theirs}
    if not both:
        raise PexError(
            "no answer has both a verdict and a rating",
            hint=f"{len(ours)} answers are judged and {len(theirs)} are rated",
        )
    labels = _labels([score for pair in both.values() for score in pair])
    counts = Counter(both.values())
    table = tuple(tuple(counts[row, column] for column in labels) for row in labels)
    yes_no = set(labels) <= {0.0, 1.0}
    found = kappa(table, weights=None if yes_no else "quadratic")
    same = sum(counts[label, label] for label in labels)
    rates = sensitivity_specificity(*(counts[pair] for pair in _RATES)) if yes_no else None
    apart = [Disagreement(place, j, h) for place, (h, j) in both.items() if h != j]
    return Calibration(
        n=len(both),
        labels=labels,
        table=table,
        kappa=found.kappa,
        kappa_low=found.low,
        kappa_high=found.high,
        agreement=Share(same / len(both), *wilson(same, len(both))),
        sensitivity=_rate(rates.sensitivity, rates.sensitivity_interval) if rates else None,
        specificity=_rate(rates.specificity, rates.specificity_interval) if rates else None,
        unrated=len({*ours, *theirs}) - len(both),
        disagreements=tuple(sorted(apart, key=lambda d: (-abs(d.judged - d.human), d.place))),
        positions=positions,
        judge=dict(judge or {}),
        raters=tuple(raters),
        rated_at=rated_at or datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _labels(scores: Sequence[float]) -> tuple[float, ...]:
    """The labels of the table: weights count the labels between two scores."""
    there = sorted({*scores})
    if set(there) <= {0.0, 1.0}:
        return (0.0, 1.0)
    low, high = there[0], there[-1]
    if all(score.is_integer() for score in there) and high - low < _MOST_LABELS:
        return tuple(float(score) for score in range(int(low), int(high) + 1))
    return tuple(there)


def _rate(value: float | None, interval: tuple[float, float] | None) -> Share | None:
    return None if value is None or interval is None else Share(value, *interval)


def _rebuilt(data: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a calibration that JSON cannot represent."""

    def share(name: str) -> Share | None:
        return None if data[name] is None else Share(**data[name])

    apart = data["disagreements"]
    return {
        "labels": tuple(data["labels"]),
        "table": tuple(map(tuple, data["table"])),
        "agreement": share("agreement"),
        "sensitivity": share("sensitivity"),
        "specificity": share("specificity"),
        "disagreements": tuple(
            Disagreement(tuple(d["place"]), d["judged"], d["human"]) for d in apart
        ),
        "positions": None if data["positions"] is None else Positions(**data["positions"]),
        "raters": tuple(data["raters"]),
    }
