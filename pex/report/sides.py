"""The cases side by side: one row each, the answers of every variant beside each other.

Model output is hostile text: it is escaped here, in the one place where it becomes HTML.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.text import value_text
from pex.core.values import missing
from pex.report.documents import Figures, Show
from pex.report.fields import answer_differences
from pex.report.path_items import path_html
from pex.report.safe_html import escaped
from pex.report.tables import cut, format_score
from pex.report.word_difference import MIN_SIMILARITY, word_difference
from pex.score.unusual_answers import remarks_of

if TYPE_CHECKING:
    import pandas as pd

    from pex.score.field_scorers import FieldScorer


_ORDER = ("lost", "error", "split", "wrong", "right")
"""What a reader wants to see first."""

_COLUMN_EM = 13
"""The least width of a column; a table of many variants is scrolled."""

Row = dict[str, Any]


def side_by_side_table(
    frame: pd.DataFrame,
    yes_no: Collection[str],
    max_rows: int,
    max_chars: int,
    baseline: str | None = None,
    max_bytes: float = math.inf,
    only: Sequence[str] | None = None,
    field_scorers: Mapping[str, FieldScorer] | None = None,
    previews: Show | None = None,
    used: Collection[str] | None = None,
) -> str:
    """The cases, one row each, with the answers of every variant beside each other.

    Where not all fit, those that one variant gets right and another not come first, then errors,
    then what is wrong everywhere.

    Args:
        frame: the long frame.
        yes_no: the scores that are yes/no.
        max_rows: cases shown at most; the caption says what was cut.
        max_chars: characters of one answer shown at most.
        baseline: words of the other variants' answers that this variant's lack are underlined.
        max_bytes: the size of the rows at most.
        only: the ids of the cases to show, in this order; None: all.
        field_scorers: the scorers of structured answers; what differs is listed field by field.
        previews: gives pictures of the documents that cases name; None: none are shown.
        used: the columns of the cases that prompts show; others are folded. None: none are.

    Returns:
        An HTML table, without its style.
    """
    variants = [str(name) for name in dict.fromkeys(frame["variant"])]
    inputs = [name for name in frame.columns if str(name).startswith("case.")]
    if used is not None and any(name[5:] in used for name in inputs):
        inputs.sort(key=lambda name: name[5:] not in used)
    folded = {name for name in inputs if used is not None and name[5:] not in used}
    scores = [name[6:] for name in frame.columns if str(name).startswith("score.")]
    by_case: dict[str, list[Row]] = {}
    for row in frame.to_dict("records"):
        by_case.setdefault(str(row["case_id"]), []).append({str(k): v for k, v in row.items()})
    states = {case: case_states(rows, yes_no, baseline) for case, rows in by_case.items()}
    cases = list(by_case) if only is None else list(only)
    if only is None and (len(cases) > max_rows or max_bytes < math.inf):
        cases.sort(key=lambda case: min(_ORDER.index(state) for state in states[case]))
    parts: list[str] = []
    figures = Figures(previews)
    size = 0
    for case in cases[:max_rows]:
        head = _case_cell(case, by_case[case][0], inputs, folded, max_chars, figures)
        part = _case_row(head, by_case[case], variants, scores, states[case], yes_no,
                         max_chars, baseline, field_scorers or {})  # fmt: skip
        size += len(part.encode())
        if size > max_bytes:
            break
        parts.append(part)
    head = "".join(
        f'<th scope="col">{escaped(name)}{" (baseline)" if name == baseline else ""}</th>'
        for name in variants
    )
    split = sum("split" in found for found in states.values())
    width = "" if len(variants) > 2 else ' style="width:30%"'
    return (
        '<div class="pex-scroll"><table class="pex-table pex-sides" '
        f'style="min-width:{_COLUMN_EM * (1 + len(variants))}em"><thead><tr>'
        f'<th scope="col"{width}>case</th>{head}</tr></thead><tbody>'
        f"{''.join(parts)}</tbody>"
        f"<caption>{_caption(len(parts), len(by_case), split, yes_no, baseline, only)}</caption>"
        "</table></div>"
    )


def telling_cases(
    frame: pd.DataFrame, yes_no: Collection[str], baseline: str | None, most: int = 5
) -> list[str]:
    """The cases that show best how the variants differ: losses and gains in turn, then errors.

    Args:
        frame: the long frame.
        yes_no: the scores that are yes/no.
        baseline: the variant that the others are compared with.
        most: how many at most.
    """
    kinds: dict[str, list[str]] = {"lost": [], "split": [], "error": [], "wrong": []}
    by_case: dict[str, list[Row]] = {}
    for row in frame.to_dict("records"):
        by_case.setdefault(str(row["case_id"]), []).append({str(k): v for k, v in row.items()})
    for case, rows in by_case.items():
        states = case_states(rows, yes_no, baseline)
        kind = next((kind for kind in kinds if kind in states), None)
        if kind is not None:
            kinds[kind].append(case)
    turns = itertools.zip_longest(kinds["lost"], kinds["split"])
    found = [case for pair in turns for case in pair if case is not None]
    return [*found, *kinds["error"], *kinds["wrong"]][:most]


def case_states(
    rows: Sequence[Row], yes_no: Collection[str], baseline: str | None = None
) -> list[str]:
    """The states of a case, for filters: lost, error, split, wrong or right.

    `lost`: a variant is worse than the baseline on a yes/no score; `split`: variants differ.
    """
    words = ["error"] if any(not missing(row["error"]) for row in rows) else []
    for name in yes_no:
        values: dict[str, list[float]] = {}
        for row in rows:
            value = row[f"score.{name}"]
            if not missing(value):
                values.setdefault(row["variant"], []).append(float(value))
        means = {variant: math.fsum(found) / len(found) for variant, found in values.items()}
        if any(mean < 1 for mean in means.values()):
            words.append("wrong")
        if len(set(means.values())) > 1:
            words.append("split")
        if baseline in means and any(mean < means[baseline] for mean in means.values()):
            words.append("lost")
    return list(dict.fromkeys(words)) or ["right"]


def _case_row(
    head: str,
    rows: Sequence[Row],
    variants: Sequence[str],
    scores: Sequence[str],
    states: Sequence[str],
    yes_no: Collection[str],
    max_chars: int,
    baseline: str | None,
    field_scorers: Mapping[str, FieldScorer],
) -> str:
    by_variant: dict[str, list[Row]] = {}
    for row in rows:
        by_variant.setdefault(str(row["variant"]), []).append(row)
    known = {row["repeat"]: row["output"] for row in by_variant.get(baseline or "", [])}
    out = [f'<tr data-state="{" ".join(states)}"><td class="pex-case">{head}</td>']
    for name in variants:
        cells = [
            _answer(row, scores, yes_no, max_chars, None if name == baseline else known)
            + answer_differences(row, field_scorers)
            for row in by_variant.get(name, [])
        ]
        out.append(f'<td data-side="{escaped(name)}">{"".join(cells) or _NOT_RUN}</td>')
    out.append("</tr>")
    return "".join(out)


_NOT_RUN = '<span class="pex-soft">not run</span>'


def _caption(
    shown: int,
    total: int,
    split: int,
    yes_no: Collection[str],
    baseline: str | None,
    only: Sequence[str] | None,
) -> str:
    text = (
        f"{shown:,} of {total:,} cases shown"
        if shown < total
        else f"{total:,} {'case' if total == 1 else 'cases'}"
    )
    if yes_no:
        text += f"; the variants disagree on {split:,}"
    if baseline is not None:
        text += f". Underlined: not in the answer of '{baseline}'"
    if shown < total and only is None:
        text += ". Those that differ or went wrong come first; the rest are in results.frame"
    return escaped(text) + "."


def _case_cell(
    case_id: str,
    row: Row,
    inputs: Sequence[str],
    folded: Collection[str],
    max_chars: int,
    figures: Figures,
) -> str:
    """The inputs of a case: those of the prompts, then the others, folded, by their names."""
    lines, more = [], []
    group = None if missing(row.get("group")) else str(row["group"])
    for column in inputs:
        value = row[column]
        if missing(value) or str(value) == group:  # the group is beside the id
            continue
        text = escaped(cut(value_text(value), max_chars))
        if column in folded and len(folded) < len(inputs):
            more.append(f'<dt>{escaped(column[5:])}</dt><dd dir="auto">{text}</dd>')
            continue
        shown = figures(column[5:], value)
        lines.append(shown or f'<div class="pex-output" dir="auto">{text}</div>')
    if more:
        named = f"{len(more)} more {'column' if len(more) == 1 else 'columns'}"
        fold = f"<summary>{named}</summary><dl>{''.join(more)}</dl>"
        lines.append(f'<details class="pex-more">{fold}</details>')
    if not missing(row["expected"]):
        text = escaped(cut(value_text(row["expected"]), max_chars))
        lines.append(f'<div class="pex-meta">expected: {text}</div>')
    about = case_id if group is None else f"{case_id} · {group}"
    lines.append(f'<div class="pex-id">{escaped(about)}</div>')
    return "".join(lines)


def _answer(
    row: Row,
    scores: Sequence[str],
    yes_no: Collection[str],
    max_chars: int,
    baseline: dict[int, Any] | None,
) -> str:
    if not missing(row["error"]):
        kind, message = escaped(str(row["error_kind"])), escaped(cut(str(row["error"]), max_chars))
        return (
            f'<div><span class="pex-chip pex-chip-bad">! error: {kind}</span></div>'
            f'<div class="pex-output pex-soft">{message}</div>'
        )
    output = cut(str(row["output"]), max_chars)
    against = baseline.get(row["repeat"]) if baseline else None
    if not output.strip():
        shown = "(empty answer)"
    elif isinstance(against, str):
        shown = marked(output, cut(against, max_chars))
    else:
        shown = escaped(output)
    chips = [_chip(word, "warn") for word in remarks_of(row)]
    chips += [chip for name in scores if (chip := _verdict(row, name, yes_no))]
    below = f'<div class="pex-chips">{"".join(chips)}</div>' if chips else ""
    path = path_html(row, max_chars)
    return f'<div class="pex-output" dir="auto">{shown}</div>{below}{path}'


def marked(text: str, against: str) -> str:
    """A text as HTML, the words that are not in `against` underlined.

    Example:
        >>> marked("It is <b>.", "It was <b>.")
        'It <ins>is</ins> &lt;b&gt;.'
    """
    pieces = word_difference(text, against, min_similarity=MIN_SIMILARITY) or [("same", text)]
    return "".join(
        f"<ins>{escaped(piece)}</ins>" if kind == "new" and piece.strip() else escaped(piece)
        for kind, piece in pieces
        if kind != "gone"
    )


def _verdict(row: Row, name: str, yes_no: Collection[str]) -> str:
    """A score in one or two words, with the reason as a tooltip."""
    value, failed = row[f"score.{name}"], row.get(f"score_error.{name}")
    reason = row.get(f"reason.{name}")
    hint = "" if missing(reason) else str(reason)
    if not missing(failed):
        return _chip(f"! {name} failed", "bad", str(failed))
    if missing(value):
        return ""
    if name in yes_no and value in (0, 1):
        return _chip(f"{name} ✓", "good", hint) if value == 1 else _chip(f"{name} ✗", "bad", hint)
    return _chip(f"{name} {format_score(float(value), name in yes_no)}", "", hint)


def _chip(text: str, kind: str, hint: str = "") -> str:
    colour = f" pex-chip-{kind}" if kind else ""
    title = f' title="{escaped(hint)}"' if hint else ""
    return f'<span class="pex-chip{colour}"{title}>{escaped(text)}</span>'
