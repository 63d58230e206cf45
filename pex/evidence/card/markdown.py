"""A card as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pex.core.safe_text import clean, in_markdown
from pex.evidence.card.data import CardData, VersionLine
from pex.evidence.card.text_change import shortened
from pex.evidence.card.words import (
    MISSING,
    category_text,
    cost_text,
    day,
    failures_text,
    latency_text,
    missing_parts,
    move_reason,
    move_text,
    score_text,
)

MOST_VERSIONS = 20
_MARKS = {"gone": ("[-", "-]"), "new": ("{+", "+}"), "same": ("", "")}


def markdown(data: CardData) -> str:
    """The whole card."""
    lacks = missing_parts(data)

    def or_missing(part: str, lines: Iterable[str]) -> list[str]:
        return [f"*{MISSING[part]}*", ""] if part in lacks else [*lines, ""]

    lines = [f"# {data.name}", ""]
    if data.problem:
        lines += [f"**It cannot be read:** {_text(data.problem)}", ""]
    for line in data.retiring:
        lines += [f"**Its model stops:** {_text(line)}", ""]
    lines += or_missing("description", [_text(data.description)])
    lines += [*_facts(data, lacks), ""]
    lines += ["## Intended use", "", *or_missing("intended_use", [clean(data.intended_use)])]
    lines += ["## Inputs", "", *or_missing("inputs", _inputs(data))]
    lines += ["## Requirements", "", *or_missing("requirements", _requirements(data))]
    lines += ["## Scores", "", *or_missing("scores", _scores(data))]
    lines += ["## Cost and latency", "", *or_missing("usage", _usage(data))]
    lines += ["## Known failures", ""]
    lines += or_missing("known_failures", [clean(data.known_failures)])
    lines += or_missing("failures", _failures(data))
    lines += ["## Safety", "", *or_missing("safety", _safety(data))]
    lines += ["## Moves", "", *or_missing("moves", _moves(data))]
    lines += ["## Changes", "", *or_missing("versions", _changes(data))]
    lines += [f"## Text of {data.shown}", "", *_fenced(data.text)]
    return "\n".join(lines).rstrip() + "\n"


def _facts(data: CardData, lacks: Sequence[str]) -> Iterator[str]:
    aliases = ", ".join(f"{alias} = v{version}" for alias, version in data.aliases.items())
    facts = {
        "Owner": data.owner,
        "Category": category_text(data),
        "Tags": ", ".join(data.tags),
        "Aliases": aliases,
        "Model": data.model,
        "Experiments": ", ".join(data.experiments),
        "File": data.path,
        "This card": f"about {data.shown}",
    }
    for name, value in facts.items():
        part = name.lower()
        if value:
            yield f"- **{name}:** {_text(value)}"
        elif part in lacks:
            said = MISSING[part]
            yield f"- **{name}:** {said.removeprefix(f'{name}: ')}"


def _inputs(data: CardData) -> Iterator[str]:
    rows = [
        (
            f"`{item.name}`", item.kind, item.default,
            "<br>".join(map(_cell, item.examples)) if item.examples else "–",
        )
        for item in data.inputs
    ]  # fmt: skip
    yield from _table(("variable", "type", "default", "examples"), rows, raw=(0, 3))
    if data.private:
        yield "\nThe case data of this prompt is marked private: no examples."


def _requirements(data: CardData) -> Iterator[str]:
    rows = [
        (item.requirement.id, item.requirement.text, item.requirement.priority,
         item.requirement.source or "–", f"**{item.state}**", item.detail or "–")
        for item in data.requirements
    ]  # fmt: skip
    yield from _table(("id", "requirement", "priority", "asked by", "state", "from"), rows, (4,))


def _scores(data: CardData) -> Iterator[str]:
    rows = [
        (line.version, line.model, line.metric, score_text(line), f"{line.n:,}", day(line.at),
         line.experiment)
        for line in data.scores
    ]  # fmt: skip
    yield from _table(("version", "model", "score", "value", "cases", "measured", "experiment"),
                      rows)  # fmt: skip
    yield "\nValues with 95 % intervals."


def _usage(data: CardData) -> Iterator[str]:
    rows = [
        (line.version, line.model, cost_text(line), latency_text(line), f"{line.answers:,}",
         day(line.at))
        for line in data.usage
    ]  # fmt: skip
    yield from _table(("version", "model", "cost", "latency (median)", "answers", "measured"), rows)


def _failures(data: CardData) -> Iterator[str]:
    if data.failures is None:
        return
    yield failures_text(data.failures)
    if data.failures.shown:
        yield ""
        rows = [
            (item.case_id, item.inputs, item.expected, item.output, item.why)
            for item in data.failures.shown
        ]
        yield from _table(("case", "inputs", "expected", "answer", "why"), rows)


def _safety(data: CardData) -> Iterator[str]:
    rows = [
        (line.version, line.model, line.metric, score_text(line), f"{line.n:,}", day(line.at))
        for line in data.safety
    ]
    yield from _table(("version", "model", "score", "value", "cases", "measured"), rows)


def _moves(data: CardData) -> Iterator[str]:
    for move in data.moves:
        reason = move_reason(move)
        yield f"- {_text(move_text(move))}{f': {_text(reason)}' if reason else ''}"


def _changes(data: CardData) -> Iterator[str]:
    for version in data.versions[:MOST_VERSIONS]:
        names = "".join(f" @{alias}" for alias in version.aliases)
        off = ", **disabled**" if version.disabled else ""
        by = f", {_text(version.by)}" if version.by else ""
        note = f": {_text(version.note)}" if version.note else ""
        yield f"- **v{version.number}**{names}{off}, {day(version.at)}{by}{note}"
        yield from (f"  {line}" for line in _change(version))
    rest = len(data.versions) - MOST_VERSIONS
    if rest > 0:
        yield f"- and {rest:,} older versions"


def _change(version: VersionLine) -> Iterator[str]:
    if version.same_text:
        yield "\n  The same text; only an included part changed."
    elif version.change is not None:
        words = "".join(
            f"{_MARKS[kind][0]}{text}{_MARKS[kind][1]}" for kind, text in shortened(version.change)
        )
        yield ""
        yield from _fenced(words)


def _fenced(text: str) -> list[str]:
    """A block of code whose fence is longer than any in the text."""
    import re

    longest = max(map(len, re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return [fence, *clean(text).rstrip("\n").split("\n"), fence]


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], raw: Sequence[int] = ()
) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        cells = [cell if at in raw else _cell(cell) for at, cell in enumerate(row)]
        yield f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    return " ".join(in_markdown(text).split())


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|")
