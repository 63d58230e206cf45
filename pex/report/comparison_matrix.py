"""A comparison on several scores as a matrix: variants down, scores across, the primary first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from pex.report.comparison import (
    SIGNS,
    chip,
    format_difference,
    format_ends,
    format_value,
    headline,
    notes,
    table_html,
    table_text,
)
from pex.report.terminal import text_table

if TYPE_CHECKING:
    import pandas as pd


def overview_text(table: pd.DataFrame, slices: bool = False, more: Sequence[str] = ()) -> str:
    """A comparison as aligned plain text: a matrix if it is about several scores."""
    if slices or table["metric"].nunique() < 2:
        return table_text(table, slices, more)
    head, rows = _cells(table, list(dict.fromkeys(table["metric"])))
    caveats = [f"! {note}" for note in [*more, *notes(table)]]
    said = [headline(table), text_table(rows, head), _said_of_primary(table), *caveats]
    return "\n".join(said)


def overview_html(table: pd.DataFrame, slices: bool = False, more: Sequence[str] = ()) -> str:
    """A comparison as an HTML table, without its style: a matrix if it is about several scores.

    Parts of scores, such as `fields.name` of `fields`, and all numbers are folded.
    """
    if slices or table["metric"].nunique() < 2:
        return table_html(table, slices, more)
    names = list(dict.fromkeys(table["metric"]))
    parts = [name for name in names if name.rpartition(".")[0] in names]
    whole = [name for name in names if name not in parts]
    out = [f'<p class="pex-soft">{escape(headline(table))}</p>', _matrix(table, whole)]
    out.append(f'<p class="pex-soft">{escape(_said_of_primary(table))}</p>')
    if parts:
        title = f"Parts of scores: {', '.join(parts)}"
        out.append(f"<details><summary>{escape(title)}</summary>{_matrix(table, parts)}</details>")
    all_numbers = table_html(table, False, more)
    caveats = ""
    if '<ul class="pex-notes"' in all_numbers:  # they are seen without unfolding anything
        all_numbers, _, rest = all_numbers.partition('<ul class="pex-notes"')
        caveats = f'<ul class="pex-notes"{rest}'
    out.append(f"<details><summary>All numbers</summary>{all_numbers}</details>{caveats}")
    return "".join(out)


def _said_of_primary(table: pd.DataFrame) -> str:
    first = table.iloc[0]
    whole = int(table["family"].max()) == int((table["p"].notna()).sum())
    if whole and len(table) > 1:
        return "p is corrected for all comparisons of this table."
    return (
        f"'{first['metric']}' is the primary score. p is corrected for the variants on each score "
        "by itself, not for the number of scores: what another score shows is a lead to confirm."
    )


def _matrix(table: pd.DataFrame, names: Sequence[str]) -> str:
    """Variants × scores: the value, its difference with the interval, and the verdict."""
    records = _by_place(table)
    primary = str(table["metric"].iloc[0])
    out = ['<div class="pex-scroll"><table class="pex-table pex-matrix"><thead><tr>']
    out.append('<th scope="col">variant</th>')
    for name in names:
        note = ' <span class="pex-soft">primary</span>' if name == primary else ""
        out.append(f'<th scope="col">{escape(name)}{note}</th>')
    out.append("</tr></thead><tbody>")
    baselines = list(dict.fromkeys(table["baseline"]))
    if len(baselines) == 1:
        cells = "".join(f"<td>{escape(_baseline_value(table, name))}</td>" for name in names)
        out.append(f'<tr><th scope="row">{escape(str(baselines[0]))} '
                   f'<span class="pex-soft">baseline</span></th>{cells}</tr>')  # fmt: skip
    for pair in dict.fromkeys(zip(table["candidate"], table["baseline"], strict=True)):
        against = "" if len(baselines) == 1 else f" against {pair[1]}"
        out.append(f'<tr><th scope="row">{escape(f"{pair[0]}{against}")}</th>')
        out += [_cell_html(records.get((name, *pair))) for name in names]
        out.append("</tr>")
    out.append("</tbody></table></div>")
    return "".join(out)


def _by_place(table: pd.DataFrame) -> dict[tuple[str, str, str], dict[str, Any]]:
    rows = ({str(k): v for k, v in row.items()} for row in table.to_dict("records"))
    return {(row["metric"], row["candidate"], row["baseline"]): row for row in rows}


def _baseline_value(table: pd.DataFrame, name: str) -> str:
    rows = table[table["metric"] == name]
    if not len(rows):
        return "–"
    first = rows.iloc[0]
    return format_value(first["baseline_score"], name, bool(first["yes_no"]))


def _cell_html(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "<td>–</td>"
    value, difference = _numbers(row)
    verdict = row["verdict"]
    mark = "" if row["calibrated"] else " (uncalibrated judge)"
    return (
        f"<td>{escape(value)} {chip(verdict, escape(f'{SIGNS[verdict]} {verdict}{mark}'))}"
        f'<div class="pex-meta">{escape(difference)}</div></td>'
    )


def _numbers(row: Mapping[str, Any]) -> tuple[str, str]:
    metric, yes_no = row["metric"], row["yes_no"]
    difference = f"{format_difference(row['diff'], metric, yes_no)} {format_ends(row)}".strip()
    return format_value(row["candidate_score"], metric, yes_no), difference


def _cells(table: pd.DataFrame, names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Head and cells of the matrix as plain text."""
    records = _by_place(table)
    several = table["baseline"].nunique() > 1
    head = ["variant", *(["against"] if several else []), *names]
    rows = []
    if not several:
        baseline = str(table["baseline"].iloc[0])
        rows.append([f"{baseline} (baseline)", *(_baseline_value(table, name) for name in names)])
    for pair in dict.fromkeys(zip(table["candidate"], table["baseline"], strict=True)):
        cells = [pair[0], *([pair[1]] if several else [])]
        for name in names:
            row = records.get((name, *pair))
            if row is None:
                cells.append("–")
                continue
            value, difference = _numbers(row)
            cells.append(f"{value} ({difference}) {SIGNS[row['verdict']]} {row['verdict']}")
        rows.append(cells)
    return head, rows
