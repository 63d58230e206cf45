"""An adoption in words and cells, the same in a terminal, a notebook and the page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pex.adoption.decide import KEEP, REWRITE, UNDECIDED, VERDICTS, WAIT
from pex.adoption.outcome import Outcome
from pex.core.values import missing
from pex.report.comparison import format_difference, format_ends, format_value
from pex.report.safe_html import escaped
from pex.report.tables import format_seconds, format_usd
from pex.report.terminal import text_table

SIGNS = {KEEP: "✓", REWRITE: "✎", WAIT: "✗", UNDECIDED: "?"}
"""Shown with the colour, so a verdict can be read without it."""
_CHIPS = {KEEP: " pex-chip-good", REWRITE: " pex-chip-warn", WAIT: " pex-chip-bad"}

HEAD = ("prompt", "experiment", "verdict", "score: old → new", "difference [interval]", "cases",
        "cost", "latency", "tokens", "changed")  # fmt: skip


def chip(verdict: str) -> str:
    """A verdict as HTML, with a sign of its own."""
    colour = _CHIPS.get(verdict, "")
    return f'<span class="pex-chip{colour}">{SIGNS[verdict]} {escaped(verdict)}</span>'


def headline(outcomes: Sequence[Outcome], new: str) -> str:
    """The result in a sentence.

    Example:
        >>> headline([], "lab/m2")
        'No prompt was compared on lab/m2.'
    """
    counts = Counter(item.decision.verdict for item in outcomes)
    if not outcomes:
        return f"No prompt was compared on {new}."
    words = {KEEP: "stay as they are", REWRITE: "need a rewrite", WAIT: "should not move yet",
             UNDECIDED: "are undecided"}  # fmt: skip
    one = {KEEP: "stays as it is", REWRITE: "needs a rewrite", WAIT: "should not move yet",
           UNDECIDED: "is undecided"}  # fmt: skip
    parts = [
        f"{counts[name]:,} {one[name] if counts[name] == 1 else words[name]}"
        for name in VERDICTS
        if counts[name]
    ]
    total = len(outcomes)
    of = "1 comparison" if total == 1 else f"{total:,} comparisons"
    return f"On {new}, of {of}: {', '.join(parts)}."


def more_cases(outcome: Outcome) -> str:
    """How many more cases an undecided prompt needs."""
    found = outcome.finding.more_cases if outcome.finding else None
    if outcome.decision.verdict != UNDECIDED or not found:
        return ""
    return f", about {found:,} more {'case' if found == 1 else 'cases'}"


def cells(outcome: Outcome) -> list[str]:
    """A row of the overview as plain text, under `HEAD`."""
    task, row = outcome.task, (outcome.finding.row if outcome.finding else {})
    metric = str(row.get("metric", task.metric))
    score = difference = "–"
    if row.get("n_cases"):
        score = " → ".join(
            format_value(row[key], metric, outcome.yes_no)
            for key in ("baseline_score", "candidate_score")
        )
        ends = format_ends(row)
        difference = format_difference(row["diff"], metric, outcome.yes_no)
        difference += f" {ends}" if ends else ""
    errors = outcome.described.errors if outcome.described else (0, 0)
    cases = f"{row.get('n_cases', 0):,}"
    cases += f", {errors[0]:,} errors" if errors[0] else ""
    cases += f", {outcome.measured.missing_old:,} missing" if outcome.measured.missing_old else ""
    return [task.prompt, task.experiment.name,
            f"{SIGNS[outcome.decision.verdict]} {outcome.decision.verdict}{more_cases(outcome)}",
            score, difference, cases, *changes(outcome)]  # fmt: skip


def changes(outcome: Outcome) -> list[str]:
    """Cost, latency, tokens out, changed answers: each as old → new."""
    about = outcome.described
    if about is None:
        return ["–"] * 4
    answers = f"{about.changed:,} of {about.paired:,}" if about.paired else "–"
    return [
        change(about.cost_usd, format_usd),
        change(about.latency_s, format_seconds),
        change(about.tokens["completion_tokens"], lambda value: f"{value:,.0f}"),
        answers,
    ]


def change(pair: tuple[float, float], written: Any) -> str:
    """A pair (new, old) as old → new, with the factor where it says more.

    Example:
        >>> change((2.0, 1.0), lambda value: f"{value:g}"), change((1.0, 1.0), str)
        ('1 → 2 (×2.0)', '1.0')
    """
    new, old = pair
    if math.isnan(new) and math.isnan(old):
        return "–"
    texts = ["–" if math.isnan(value) else written(value) for value in (old, new)]
    if texts[0] == texts[1]:
        return str(texts[0])
    factor = f" (×{new / old:.2g})" if old > 0 and new > 0 and not 0.95 < new / old < 1.05 else ""
    factor = factor if "." in factor or "e" in factor or not factor else f" (×{new / old:.1f})"
    return f"{texts[0]} → {texts[1]}{factor}"


def overview_text(outcomes: Sequence[Outcome], plain: Sequence[str] = ()) -> str:
    """The table for a terminal, with the reasons below.

    Args:
        outcomes: what was compared.
        plain: lines that follow.
    """
    lines = []
    if outcomes:
        lines.append(text_table([cells(item) for item in outcomes], HEAD))
    lines += [
        f"  {item.task.key}: {item.decision.why}"
        for item in outcomes
        if item.decision.verdict != KEEP
    ]
    return "\n".join([*lines, *plain])


def overview_html(outcomes: Sequence[Outcome], link: bool = False) -> str:
    """The table as HTML, without its style.

    Args:
        outcomes: what was compared.
        link: whether the prompts link to their part of the page, `#p1`, `#p2` …
    """
    head = "".join(f'<th scope="col">{escaped(name)}</th>' for name in HEAD)
    rows = []
    for number, item in enumerate(outcomes, 1):
        prompt, experiment, _, *rest = cells(item)
        name = escaped(prompt)
        name = f'<a href="#p{number}">{name}</a>' if link else name
        more = escaped(more_cases(item).removeprefix(", "))
        verdict = chip(item.decision.verdict) + (
            f' <div class="pex-meta">{more}</div>' if more else ""
        )
        # An interval or a factor is not torn apart where the table is narrow.
        numbers = "".join(f"<td>{_unbroken(escaped(text))}</td>" for text in rest)
        rows.append(
            f'<tr data-verdict="{escaped(item.decision.verdict)}"><th scope="row">{name}</th>'
            f"<td>{escaped(experiment)}</td><td>{verdict}</td>{numbers}</tr>"
        )
    return (
        '<div class="pex-scroll"><table class="pex-table"><thead><tr>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody><caption>Old → new. Cost per 1,000 "
        "answers, latency as the median, tokens of an answer as the mean: described, not "
        "tested.</caption></table></div>"
    )


def _unbroken(text: str) -> str:
    """A cell that breaks only before an interval or a factor in brackets."""
    head, bracket, tail = text.partition(" [" if " [" in text else " (")
    parts = (part.replace(" ", "\u00a0") for part in (head, f"{bracket}{tail}".strip()))
    return " ".join(part for part in parts if part)


def next_steps(outcomes: Sequence[Outcome], new: str, old: str) -> list[tuple[str, str]]:
    """For each prompt that needs a rewrite the command that begins it."""
    import shlex

    found = []
    for item in outcomes:
        if item.decision.verdict == REWRITE:
            words = ["pexlab", "improve", item.task.experiment.name, "--prompt", item.task.prompt,
                     "--model", item.task.new.model, "--way", "adaptation",
                     "--reference-model", item.task.old.model]  # fmt: skip
            found.append((item.task.prompt, shlex.join(words)))
    return list(dict.fromkeys(found))


def numbers_of(value: Any, metric: str, yes_no: bool) -> str:
    """A value, or a dash."""
    return "–" if missing(value) else format_value(value, metric, yes_no)
