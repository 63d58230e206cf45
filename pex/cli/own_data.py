"""An experiment around a file of the user's own, for `pexlab init --from`."""

from __future__ import annotations

import dataclasses
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex.cli import readings
from pex.core.cases import read_cases
from pex.core.errors import PexError
from pex.core.reading import AmbiguousError, Reading
from pex.project.shipped import EXPERIMENT

if TYPE_CHECKING:
    from pex.core.case_table import CaseTable
    from pex.experiment.experiment import Experiment

_NUMBER = re.compile(r"[+-]?(\d+|\d*[.,]\d+|\d{1,3}([.,]\d{3})+([.,]\d+)?)")
_SHOWN_LABELS = 5
_SHORT, _LONG = 16, 256
"""How many tokens an answer can have: a label, or a text."""


@dataclasses.dataclass(frozen=True)
class OwnData:
    """What was understood of a file of cases, and where its experiment goes.

    `guessed` are the roles that were told by the names of the columns.
    """

    source: Path
    folder: Path
    file: Path
    table: CaseTable
    columns: dict[str, str]
    guessed: dict[str, str]

    @property
    def is_copied(self) -> bool:
        """Whether the project gets its own copy, because the file is somewhere else."""
        return self.file != self.source


def understand(
    source: Path, project: Path, reading: Reading, columns: Mapping[str, str]
) -> OwnData:
    """Read a file of cases; nothing is written.

    A file inside the project is used where it is, any other one is copied to the experiment.

    Args:
        source: the file.
        project: the folder of the project.
        reading: what the user said of how to read it.
        columns: what the user said of its columns.

    Raises:
        PexError: it cannot be read, or not in one way only, with what to add to the command; or
            another file is where its copy would be.
    """
    from pex.core.guessed_roles import guessed_roles
    from pex.core.project import is_inside

    table = _read(source, reading, columns)
    guessed: dict[str, str] = {}
    for role, names in guessed_roles(table).items():
        if len(names) > 1:
            lines = [f"--column {shlex.quote(f'{role}={name}')}" for name in names]
            raise PexError(
                f"{source.name}: {len(names)} columns may have the expected answers",
                hint="\n  ".join(["add one of these:", *lines]),
            )
        guessed[role] = names[0]
    if guessed:
        columns = {**columns, **guessed}
        table = _read(source, table.reading, columns)
    if not any(column.variable for column in table.columns):
        text = next(column.name for column in table.columns if "input" in column.role)
        raise PexError(
            f"{source.name}: no column has a name that a prompt can use",
            hint=f"give one a name: --column {shlex.quote(f'text={text}')}",
        )
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", source.stem).strip("-.") or "cases"
    if name == EXPERIMENT.name:
        name += "-2"
    folder = project / EXPERIMENT.parent / name
    inside = is_inside(source, project)
    file = source if inside else folder / source.name
    if not inside and file.exists() and file.read_bytes() != source.read_bytes():
        raise PexError(
            f"{file}: a file with different content already exists",
            hint="rename your file, and its experiment gets the new name",
        )
    own = OwnData(source, folder, file, table, dict(columns), guessed)
    _experiment(own, source)  # what does not fit is said before anything is written
    return own


def write(own: OwnData) -> list[tuple[Path, bool]]:
    """Write the experiment, its prompt and, if it is elsewhere, a copy of the file.

    Returns:
        Each file, and whether it was written; an experiment that is there is left as it is.
    """
    experiment = own.folder / "experiment.yaml"
    done = []
    if own.is_copied:
        new = not own.file.exists()
        if new:
            own.file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(own.source, own.file)
        done.append((own.file, new))
    new = not experiment.exists()
    if new:
        _experiment(own, own.file).save(experiment)
    done += [(file, new) for file in sorted(own.folder.glob("prompts/*.prompty"))]
    return [*done, (experiment, new)]


def told(own: OwnData) -> list[str]:
    """What was read and understood, and what was chosen because of it."""
    lines = [repr(own.table)]
    lines += [
        f"column '{column}': {_ROLES[role]}, by its name" for role, column in own.guessed.items()
    ]
    exp = _experiment(own, own.source)
    first = exp.variants[0].prompt
    text = next(column for column in own.table.columns if column.variable in first.variables)
    lines.append(f"prompt: shows {text.row[2]}, the column with the longest texts")
    scorer, why = first_scorer(own.table)
    lines.append(f"scorer: {'none' if scorer is None else _name(scorer)}, because {why}")
    return lines


_ROLES = {"id": "the id of a case", "expected": "the expected answers"}


def first_scorer(table: CaseTable) -> tuple[Any, str]:
    """A scorer for these expected answers, None without any; and the reason in a few words.

    Example:
        >>> first_scorer(read_cases([{"q": "2+2", "expected": "4"}, {"q": "1", "expected": "1"}]))
        ('number', 'all expected answers are numbers')
    """
    from pex.playground.checks import EXPECTED
    from pex.playground.starting import labels_of

    expected = [case.expected for case in table.cases if case.expected not in (None, "")]
    labels = labels_of(table)
    if not expected:
        return None, "there are no expected answers (say where they are: --column expected=NAME)"
    if all(_is_number(value) for value in expected) and _can_be_compared(table):
        return "number", "all expected answers are numbers"
    if labels:
        more = ", …" if len(labels) > _SHOWN_LABELS else ""
        shown = ", ".join(labels[:_SHOWN_LABELS]) + more
        return "label", f"the expected answers are {len(labels)} labels ({shown})"
    if all(isinstance(value, dict) for value in expected):
        return "fields", "the expected answers are objects, which are compared field by field"
    return EXPECTED, "the expected answers are texts: an answer must contain the expected one"


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return _NUMBER.fullmatch(value.strip()) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def _can_be_compared(table: CaseTable) -> bool:
    from pex.score.number import check_numbers

    try:
        check_numbers(table.cases)
    except PexError:  # 1.234 has two readings, and no other number of the file tells
        return False
    return True


def _name(scorer: Any) -> str:
    return str(scorer["kind"] if isinstance(scorer, dict) else scorer)


def _experiment(own: OwnData, file: Path) -> Experiment:
    from pex.core.variant import grid
    from pex.experiment.experiment import Experiment
    from pex.playground.starting import BUILT_IN_MODEL, first_prompt

    scorer, _ = first_scorer(own.table)
    longest = _SHORT if scorer in ("label", "number") else _LONG
    variants = grid(
        [first_prompt(own.table)], BUILT_IN_MODEL, {"temperature": 0, "max_tokens": longest}
    )
    return Experiment(
        own.folder.name,
        variants,
        {"file": file, **own.table.reading.given()},
        [] if scorer is None else [scorer],
        columns=own.columns,
    )


def _read(source: Path, reading: Reading, columns: Mapping[str, str]) -> CaseTable:
    """The cases of a file; a person at a terminal is asked if several readings fit."""
    while True:
        try:
            return read_cases({"file": source, **reading.given()}, columns)
        except AmbiguousError as error:
            if not readings.is_attended():
                raise PexError(error.message, hint=_options(error)) from None
            reading = readings.ask(error)


def _options(error: AmbiguousError) -> str:
    """What to add to the command for each reading."""
    lines = [
        f"--{error.key} {_typed(getattr(reading, error.key))} gives {row}"
        for reading, row in error.choices
    ]
    return "\n  ".join(["add one of these:", *lines])


def _typed(value: str) -> str:
    return shlex.quote(value.replace("\t", "\\t"))
