"""One figure of a benchmark: the line that a person reads, and a row for the table of `all.py`.

Only the standard library is used: a benchmark of other packages runs in their environment.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

FILE = "PEX_BENCH_FIGURES"
"""The environment variable that names the file to which each figure is appended as JSON."""


@dataclasses.dataclass(frozen=True)
class Figure:
    """What was measured, and the floor or peer of the same run, if there is one."""

    what: str
    value: float
    unit: str
    floor: float | None = None
    floor_name: str = ""

    def __post_init__(self) -> None:
        if (self.floor is None) != (not self.floor_name):
            raise ValueError(f"{self.what}: a floor has a name, and a name has a floor")

    @property
    def measured(self) -> str:
        """The figure with its unit."""
        return f"{number(self.value)} {self.unit}".strip()

    @property
    def compared_with(self) -> str:
        """The floor and its figure; empty without one."""
        if self.floor is None:
            return ""
        return f"{self.floor_name} ({f'{number(self.floor)} {self.unit}'.strip()})"

    @property
    def ratio(self) -> str:
        """The figure divided by its floor; empty without one."""
        return f"{number(self.value / self.floor)} ×" if self.floor else ""


def figure(
    what: str, value: float, unit: str, *, floor: float | None = None, floor_name: str = ""
) -> None:
    """Print a figure, and append it to the file that the environment names.

    `floor` has the same unit and comes from the same run.
    """
    made = Figure(what, float(value), unit, None if floor is None else float(floor), floor_name)
    compared = f"{made.ratio} {made.compared_with}".strip()
    print(f"{what}: {made.measured}   {compared}".rstrip(), flush=True)
    _append(dataclasses.asdict(made))


def not_measured(what: str, reason: str) -> None:
    """Say what a benchmark leaves out, such as a peer that is not installed."""
    print(f"{what}: not measured, {reason}", flush=True)
    _append({"what": what, "reason": reason})


def read(path: Path) -> tuple[list[Figure], list[str]]:
    """The figures of a file, and what was not measured, with the reasons."""
    figures, missing = [], []
    for line in path.read_text("utf-8").splitlines() if path.exists() else []:
        row = json.loads(line)
        if "reason" in row:
            missing.append(f"{row['what']}: {row['reason']}")
        else:
            figures.append(Figure(**row))
    return figures, missing


def number(value: float) -> str:
    """Three significant digits, without an exponent for what people measure.

    >>> number(12345.6), number(3.14159), number(0.00234), number(0.0)
    ('12,346', '3.14', '0.00234', '0')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _append(row: dict[str, object]) -> None:
    if path := os.environ.get(FILE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
