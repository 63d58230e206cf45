"""The table at the end of a batch: its jobs, and what their runs measured."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.batch.result import BatchResult
from pex.core.canonical_json import canonical_json
from pex.core.spreadsheet import table_text
from pex.core.values import missing
from pex.record.search import find
from pex.report.tables import format_interval, format_score, format_seconds, fragment
from pex.report.terminal import text_table
from pex.tracking.store import exists

if TYPE_CHECKING:
    import pandas as pd


def collect(batch: BatchResult, tracking_uri: str) -> pd.DataFrame:
    """One row for each variant of each job; a job without a run has a row of its own.

    Columns: job, status, seconds, parameters, error, output, run_id, variant, and the metrics
    that the runs recorded in MLflow; `attrs["yes_no"]` names the scores that are yes/no.
    """
    import pandas as pd

    recorded: dict[str, list[dict[str, Any]]] = {}
    found = find(tracking_uri, batch.batch_id, batch.plan.name) if exists(tracking_uri) else []
    for row in found:
        recorded.setdefault(row["job_id"], []).append(row)
    rows = []
    for result in batch.results:
        about = {
            "job": result.job.id,
            "status": result.status,
            "seconds": round(result.seconds, 1),
            "parameters": canonical_json(result.job.parameters).decode(),
            "error": result.error,
            "output": str(result.output) if result.output.is_file() else None,
        }
        for run in recorded.get(result.job.id, []) or [{}]:
            row = {"run_id": run.get("run_id"), "variant": run.get("variant")}
            rows.append({**about, **row, **run.get("metrics", {})})
    table = pd.DataFrame(rows)
    table.attrs["yes_no"] = sorted({name for run in found for name in run["yes_no"] if name})
    return table


def scores(table: pd.DataFrame) -> list[str]:
    """The scores in a table: the metrics that come with a number of cases."""
    return [column[:-2] for column in table.columns if column.endswith(".n")]


def text(table: pd.DataFrame) -> str:
    """The table for a terminal."""
    head, rows = _cells(table)
    return text_table(rows, head)


def html(table: pd.DataFrame, title: str) -> str:
    """The table as a separate page."""
    head, rows = _cells(table)
    out = [f"<h1>{escape(title)}</h1><div class='pex-scroll'><table class='pex-table'><thead><tr>"]
    out += [f'<th scope="col">{escape(name)}</th>' for name in head]
    out.append("</tr></thead><tbody>")
    for row in rows:
        out.append(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>")
    out.append("</tbody></table></div>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title></head><body>{fragment(''.join(out))}</body></html>"
    )


def write(table: pd.DataFrame, batch: BatchResult) -> Path:
    """Save the table beside the output notebooks, as `summary.csv` and `summary.html`."""
    text = table_text(table)
    (batch.folder / "summary.csv").write_text(text, encoding="utf-8", newline="")
    page = html(table, f"{batch.plan.name}, {batch.batch_id}")
    (batch.folder / "summary.html").write_text(page, encoding="utf-8")
    return batch.folder / "summary.html"


def _cells(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    names, yes_no = scores(table), table.attrs.get("yes_no", ())
    head = ["job", "status", "took", "variant", *names, "errors"]
    rows = []
    for row in table.to_dict("records"):
        said = (item for item in (row["variant"], row["error"]) if isinstance(item, str))
        cells = [row["job"], row["status"], format_seconds(row["seconds"]), next(said, "")]
        cells += [_interval(row, name, name in yes_no) for name in names]
        cells.append(f"{row['errors']:.0f}" if row.get("errors", "x") == row.get("errors") else "")
        rows.append([str(cell) for cell in cells])
    return head, rows


def _interval(row: dict[Any, Any], name: str, yes_no: bool) -> str:
    value, low, high = (row.get(f"{name}{end}", math.nan) for end in ("", ".lo", ".hi"))
    if missing(value):
        return ""
    ends = "" if missing(low) else format_interval(float(low), float(high), yes_no)
    return f"{format_score(float(value), yes_no)} {ends}".strip()
