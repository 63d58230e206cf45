"""Frames in, verdicts out: the paired comparison that everything else stands on.

Per metric and pair: mean over the repeats of a case, the cases that both variants have, their
differences, an interval, a p adjusted for how many pairs were looked at, and a verdict that is
"undecided" unless the evidence is there. What was left out is counted, and the same comparison
with errors counted as failures stands beside it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.compare.effect import FEW_GROUPS, METHODS, SEED, Effect, effect
from pex.compare.metric import (
    Metric,
    check_confidence,
    check_frame,
    check_margin,
    metric_of,
)
from pex.compare.pairing import Pairing, Table
from pex.compare.pairs import Pair, pairs, variants_in
from pex.core.errors import PexError
from pex.score.frame import score_names
from pex.stats import multiple, power, repeats

if TYPE_CHECKING:
    import pandas as pd

BETTER, WORSE, NO_WORSE, UNDECIDED = "better", "worse", "no worse", "undecided"
VERDICTS = (BETTER, WORSE, NO_WORSE, UNDECIDED)

POWER = 0.8
"""How likely a difference has to be found to count as one that could have been seen."""

SMALL = 20

_NUMBERS = (
    "diff", "lo", "hi", "bound", "p", "p_adjusted", "p_exact", "candidate_score", "baseline_score",
    "diff_errors_as_worst", "min_detectable", "se", "se_endless_repeats", "margin",
)  # fmt: skip
_WHOLE = ("n_groups", "more_cases")


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """How to compare.

    `confidence` is the level of the two-sided interval that `better` and `worse` need, and the
    one-sided level that `no worse` needs. `uncalibrated` are scores of judges that nobody has
    held against people.
    """

    margin: float | None = None
    confidence: float = 0.95
    lower_is_better: bool | None = None
    uncalibrated: Collection[str] = ()


@dataclasses.dataclass(slots=True)
class Row:
    """One pair on one metric, on its way to a row of the table.

    `strict` is the effect with errors counted as failures, where there are errors; `within` the
    standard error as it is and with endless repeats, where there are repeats.
    """

    metric: Metric
    pair: Pair
    pairing: Pairing
    effect: Effect
    strict: Effect | None
    within: tuple[float, float] | None
    p_adjusted: float | None = None
    p_adjusted_strict: float | None = None


def compare(
    frame: pd.DataFrame,
    baseline: str | None = None,
    metrics: Sequence[str] | str | None = None,
    options: Options | None = None,
    variants: Sequence[Mapping[str, Any]] | None = None,
) -> pd.DataFrame:
    """Every candidate against its baseline, one row per metric and candidate.

    Args:
        frame: the long frame; needed are `variant`, `case_id` and a score or a cost.
        baseline: a variant's, prompt's or model's name; None: the first variant.
        metrics: scores, or `cost_usd`, `latency_s`, …; None: every score.
        options: margin, confidence, direction.
        variants: name, prompt, model and parameters of each; None: what the frame says.

    Returns:
        `metric, candidate, baseline, verdict, diff, lo, hi, bound, p, p_adjusted, …`; `diff` is
        candidate minus baseline in the metric's unit, `bound` the one-sided end that `no worse`
        needs beyond the margin. Missing numbers are `<NA>`, never NaN.

    Raises:
        PexError: no such metric or baseline, nothing to compare, a bad margin, double rows.

    Example:
        >>> import pandas as pd
        >>> rows = [(v, f"c{i}", float(i % 2 or v == "b")) for v in "ab" for i in range(40)]
        >>> frame = pd.DataFrame(rows, columns=["variant", "case_id", "score.ok"])
        >>> row = compare(frame, "a").iloc[0]
        >>> row["candidate"], row["verdict"], float(row["diff"])
        ('b', 'better', 0.5)
    """
    options = options or Options()
    frame = check_frame(frame)
    return to_table(rows_of(frame, [frame], baseline, metrics, options, variants), options)


def pair_cases(frame: pd.DataFrame, candidate: str, baseline: str, metric: str) -> pd.DataFrame:
    """The cases of one pair, one row each, the largest loss first.

    Returns:
        `case_id, group, candidate, baseline, candidate_score, baseline_score, diff, text`.
    """
    import pandas as pd

    frame = check_frame(frame)
    what = metric_of(frame, metric)
    pairing = Table(frame, what).pair(candidate, baseline)
    first = frame.drop_duplicates("case_id").set_index("case_id")
    inputs = [name for name in frame.columns if name.startswith("case.")]
    texts = first[inputs].astype(str).agg(" · ".join, axis=1) if inputs else None
    table = pd.DataFrame(
        {
            "case_id": pairing.case_ids,
            "group": first["group"].reindex(pairing.case_ids).to_numpy(),
            "candidate": candidate,
            "baseline": baseline,
            "candidate_score": pairing.candidate,
            "baseline_score": pairing.baseline,
            "diff": pairing.differences,
            "text": texts.reindex(pairing.case_ids).to_numpy() if texts is not None else "",
        }
    )
    order = "diff" if what.higher_is_better else table["diff"].mul(-1)
    if isinstance(order, str):
        return table.sort_values(order, kind="stable", ignore_index=True)
    return table.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def names_of(frame: pd.DataFrame, metrics: Sequence[str] | str | None) -> list[str]:
    """The metrics to compare, every score where none is named."""
    if isinstance(metrics, str):
        return [metrics]
    if metrics is not None:
        return list(metrics)
    names = score_names(frame)
    if not names:
        raise PexError(
            "no scorer was given, so there is no score to compare",
            hint="name what every call has: metric='latency_s' or 'cost_usd'",
        )
    return names


def rows_of(
    frame: pd.DataFrame,
    parts: Sequence[pd.DataFrame],
    baseline: str | None,
    metrics: Sequence[str] | str | None,
    options: Options,
    variants: Sequence[Mapping[str, Any]] | None,
    smallest: int = 0,
) -> list[Row]:
    """Every pair on every metric within every part of a checked frame, adjusted together.

    A pair with fewer than `smallest` cases is shown and not tested, so that it costs the others
    nothing.
    """
    check_confidence(options.confidence)
    there = set(frame["variant"])
    known = [item for item in variants or variants_in(frame) if item["name"] in there]
    wanted = pairs(known, baseline)
    rows = []
    for name in names_of(frame, metrics):
        metric = metric_of(frame, name, options.lower_is_better)
        check_margin(options.margin, metric, frame)
        for part in parts:
            rows += _of_metric(part, metric, wanted, options)
    for row in rows:
        if row.pairing.n < smallest:
            row.effect = dataclasses.replace(row.effect, p=None, p_exact=None)
    _adjust(rows)
    return rows


def _of_metric(
    frame: pd.DataFrame, metric: Metric, wanted: Sequence[Pair], options: Options
) -> list[Row]:
    table = Table(frame, metric)
    has_errors = metric.is_score and bool(frame["error"].notna().any())
    strict = Table(frame, metric, errors_as_worst=True) if has_errors else None
    rows = []
    for pair in wanted:
        pairing = table.pair(*pair)
        other = None
        if strict is not None and pairing.errors_candidate + pairing.errors_baseline:
            other = effect(strict.pair(*pair), metric, options.confidence)
        found = effect(pairing, metric, options.confidence)
        rows.append(Row(metric, pair, pairing, found, other, _within(frame, metric, pairing, pair)))
    return rows


def _within(
    frame: pd.DataFrame, metric: Metric, pairing: Pairing, pair: Pair
) -> tuple[float, float] | None:
    """The standard error of the difference as it is, and with endless repeats."""
    if pairing.repeats < 2 or pairing.n < 2:
        return None
    rows = frame[frame["variant"].isin(pair) & frame["case_id"].isin(pairing.case_ids)]
    values = rows.pivot_table(
        index="case_id", columns=["variant", "repeat"], values=metric.column, observed=True
    )
    differences = (values[pair[0]] - values[pair[1]]).dropna()
    if len(differences) < 2 or differences.shape[1] < 2:
        return None
    parts = repeats.variance_components(differences.to_numpy("float64").tolist())
    return parts.se, parts.se_endless


def _adjust(rows: Sequence[Row]) -> None:
    """Holm's correction over all rows of one table: every one of them was looked at."""
    tested = [row for row in rows if row.effect.p is not None]
    for row, p in zip(tested, multiple.holm([_p(row.effect) for row in tested]), strict=True):
        row.p_adjusted = float(p)
    strict = [_p(row.strict) if row.strict else _p(row.effect) for row in tested]
    for row, p in zip(tested, multiple.holm(strict), strict=True):
        row.p_adjusted_strict = float(p)


def _p(found: Effect) -> float:
    return 1.0 if found.p is None else found.p


def verdict(
    found: Effect, p_adjusted: float | None, higher_is_better: bool, options: Options
) -> str:
    """The word for an effect: better, worse, no worse or undecided.

    `better` and `worse` need both the interval and the adjusted p; `no worse` needs the one-sided
    bound to be inside of the margin.
    """
    if found.low is None or found.high is None or found.least is None or found.most is None:
        return UNDECIDED
    low, high, bound = found.low, found.high, found.least
    if not higher_is_better:
        low, high, bound = -found.high, -found.low, -found.most
    sure = p_adjusted is not None and p_adjusted < 1 - options.confidence
    if low > 0 and sure:
        return BETTER
    if options.margin is not None and bound > -options.margin and found.solid:
        return NO_WORSE
    return WORSE if high < 0 and sure else UNDECIDED


def to_table(rows: Sequence[Row], options: Options) -> pd.DataFrame:
    """The rows as a frame whose missing numbers are `<NA>`."""
    import pandas as pd

    family = sum(row.effect.p is not None for row in rows)
    table = pd.DataFrame([_record(row, family, options) for row in rows])
    kinds = dict.fromkeys(_NUMBERS, "Float64") | dict.fromkeys(_WHOLE, "Int64")
    return table.astype(kinds)


def _record(row: Row, family: int, options: Options) -> dict[str, Any]:
    found, pairing, metric = row.effect, row.pairing, row.metric
    word = verdict(found, row.p_adjusted, metric.higher_is_better, options)
    empty = pairing.n == 0
    bound = found.least if metric.higher_is_better else found.most
    wins, losses = int((pairing.differences > 0).sum()), int((pairing.differences < 0).sum())
    if not metric.higher_is_better:
        wins, losses = losses, wins
    strict_word = None
    if row.strict is not None:
        strict_word = verdict(row.strict, row.p_adjusted_strict, metric.higher_is_better, options)
    return {
        "metric": metric.name,
        "candidate": row.pair[0],
        "baseline": row.pair[1],
        "verdict": word,
        "diff": None if empty else found.difference,
        "lo": found.low,
        "hi": found.high,
        "bound": bound,
        "p": found.p,
        "p_adjusted": row.p_adjusted,
        "p_exact": found.p_exact,
        "method": METHODS[found.method],
        "n_cases": pairing.n,
        "n_repeats": pairing.repeats,
        "n_groups": found.n_groups,
        "candidate_score": None if empty else float(pairing.candidate.mean()),
        "baseline_score": None if empty else float(pairing.baseline.mean()),
        "wins": wins,
        "ties": pairing.n - wins - losses,
        "losses": losses,
        "dropped": pairing.dropped,
        "errors_candidate": pairing.errors_candidate,
        "errors_baseline": pairing.errors_baseline,
        "diff_errors_as_worst": row.strict.difference if row.strict else None,
        "verdict_errors_as_worst": strict_word,
        "replayed": pairing.replayed,
        "min_detectable": _min_detectable(row, options),
        "more_cases": _more_cases(row, word, family, options),
        "se": found.sd / math.sqrt(pairing.n) if found.sd is not None else None,
        "se_endless_repeats": row.within[1] if row.within else None,
        "yes_no": metric.yes_no,
        "higher_is_better": metric.higher_is_better,
        "margin": options.margin,
        "confidence": options.confidence,
        "family": family,
        "seed": SEED,
        "calibrated": metric.name not in options.uncalibrated,
        "warnings": _warnings(row, word, strict_word, family, options),
    }


def _min_detectable(row: Row, options: Options) -> float | None:
    """The smallest true difference that this many cases find four times in five."""
    n, sd = row.pairing.n, row.effect.sd
    if n < 2 or sd is None:
        return None
    if sd == 0:
        # No case differed: a share of cases above this would have shown one, 19 times in 20.
        return 1 - 0.05 ** (1 / n) if row.metric.yes_no else None
    found = float(power.minimal_difference(n, sd, alpha=1 - options.confidence, power=POWER))
    # A difference of shares is at most 1: so few cases can find none.
    return None if row.metric.yes_no and found > 1 else found


def _more_cases(row: Row, word: str, family: int, options: Options) -> int | None:
    """About how many more cases would decide, if the difference is as large as it looks."""
    n, sd, difference = row.pairing.n, row.effect.sd, row.effect.difference
    if word != UNDECIDED or n < 2 or sd is None:
        return None
    oriented = difference if row.metric.higher_is_better else -difference
    found: list[int | None] = []
    if sd > 0 and difference != 0:
        alpha = (1 - options.confidence) / max(
            1, family
        )  # what the correction leaves of it at worst
        found.append(power.cases_for_difference(abs(difference), sd, alpha=alpha, power=POWER))
    if options.margin and sd > 0:
        found.append(
            power.cases_for_noninferiority(
                oriented, sd, options.margin, confidence=options.confidence, power=POWER
            )
        )
    elif options.margin and row.metric.yes_no:
        # No case differed: so many that a share of the margin would have shown one.
        found.append(math.ceil(math.log(0.05) / math.log(1 - options.margin)))
    known = [number for number in found if number is not None]
    return max(1, min(known) - n) if known else None


def _warnings(
    row: Row, word: str, strict_word: str | None, family: int, options: Options
) -> list[str]:
    pairing, found = row.pairing, row.effect
    said = []
    if pairing.n == 0:
        said.append("no case has a value for both: nothing can be said")
    elif pairing.n == 1:
        said.append("one case: nothing can be said of others")
    elif pairing.n < SMALL:
        said.append(f"only {pairing.n} cases: only a large difference could show")
    if found.n_groups == 1 and pairing.n > 1:
        said.append("all cases are of one group: nothing can be said of other groups")
    elif found.n_groups is not None and found.n_groups < FEW_GROUPS:
        said.append(f"only {found.n_groups} groups: the interval is a rough one")
    if pairing.dropped:
        said.append(f"{pairing.dropped} cases are left out: not both variants have a value there")
    if strict_word is not None and strict_word != word:
        said.append(f"with errors counted as failures the verdict would be '{strict_word}'")
    if pairing.shared:
        said.append(f"{pairing.shared} answers are of the same request: the variants ask the same")
    if pairing.n > 1 and not pairing.differences.any():
        said.append("identical on every case")
    elif not found.solid:
        said.append("every case differs by the same: few cases to conclude from")
    if word == NO_WORSE and _is_worse(row, options):
        said.append("measurably worse, but by less than the margin")
    if row.metric.name in options.uncalibrated:
        said.append("the judge is not calibrated against people")
    if word == UNDECIDED and _leaves_out_zero(found):
        said.append(f"the interval leaves out zero, but p does not hold among {family} comparisons")
    if word == BETTER and family > 2:
        said.append(f"the best of {family} looks better than it is: confirm it on new cases")
    return said


def _leaves_out_zero(found: Effect) -> bool:
    return found.low is not None and found.high is not None and (found.low > 0 or found.high < 0)


def _is_worse(row: Row, options: Options) -> bool:
    plain = dataclasses.replace(options, margin=None)
    return verdict(row.effect, row.p_adjusted, row.metric.higher_is_better, plain) == WORSE
