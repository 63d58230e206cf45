"""Turns the codes in the column `remarks`, for unusual answers, into readable text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pex.core.about import About
from pex.core.attack_columns import BANNER, KIND
from pex.core.provenance import origin_notes

EXAMPLE = "example"
"""The remark on an answer to a case that the prompt itself shows as an example."""

_SAID = {
    EXAMPLE: "left out of the scores: the prompt shows the case as an example",
    "cut_off": "cut off (max_tokens)",
    "filtered": "filtered by the provider",
    "max_turns": "cut off: the simulated user had written max_turns messages",
    "user_silent": "ended early: the simulated user wrote nothing",
    "max_steps": "stopped before the last answer: max_steps requests were made",
    "read_leniently": "not valid JSON, and read as far as possible",
}
_PART = {
    "dropped": "requested without '{}', which the model refuses",
    "sent_as": "requested with the token limit as '{}'",
}
_FORMAT = {
    "response_format:json_object": "requested as JSON with the schema in words: the model refuses "
    "a JSON Schema",
    "response_format:text": "requested as text with the schema in words: the model refuses "
    "'response_format'",
}
_KINDS = frozenset({"parameter_dropped", "parameter_renamed"})
"""Not described themselves: the codes that follow them name the parameter."""

_IN_TABLES = frozenset({"cut_off", "empty", "filtered"})
"""Counted per variant in the table and in the comparison."""


def by_variant(rows: Iterable[tuple[str, Sequence[str] | None]]) -> dict[str, list[str]]:
    """The remarks on a run's answers as sentences, per variant, in the order of the rows.

    Args:
        rows: the variant and remarks of each answer.

    Example:
        >>> rows = [("a", ["parameter_dropped", "dropped:seed"]), ("a", []), ("b", ["cut_off"])]
        >>> by_variant(rows)["a"], by_variant(rows)["b"]
        (["1 of 2 answers of 'a' was requested without 'seed', which the model refuses"], [])
    """
    counts: dict[str, Counter[str]] = {}
    totals: Counter[str] = Counter()
    for variant, words in rows:
        totals[variant] += 1
        counts.setdefault(variant, Counter()).update(dict.fromkeys(_words(words), 1))
    return {
        variant: [
            _counted(number, totals[variant], "answer", variant, word)
            for word, number in found.items()
        ]
        for variant, found in counts.items()
    }


def of_frame(frame: Any) -> dict[str, list[str]]:
    """The same for a long frame; empty if it has no column `remarks`."""
    if "remarks" not in frame.columns:
        return {}
    return by_variant(zip(frame["variant"], frame["remarks"], strict=True))


def of_run(frame: Any, about: About) -> list[str]:
    """All remarks on a run: on its answers, then on its judges' verdicts.

    Args:
        frame: the long frame.
        about: the record of the run, with the remarks on its judges' verdicts.
    """
    said = [text for texts in of_frame(frame).values() for text in texts]
    banner = [BANNER.rstrip(".")] if f"case.{KIND}" in frame.columns else []
    said = [*banner, *origin_notes(frame), *of_user(about), *said, *_tool_failures(frame)]
    return [*said, *(text for judge in about.judges for text in judge.remarks)]


def _tool_failures(frame: Any) -> list[str]:
    """How many calls of tools failed, per variant, and why."""
    if "steps" not in frame.columns:
        return []
    totals: Counter[str] = Counter()
    failed: dict[str, Counter[str]] = {}
    for variant, steps in zip(frame["variant"], frame["steps"], strict=True):
        for step in steps if isinstance(steps, list) else ():
            for call in step.get("tools") or ():
                totals[variant] += 1
                if call.get("error"):
                    failed.setdefault(variant, Counter())[str(call["error"])] += 1
    return [
        f"{words.total():,} of {totals[variant]:,} tool calls of '{variant}' failed: "
        + ", ".join(f"{number:,} {word}" for word, number in words.most_common())
        for variant, words in failed.items()
    ]


def of_user(about: About) -> list[str]:
    """What the simulated user of a run wrote, and what that cost."""
    user = about.user
    if user is None:
        return []
    cost = f" for ${user.cost_usd:.2g}" if user.cost_usd else ""
    reused = f", {user.reused:,} of them reused" if user.reused else ""
    wrote = f"{user.messages:,} message{'s' * (user.messages != 1)}"
    return [
        f"the simulated user ({user.model}) wrote {wrote}{cost}{reused}: in no variant's tokens "
        "and cost"
    ]


def of_answer(words: Sequence[str] | None) -> list[str]:
    """The remarks on one answer, as text.

    Example:
        >>> of_answer(["cut_off", "parameter_dropped", "dropped:seed"])
        ['cut off (max_tokens)', "requested without 'seed', which the model refuses"]
    """
    if not isinstance(words, list | tuple):  # a gap in a column that was read from a file
        return []
    return [_sentence(str(word)) for word in words if word not in _KINDS]


def of_judge(name: str, counts: Mapping[str, int], total: int) -> list[str]:
    """The remarks on a judge's verdicts, as sentences.

    Example:
        >>> of_judge("polite", {"dropped:seed": 3}, 3)
        ["3 of 3 verdicts of 'polite' were requested without 'seed', which the model refuses"]
    """
    return [
        _counted(number, total, "verdict", name, word)
        for word, number in counts.items()
        if word not in _KINDS
    ]


def _counted(number: int, total: int, what: str, of: str, word: str) -> str:
    many, verb = "s" * (total != 1), "was" if number == 1 else "were"
    return f"{number:,} of {total:,} {what}{many} of '{of}' {verb} {_sentence(word)}"


def _words(words: Sequence[str] | None) -> list[str]:
    # A column that was read from a file can have gaps.
    if words is None or isinstance(words, str | float):
        return []
    return [str(word) for word in words if word not in _KINDS | _IN_TABLES]


def _sentence(word: str) -> str:
    kind, _, name = word.partition(":")
    if kind in _PART:
        return _PART[kind].format(name)
    return _SAID.get(word) or _FORMAT.get(word) or word.replace("_", " ")
