"""What was understood of a table of cases: how it was read, and what each column is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from pex.core.case import Case
from pex.core.columns import variables
from pex.core.provenance import columns_in
from pex.core.reading import Reading
from pex.core.safe_text import clean
from pex.core.text import value_text

_EXAMPLE_CHARS = 40
_SHOWN_COLUMNS = 40
HEAD = ("column", "role", "in a prompt", "example", "empty")


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnInfo:
    """One column: its role, its name in a prompt, its first value, and the share without one."""

    name: str
    role: str
    variable: str
    example: str
    empty: float

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        """The column as texts, under the names in `HEAD`."""
        variable = f"{{{{ {self.variable} }}}}" if self.variable else ""
        return self.name, self.role, variable, self.example, f"{self.empty:.0%}".replace("%", " %")


@dataclasses.dataclass(frozen=True, slots=True)
class CaseTable:
    """Cases, and what was understood of the table that they come from.

    `file` is its name, empty if it came from Python; `notes` are sentences about its values.
    """

    cases: list[Case]
    columns: tuple[ColumnInfo, ...] = ()
    reading: Reading = dataclasses.field(default_factory=Reading)
    notes: tuple[str, ...] = ()
    file: str = ""

    @property
    def sentences(self) -> list[str]:
        """How it was read, and what to know of its values and groups; the first has the counts.

        Example:
            >>> cases = [Case(str(n), {"q": "a"}, group="de" if n < 2 else "fr") for n in range(4)]
            >>> CaseTable(cases, reading=Reading(";", "cp1252"), file="a.csv").sentences[0]
            'a.csv: read as semicolon-separated Windows-1252; 4 rows'
            >>> CaseTable(cases).sentences[1]
            '2 groups: the comparison counts groups, not cases; for filtering use tags'
        """
        count = len(self.cases)
        first = f"{count:,} case{'s' * (count != 1)}"
        if self.file:
            read = f"read as {self.reading}; " if str(self.reading) else ""
            first = f"{self.file}: {read}{count:,} row{'s' * (count != 1)}"
        return [first, *self.notes, *group_notes(self.cases)]

    @property
    def unusual(self) -> list[str]:
        """The sentences worth showing unasked: of a file read as plain UTF-8 CSV, only groups."""
        first, *rest = self.sentences
        return [*([first] if self.reading.differs() or self.notes else []), *rest]

    def __repr__(self) -> str:
        rows = [HEAD, *(column.row for column in self.columns[:_SHOWN_COLUMNS])]
        widths = [max(len(row[at]) for row in rows) for at in range(len(HEAD))]
        lines = self.sentences
        if self.columns:
            lines += [
                "  ".join(
                    text.ljust(width) for text, width in zip(row, widths, strict=True)
                ).rstrip()
                for row in rows
            ]
        if len(self.columns) > _SHOWN_COLUMNS:
            lines.append(f"and {len(self.columns) - _SHOWN_COLUMNS:,} more columns")
        return clean("\n".join(lines))

    def _repr_html_(self) -> str:
        from html import escape

        def cells(row: Sequence[str], tag: str) -> str:
            return "".join(f"<{tag} style='text-align:left'>{escape(text)}</{tag}>" for text in row)

        said = "".join(f"<p>{escape(clean(line))}</p>" for line in self.sentences)
        body = "".join(
            f"<tr>{cells([clean(text) for text in column.row], 'td')}</tr>"
            for column in self.columns[:_SHOWN_COLUMNS]
        )
        more = len(self.columns) - _SHOWN_COLUMNS
        rest = f"<p>and {more:,} more columns</p>" if more > 0 else ""
        table = f"<table><thead><tr>{cells(HEAD, 'th')}</tr></thead><tbody>{body}</tbody></table>"
        return f"<div>{said}{table if self.columns else ''}{rest}</div>"


class Tally:
    """What is in the columns of a table: how many values, and the first one of each."""

    def __init__(self) -> None:
        self.rows = 0
        self.filled: dict[str, int] = {}
        self.first: dict[str, Any] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row of plain values."""
        self.rows += 1
        for name, value in row.items():
            if value is None or value == "":
                continue
            if name not in self.first:
                self.first[name] = value
                self.filled[name] = 0
            self.filled[name] += 1


def describe(
    names: Sequence[str],
    tally: Tally,
    roles: Mapping[str, str],
    renamed: Mapping[str, str],
    inputs: Mapping[str, Any],
) -> tuple[ColumnInfo, ...]:
    """What each column is.

    Args:
        names: the columns.
        tally: what is in them.
        roles: the columns by their roles.
        renamed: the columns by names of the user's own.
        inputs: the columns that prompts can show.
    """
    role_of = {column: role for role, column in roles.items()}
    variable_of = {column: name for name, column in variables(inputs, renamed).items()}
    found = []
    for name in names:
        example = " ".join(value_text(tally.first.get(name, "")).split())
        if len(example) > _EXAMPLE_CHARS:
            example = example[: _EXAMPLE_CHARS - 1] + "…"
        empty = 1 - tally.filled.get(name, 0) / tally.rows
        role = role_of.get(name, "provenance" if name in columns_in(names) else "input")
        if name in inputs and role != "input":
            role = f"{role}, input"
        found.append(ColumnInfo(name, role, variable_of.get(name, ""), example, empty))
    return tuple(found)


def group_notes(cases: Sequence[Case]) -> list[str]:
    """What a user should know of groups: they are what a comparison counts."""
    groups = {case.group for case in cases if case.group is not None}
    if not groups or len(groups) == len(cases):
        return []
    count = f"{len(groups):,} group{'s' * (len(groups) != 1)}"
    return [f"{count}: the comparison counts groups, not cases; for filtering use tags"]
