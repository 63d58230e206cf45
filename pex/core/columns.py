"""The names that prompts have for columns: `{{ Text_body }}` is the column "Text body"."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from pex.core.errors import PexError, nearest

_OTHER = re.compile(r"\W+")


@functools.lru_cache(maxsize=10_000)
def variable(column: str) -> str:
    """The name of a column in a prompt: what a variable's name cannot have becomes `_`.

    Returns:
        The name; empty if the column has neither a letter nor a digit.

    Example:
        >>> variable("Text body"), variable("Größe (cm)"), variable("2nd answer"), variable("?")
        ('Text_body', 'Größe_cm', '_2nd_answer', '')
    """
    if column.isidentifier():
        return column
    name = _OTHER.sub("_", unicodedata.normalize("NFKC", column)).strip("_")
    return f"_{name}" if name[:1].isdigit() else name


def variables(columns: Iterable[str], renamed: Mapping[str, str] | None = None) -> dict[str, str]:
    """The columns by the names that prompts have for them, one name for each.

    Args:
        columns: the names of the columns.
        renamed: the columns by names of the user's own.

    Example:
        >>> variables(["id", "Text body"]), variables(["Text body"], {"text": "Text body"})
        ({'id': 'id', 'Text_body': 'Text body'}, {'text': 'Text body'})
    """
    own = {column: name for name, column in (renamed or {}).items()}
    found = {own.get(column, variable(column)): column for column in columns}
    found.pop("", None)
    return found


@functools.lru_cache(maxsize=64)
def aliases(columns: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The names that differ from their columns', with the columns."""
    there = set(columns)
    named = ((variable(column), column) for column in columns)
    return tuple((name, column) for name, column in named if name and name not in there)


def check_variables(
    columns: Sequence[str], renamed: Mapping[str, str], where: str, others: Sequence[str] = ()
) -> None:
    """Check that every name stands for one column.

    Args:
        columns: the columns that are inputs.
        renamed: the columns by names of the user's own.
        where: the file's name, for errors.
        others: columns that are not inputs, for hints.

    Raises:
        PexError: two columns have the same name in a prompt, or a renamed column does not exist.
    """
    for name, column in renamed.items():
        if column not in columns:
            known = f"columns: {name}: {column}"
            if column in others:
                raise PexError(f"{where}: the column '{column}' is not an input ({known})")
            hint = nearest(column, columns)
            raise PexError(f"{where}: there is no column '{column}' ({known})", hint=hint)
        if name in columns and name != column:
            raise PexError(
                f"{where}: there is a column '{name}' already (columns: {name}: {column})",
                hint="choose another name",
            )
    own = set(renamed.values())
    seen: dict[str, str] = {}
    for column in columns:
        name = variable(column)
        if not name or column in own:
            continue
        if name in seen:
            raise PexError(
                f"{where}: '{seen[name]}' and '{column}' are both {{{{ {name} }}}} in a prompt",
                hint=f'rename one: columns: {{another_name: "{column}"}}',
            )
        seen[name] = column


def nearest_variable(name: str, columns: Sequence[str]) -> str:
    """A hint for a variable that no column has: the nearest one, with its column.

    Example:
        >>> nearest_variable("Text_bdy", ["id", "Text body"])
        "did you mean 'Text_body', the column 'Text body'?"
    """
    by_name = {variable(column) or column: column for column in columns}
    hint = nearest(name, by_name)
    for known, column in by_name.items():
        if known != column and hint == f"did you mean '{known}'?":
            return f"did you mean '{known}', the column '{column}'?"
    return hint
