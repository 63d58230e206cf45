"""Tables as plain text, for terminals, pipes and a notebook's text."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pex.core.safe_text import clean


def text_table(
    rows: Sequence[Sequence[str]], head: Sequence[str] = (), right: Collection[int] = ()
) -> str:
    """Rows in aligned columns, without lines and colours, the same in a terminal and a pipe.

    Each row is one line of any length. Wide characters (Chinese, emoji) count as two columns.
    Cells are made safe for a terminal.

    Args:
        rows: the cells of each row.
        head: the titles of the columns; none: no line of titles.
        right: the columns aligned at their right, from 0.

    Example:
        >>> print(text_table([["short", "7"], ["日本", "12"]], ["name", "calls"], right=[1]))
        name   calls
        short      7
        日本      12
    """
    from rich.cells import cell_len

    lines = [[_one_line(cell) for cell in row] for row in ([head] if head else []) + [*rows]]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    out = []
    for line in lines:
        cells = []
        for column, (cell, width) in enumerate(zip(line, widths, strict=True)):
            space = " " * (width - cell_len(cell))
            cells.append(space + cell if column in right else cell + space)
        out.append("  ".join(cells).rstrip())
    return "\n".join(out)


def _one_line(cell: str) -> str:
    return " ".join(clean(cell).expandtabs(1).splitlines())
