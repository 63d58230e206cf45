"""The report of an import: what was taken over, changed and left out, as text and Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pex.core.safe_text import clean
from pex.importers.imported import Note, What

FILE = "IMPORT.md"
KINDS: tuple[What, ...] = ("taken over", "changed", "left out")
_MOST_PLACES = 5
"""Places that are named on the command line; the file names all that was changed or left out."""
_MOST_TAKEN_OVER = 12
"""Kinds of what was taken over that the command line lists; more are only counted."""


def counts(notes: Sequence[Note]) -> dict[What, int]:
    """How many parts were taken over, changed and left out.

    Example:
        >>> counts([Note("tests", "taken over", count=40), Note("env", "left out", "a key")])
        {'taken over': 40, 'changed': 0, 'left out': 1}
    """
    found: Counter[What] = Counter()
    for note in notes:
        found[note.what] += note.count
    return {kind: found[kind] for kind in KINDS}


def sentence(notes: Sequence[Note]) -> str:
    """The counts in one line.

    Example:
        >>> sentence([Note("tests", "taken over", count=40), Note("env", "left out", "a key")])
        'taken over 40, changed 0, left out 1'
    """
    return ", ".join(f"{kind} {number}" for kind, number in counts(notes).items())


def report_line(notes: Sequence[Note]) -> str:
    """The counts, and what was changed and left out, in one line.

    Example:
        >>> report_line([Note("tests", "taken over", count=40), Note("env", "left out", "a key")])
        'taken over 40, changed 0, left out 1; left out: env: a key'
    """
    parts = [sentence(notes)]
    for kind in KINDS[1:]:
        grouped = places_by_reason(notes, kind)
        parts += [f"{kind}: {_named(places)}: {how}" for how, places in grouped.items()]
    return clean("; ".join(parts))


def report_text(tool: str, notes: Sequence[Note], ending: str) -> str:
    """The report for the command line; what was taken over is listed if it is not much.

    Args:
        tool: the tool whose file was read.
        notes: what became of each part.
        ending: the last line: where the result is.
    """
    lines = [f"{tool}: {sentence(notes)}"]
    for kind in KINDS:
        grouped = places_by_reason(notes, kind)
        if kind == KINDS[0] and len(grouped) > _MOST_TAKEN_OVER:
            continue
        lines += [f"{kind}:"] if grouped else []
        for how, places in grouped.items():
            where = _named(places)
            lines.append(f"  {where}: {how}" if how else f"  {where}")
    return clean("\n".join([*lines, ending]))


def report_markdown(tool: str, source: str, notes: Sequence[Note]) -> str:
    """The report as a file, beside the experiment or with the run.

    Args:
        tool: the tool whose file was read.
        source: the name of the file.
        notes: what became of each part.
    """
    lines = [
        f"# Imported from {tool}",
        "",
        f"Read from `{_inline(source)}`: {sentence(notes)}.",
    ]
    for kind in KINDS:
        grouped = places_by_reason(notes, kind)
        if grouped:
            lines += ["", f"## {kind.capitalize()}", ""]
        for how, places in grouped.items():
            named = places[:_MOST_PLACES] if kind == KINDS[0] else places
            where = ", ".join(f"`{_inline(place)}`" for place in named)
            where += f" and {len(places) - len(named)} more" if len(named) < len(places) else ""
            lines.append(f"- {where}: {_escaped(how)}" if how else f"- {where}")
    lines += ["", "Nothing in the files was executed, and no key was copied."]
    return clean("\n".join(lines)) + "\n"


def places_by_reason(notes: Sequence[Note], kind: What) -> dict[str, list[str]]:
    """The places by what is said of them, each once and in the order of the first."""
    found: dict[str, dict[str, None]] = {}
    for note in notes:
        if note.what == kind:
            found.setdefault(_one_line(note.how), {})[_one_line(note.where)] = None
    return {how: list(places) for how, places in found.items()}


def _named(places: Sequence[str]) -> str:
    """The first places, and how many more there are."""
    more = f" and {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else ""
    return ", ".join(places[:_MOST_PLACES]) + more


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _inline(text: str) -> str:
    """Text for a span of code in Markdown, which a back quote would end."""
    return text.replace("`", "'")


def _escaped(text: str) -> str:
    """Text of a file in Markdown: neither HTML nor a link of its own."""
    return text.replace("<", "&lt;").replace("](", "]\\(")
