"""The description of a run on MLflow's run page: a few sentences and a small table."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pex.core.safe_text import from_markdown, in_markdown
from pex.score.unusual_answers import UNUSUAL, columns

if TYPE_CHECKING:
    import pandas as pd

_LENGTH = 7000
"""MLflow accepts 8,000 characters; a table with very many variants is cut."""


def note(
    summary: pd.DataFrame,
    purpose: str,
    own: str,
    comparison: pd.DataFrame | None,
    remarks: Sequence[str],
) -> str:
    """A few lines of Markdown for MLflow's run page; `own` is the note given with the run."""
    lines = [in_markdown(purpose), ""]
    if own:
        # A person wrote it, possibly with a link.
        lines += [own.replace("<", "&lt;").replace("![", "!\\["), ""]
    lines += _scores(summary)
    if remarks:
        lines += ["", *(f"- {_cell(text)}" for text in remarks)]
    if comparison is not None and len(comparison):
        lines += ["", *_verdicts(comparison)]
    text = "\n".join(lines).strip()
    return text if len(text) <= _LENGTH else text[:_LENGTH].rpartition("\n")[0] + "\n\n…"


def _scores(summary: pd.DataFrame) -> list[str]:
    names = [column[6:-2] for column in summary.columns if column.endswith(".n")]
    odd = columns(summary)
    head = ["variant", *map(_cell, names), "errors", *(UNUSUAL[name] for name in odd)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in summary.to_dict("records"):
        cells = [
            "–"
            if math.isnan(row[f"score.{name}"])
            else f"{row[f'score.{name}']:.3g} [{row[f'score.{name}.lo']:.3g}, "
            f"{row[f'score.{name}.hi']:.3g}]"
            for name in names
        ]
        cells += [str(row[name]) for name in ("errors", *odd)]
        lines.append(f"| {_cell(row['variant'])} | {' | '.join(cells)} |")
    return lines


def _verdicts(comparison: pd.DataFrame) -> list[str]:
    lines = [
        "| against | variant | score | difference | verdict | cases |",
        "|---|---|---|---|---|---|",
    ]
    for row in comparison.to_dict("records"):
        # NA if there was no case in common, or only one.
        numbers = [f"{v:.3g}" for v in (row["diff"], row["lo"], row["hi"]) if isinstance(v, float)]
        difference = numbers[0] if numbers else "–"
        if len(numbers) == 3:
            difference += f" [{numbers[1]}, {numbers[2]}]"
        lines.append(
            f"| {_cell(row['baseline'])} | {_cell(row['candidate'])} | {_cell(row['metric'])} | "
            f"{difference} | **{row['verdict']}** | {row['n_cases']} |"
        )
    return lines


def verdicts_of(text: str) -> dict[tuple[str, str], tuple[str, str]]:
    """The baseline and verdict of each variant and score, read back from a note.

    If a variant was compared with several baselines, the first counts.

    Example:
        >>> verdicts_of("| short | strict | label | 0.1 [0.02, 0.2] | **better** | 40 |")
        {('strict', 'label'): ('short', 'better')}
    """
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for line in text.split("\n"):
        cells = [
            from_markdown(part.strip().replace("\\|", "|"))
            for part in re.split(r"(?<!\\)\|", line)[1:-1]
        ]
        if len(cells) == 6 and (verdict := re.fullmatch(r"\*\*(.+)\*\*", cells[4])):
            found.setdefault((cells[1], cells[2]), (cells[0], verdict[1]))
    return found


def _cell(text: str) -> str:
    return in_markdown(text).replace("|", "\\|").replace("\n", " ")
