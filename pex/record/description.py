"""The description of a run on MLflow's run page: a sentence of verdict and small tables."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pex.core.about import About
from pex.core.safe_text import from_markdown, in_markdown
from pex.core.values import missing
from pex.record.metrics import rows_of
from pex.record.run_title import format_mean
from pex.score.pass_k import pass_k_scores
from pex.score.unusual_answers import UNUSUAL, columns

if TYPE_CHECKING:
    import pandas as pd

_FIRST = ("better", "worse", "no worse")
"""The verdicts that say something, before the others."""
_LENGTH = 7000
"""MLflow accepts 8,000 characters; a table with very many variants is cut."""


def note(
    summary: pd.DataFrame,
    about: About,
    comparison: pd.DataFrame | None,
    remarks: Sequence[str],
    binary: Collection[str],
) -> str:
    """A few lines of Markdown for MLflow's run page.

    Args:
        summary: one row per variant.
        about: the run's description.
        comparison: the verdicts, if there is more than one variant.
        remarks: unusual things about the answers.
        binary: the yes/no scores, shown in percent.
    """
    compared = comparison is not None and len(comparison) > 0
    lines = []
    if comparison is not None and compared:
        lines += [verdict_sentence(comparison, (about.gate or {}).get("metric")), ""]
    lines += [in_markdown(about.purpose), ""]
    if about.note:
        # A person wrote it, possibly with a link.
        lines += [about.note.replace("<", "&lt;").replace("![", "!\\["), ""]
    lines += ["**Scores**, with 95 % intervals", "", *_scores(summary, binary)]
    if about.tools:
        lines += ["", "**Tools**", "", *(f"- {_cell(text)}" for text in about.tools)]
    if remarks:
        lines += ["", *(f"- {_cell(text)}" for text in remarks)]
    if comparison is not None and compared:
        lines += ["", "**Differences**, with 95 % intervals", "", *_verdicts(comparison)]
    text = "\n".join(lines).strip()
    return text if len(text) <= _LENGTH else text[:_LENGTH].rpartition("\n")[0] + "\n\n…"


def verdict_sentence(comparison: pd.DataFrame, metric: str | None = None) -> str:
    """What a comparison found, in one sentence of Markdown.

    Args:
        comparison: the verdicts.
        metric: the score that decides; None or one that was not compared: the first.
    """
    rows = rows_of(comparison)
    metrics = [row["metric"] for row in rows]
    metric = metrics[0] if metric is None or metric not in metrics else metric
    rows = [row for row in rows if row["metric"] == metric]
    if len(rows) == 1:
        return _one(rows[0])
    by_verdict: dict[str, list[str]] = {}
    for row in rows:
        by_verdict.setdefault(row["verdict"], []).append(_cell(row["candidate"]))
    baselines = {row["baseline"] for row in rows}
    against = f"compared with {_cell(rows[0]['baseline'])}" if len(baselines) == 1 else ""
    if list(by_verdict) == ["undecided"]:
        names = ", ".join(by_verdict["undecided"])
        return f"**No clear winner yet** on {_cell(metric)}: {names} {against}".rstrip() + "."
    order = sorted(by_verdict, key=lambda word: (word not in _FIRST, word))
    parts = [f"{', '.join(by_verdict[word])} **{word}**" for word in order]
    return f"On {_cell(metric)}{f', {against}' if against else ''}: {'; '.join(parts)}."


def _one(row: Mapping[str, Any]) -> str:
    one, other, metric = (_cell(row[key]) for key in ("candidate", "baseline", "metric"))
    if missing(row["diff"]):
        return f"**Not compared**: no case has a value of {metric} for both {one} and {other}."
    means = [format_mean(row[f"{who}_score"], row["yes_no"]) for who in ("candidate", "baseline")]
    cases = f"{row['n_cases']:,} {'case' if row['n_cases'] == 1 else 'cases'}"
    figures = f"{metric} {means[0]} instead of {means[1]} on {cases}"
    if row["verdict"] != "undecided":
        than = "" if row["verdict"] == "unchanged" else f" than {other}"
        return f"**{one} is {row['verdict']}{than}**: {figures}."
    more = ""
    if not missing(row["more_cases"]):
        count = int(float(f"{row['more_cases']:.2g}"))
        more = f" About {count:,} more cases would decide."
    return f"**No clear winner yet** between {one} and {other}: {figures}.{more}"


def _scores(summary: pd.DataFrame, binary: Collection[str]) -> list[str]:
    names = [column[6:-2] for column in summary.columns if column.endswith(".n")]
    odd, passes = columns(summary), pass_k_scores(summary)
    repeated = [_cell(f"{name} pass^{k}") for name, k in passes.items()]
    head = ["variant", *map(_cell, names), *repeated, "errors", *(UNUSUAL[name] for name in odd)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in summary.to_dict("records"):
        cells = []
        for name in names:
            yes_no, mean = name in binary, row[f"score.{name}"]
            ends = _ends(row[f"score.{name}.lo"], row[f"score.{name}.hi"], yes_no)
            cells.append(f"{format_mean(mean, yes_no)}{ends}")
        for name in passes:
            value, low, high = (row[f"score.{name}.pass_k{end}"] for end in ("", ".lo", ".hi"))
            cells.append(f"{format_mean(value, True)}{_ends(low, high, True)}")
        cells += [str(row[name]) for name in ("errors", *odd)]
        lines.append(f"| {_cell(row['variant'])} | {' | '.join(cells)} |")
    return lines


def _verdicts(comparison: pd.DataFrame) -> list[str]:
    lines = [
        "| against | variant | score | difference | verdict | cases |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows_of(comparison):
        yes_no = bool(row["yes_no"])
        difference = "–"  # no case in common, or only one
        if not missing(row["diff"]):
            size = row["diff"] * 100 if yes_no else row["diff"]
            sign = "+" if size > 0 else "−" if size < 0 else ""
            difference = f"{sign}{abs(size):.3g}{' points' if yes_no else ''}"
            difference += _ends(row["lo"], row["hi"], yes_no)
        lines.append(
            f"| {_cell(row['baseline'])} | {_cell(row['candidate'])} | {_cell(row['metric'])} | "
            f"{difference} | **{row['verdict']}** | {row['n_cases']} |"
        )
    return lines


def _ends(low: Any, high: Any, yes_no: bool) -> str:
    """The ends of an interval in brackets, in percent without the sign; nothing without one."""
    if missing(low) or missing(high):
        return ""
    shown = (f"{end * 100:.0f}" if yes_no else f"{end:.3g}" for end in (low, high))
    return f" [{', '.join(shown)}]".replace("-", "−")


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
