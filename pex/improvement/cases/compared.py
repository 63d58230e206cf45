"""Which columns make two cases alike: those that the model reads, not those with a role."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pex.core.case import Case
from pex.core.cases import known_variables
from pex.core.function_schema import WORLD
from pex.core.splits import COLUMN
from pex.core.text import value_text
from pex.experiment.experiment import Experiment
from pex.improvement.cases.candidates import group_column

_ID_WORDS = {"id", "ids", "key", "no", "nr", "num", "number", "index", "uuid", "guid"}


def compared_columns(cases: Sequence[Case], experiment: Experiment | None = None) -> list[str]:
    """The columns whose values are compared between cases, in the order of the cases.

    Of an experiment, they are the columns that its prompts read, and `world` where the cases have
    one for their tools. A simulated user, or prompts without a variable, make it all columns but
    those with a role, as without an experiment: the group, `split`, and a column that is named
    like an id and never has a value twice.

    Args:
        cases: at least one.
        experiment: the experiment that they are of, if it is known.

    Example:
        >>> compared_columns([Case(str(no), {"ticket_no": no, "text": "Hi"}) for no in (7, 8)])
        ['text']
    """
    names = list(dict.fromkeys(name for case in cases for name in case.inputs))
    if experiment is not None and experiment.user is None:
        column_of = known_variables(cases)
        variables = {name for v in experiment.variants for name in v.prompt.variables}
        read = {column_of[name] for name in variables if name in column_of}
        if read:
            return [name for name in names if name in read or name == WORLD]
    group = group_column(cases)
    kept = [name for name in names if name not in (COLUMN, group)]
    kept = [name for name in kept if not _is_id(name, cases)] or kept
    return kept or names


def compared_text(case: Case, columns: Sequence[str]) -> str:
    """The values of these columns as one text.

    Example:
        >>> compared_text(Case("1", {"title": "Hi", "stars": 5, "split": "test"}), ["title"])
        'Hi'
    """
    values = (case.inputs.get(name) for name in columns)
    return " ".join(value_text(value) for value in values if value is not None)


def _is_id(name: str, cases: Sequence[Case]) -> bool:
    """Whether a column is named like an id, and has a word or number of its own for each case."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    if not words or words[-1].lower() not in _ID_WORDS:
        return False
    values = [value_text(case.inputs.get(name)) for case in cases]
    return len(set(values)) == len(values) and not any(" " in value for value in values)
