"""What a card says where something is missing, and how it writes figures and times."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping

from pex.evidence.card.data import CardData, Failures, ScoreLine, UsageLine
from pex.evidence.card.requirement_states import OTHER_CASES
from pex.library.moves import Move
from pex.report.tables import format_interval, format_score, format_seconds, format_usd

MISSING: Mapping[str, str] = {
    "description": "Purpose: missing. Add `description: …` to the file.",
    "owner": "Owner: missing. Add `metadata: {owner: …}` to the file.",
    "category": "Category: missing. Add `metadata: {category: {task: …, risk: …}}` to the file.",
    "intended_use": "Intended use: missing. Add `metadata: {intended_use: …}` to the file.",
    "requirements": "Requirements: missing. Add `metadata: {requirements: [{id: R1, text: …}]}` to "
    "the file.",
    "inputs": "The prompt has no variables.",
    "scores": "Scores: missing. Run an experiment that uses the prompt.",
    "usage": "Cost and latency: missing. They come with the first recorded run.",
    "failures": "Not known: no run has measured this prompt yet.",
    "known_failures": "Nothing was written by hand (`metadata: {known_failures: …}`).",
    "safety": "Not measured. Scores whose name begins with `safety` are shown here.",
    "moves": "No alias has been moved yet.",
    "versions": "It has not been saved in the library yet: `pexlab library push`.",
    "experiments": "No experiment of this project uses it.",
}
"""What is said in place of what a card does not have, by the name of the part."""


def missing_parts(data: CardData) -> list[str]:
    """The parts that a card does not have."""
    lacks = {
        "description": not data.description,
        "owner": not data.owner,
        "category": not data.category,
        "intended_use": not data.intended_use,
        "requirements": not data.requirements,
        "inputs": not data.inputs,
        "scores": not data.scores,
        "usage": not data.usage,
        "failures": data.failures is None,
        "known_failures": not data.known_failures,
        "safety": not data.safety,
        "moves": not data.moves,
        "versions": not data.versions,
        "experiments": not data.experiments,
    }
    return [part for part, lacking in lacks.items() if lacking]


def score_text(line: ScoreLine) -> str:
    """A score with its interval.

    Example:
        >>> at = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
        >>> score_text(ScoreLine("v3", "lab/m", "label", 0.83, 0.71, 0.91, 40, True, at, "e", "r"))
        '83 % [71, 91]'
    """
    value = format_score(line.value, line.yes_no)
    return f"{value} {format_interval(line.lo, line.hi, line.yes_no)}".strip()


def cost_text(line: UsageLine) -> str:
    """The cost of a thousand answers; that of one is often less than a cent."""
    if math.isnan(line.cost_usd):
        return "unknown"
    return format_usd(line.cost_usd * 1000) + (" per 1,000" if line.cost_usd else "")


def latency_text(line: UsageLine) -> str:
    """The median time of an answer."""
    return format_seconds(line.latency_s)


def day(at: datetime.datetime) -> str:
    """A day, in UTC as everything on a card: it is read in other zones."""
    return f"{at.astimezone(datetime.UTC):%Y-%m-%d}"


def minute(at: datetime.datetime) -> str:
    """A time with its zone."""
    return f"{at.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"


def failures_text(failures: Failures) -> str:
    """How many cases fail, in a sentence.

    Example:
        >>> at = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
        >>> failures_text(Failures("v3", at, "r", 1, 1, (), 1))
        '1 of 1 case fails now (v3, run of 2026-01-02). It is marked private and is not shown.'
        >>> failures_text(Failures("v3", at, "r", 5, 0, (), 0, other_cases=True))
        'No case failed (5 cases; v3, run of 2026-01-02); that run had other cases than the file has now.'
    """  # noqa: E501 - the answer is one line
    where = f"{failures.version}, run of {day(failures.at)}"
    count = f"{failures.cases:,} {'case' if failures.cases == 1 else 'cases'}"
    verb = "fails now" if failures.failing == 1 else "fail now"
    # What a run says of other cases is not so "now".
    verb, end = ("failed", f"; {OTHER_CASES}") if failures.other_cases else (verb, "")
    if not failures.failing:
        verb = verb.replace("fail now", "fails now")
        return f"No case {verb} ({count}; {where}){end}."
    text = f"{failures.failing:,} of {count} {verb} ({where}){end}."
    if failures.unreadable:
        return f"{text} None is shown: the cases cannot be read now ({failures.unreadable})."
    if failures.private:
        one = failures.private == 1
        who = f"{failures.private:,} of them" if failures.failing > 1 else "It"
        text += f" {who} {'is' if one else 'are'} marked private and {'is' if one else 'are'} "
        text += "not shown."
    rest = failures.failing - failures.private - len(failures.shown)
    return f"{text} The first {len(failures.shown)} are shown." if rest > 0 else text


def move_text(move: Move) -> str:
    """A move in a sentence, without its reason.

    Example:
        >>> at = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)
        >>> move_text(Move(prompt="p", alias="champion", before=3, to=5, by="ada", at=at))
        'champion: v3 → v5, set by ada, 2026-01-02 03:04 UTC'
    """
    kind = {"promote": "promoted", "rollback": "rolled back"}.get(move.kind, "set")
    change = f"v{move.before} → v{move.to}" if move.before else f"v{move.to}"
    by = f" by {move.by}" if move.by else ""
    return f"{move.alias}: {change}, {kind}{by}, {minute(move.at)}"


def move_reason(move: Move) -> str:
    """Why it was moved: the evidence, or what a person gave as the reason."""
    evidence = move.sentence or (f"verdict: {move.verdict}" if move.verdict else "")
    because = f"Because: {move.because}" if move.because else ""
    return " ".join(part for part in (evidence, because) if part)


def category_text(data: CardData) -> str:
    """The category in a line: `task: classification · risk: high`."""
    return " · ".join(f"{key}: {value}" for key, value in data.category.items())
