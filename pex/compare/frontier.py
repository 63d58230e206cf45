"""Frames in, the frontier out: quality against cost or time, and the cheapest that is no worse.

A variant is dominated if another is at least as good and as cheap (fast), and better in one of the
two. That is read from the means. Whether a cheaper variant is *no worse* than the best is tested:
paired, with the gate's margin, Holm's correction over all variants that are cheaper than the best,
and errors counted as failures as well. The best is the one with the highest score on these cases,
so it tends to look better than it is, which usually makes the test stricter.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal

from pex.compare.effect import Effect, effect, no_worse_p
from pex.compare.metric import Metric, check_confidence, check_frame, check_margin, metric_of
from pex.compare.pairing import Pairing, Table
from pex.compare.verdict import NO_WORSE, POWER, UNDECIDED, WORSE
from pex.core.errors import PexError, nearest
from pex.score.frame import summarise
from pex.stats import multiple, power

if TYPE_CHECKING:
    import pandas as pd

Against = Literal["cost_usd", "latency_s"]
AGAINST: tuple[Against, ...] = ("cost_usd", "latency_s")
BEST = "best"


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """One variant: how good it is, what it takes, and what the test says of it.

    `latency_s` is the median of one answer, `seconds_per_1000` the time of 1,000 answers one after
    the other. `x` is its cost or time on the frontier's axis. `verdict` is "best", "no worse",
    "worse" or "undecided"; None if it is not cheaper than the best, so that nothing was tested.
    `difference` is its score minus the best one's on the cases of both.
    """

    variant: str
    score: float
    low: float
    high: float
    usd_per_1000: float
    latency_s: float
    seconds_per_1000: float
    x: float
    dominated_by: str | None = None
    verdict: str | None = None
    difference: float | None = None
    p_adjusted: float | None = None
    more_cases: int | None = None
    """About how many more cases would decide; None if none would, or it is decided."""


@dataclasses.dataclass(frozen=True, slots=True)
class Frontier:
    """All variants, best first, and the one to use.

    `named` is the cheapest (fastest) variant that is the best or shown to be no worse; None without
    a margin, unless the best is the cheapest. `left_out` are variants whose score, cost or time is
    unknown, `family` is the number of tests that p is corrected for.
    """

    metric: str
    yes_no: bool
    against: Against
    margin: float | None
    confidence: float
    standings: list[Standing]
    named: str | None
    left_out: list[str]
    family: int
    calibrated: bool = True

    @property
    def best(self) -> Standing | None:
        """The variant with the best score."""
        return next((item for item in self.standings if item.verdict == BEST), None)

    @property
    def chosen(self) -> Standing | None:
        """The variant that is named."""
        return next((item for item in self.standings if item.variant == self.named), None)

    def table(self) -> pd.DataFrame:
        """One row per variant, best first; missing numbers are `<NA>`."""
        import pandas as pd

        columns = [field.name for field in dataclasses.fields(Standing) if field.name != "x"]
        rows = [[getattr(item, name) for name in columns] for item in self.standings]
        table = pd.DataFrame(rows, columns=columns).astype({"more_cases": "Int64"})
        numbers = ("difference", "p_adjusted")
        table = table.astype(dict.fromkeys(numbers, "Float64"))
        table.insert(1, "named", [item.variant == self.named for item in self.standings])
        return table


def dominators(points: Sequence[tuple[float, float]]) -> list[int | None]:
    """For each (cost, score) the first point that dominates it; None on the frontier.

    Example:
        >>> dominators([(2.0, 0.9), (1.0, 0.8), (3.0, 0.8), (1.0, 0.8)])
        [None, None, 0, None]
    """
    return [
        next(
            (
                other
                for other, (cost, score) in enumerate(points)
                if cost <= x and score >= y and (cost < x or score > y)
            ),
            None,
        )
        for x, y in points
    ]


def default_against(summary: pd.DataFrame) -> Against:
    """Cost if anything was paid for, else time."""
    return "cost_usd" if (summary["cost_usd"] > 0).any() else "latency_s"


def frontier(
    frame: pd.DataFrame,
    metric: str,
    against: Against | None = None,
    margin: float | None = None,
    confidence: float = 0.95,
    uncalibrated: Collection[str] = (),
    summary: pd.DataFrame | None = None,
) -> Frontier:
    """Which variants are worth their price, and the cheapest that is no worse than the best.

    Args:
        frame: the long frame.
        metric: a score; higher is better.
        against: `cost_usd` or `latency_s`; None: cost if anything was paid for, else time.
        margin: how much worse is still "no worse", in the unit of the score.
        confidence: the one-sided level that "no worse" needs.
        uncalibrated: scores of judges that have not been compared with human ratings.
        summary: of the frame, if it is at hand.

    Raises:
        PexError: no such score or axis, or an invalid margin.

    Example:
        >>> import pandas as pd
        >>> rows = [(v, f"c{i}", i % 10 > 0, c) for v, c in (("a", 2.0), ("b", 1.0))
        ...     for i in range(200)]
        >>> made = pd.DataFrame(rows, columns=["variant", "case_id", "score.ok", "cost_usd"])
        >>> made = made.assign(latency_s=1.0, prompt="p", model="m", prompt_tokens=9, output="x",
        ...     completion_tokens=1, finish_reason="stop", **{"score_error.ok": None})
        >>> found = frontier(made, "ok", margin=0.05)
        >>> found.best.variant, found.named
        ('b', 'b')
    """
    frame = check_frame(frame)
    measured = metric_of(frame, metric)
    if not measured.is_score:
        raise PexError(f"frontier: '{metric}' is not a score", hint="it is one of the axes")
    check_confidence(confidence)
    check_margin(margin, measured, frame)
    summary = summarise(frame) if summary is None else summary
    if against is not None and against not in AGAINST:
        raise PexError(f"frontier: there is no axis '{against}'", hint=nearest(against, AGAINST))
    axis = against or default_against(summary)
    known, left_out = _standings(frame, summary, measured, axis)
    found = Frontier(
        metric, measured.yes_no, axis, margin, confidence, known, None, left_out, 0,
        metric not in uncalibrated,
    )  # fmt: skip
    return _tested(found, frame, measured) if known else found


def _standings(
    frame: pd.DataFrame, summary: pd.DataFrame, metric: Metric, axis: Against
) -> tuple[list[Standing], list[str]]:
    seconds = frame[frame["error"].isna()].groupby("variant")["latency_s"].mean()
    found, left_out = [], []
    for row in summary.to_dict("records"):
        name, answers = str(row["variant"]), row["answers"]
        usd = 1000 * row["cost_usd"] / answers if answers else math.nan
        x = usd if axis == "cost_usd" else float(row["latency_s"])
        score, low, high = (float(row[f"score.{metric.name}{end}"]) for end in ("", ".lo", ".hi"))
        if not (math.isfinite(x) and math.isfinite(score)):
            left_out.append(name)
            continue
        slow = 1000 * float(seconds.get(name, math.nan))
        item = Standing(name, score, low, high, usd, float(row["latency_s"]), slow, x)
        found.append(item)
    found.sort(key=lambda item: (-item.score, item.x))
    by = dominators([(item.x, item.score) for item in found])
    return [
        dataclasses.replace(item, dominated_by=None if number is None else found[number].variant)
        for item, number in zip(found, by, strict=True)
    ], left_out


@dataclasses.dataclass(slots=True)
class _Test:
    """A variant that is cheaper than the best, compared with it."""

    standing: Standing
    pairing: Pairing
    effect: Effect
    p: float


def _tested(found: Frontier, frame: pd.DataFrame, metric: Metric) -> Frontier:
    """The frontier with its best variant, the tests of those that are cheaper, and the name."""
    strict = Table(frame, metric, errors_as_worst=True)
    # An answer that never came is no success: else a variant with one good answer would be best.
    best = min(found.standings, key=lambda item: (-strict.mean(item.variant), item.x))
    plain = Table(frame, metric)
    tests = [
        _test(item, best, plain, strict, metric, found)
        for item in found.standings
        if item.x < best.x
    ]
    told = {best.variant: dataclasses.replace(best, verdict=BEST)}
    open_ = [test for test in tests if not test.pairing.unchanged]
    adjusted = _holm([test.p for test in open_])
    worse = _holm([1.0 if test.effect.p is None else test.effect.p for test in open_])
    for test, p, p_worse in zip(open_, adjusted, worse, strict=True):
        told[test.standing.variant] = _told(test, p, p_worse, found, len(open_))
    for test in tests:
        if test.pairing.unchanged:
            same = dataclasses.replace(test.standing, verdict=NO_WORSE, difference=0.0)
            told[same.variant] = same
    standings = [told.get(item.variant, item) for item in found.standings]
    good = [item for item in standings if item.verdict in (BEST, NO_WORSE)]
    cheapest = min(good, key=lambda item: (item.x, -item.score)).variant
    unknown = found.margin is None and tests and cheapest == best.variant
    named = None if unknown else cheapest
    return dataclasses.replace(found, standings=standings, named=named, family=len(open_))


def _holm(p_values: list[float]) -> list[float]:
    return [float(p) for p in multiple.holm(p_values)] if p_values else []


def _test(
    item: Standing, best: Standing, plain: Table, strict: Table, metric: Metric, found: Frontier
) -> _Test:
    pairing = plain.pair(item.variant, best.variant)
    measured = effect(pairing, metric, found.confidence)
    if found.margin is None or pairing.unchanged:
        return _Test(item, pairing, measured, 1.0)
    p = no_worse_p(pairing, metric, found.margin)
    if pairing.errors_candidate + pairing.errors_baseline:
        p = max(p, no_worse_p(strict.pair(item.variant, best.variant), metric, found.margin))
    return _Test(item, pairing, measured, p)


def _told(test: _Test, p: float, p_worse: float, found: Frontier, family: int) -> Standing:
    alpha = 1 - found.confidence
    word, high = UNDECIDED, test.effect.high
    if p < alpha:
        word = NO_WORSE
    elif high is not None and high < 0 and p_worse < alpha:
        word = WORSE
    return dataclasses.replace(
        test.standing,
        verdict=word,
        difference=test.effect.difference if test.pairing.n else None,
        p_adjusted=p if found.margin is not None else None,
        more_cases=_more_cases(test, found, alpha / family) if word == UNDECIDED else None,
    )


def _more_cases(test: _Test, found: Frontier, alpha: float) -> int | None:
    """About how many more cases would show that it is no worse, if it is as it appears."""
    n, sd, margin = test.pairing.n, test.effect.sd, found.margin
    if n < 2 or sd is None or not margin:
        return None
    if sd > 0:
        needed = power.cases_for_noninferiority(
            test.effect.difference, sd, margin, confidence=1 - alpha, power=POWER
        )
    else:  # no case differed: as many as would have shown a share of the margin
        needed = math.ceil(math.log(alpha) / math.log(1 - margin)) if found.yes_no else None
    return None if needed is None else max(1, needed - n)
