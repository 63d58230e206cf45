"""Answers and scores as one long frame, and the summary shown in tables."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.call import Answer, Request, checked
from pex.core.case_files import whole_numbers
from pex.core.cases import Case
from pex.core.events import RowKey
from pex.core.provenance import ACCEPTED, GENERATED, STATE
from pex.core.score import Score
from pex.core.values import to_json_value
from pex.core.variant import Variant
from pex.score.pass_k import pass_k_columns
from pex.score.unusual_answers import unusual
from pex.stats import intervals

if TYPE_CHECKING:
    import pandas as pd

Row = tuple[Request, Answer, Mapping[str, Score]]

_FLOATS = ("latency_s", "ttft_s", "cost_usd")
_COUNTS = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens",
           "cache_write_tokens")  # fmt: skip
COLUMNS = (
    "variant", "prompt", "prompt_version", "model", "resolved_model", "case_id", "group", "tags",
    "repeat", "expected", "output", "error", "error_kind", "finish_reason", "started_at",
    *_FLOATS[:2], *_COUNTS, "cost_usd", "reasoning", "remarks",
    "from_journal", "request_key", "trace_id",
)  # fmt: skip

_WHERE_THERE_ARE = (
    "tool_calls", "logprobs", "conversation", "raw_body", "canary", "steps", "world",
)  # fmt: skip
"""Columns that a frame has only if an answer has such values: lists, unchanged."""

_OF_ANSWER = tuple(f.name for f in dataclasses.fields(Answer) if f.name in COLUMNS)


def build_frame(
    rows: Iterable[Row],
    variants: Sequence[Variant],
    cases: Sequence[Case],
    score_names: Sequence[str],
) -> pd.DataFrame:
    """The long frame: one row per (variant, case_id, repeat), in the order of the variants.

    Scores are numbers (yes is 1.0, no is 0.0); a score that was not given is missing, never 0,
    and `score_error.<name>` has the error if the scorer itself failed.
    """
    rows = list(rows)
    try:
        return _frame(rows, variants, cases, score_names)
    except (TypeError, ValueError, OverflowError):
        # Answers that were read or reused always fit; an answer made in another way may not.
        fitting = [(request, checked(answer), scores) for request, answer, scores in rows]
        return _frame(fitting, variants, cases, score_names)


def _frame(
    rows: Sequence[Row],
    variants: Sequence[Variant],
    cases: Sequence[Case],
    score_names: Sequence[str],
) -> pd.DataFrame:
    import pandas as pd

    case_of = {case.id: case for case in cases}
    order = {variant.name: number for number, variant in enumerate(variants)}
    place = {case_id: number for number, case_id in enumerate(case_of)}
    rows = sorted(rows, key=lambda r: (order[r[0].variant], place[r[0].case_id], r[0].repeat))
    spread = spread_failures([scores for _, _, scores in rows], score_names)
    rows = [(*row[:2], scores) for row, scores in zip(rows, spread, strict=True)]
    found = score_columns(spread, score_names)
    # Values shared by all rows of a variant are calculated once: a digest is not cheap.
    shared = {
        variant.name: {"prompt": variant.prompt.name, "prompt_version": variant.prompt.digest}
        for variant in variants
    }
    records = [
        _record(request, answer, scores, case_of[request.case_id]) | shared[request.variant]
        for request, answer, scores in rows
    ]
    inputs = dict.fromkeys(name for case in cases for name in case.inputs)
    columns = [
        *COLUMNS,
        *(f"{part}.{name}" for name in found for part in ("score", "reason", "score_error")),
        *(f"case.{name}" for name in inputs),
    ]
    frame = typed(pd.DataFrame(records, columns=columns))
    for name in ("expected", *(f"case.{name}" for name in inputs)):
        values = [record.get(name) for record in records]
        if _floats_would_differ(values):
            frame[name] = pd.Series(values, index=frame.index, dtype=object)
    for name in _WHERE_THERE_ARE:
        values = [getattr(answer, name) for _, answer, _ in rows]
        if any(value is not None for value in values):
            frame[name] = pd.Series(values, index=frame.index, dtype=object)
    if any(case.provenance is not None and case.provenance.generated for case in cases):
        frame[STATE] = [_state(case_of[request.case_id]) for request, _, _ in rows]
    return frame


def _state(case: Case) -> str | None:
    if case.provenance is None or not case.provenance.generated:
        return None
    return ACCEPTED if case.accepted else GENERATED


def _floats_would_differ(values: Sequence[Any]) -> bool:
    """Whether whole numbers are mixed with gaps or other numbers: pandas would make all floats."""
    kinds = {type(value) for value in values}
    return int in kinds and bool(kinds & {float, type(None)})


def spread_failures(
    rows: Sequence[Mapping[str, Score]], names: Sequence[str]
) -> list[Mapping[str, Score]]:
    """The scores of rows; a failure of a scorer that returns a dict gets the dict's names.

    If such a scorer fails, or returns nothing, the names of the missing scores are known only from
    the other rows.

    Args:
        rows: the scores of each row, by name.
        names: the names of the scorers.

    Example:
        >>> rows = [{"tone.polite": Score(True)}, {"tone": Score(None, error="KeyError")}]
        >>> list(spread_failures(rows, ["tone"])[1])
        ['tone.polite']
    """
    given = dict.fromkeys(name for scores in rows for name in scores)
    parts = {name: [key for key in given if is_part(key, name, names)] for name in names}
    parts = {name: keys for name, keys in parts.items() if keys}
    own = {n for n in parts if any(n in row and row[n].value is not None for row in rows)}
    if not parts:
        return list(rows)
    spread: list[Mapping[str, Score]] = []
    for scores in rows:
        found = dict(scores)
        for name, keys in parts.items():
            score = found.get(name)
            if score is not None and score.value is None and not any(key in found for key in keys):
                if name not in own:
                    del found[name]
                found |= dict.fromkeys(keys, score)
        spread.append(found)
    return spread


def is_part(key: str, name: str, names: Collection[str]) -> bool:
    """Whether a score is one of several from the scorer `name`, not from another scorer.

    Example:
        >>> is_part("tone.polite", "tone", ["tone"]), is_part("tone.b", "tone", ["tone", "tone.b"])
        (True, False)
    """
    return key.startswith(f"{name}.") and key not in names


def score_columns(rows: Sequence[Mapping[str, Score]], names: Sequence[str]) -> list[str]:
    """The names of the scores that have columns in a frame.

    A scorer that gave scores only under other names has no column of its own name.
    """
    given = dict.fromkeys(name for scores in rows for name in scores)
    kept = [
        name
        for name in names
        if name in given or not any(is_part(key, name, names) for key in given)
    ]
    return list(dict.fromkeys([*kept, *given]))


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the columns of a long frame their types, even if all values are missing."""
    import pandas as pd

    # A frame recorded by an earlier version lacks newer columns, and has floats if whole numbers
    # were mixed with gaps.
    if "remarks" not in frame.columns:
        for name in ("expected", *(n for n in frame.columns if str(n).startswith("case."))):
            if name in frame.columns and frame[name].dtype == "float64":
                values = whole_numbers(list(frame[name]))
                if not all(isinstance(value, float) for value in values):
                    frame = frame.assign(**{name: pd.Series(values, frame.index, dtype=object)})
    frame = frame.assign(**dict.fromkeys(name for name in COLUMNS if name not in frame.columns))
    kinds: dict[str, str] = dict.fromkeys(_FLOATS, "float64") | dict.fromkeys(_COUNTS, "Int64")
    kinds |= {column: "float64" for column in frame.columns if column.startswith("score.")}
    kinds |= {"repeat": "int64", "from_journal": "bool"}
    frame = frame.astype(kinds)
    frame["started_at"] = pd.to_datetime(frame["started_at"], unit="s", utc=True)
    return frame


def _record(
    request: Request, answer: Answer, scores: Mapping[str, Score], case: Case
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "variant": request.variant,
        "model": request.model,
        "case_id": case.id,
        "group": case.group,
        "tags": list(case.tags),
        "repeat": request.repeat,
        "expected": case.expected,
        "request_key": request.key,
        "trace_id": None,
    }
    for name in _OF_ANSWER:
        record[name] = getattr(answer, name)
    for name, score in scores.items():
        record[f"score.{name}"] = math.nan if score.value is None else float(score.value)
        record[f"reason.{name}"] = score.reason
        record[f"score_error.{name}"] = score.error
    for name, value in case.inputs.items():
        record[f"case.{name}"] = value
    return record


def restore(
    frame: pd.DataFrame, renamed: Mapping[str, str] | None = None, decimal: str = ""
) -> Iterator[tuple[RowKey, Answer, Case]]:
    """The answers and cases that a long frame was built from, row by row.

    Args:
        frame: the long frame.
        renamed: the names that the user gave to columns, with the columns.
        decimal: the decimal sign of numbers in the file of cases, if it is known.
    """
    inputs = [name for name in frame.columns if name.startswith("case.")]
    of_answer = [name for name in (*_OF_ANSWER, *_WHERE_THERE_ARE) if name in frame.columns]
    cases: dict[str, Case] = {}
    for row in frame.to_dict("records"):
        case = cases.get(row["case_id"])
        if case is None:
            case = cases[row["case_id"]] = Case(
                id=row["case_id"],
                inputs={name[5:]: to_json_value(row[name]) for name in inputs},
                expected=to_json_value(row["expected"]),
                group=to_json_value(row["group"]),
                tags=tuple(to_json_value(row["tags"]) or ()),
                renamed=dict(renamed or {}),
                decimal=decimal,
            )
        values = {name: _plain_or_as_it_is(row[name]) for name in of_answer}
        values["started_at"] = row["started_at"].timestamp()
        values["remarks"] = list(values.get("remarks") or ())
        answer = Answer(**values)
        yield (row["variant"], row["case_id"], row["repeat"]), answer, case


def _plain_or_as_it_is(value: Any) -> Any:
    return value if isinstance(value, str | list | dict) else to_json_value(value)


def with_scores(
    frame: pd.DataFrame, scores: Mapping[RowKey, Mapping[str, Score]], stale: Collection[str] = ()
) -> pd.DataFrame:
    """Return a copy of a long frame with further scores; existing scores are replaced.

    Args:
        frame: the long frame.
        scores: the scores of its rows.
        stale: the names of scores that no longer exist.
    """
    import pandas as pd

    parts = ("score", "reason", "score_error")
    gone = {f"{part}.{name}" for name in stale for part in parts}
    frame = frame[[column for column in frame.columns if column not in gone]]
    names = dict.fromkeys(name for of_row in scores.values() for name in of_row)
    places = list(zip(frame["variant"], frame["case_id"], frame["repeat"], strict=True))
    new: dict[str, Any] = {}
    for name in names:
        found = [scores.get(place, {}).get(name) for place in places]
        values = [math.nan if s is None or s.value is None else float(s.value) for s in found]
        new[f"score.{name}"] = pd.Series(values, index=frame.index, dtype="float64")
        for part in ("reason", "error"):
            column = f"score_error.{name}" if part == "error" else f"reason.{name}"
            texts = [None if s is None else getattr(s, part) for s in found]
            new[column] = pd.Series(texts, index=frame.index, dtype=object)
    kept = [name for name in frame.columns if name not in new]
    at = next((i for i, name in enumerate(kept) if name.startswith("case.")), len(kept))
    order = [*kept[:at], *new, *kept[at:]]
    return frame.drop(columns=[n for n in new if n in frame.columns]).assign(**new)[order]


def score_names(frame: pd.DataFrame) -> list[str]:
    """The names of the scores in a long frame."""
    return [column[6:] for column in frame.columns if column.startswith("score.")]


def yes_no(frame: pd.DataFrame) -> set[str]:
    """The scores whose values are all yes (1.0) or no (0.0)."""
    found = set()
    for name in score_names(frame):
        values = frame[f"score.{name}"].dropna()
        if len(values) and bool(values.isin([0.0, 1.0]).all()):
            found.add(name)
    return found


def shares(frame: pd.DataFrame) -> set[str]:
    """The scores that are a share of their own parts, such as `fields` of `fields.name`.

    Their parts are yes or no, or shares themselves, and the score lies between the least and the
    largest of them, as a mean does whatever its weights. The parts that are shares belong to them.

    Example:
        >>> import pandas as pd
        >>> values = {"score.fields": [0.5, 1.0], "score.fields.a": [1.0, 1.0]}
        >>> shares(pd.DataFrame({**values, "score.fields.b": [0.0, 1.0], "score.size": [0.5, 0.7]}))
        {'fields'}
    """
    names, binary = score_names(frame), yes_no(frame)
    found = set()
    for name in names:
        parts = [part for part in names if is_part(part, name, [name])]
        if not parts or name in binary:
            continue
        whole, inner = frame[f"score.{name}"], frame[[f"score.{part}" for part in parts]]
        there = whole.notna() & inner.notna().any(axis=1)
        least, most = inner.min(axis=1) - 1e-9, inner.max(axis=1) + 1e-9
        inside = bool(((least >= -1e-9) & (most <= 1 + 2e-9))[there].all())
        if there.any() and inside and bool(((whole >= least) & (whole <= most))[there].all()):
            found |= {name, *(part for part in parts if part not in binary)}
    return found


def percentages(frame: pd.DataFrame) -> set[str]:
    """The scores that people read in percent: yes/no scores, and shares of them."""
    return yes_no(frame) | shares(frame)


def failed_rows(frame: pd.DataFrame) -> pd.Series[bool]:
    """A mask of the rows of a long frame that ended in an error or failed a yes/no score."""
    bad = frame["error"].notna()
    for name in yes_no(frame):
        bad |= frame[f"score.{name}"] == 0.0
    return bad


_TOKENS = ("prompt_tokens", "cached_tokens", "cache_write_tokens", "completion_tokens",
           "reasoning_tokens")  # fmt: skip
"""Summed for each variant: cached and written ones are part of the prompt's, reasoning of the rest.
"""


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per variant: counts, each score with its 95 % interval, cost, time, tokens.

    Answers that were cut off or are empty are also counted; see `unusual`.

    Repeats are averaged within their case first, so a case run twice does not count as two
    cases. Yes/no scores and shares of them have Wilson's interval, which stays between 0 and 1,
    others Student's t; a score of fewer than two cases has none. If there are repeats, yes/no
    scores also have `score.<name>.pass_k`, the chance that all repeats of a case pass.
    """
    import pandas as pd

    binary, passes = percentages(frame), yes_no(frame)
    records = []
    for variant, rows in frame.groupby("variant", sort=False):
        record: dict[str, Any] = {
            "variant": variant,
            "prompt": rows["prompt"].iloc[0],
            "model": rows["model"].iloc[0],
            "answers": int(rows["error"].isna().sum()),
            "errors": int(rows["error"].notna().sum()),
            **{name: int(found.sum()) for name, found in unusual(rows).items()},
        }
        for name in score_names(frame):
            record |= _summarise_score(rows, name, name in binary)
            if name in passes:
                record |= pass_k_columns(rows, name)
        answered = rows[rows["error"].isna()]
        cost = answered["cost_usd"]
        record["cost_usd"] = math.nan if cost.isna().any() else float(cost.sum())
        record["latency_s"] = float(answered["latency_s"].median()) if len(answered) else math.nan
        for name in _TOKENS:
            record[name] = int(answered[name].sum()) if name in answered.columns else 0
        records.append(record)
    return pd.DataFrame(records)


def _summarise_score(rows: pd.DataFrame, name: str, binary: bool) -> dict[str, Any]:
    scored = rows[rows[f"score.{name}"].notna()]
    values = [float(value) for value in scored.groupby("case_id")[f"score.{name}"].mean()]
    low, high = math.nan, math.nan
    if values and binary:
        low, high = intervals.wilson(sum(values), len(values))
    elif values:
        low, high = intervals.mean(values) or (math.nan, math.nan)
    return {
        f"score.{name}": statistics.fmean(values) if values else math.nan,
        f"score.{name}.lo": low,
        f"score.{name}.hi": high,
        f"score.{name}.n": len(values),
        f"score.{name}.errors": int(rows[f"score_error.{name}"].notna().sum()),
    }
