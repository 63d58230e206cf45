"""What a check of training data finds: where, what, and the fix."""

from __future__ import annotations

import collections
import dataclasses
from typing import Literal

Level = Literal["error", "warning"]
MOST_OF_A_KIND = 20
"""Findings kept of one kind; the rest are counted, so a broken file needs no memory."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a file of training data.

    `line` is the line of the file (the row, in Parquet), 0 for the file as a whole. `field` is the
    place in the row, such as `messages[2].content`; empty for the whole row. A `warning` is
    accepted by some providers or trainers and refused or misread by others.
    """

    file: str
    line: int
    field: str
    message: str
    fix: str
    level: Level = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        where = f"{place}: {self.field}" if self.field else place
        kind = "warning: " if self.level == "warning" else ""
        return (
            f"{where}: {kind}{self.message}\n  {self.fix}"
            if self.fix
            else f"{where}: {self.message}"
        )


class Findings:
    """Collects the findings of one file; of one kind the first twenty, and the number of the rest.

    Args:
        file: the file's name, as the user gave it.

    Example:
        >>> found = Findings("train.jsonl")
        >>> for line in range(1, 24):
        ...     found.add("blank", line, "", "a blank line", "delete it")
        >>> len(found.list()), found.list()[-1].message
        (21, 'a blank line: on 3 more lines, the last is line 23')
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: list[Finding] = []
        self._count: collections.Counter[str] = collections.Counter()
        self._last: dict[str, Finding] = {}

    def add(
        self, kind: str, line: int, field: str, message: str, fix: str, level: Level = "error"
    ) -> None:
        """Add a finding.

        Args:
            kind: what findings are counted by.
            line: the line, 0 for the whole file.
            field: the place in the row.
            message: what is wrong.
            fix: what to do.
            level: `error` or `warning`.
        """
        self._count[kind] += 1
        finding = Finding(self.file, line, field, message, fix, level)
        if self._count[kind] <= MOST_OF_A_KIND:
            self._found.append(finding)
        else:
            self._last[kind] = finding

    def list(self) -> list[Finding]:
        """All findings in the order of lines, those of the whole file first."""
        more = []
        for kind, last in self._last.items():
            left = self._count[kind] - MOST_OF_A_KIND
            lines = "1 more line, line" if left == 1 else f"{left:,} more lines, the last is line"
            said = f"{last.message}: on {lines} {last.line}"
            more.append(dataclasses.replace(last, message=said))
        return [*sorted(self._found, key=lambda found: found.line), *more]
