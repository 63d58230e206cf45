"""A run's result in the words of people who do not program: the first lines of its report."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.compare.verdict import BETTER, NO_WORSE, UNCHANGED, UNDECIDED, WORSE
from pex.core.about import About
from pex.core.values import missing
from pex.report.comparison import format_value, listed, records, round_count

if TYPE_CHECKING:
    import pandas as pd

MOST = 4
"""Variants named with their counts; the others are in the table."""

_MEASURES = {
    "label": "Right answers", "exact": "Right answers", "number": "Right numbers",
    "fields": "Right fields", "contains": "Answers that contain what is expected",
    "regex": "Answers that fit the pattern", "json": "Valid JSON",
    "similarity": "Likeness to the expected answer", "length": "Answers of the right length",
    "latency": "Answers in time",
}  # fmt: skip
_RIGHT = ("label", "exact", "number", "fields")
"""Kinds of scorers whose "yes" means that the answer is right."""


def measure_name(score: str, about: About) -> str:
    """A score in words, with its name in brackets; the name alone if its kind has no words.

    Args:
        score: its name.
        about: the run, which says what kind of scorer it is of.
    """
    scorer, _, part = score.partition(".")
    words = _MEASURES.get(_kind(scorer, about), "")
    if not words:
        return score
    return f"{words}: {part} ({score})" if part else f"{words} ({score})"


def plain_answer(
    summary: pd.DataFrame, comparison: pd.DataFrame | None, yes_no: Collection[str], about: About
) -> tuple[str, str]:
    """The answer in a few words, and the sentence or two that support it.

    Args:
        summary: one row per variant.
        comparison: the verdicts, if there is more than one variant and a score.
        yes_no: the scores that are yes/no.
        about: the run.
    """
    if comparison is None or not len(comparison):
        return _without_comparison(summary, yes_no, about)
    rows = records(comparison)
    gate = (about.gate or {}).get("metric")
    metrics = [row["metric"] for row in rows]
    metric = gate if gate in metrics else metrics[0]
    rows = [row for row in rows if row["metric"] == metric]
    if all(row["n_cases"] == 0 for row in rows):
        return "Nothing to compare.", "No case has a value for both variants."
    return _head(rows), " ".join(filter(None, [_counts(rows, about), _why(rows)]))


def _kind(scorer: str, about: About) -> str:
    for item in about.scorer_items or ():
        if isinstance(item, Mapping) and scorer in (item.get("name"), item.get("kind")):
            return str(item.get("kind", ""))
    # A scorer without options is named by its kind; a function or a judge has a name of its own.
    return scorer if scorer in _MEASURES else ""


def _head(rows: Sequence[Mapping[str, Any]]) -> str:
    by_verdict = {word: _names(rows, word) for word in (BETTER, WORSE, NO_WORSE, UNCHANGED)}
    one = len({row["baseline"] for row in rows}) == 1
    than = f" than {rows[0]['baseline']}" if one else " than what they are compared with"
    said = [
        f"{_listed(names)} {'is' if len(names) == 1 else 'are'} {word}{than}."
        for word in (BETTER, WORSE, NO_WORSE)
        if (names := by_verdict[word])
    ]
    if said:
        return " ".join(said)
    if len(by_verdict[UNCHANGED]) == len(rows):
        return "Nothing differs."
    return "No clear winner yet."


def _names(rows: Sequence[Mapping[str, Any]], verdict: str) -> list[str]:
    return list(dict.fromkeys(str(row["candidate"]) for row in rows if row["verdict"] == verdict))


def _listed(names: Sequence[str]) -> str:
    more = [f"{len(names) - MOST} more"] if len(names) > MOST else []
    return listed([*names[:MOST], *more])


def _counts(rows: Sequence[Mapping[str, Any]], about: About) -> str:
    """What each variant got, the best first, such as "short got 19 of 30 right, strict 16"."""
    first = rows[0]
    metric, yes_no = str(first["metric"]), bool(first["yes_no"])
    values = {str(row["baseline"]): row["baseline_score"] for row in rows}
    values |= {str(row["candidate"]): row["candidate_score"] for row in rows}
    known = {name: float(value) for name, value in values.items() if not missing(value)}
    sign = -1 if first["higher_is_better"] else 1
    order = sorted(known, key=lambda name: sign * known[name])
    if not order:
        return ""
    same = len({row["n_cases"] for row in rows}) == 1
    whole = yes_no and same and all(row["n_repeats"] == 1 for row in rows)
    cases = int(first["n_cases"])
    texts = []
    shown = _shown(order, rows)
    for place, name in enumerate(shown):
        value = known[name]
        if whole:
            of = f" of {cases}" if place == 0 else ""
            texts.append(f"{round(value * cases)}{of}")
        else:
            texts.append(format_value(value, metric, yes_no))
    named = [f"{name} {text}" for name, text in zip(shown[1:], texts[1:], strict=True)]
    kind = _kind(metric.partition(".")[0], about)
    verb = "got" if not whole or kind in _RIGHT else "passed"
    right = " right" if yes_no and kind in _RIGHT else ""
    end = "" if right else f" on {metric}"
    left = len(order) - len(shown)
    rest = f"; {left} {'other is' if left == 1 else 'others are'} in the table" if left else ""
    return f"{', '.join([f'{shown[0]} {verb} {texts[0]}{right}', *named])}{end}{rest}."


def _shown(order: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The variants to give figures of: those that the first sentence names, then the best."""
    named = [*_names(rows, BETTER), *_names(rows, WORSE), str(rows[0]["baseline"])]
    chosen = list(dict.fromkeys([*named, *order]))[:MOST]
    return [name for name in order if name in chosen]


def _why(rows: Sequence[Mapping[str, Any]]) -> str:
    """Why there is no winner, and how many more cases would tell; or that chance is unlikely."""
    words = {row["verdict"] for row in rows}
    if words & {BETTER, WORSE}:
        return "Chance is an unlikely explanation."
    if words == {UNCHANGED}:
        return "The same requests got the same answers."
    open_ = [row for row in rows if row["verdict"] == UNDECIDED and row["n_cases"]]
    if not open_:
        return ""
    # The variant that stands out most needs the fewest.
    more = min(
        (int(row["more_cases"]) for row in open_ if not missing(row["more_cases"])), default=0
    )
    if all(row["diff"] == 0 for row in open_):
        return "There is no difference on these cases."
    if not more:
        return "So few cases cannot tell." if len(open_) == 1 else "These cases cannot tell."
    about = f"about {round_count(more):,} more cases would tell"
    return f"So small a difference can be chance; {about}."


def _without_comparison(
    summary: pd.DataFrame, yes_no: Collection[str], about: About
) -> tuple[str, str]:
    answered = f"{about.counts.answered:,} of {about.counts.requests:,} requests were answered."
    names = [column[6:-2] for column in summary.columns if column.endswith(".n")]
    if not names or len(summary) != 1:
        return "Nothing was scored." if not names else "Nothing to compare.", answered
    name, row = names[0], summary.iloc[0]
    value, cases = float(row[f"score.{name}"]), int(row[f"score.{name}.n"])
    if math.isnan(value):
        return "Nothing was scored.", answered
    if name in yes_no and about.repeats == 1:
        right = "right" if _kind(name, about) in _RIGHT else f"passed on {name}"
        return f"{round(value * cases)} of {cases} {right}.", answered
    return f"{measure_name(name, about)}: {format_value(value, name, name in yes_no)}.", answered
