"""What a bisection found, also in words for a terminal and for a notebook."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from html import escape
from typing import Any

from pex.core.safe_text import clean
from pex.evidence.bisection.prompt_history import PastVersion
from pex.report.comparison import format_difference, format_ends, format_value, round_count

_HOW_SURE = (
    "How sure that is (95 % intervals, each by itself: not corrected for repeated looks; the same "
    "answers as above):"
)
_CONTEXT = 8
"""Words that are shown around a change."""


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One version compared with another on the same cases.

    `verdict` is the comparison's word; `judged` is good, bad or undecided; the interval is that of
    the paired difference `diff`.
    """

    version: str
    against: str
    judged: str
    verdict: str
    diff: float | None
    lo: float | None
    hi: float | None
    score: float | None
    baseline_score: float | None
    n_cases: int
    repeats: int
    more_cases: int | None
    yes_no: bool
    errors: int
    run_id: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Bisection:
    """What a bisection found.

    Attributes:
        name: the prompt's name.
        outcome: "found", "no break" (the bad version is not worse), "undecided" (the ends cannot
            be told apart), or "budget" (stopped before it was found).
        first_bad: the first version that is worse, if one was found.
        last_good: the last version before it that is not.
        between: versions between the two that were not decided; empty if the break is exact.
        difference: the change from `last_good` to `first_bad`, word by word: pieces that are
            "same", "new" or "gone"; None if too much changed to be shown.
        steps: the comparisons, in the order in which they were made.
        neighbours: the comparisons of the two versions at the break, each with the good version and
            with each other, on the answers that the search had.
        skipped: versions that cannot be run, with the reason.
        notes: what else there is to know.
        metric: the score that decides.
        margin: how much worse still counts as good.
        experiment: the experiment's name.
        model: the model.
        spent_usd: what it cost.
    """

    name: str
    outcome: str
    versions: Sequence[PastVersion]
    first_bad: str | None
    last_good: str | None
    between: Sequence[str]
    difference: Sequence[tuple[str, str]] | None
    steps: Sequence[Step]
    neighbours: Sequence[Step]
    skipped: dict[str, str]
    notes: Sequence[str]
    metric: str
    margin: float | None
    experiment: str
    model: str
    spent_usd: float

    def __repr__(self) -> str:
        return text_of(self)

    def _repr_html_(self) -> str:
        return html_of(self)

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        data = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        data["versions"] = [
            {"version": item.label, "note": item.note, "by": item.by, "at": item.at}
            for item in self.versions
        ]
        for key in ("steps", "neighbours"):
            data[key] = [dataclasses.asdict(step) for step in data[key]]
        return data


def headline(found: Bisection) -> str:
    """The result in a sentence."""
    good, bad = found.versions[0].label, found.versions[-1].label
    ends = found.steps[0] if found.steps else None
    if found.outcome == "found" and not found.between:
        return f"{found.name} is worse since {found.first_bad}; {found.last_good} is still good."
    if found.outcome == "found":
        return (
            f"{found.name} is worse since {found.first_bad} or one of {', '.join(found.between)} "
            f"before it, which could not be decided; {found.last_good} is still good."
        )
    if found.outcome == "budget" and found.first_bad is not None:
        return (
            f"The budget is spent: the break is after {found.last_good} and not later than "
            f"{found.first_bad}."
        )
    if found.outcome == "budget":
        return f"The budget is spent before {good} and {bad} could be told apart."
    if found.outcome == "undecided" and ends is not None and ends.verdict == "worse":
        return (
            f"Undecided: {bad} is worse than {good}, but not measurably by more than the margin of "
            f"{found.margin:.3g}. More cases are needed."
        )
    if found.outcome == "undecided":
        return f"Undecided: {good} and {bad} cannot be told apart. {_needed(ends)}".strip()
    word = ends.verdict if ends is not None else "identical"
    said = f"{bad} is {word} {'to' if word == 'identical' else 'than'} {good}"
    if word == "unchanged":
        said = f"{bad} answers exactly as {good}"
    return f"There is no break: {said} on {found.metric}."


def _needed(step: Step | None) -> str:
    if step is None or step.more_cases is None:
        return "More cases are needed."
    more = round_count(step.more_cases)
    return f"About {more:,} more cases would decide, if the difference is as large as it looks."


def line(step: Step, metric: str) -> str:
    """One comparison in a line."""
    row = {"lo": step.lo, "hi": step.hi, "metric": metric, "yes_no": step.yes_no}
    difference = format_difference(step.diff, metric, step.yes_no)
    value, before = (
        format_value(score, metric, step.yes_no) for score in (step.score, step.baseline_score)
    )
    repeats = f" × {step.repeats}" if step.repeats > 1 else ""
    errors = f", {step.errors} errors" if step.errors else ""
    ends = f" {format_ends(row)}" if format_ends(row) else ""
    return (
        f"{step.version} against {step.against}: {step.verdict}, {value} instead of {before}, "
        f"{difference}{ends} on {step.n_cases:,} cases{repeats}{errors}"
    )


def change(found: Bisection) -> str:
    """The words that changed: gone in `[-…-]`, new in `{+…+}`, as git writes them."""
    if found.difference is None:
        return "Too much changed to show it word by word."
    marks = {"gone": ("[-", "-]"), "new": ("{+", "+}")}
    parts = []
    for number, (kind, text) in enumerate(found.difference):
        if kind != "same":
            parts.append(f"{marks[kind][0]}{text}{marks[kind][1]}")
            continue
        last = number == len(found.difference) - 1
        parts.append(_shortened(text, number == 0, last))
    return "".join(parts)


def _shortened(text: str, first: bool, last: bool) -> str:
    """What did not change, without its middle."""
    words = re.findall(r"\S+\s*|\s+", text)
    if len(words) <= 2 * _CONTEXT:
        return text
    head = "" if first else "".join(words[:_CONTEXT])
    tail = "" if last else "".join(words[-_CONTEXT:])
    return f"{head} … {tail}".strip() if first else f"{head}… {tail}"


def how_sure(found: Bisection) -> list[str]:
    """The comparisons of the neighbours at the break, a line each."""
    return [line(step, found.metric) for step in found.neighbours]


def text_of(found: Bisection) -> str:
    """Everything, for a terminal."""
    lines = [headline(found)]
    version = next((v for v in found.versions if v.label == found.first_bad), None)
    if version is not None:
        who = ", ".join(part for part in (version.by, version.at) if part)
        note = version.note.strip().split("\n")[0]
        said = ": ".join(part for part in (who, note) if part)
        lines += [f"{version.label}  {said}"] if said else []
        lines += ["", f"What changed from {found.last_good} to {found.first_bad}:", "",
                  *(f"  {item}" for item in change(found).split("\n"))]  # fmt: skip
    shown = how_sure(found)
    if shown:
        lines += ["", _HOW_SURE, *(f"  {item}" for item in shown)]  # fmt: skip
    if found.steps:
        lines += ["", "Tested:", *(f"  {line(step, found.metric)}" for step in found.steps)]
    if found.skipped:
        lines += ["", "Skipped:", *(f"  {name}: {why}" for name, why in found.skipped.items())]
    margin = "" if found.margin is None else f", margin {found.margin:.3g}"
    lines += ["", f"{found.metric} of experiment {found.experiment} with {found.model}{margin}; "
              f"spent ${found.spent_usd:.4g}"]  # fmt: skip
    lines += [f"Note: {note}" for note in found.notes]
    return clean("\n".join(lines))


def html_of(found: Bisection) -> str:
    """The same for a notebook; the change has colours that say what is gone and what is new."""
    from pex.report.tables import NO_MATH

    tags = {"gone": ("<del>", "</del>"), "new": ("<ins>", "</ins>"), "same": ("", "")}
    parts = [f"<p><b>{escape(headline(found))}</b></p>"]
    if found.difference is not None:
        words = "".join(
            f"{tags[kind][0]}{escape(clean(text))}{tags[kind][1]}"
            for kind, text in found.difference
        )
        parts.append(f'<pre style="white-space: pre-wrap">{words}</pre>')
    rest = text_of(found).split("\n\n")
    tail = [block for block in rest if block.startswith(("How sure", "Tested", "Skipped"))]
    parts += [f"<pre>{escape(block)}</pre>" for block in tail]
    return f'<div class="{NO_MATH}">{"".join(parts)}</div>'
