"""Changes case by case: lost, fixed, and flaky cases of a night."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.batch.night.run_changes import Pieces, Recorded, fingerprint, word_changes
from pex.core.safe_text import clean
from pex.core.text import value_text
from pex.core.values import missing
from pex.report.tables import cut
from pex.report.word_difference import MIN_SIMILARITY
from pex.score.frame import score_names, yes_no

if TYPE_CHECKING:
    import pandas as pd

    from pex.batch.night.night import JudgedRun
    from pex.batch.night.night_gate import CandidateVerdict

MAX_CASES = 60
"""Maximum number of cases of one list shown with their answers; the total is always given."""
MAX_CHARS = 1500


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """A case with two answers side by side; the second as pieces compared with the first."""

    case_id: str
    inputs: str
    expected: str
    before: str
    now: Pieces
    scores: tuple[float | None, float | None]
    new: bool = False
    reason: str = ""


@dataclasses.dataclass(slots=True)
class Casework:
    """The changed cases of one variant.

    `lost`: compared with the baseline; `failing`: since last night, if the baseline fails too;
    `fixed` and `flaky`: ids with their inputs. The counts are of all cases, not only those shown.
    """

    variant: str
    baseline: str
    lost: list[Shown]
    lost_count: int
    lost_new: int
    failing: list[Shown]
    failing_count: int
    fixed: list[tuple[str, str]]
    fixed_count: int
    flaky: list[tuple[str, str]]
    flaky_count: int


def casework(subject: JudgedRun) -> list[Casework]:
    """The changed cases of each judged variant of a run, or of all variants if none is judged."""
    metric = subject.metric
    if metric is None or metric not in score_names(subject.now.frame):
        return []
    judged = {
        item.candidate: item
        for item in subject.judged
        if item.cases is not None and not item.beside
    }
    # A baseline of the same night has its own failures and flaky cases.
    names = list(dict.fromkeys(subject.now.frame["variant"]))
    inputs = _inputs(subject.now.frame)
    return [_cases_of_variant(subject, name, judged.get(name), metric, inputs) for name in names]


def _cases_of_variant(
    subject: JudgedRun,
    name: str,
    judged: CandidateVerdict | None,
    metric: str,
    inputs: Mapping[str, str],
) -> Casework:
    now = _means(subject.now, name, metric)
    last = _means(subject.last, name, metric) if subject.last else {}
    sign = -1 if judged and judged.row and not judged.row["higher_is_better"] else 1
    fell = {case for case, value in now.items() if case in last and sign * (value - last[case]) < 0}
    rose = [case for case, value in now.items() if case in last and sign * (value - last[case]) > 0]
    lost: list[str] = []
    baseline, beside = "", None
    if judged is not None and judged.cases is not None:
        rows = judged.cases
        lost = [str(case) for case in rows.loc[sign * rows["diff"] < 0, "case_id"]]
        baseline, beside = judged.baseline, subject.accepted or subject.now
    failing = [case for case in now if case in fell and case not in set(lost)]
    flaky = _flaky(subject, name, metric)
    # A flaky case is neither new nor fixed.
    fixed = [case for case in rose if case not in flaky]
    return Casework(
        name,
        baseline,
        _side_by_side(lost, subject.now, name, beside, baseline, metric, fell),
        len(lost),
        len([case for case in lost if case in fell]),
        _side_by_side(failing, subject.now, name, subject.last, name, metric, set()),
        len(failing),
        [(case, inputs[case]) for case in fixed[:MAX_CASES]],
        len(fixed),
        [(case, inputs[case]) for case in flaky[:MAX_CASES]],
        len(flaky),
    )


def _means(recorded: Recorded | None, variant: str, metric: str) -> dict[str, float]:
    """The mean score of each case of a variant, without errors."""
    if recorded is None or f"score.{metric}" not in recorded.frame.columns:
        return {}
    rows = recorded.frame[recorded.frame["variant"] == variant]
    means = rows.groupby("case_id", sort=False)[f"score.{metric}"].mean().dropna()
    return {str(case): float(value) for case, value in means.items()}


def _flaky(subject: JudgedRun, variant: str, metric: str) -> list[str]:
    """Cases whose repeats disagree, or that changed sides twice while nothing was changed."""
    if metric not in yes_no(subject.now.frame):
        return []
    print_ = fingerprint(subject.now, variant)
    same = [
        item
        for item in [subject.now, *filter(None, [subject.last]), *subject.earlier]
        if variant in item.variants and fingerprint(item, variant) == print_
    ]
    series = [_means(item, variant, metric) for item in same]
    found = []
    for case, value in series[0].items():
        values = [means[case] for means in series if case in means]
        turns = sum(a != b for a, b in itertools.pairwise(values))
        if 0 < value < 1 or turns >= 2:
            found.append(case)
    return found


def _inputs(frame: pd.DataFrame) -> dict[str, str]:
    columns = [name for name in frame.columns if name.startswith("case.")]
    first = frame.drop_duplicates("case_id")[["case_id", *columns]]
    return {
        str(row["case_id"]): _text(
            " · ".join(value_text(row[c]) for c in columns if row[c] is not None), 300
        )
        for row in first.to_dict("records")
    }


def _side_by_side(
    cases: Sequence[str],
    now: Recorded,
    variant: str,
    beside: Recorded | None,
    baseline: str,
    metric: str,
    new: set[str],
) -> list[Shown]:
    # Changes since last night come first.
    order = sorted(cases, key=lambda case: case not in new)[:MAX_CASES]
    mine = _worst(now, variant, metric, order)
    theirs = _worst(beside, baseline, metric, order) if beside is not None else {}
    inputs = _inputs(now.frame[now.frame["case_id"].isin(order)])
    found = []
    for case in order:
        row, other = mine[case], theirs.get(case)
        before = _answer(other) if other is not None else ""
        answer = _answer(row)
        both = not missing(row["output"]) and other is not None and not missing(other["output"])
        found.append(
            Shown(
                case,
                inputs[case],
                "" if missing(row["expected"]) else _text(value_text(row["expected"]), 300),
                before,
                word_changes(answer, before, min_similarity=MIN_SIMILARITY)
                if both
                else [("same", answer)],
                tuple(_score(item, metric) for item in (other, row)),  # type: ignore[arg-type]
                case in new,
                _reason(row, metric),
            )
        )
    return found


def _worst(
    recorded: Recorded, variant: str, metric: str, cases: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """One row for each case: the repeat with the lowest score."""
    frame = recorded.frame
    rows = frame[(frame["variant"] == variant) & frame["case_id"].isin(list(cases))]
    column = f"score.{metric}"
    ordered = rows.sort_values(column, kind="stable", na_position="last")
    return {
        str(row["case_id"]): {str(k): v for k, v in row.items()}
        for row in ordered.drop_duplicates("case_id").to_dict("records")
    }


def _answer(row: Mapping[str, Any]) -> str:
    if not missing(row["error"]):
        return _text(f"error ({row['error_kind']}): {row['error']}", 300)
    text = _text(str(row["output"]), MAX_CHARS)
    return text if text.strip() else "(empty answer)"


def _reason(row: Mapping[str, Any], metric: str) -> str:
    reason = row.get(f"reason.{metric}")
    return "" if missing(reason) else _text(str(reason), 300)


def _score(row: Mapping[str, Any] | None, metric: str) -> float | None:
    value = None if row is None else row[f"score.{metric}"]
    return None if missing(value) else float(str(value))


def _text(text: str, most: int) -> str:
    return clean(cut(text, most))
