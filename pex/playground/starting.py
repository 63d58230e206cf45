"""What a Playground starts from: an experiment, prompts, or data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pex import local
from pex.core.case_files import FORMATS
from pex.core.case_table import CaseTable
from pex.core.cases import Source as Cases
from pex.core.cases import file_of, read_cases
from pex.core.errors import PexError, nearest
from pex.core.project import find_project
from pex.core.prompt import Prompt
from pex.core.variant import grid
from pex.experiment.experiment import Experiment
from pex.playground.checks import EXPECTED
from pex.project.folder import declared_beside
from pex.project.listing import EXPERIMENTS, experiment_files

if TYPE_CHECKING:
    import pandas as pd

    Source = (
        Experiment
        | Prompt
        | CaseTable
        | Mapping[str, Any]
        | Sequence[Any]
        | str
        | Path
        | pd.DataFrame
    )
    """What a Playground can start from."""

NAME = "playground"
"""The name of an experiment that started from nothing."""
BUILT_IN_MODEL = f"local/{local.MODEL}"
_MOST_LABELS = 12
_LONGEST_LABEL = 40


def given(
    source: Any, cases: Cases | None = None, columns: Mapping[str, str] | None = None
) -> Experiment | None:
    """The experiment that a user means: itself, its file, its name, its prompts, or data.

    Args:
        source: the experiment, prompts, or a file or table of cases.
        cases: a file or table of cases for prompts.
        columns: the roles of its columns, and names of the user's own.

    Raises:
        PexError: there is no such experiment or file; the nearest name is given.
    """
    if source is None:
        return None if cases is None else of_data(cases, columns)
    prompts = _prompts_in(source)
    if prompts is None and _is_data(source):
        if cases is not None:
            raise PexError(
                "the Playground got two tables of cases",
                hint="pex.Playground(prompts, cases=…), or pex.Playground(cases)",
            )
        return of_data(source, columns)
    if prompts is not None:
        return _of_prompts(prompts) if cases is None else of_data(cases, columns, prompts)
    if cases is not None or columns is not None:
        raise PexError(
            "an experiment has its own cases and columns",
            hint="pex.Playground(prompts, cases=…), or pex.Playground(cases, columns=…)",
        )
    return source if isinstance(source, Experiment) else _named(source)


def of_data(
    cases: Cases, columns: Mapping[str, str] | None = None, prompts: Sequence[Prompt] = ()
) -> Experiment:
    """An experiment around a file or table of cases, with a prompt to begin with.

    Raises:
        PexError: it cannot be read.
    """
    file = file_of(cases)
    if file is None:
        table = read_cases(cases, columns)
        return _around(NAME, table, table, columns, prompts)
    path, reading = file
    declared, beside = declared_beside(path)
    columns = declared if columns is None else columns
    source = {"file": path, **(reading.given() or beside.given())}
    table = read_cases(source, columns)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-.") or NAME
    return _around(name, table, {"file": path, **table.reading.given()}, columns, prompts)


def first_prompt(table: CaseTable) -> Prompt:
    """A prompt that shows the column with the longest texts, and names the answers if few.

    Example:
        >>> rows = [{"id": str(n), "Text body": "It broke.", "expected": "no"} for n in range(4)]
        >>> print(first_prompt(read_cases(rows, {"id": "id"})).text)
        {{ Text_body }}
    """
    names = {info.name: info.variable for info in table.columns if info.variable}
    sizes = {
        name: sum(len(str(case.inputs.get(name) or "")) for case in table.cases) for name in names
    }
    if not sizes:
        return Prompt("{{ text }}", "draft")
    text = f"{{{{ {names[max(sizes, key=lambda name: sizes[name])]} }}}}"
    labels = labels_of(table)
    if labels:
        text += f"\n\nAnswer with one of: {', '.join(labels)}."
    return Prompt(text, "draft")


def labels_of(table: CaseTable) -> list[str]:
    """The expected answers, if they are few words that many cases share; else none."""
    expected = [case.expected for case in table.cases if case.expected is not None]
    if not all(isinstance(value, str) and _is_label(value) for value in expected):
        return []
    labels = list(dict.fromkeys(expected))
    few = 2 <= len(labels) <= _MOST_LABELS and len(expected) >= 2 * len(labels)
    return sorted(labels) if few else []


def _is_label(value: str) -> bool:
    return 0 < len(value) <= _LONGEST_LABEL and "{" not in value and "\n" not in value


def _around(
    name: str,
    table: CaseTable,
    cases: Cases,
    columns: Mapping[str, str] | None,
    prompts: Sequence[Prompt],
) -> Experiment:
    """The experiment around a table that was read from `cases`."""
    variants = [
        variant
        for prompt in prompts or [first_prompt(table)]
        for variant in grid([prompt], () if prompt.model else BUILT_IN_MODEL)
    ]
    scorers: list[Any] = ["label"] if labels_of(table) else []
    if not scorers and any(case.expected is not None for case in table.cases):
        scorers = [EXPECTED]
    return Experiment(name, variants, cases, scorers, columns=columns)


def _prompts_in(source: Any) -> list[Prompt] | None:
    """The prompts that a source is; strings in a list are the texts of prompts."""
    if isinstance(source, Prompt):
        return [source]
    if isinstance(source, str | Path):
        path = Path(source)
        return [Prompt.load(path)] if path.suffix.lower() == ".prompty" else None
    if not isinstance(source, Sequence) or not source:
        return None
    if all(isinstance(item, Prompt | str) for item in source):
        return [
            item
            if isinstance(item, Prompt)
            else Prompt(item, "draft" if number == 1 else f"draft-{number}")
            for number, item in enumerate(source, 1)
        ]
    return None


def _is_data(source: Any) -> bool:
    if isinstance(source, Experiment):
        return False
    if not isinstance(source, str | Path):
        return True
    suffix = Path(source).suffix.lower()
    return suffix in FORMATS or (Path(source).is_file() and suffix not in (".yaml", ".yml"))


def _named(source: str | Path) -> Experiment:
    path = Path(source)
    if path.is_file():
        return Experiment.load(path)
    if (path / "experiment.yaml").is_file():
        return Experiment.load(path / "experiment.yaml")
    project = find_project()
    folder = project / EXPERIMENTS
    if (folder / path / "experiment.yaml").is_file():
        return Experiment.load(folder / path / "experiment.yaml")
    raise PexError(
        f"there is no experiment '{source}', neither a file nor a folder in {folder}",
        hint=nearest(str(source), list(experiment_files(project))),
    )


def _of_prompts(prompts: Sequence[Prompt]) -> Experiment:
    """Prompts on one empty case."""
    names = {name: "" for prompt in prompts for name in prompt.variables} or {"text": ""}
    variants = [
        variant
        for prompt in prompts
        for variant in grid([prompt], () if prompt.model else BUILT_IN_MODEL)
    ]
    return Experiment(NAME, variants, [{"case_id": "typed", **names}], [])
