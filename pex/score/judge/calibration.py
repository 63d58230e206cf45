"""How far a judge agrees with people, kept beside its prompt."""

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
    """An answer of which the judge and the people think differently."""

    place: RowKey
    judged: float
    human: float


@dataclasses.dataclass(frozen=True, slots=True)
class Calibration:
    """A judge's scores beside people's, for the same answers.

    Args:
        n: answers that have both.
        labels: the scores that there are, in order; yes is 1.0, no 0.0.
        table: how often the people gave a label (rows) and the judge one (columns).
        kappa: agreement beyond chance, at most 1; Cohen's, weighted by the squared distance where
            the scores are not just yes and no. None where all scores are the same one.
        kappa_low: lower end of its 95 % interval.
        kappa_high: upper end.
        agreement: the share of answers on which both say the same.
        sensitivity: of what people call good, the share that the judge calls so; only of yes/no.
        specificity: of what people call bad, the share that the judge calls so; only of yes/no.
        unrated: answers that only one of the two has scored; they count in none of the figures.
        disagreements: the widest first.
        positions: of a pairwise judge, what the order of the two answers did to it.
        judge: what the judge's verdicts depend on (`Judge.identity`).
        raters: who rated.
        rated_at: when, as an ISO date or time.
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
        """Whether the agreement suffices, and the figures that say so."""
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
        """The labels that somebody gave."""
        columns = list(zip(*self.table, strict=True))
        pairs = zip(self.labels, self.table, columns, strict=True)
        return tuple(label for label, row, column in pairs if any(row) or any(column))

    def save(self, path: str | Path) -> Path:
        """Write it as JSON, for example to `Judge.calibration_path`."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(self, option=orjson.OPT_INDENT_2) + b"\n")
        return path

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read what `save` wrote.

        Raises:
            PexError: there is no such file, or it holds something else.
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

    Scores that are all yes or no give Cohen's kappa, sensitivity and specificity; others the
    weighted kappa over all whole numbers from the least to the greatest score, or, where there are
    fractions, over the scores that there are.

    Args:
        judged: the judge's scores, by (variant, case_id, repeat); None where there is none.
        human: people's, in the same way.
        judge: what its verdicts depend on, `Judge.identity`: with it, a judge that has changed
            since is uncalibrated again.
        positions: of a pairwise judge, what the order did.
        raters: who rated.
        rated_at: when; left out, now.

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
    """The labels of the table: weights count how many labels lie between two scores."""
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
    """The parts of a calibration that JSON has no form for."""

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
