"""Frames in, verdicts out: the paired comparison that everything else is built on.

Per metric and pair: the mean over the repeats of a case, the cases that both variants have, their
differences, an interval, a p adjusted for the number of pairs, and a verdict that is
"undecided" unless the evidence suffices. Omissions are counted, and the same comparison
with errors counted as failures is beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pex.compare.effect import Effect, effect
from pex.compare.metric import (
    Metric,
    check_confidence,
    check_correct,
    check_frame,
    check_margin,
    metric_of,
)
from pex.compare.pairing import Pairing, Table
from pex.compare.user_likeness import user_remarks
from pex.compare.verdict import Options, Row, to_table
from pex.core.about import VariantInfo
from pex.core.errors import PexError
from pex.core.pairs import Pair, pairs, variants_in
from pex.core.provenance import origin_notes
from pex.core.remarks import of_frame
from pex.score.frame import score_names
from pex.stats import multiple, repeats

if TYPE_CHECKING:
    import pandas as pd


def compare(
    frame: pd.DataFrame,
    baseline: str | None = None,
    metrics: Sequence[str] | str | None = None,
    options: Options | None = None,
    variants: Sequence[VariantInfo] | None = None,
) -> pd.DataFrame:
    """Compare every candidate with its baseline, one row per metric and candidate.

    Args:
        frame: the long frame, with at least `variant`, `case_id` and a score or a cost.
        baseline: the name of a variant, prompt or model; None: the first variant.
        metrics: scores, or `cost_usd`, `latency_s`, …; None: every score.
        options: margin, confidence, direction.
        variants: name, prompt, model and parameters of each; None: taken from the frame.

    Returns:
        `metric, candidate, baseline, verdict, diff, lo, hi, bound, p, p_adjusted, …`; `diff` is
        candidate minus baseline in the metric's unit, `bound` the one-sided end that `no worse`
        needs beyond the margin. Missing numbers are `<NA>`, never NaN.

    Raises:
        PexError: no such metric or baseline, nothing to compare, an invalid margin, duplicate rows.

    Example:
        >>> import pandas as pd
        >>> rows = [(v, f"c{i}", float(i % 2 or v == "b")) for v in "ab" for i in range(40)]
        >>> frame = pd.DataFrame(rows, columns=["variant", "case_id", "score.ok"])
        >>> row = compare(frame, "a").iloc[0]
        >>> row["candidate"], row["verdict"], float(row["diff"])
        ('b', 'better', 0.5)
    """
    options = options or Options()
    notes = origin_notes(frame)
    frame = check_frame(frame)
    rows = rows_of(frame, [frame], baseline, metrics, options, variants, notes=notes)
    return to_table(rows, options)


def pair_cases(frame: pd.DataFrame, candidate: str, baseline: str, metric: str) -> pd.DataFrame:
    """The cases of one pair, one row each, the largest loss first.

    Returns:
        `case_id, group, candidate, baseline, candidate_score, baseline_score, diff, text`.
    """
    import pandas as pd

    frame = check_frame(frame)
    measured = metric_of(frame, metric)
    pairing = Table(frame, measured).pair(candidate, baseline)
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
    order = "diff" if measured.higher_is_better else table["diff"].mul(-1)
    if isinstance(order, str):
        return table.sort_values(order, kind="stable", ignore_index=True)
    return table.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def names_of(frame: pd.DataFrame, metrics: Sequence[str] | str | None) -> list[str]:
    """The metrics to compare; every score if none is named."""
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
    variants: Sequence[VariantInfo] | None,
    smallest: int = 0,
    notes: Sequence[str] = (),
) -> list[Row]:
    """Every pair on every metric within every part of a checked frame, p adjusted.

    A pair with fewer than `smallest` cases is shown but not tested, so it does not weaken the
    other tests. `notes` are caveats of all pairs.
    """
    check_confidence(options.confidence)
    check_correct(options.correct)
    there = set(frame["variant"])
    known = [item for item in variants or variants_in(frame) if item.name in there]
    wanted = pairs(known, baseline)
    said, users = of_frame(frame), user_remarks(frame)
    rows = []
    for name in names_of(frame, metrics):
        metric = metric_of(frame, name, options.lower_is_better)
        check_margin(options.margin, metric, frame)
        for part in parts:
            rows += _of_metric(part, metric, wanted, options)
    for row in rows:
        row.remarks = [*notes, *(text for name in row.pair for text in said.get(name, ()))]
        row.remarks += [users[pair]] if (pair := frozenset(row.pair)) in users else []
        if row.pairing.n < smallest:
            row.effect = dataclasses.replace(row.effect, p=None, p_exact=None)
    _adjust(rows, options.correct)
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
        other = worst = None
        if strict is not None and pairing.errors_candidate + pairing.errors_baseline:
            worst = strict.pair(*pair)
            other = effect(worst, metric, options.confidence)
        found = effect(pairing, metric, options.confidence)
        within = _within(frame, metric, pairing, pair)
        rows.append(Row(metric, pair, pairing, found, other, within, strict_pairing=worst))
    return rows


def _within(
    frame: pd.DataFrame, metric: Metric, pairing: Pairing, pair: Pair
) -> tuple[float, float] | None:
    """The standard error of the difference as it is, and with unlimited repeats."""
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


def _adjust(rows: Sequence[Row], correct: str) -> None:
    """Apply Holm's correction: a reader picks among the variants and slices that a table shows.

    Scores are corrected for by themselves unless all are asked for: so many secondary scores would
    hide what the primary one shows.
    """
    families: dict[str, list[Row]] = {}
    for row in rows:
        families.setdefault("" if correct == "all" else row.metric.name, []).append(row)
    for family in families.values():
        tested = [row for row in family if row.effect.p is not None]
        for row in family:
            row.family = len(tested)
        for row, p in zip(tested, multiple.holm([_p(row.effect) for row in tested]), strict=True):
            row.p_adjusted = float(p)
        strict = [_p(row.strict) if row.strict else _p(row.effect) for row in tested]
        for row, p in zip(tested, multiple.holm(strict), strict=True):
            row.p_adjusted_strict = float(p)


def _p(found: Effect) -> float:
    return 1.0 if found.p is None else found.p
