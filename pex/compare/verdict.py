"""From effects to verdicts: the word, the detectable difference, caveats, one table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from pex.compare.effect import FEW_GROUPS, METHODS, SEED, Effect
from pex.compare.metric import Metric
from pex.compare.pairing import Pairing
from pex.core.pairs import Pair
from pex.score.unusual_answers import UNUSUAL
from pex.stats import power

if TYPE_CHECKING:
    import pandas as pd

BETTER, WORSE, NO_WORSE, UNDECIDED = "better", "worse", "no worse", "undecided"
UNCHANGED = "unchanged"
"""Of a pair with the same requests and the same answers: there is no difference to test."""

POWER = 0.8
"""The probability of finding a difference for it to count as detectable."""

COUNTED = {name: f"answers {word}" for name, word in UNUSUAL.items()}
"""Caveats on a variant's unusual answers; each goes on with their number: `: 2 of 'short'`."""

SMALL = 20

_NUMBERS = (
    "diff", "lo", "hi", "bound", "p", "p_adjusted", "p_exact", "candidate_score", "baseline_score",
    "diff_errors_as_worst", "min_detectable", "se", "se_endless_repeats", "margin",
)  # fmt: skip
_WHOLE = ("n_groups", "more_cases")


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """The options of a comparison.

    `confidence` is the level of the two-sided interval that `better` and `worse` need, and the
    one-sided level that `no worse` needs. `uncalibrated` are scores of judges that have not
    been compared with human ratings. `correct` says for what p is corrected: "score" for the
    comparisons on each score by itself, "all" for all in the table.
    """

    margin: float | None = None
    confidence: float = 0.95
    lower_is_better: bool | None = None
    uncalibrated: Collection[str] = ()
    correct: str = "score"


@dataclasses.dataclass(slots=True)
class Row:
    """One pair on one metric, before it becomes a row of the table.

    `strict` is the effect with errors counted as failures, if there are errors; `within` the
    standard error as it is and with unlimited repeats, if there are repeats; `remarks` describe
    unusual answers of either variant; `family` the number of comparisons that p is corrected for;
    `strict_pairing` what `strict` was made from.
    """

    metric: Metric
    pair: Pair
    pairing: Pairing
    effect: Effect
    strict: Effect | None
    within: tuple[float, float] | None
    remarks: Sequence[str] = ()
    p_adjusted: float | None = None
    p_adjusted_strict: float | None = None
    family: int = 0
    strict_pairing: Pairing | None = None


def verdict(
    found: Effect, p_adjusted: float | None, higher_is_better: bool, options: Options
) -> str:
    """The verdict for an effect: better, worse, no worse or undecided.

    `better` and `worse` need both the interval and the adjusted p; `no worse` needs the one-sided
    bound to be within the margin.
    """
    if found.low is None or found.high is None or found.least is None or found.most is None:
        return UNDECIDED
    low, high, bound = found.low, found.high, found.least
    if not higher_is_better:
        low, high, bound = -found.high, -found.low, -found.most
    sure = p_adjusted is not None and p_adjusted < 1 - options.confidence
    if low > 0 and sure:
        return BETTER
    within = options.margin is not None and bound > -options.margin
    if within and found.solid and found.sure:
        return NO_WORSE
    return WORSE if high < 0 and sure else UNDECIDED


def to_table(rows: Sequence[Row], options: Options) -> pd.DataFrame:
    """The rows as a frame whose missing numbers are `<NA>`."""
    import pandas as pd

    table = pd.DataFrame([record_of(row, options) for row in rows])
    kinds = dict.fromkeys(_NUMBERS, "Float64") | dict.fromkeys(_WHOLE, "Int64")
    return table.astype(kinds)


def record_of(
    row: Row, options: Options, more_cases: Callable[[str], int | None] | None = None
) -> dict[str, Any]:
    """A row of the table by itself, as plain data: None where a number is missing.

    Args:
        row: the comparison.
        options: what the verdict is made by.
        more_cases: how many more cases a verdict needs; None: as for any table.
    """
    found, pairing, metric, family = row.effect, row.pairing, row.metric, row.family
    word = UNCHANGED
    if not pairing.unchanged:
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
        # Equal differences of few cases have no spread to make an interval of.
        "lo": found.low if found.solid else None,
        "hi": found.high if found.solid else None,
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
        "more_cases": more_cases(word) if more_cases else _more_cases(row, word, family, options),
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
    """The smallest true difference that this many cases detect four times in five."""
    n, sd = row.pairing.n, row.effect.sd
    if n < 2 or sd is None:
        return None
    if sd == 0:
        # No case differed: a share of cases above this would have shown one 19 times in 20.
        return 1 - 0.05 ** (1 / n) if row.metric.yes_no else None
    found = float(power.minimal_difference(n, sd, alpha=1 - options.confidence, power=POWER))
    # A difference of shares is at most 1: very few cases cannot detect any.
    return None if row.metric.yes_no and found > 1 else found


def _more_cases(row: Row, word: str, family: int, options: Options) -> int | None:
    """About how many more cases are needed if the difference is as large as it appears."""
    n, sd, difference = row.pairing.n, row.effect.sd, row.effect.difference
    if word != UNDECIDED or n < 2 or sd is None:
        return None
    oriented = difference if row.metric.higher_is_better else -difference
    found: list[int | None] = []
    if sd > 0 and difference != 0:
        alpha = (1 - options.confidence) / max(
            1, family
        )  # the level that the correction leaves in the worst case
        found.append(power.cases_for_difference(abs(difference), sd, alpha=alpha, power=POWER))
    if options.margin and sd > 0:
        found.append(
            power.cases_for_noninferiority(
                oriented, sd, options.margin, confidence=options.confidence, power=POWER
            )
        )
    elif options.margin and row.metric.yes_no:
        # No case differed: as many as would have shown a share of the margin.
        found.append(math.ceil(math.log(0.05) / math.log(1 - options.margin)))
    known = [number for number in found if number is not None]
    return max(1, min(known) - n) if known else None


def _warnings(
    row: Row, word: str, strict_word: str | None, family: int, options: Options
) -> list[str]:
    pairing, found = row.pairing, row.effect
    if pairing.unchanged:
        return list(row.remarks)
    said = []
    if pairing.n == 0:
        said.append("no case has a value for both variants")
    elif pairing.n == 1:
        said.append("one case says nothing about others")
    elif pairing.n < SMALL:
        said.append(f"only large differences are detectable with {pairing.n} cases")
    if found.n_groups == 1 and pairing.n > 1:
        said.append("all cases are in one group: this says nothing about other groups")
    elif found.n_groups is not None and found.n_groups < FEW_GROUPS:
        said.append(f"only {found.n_groups} groups: the interval is rough")
    if pairing.dropped:
        cases = "1 case is" if pairing.dropped == 1 else f"{pairing.dropped:,} cases are"
        said.append(f"{cases} left out: one of the variants has no value there")
    if strict_word is not None and strict_word != word:
        said.append(f"with errors counted as failures the verdict would be '{strict_word}'")
    for name, counts in pairing.unusual.items():
        there = [(n, who) for n, who in zip(counts, row.pair, strict=True) if n]
        said += [f"{COUNTED[name]}: {n} of '{who}'" for n, who in there]
    if pairing.shared:
        answers = "1 answer comes" if pairing.shared == 1 else f"{pairing.shared:,} answers come"
        said.append(f"{answers} from the same request: both variants sent the same")
    if pairing.n > 1 and not pairing.differences.any():
        said.append("identical on every case")
    elif not found.solid:
        said.append("every case differs by the same amount: too few cases to conclude from")
    if word == NO_WORSE and _is_worse(row, options):
        said.append("measurably worse, but by less than the margin")
    if row.metric.name in options.uncalibrated:
        said.append("the judge is not calibrated against people")
    if word == UNDECIDED and _excludes_zero(found):
        if found.p is not None and found.p < 1 - options.confidence:
            said.append(f"significant alone, but not after correcting for {family} comparisons")
        elif found.p is not None:
            said.append(f"the interval leaves out 0, but the test is not sure: p = {found.p:.2f}")
    if word == BETTER and family > 2:
        said.append(
            f"the best of {family} tends to look better than it is: confirm it on new cases"
        )
    return [*said, *row.remarks]


def _excludes_zero(found: Effect) -> bool:
    return found.low is not None and found.high is not None and (found.low > 0 or found.high < 0)


def _is_worse(row: Row, options: Options) -> bool:
    plain = dataclasses.replace(options, margin=None)
    return verdict(row.effect, row.p_adjusted, row.metric.higher_is_better, plain) == WORSE
