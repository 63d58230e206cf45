"""A spreadsheet or CSV of somebody's own, with prompts or with cases; which it is, is said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pex.core.case_table import CaseTable
from pex.core.cases import read_cases
from pex.core.errors import PexError
from pex.core.guessed_roles import guessed_roles
from pex.core.params import check_params, json_params
from pex.core.prompt import Prompt
from pex.core.prompty import split_roles
from pex.core.reading import AmbiguousError
from pex.core.variant import Variant
from pex.importers.imported import Imported, Note, new_name
from pex.importers.promptfoo_config.read import read_promptfoo_tests
from pex.importers.variables import as_template
from pex.importers.write_project import STAND_IN

TOOL = "a table"
_KINDS = (".csv", ".tsv", ".xlsx", ".jsonl", ".parquet")
_PROMPT = ("prompt", "template", "prompttemplate", "prompttext", "userprompt", "user")
_SYSTEM = ("system", "systemprompt", "systemmessage", "instructions")
_NAME = ("name", "title", "label", "promptname", "id", "key")
_PARAMS = {"temperature": "temperature", "maxtokens": "max_tokens", "topp": "top_p", "seed": "seed"}
_KNOWN = {
    *_PROMPT,
    *_SYSTEM,
    *_NAME,
    *_PARAMS,
    "model",
    "description",
    "purpose",
    "notes",
    "version",
}


def is_table(path: Path, text: str) -> bool:
    """Whether a path is a table, by its ending."""
    return path.suffix.lower() in _KINDS and path.is_file()


def read_table(path: Path) -> Imported:
    """Read a table: of prompts if a column has them, of tests of promptfoo, else of cases.

    Raises:
        PexError: it cannot be read, or several readings fit.
    """
    try:
        table = read_cases(path)
    except AmbiguousError as error:
        readings = ", ".join(str(reading) for reading, _ in error.choices)
        raise PexError(
            f"{path}: several readings fit: {readings}",
            hint=f"say which with pexlab init DIR --from {path.name} --{error.key} …",
        ) from None
    names = list(dict.fromkeys(name for case in table.cases for name in case.inputs))
    if any(name.strip().startswith("__expected") for name in names):
        return read_promptfoo_tests(path)
    column = _column(names, _PROMPT)
    if column is not None and _has_prompts(table, column, names):
        return _of_prompts(path, table, column, names)
    return _of_cases(path, table)


def _has_prompts(table: CaseTable, column: str, names: Sequence[str]) -> bool:
    """Whether a column has templates: they have variables, or there is nothing to fill in."""
    texts = [str(case.inputs.get(column) or "") for case in table.cases]
    if any(as_template(text).style not in ("", "<x>") for text in texts):
        return True
    expected = any(case.expected is not None for case in table.cases)
    return not expected and all(_plain(name) in _KNOWN for name in names)


def _of_prompts(path: Path, table: CaseTable, column: str, names: Sequence[str]) -> Imported:
    system, called = _column(names, _SYSTEM), _column(names, _NAME)
    model, about = _column(names, ("model",)), _column(names, ("description", "purpose"))
    notes = [Note(f"column {column}", "taken over", "as the prompts' text")]
    notes += [
        Note(f"column {name}", "taken over", f"as the prompts' {what}")
        for name, what in ((system, "system message"), (called, "name"), (model, "model"),
                           (about, "description"))
        if name is not None
    ]  # fmt: skip
    prompts: list[Prompt] = []
    for number, case in enumerate(table.cases, 1):
        where = f"row {number}"
        values = {**case.inputs, **({"id": case.id} if called == "id" else {})}
        name = new_name(str(values.get(called or "") or f"prompt-{number}"),
                        [prompt.name for prompt in prompts])  # fmt: skip
        try:
            prompt = _prompt(values, name, column, system, where, notes)
        except PexError as error:
            notes.append(Note(where, "left out", error.message))
            continue
        given = str(values.get(model or "") or "").strip()
        prompts.append(
            prompt.changed(
                model=given if "/" in given else None,
                description=str(values.get(about or "") or ""),
                params=_params(values, where, notes),
            )
        )
        if given and "/" not in given:
            how = f"the model '{given}' has no provider: {STAND_IN} stands in"
            notes.append(Note(where, "changed", how))
    for name in names:
        if name not in (column, system, called, model, about) and _plain(name) not in _PARAMS:
            notes.append(Note(f"column {name}", "left out", "not a part of a prompt that pex has"))
    if not prompts:
        raise PexError(f"{path}: no row has a prompt that can be taken over")
    return Imported(
        tool=TOOL,
        name=path.stem,
        prompts=prompts,
        variants=[Variant(prompt, prompt.model or STAND_IN) for prompt in prompts],
        notes=notes,
    )


def _prompt(
    values: dict[str, Any],
    name: str,
    column: str,
    system: str | None,
    where: str,
    notes: list[Note],
) -> Prompt:
    text = str(values.get(column) or "")
    if not text.strip():
        raise PexError("it has no prompt")
    made = as_template(text)
    messages = split_roles(made.text)
    lead = str(values.get(system or "") or "")
    if lead.strip():
        messages = [{"role": "system", "content": as_template(lead).text}, *messages]
    if made.style not in ("", "{{x}}"):
        how = f"variables written {made.style} are now {{{{ x }}}}: {', '.join(made.names)}"
        notes.append(Note(where, "changed", how))
    else:
        notes.append(Note(where, "taken over", f"as prompts/{name}.prompty"))
    return Prompt(messages, name)


def _params(values: dict[str, Any], where: str, notes: list[Note]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, value in values.items():
        key = _PARAMS.get(_plain(column))
        if key is None or value in (None, ""):
            continue
        try:
            number = float(value)
            given = {key: int(number) if number.is_integer() else number}
            check_params(json_params(given), where)
        except (PexError, ValueError, TypeError):
            how = f"'{value}' is not a value of {key}"
            notes.append(Note(f"{where}, column {column}", "left out", how))
            continue
        found |= given
    return found


def _of_cases(path: Path, table: CaseTable) -> Imported:
    guessed = guessed_roles(table)
    columns = {role: names[0] for role, names in guessed.items()}
    again = read_cases(path, columns) if columns else table
    notes = [
        Note(f"column {info.name}", "taken over", f"as {info.role or 'nothing'}")
        for info in again.columns
    ]
    for extra in guessed.get("expected", [])[1:]:
        how = f"it could be the expected answer as well; that is {columns['expected']}"
        notes.append(Note(f"column {extra}", "changed", how))
    read = str(again.reading)
    if read:
        notes.append(Note(path.name, "taken over", f"read as {read}"))
    expected = [case.expected for case in again.cases if case.expected is not None]
    scorers: list[str] = []
    if expected:
        kind, why = _scorer(expected)
        scorers = [kind]
        notes.append(Note("expected answers", "taken over", f"compared by {kind}: {why}"))
    notes.append(Note("rows", "taken over", "as cases", len(again.cases)))
    return Imported(tool=TOOL, name=path.stem, cases=again.cases, scorers=scorers, notes=notes)


def _scorer(expected: Sequence[Any]) -> tuple[str, str]:
    """A scorer for expected answers, and why."""
    texts = [str(value).strip() for value in expected]
    if all(re.fullmatch(r"[+-]?\d+(\.\d+)?", text) for text in texts):
        return "number", "all are numbers"
    if any(isinstance(value, dict | list) for value in expected):
        return "json", "they are JSON; the scorer fields compares fields"
    kinds = {text.casefold() for text in texts}
    if len(kinds) <= min(20, len(texts) / 2) and len(kinds) > 1:
        return "label", f"{len(kinds)} labels that repeat"
    return "contains", "the answer has to contain it"


def _column(names: Sequence[str], known: Sequence[str]) -> str | None:
    by_name = {_plain(name): name for name in reversed(names)}
    return next((by_name[key] for key in known if key in by_name), None)


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", name.casefold())
