"""What a notebook takes as parameters, read from its `parameters` cell.

Papermill's own reading misses annotated ones such as `limit: int | None = None`, and a parameter
that no cell declares is only a warning there; here it is an error before anything runs.
"""

from __future__ import annotations

import ast
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pex.batch.kernels.grammar import put_off
from pex.core.errors import PexError, nearest
from pex.guard.redact import SHORTEST, is_key_name

TAG = "parameters"
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
    "None": (type(None),),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter and the types it takes; None where the notebook does not say."""

    name: str
    types: tuple[str, ...] | None


def declared(notebook: Path, where: str) -> dict[str, Parameter]:
    """The parameters that a notebook declares, by name.

    Args:
        notebook: the `.ipynb` file.
        where: how to name the step in an error.

    Raises:
        PexError: the notebook is missing or broken, or its parameters cell is no valid Python.
    """
    source = _parameters_cell(notebook, where)
    if source is None:
        return {}
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise PexError(
            f"{where}: {notebook.name}, cell '{TAG}', line {error.lineno}: {error.msg}"
        ) from None
    found = {}
    for statement in tree.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
            found[name] = Parameter(name, _annotated(statement.annotation))
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = Parameter(target.id, _of_default(statement.value))
    return found


def check_parameters(
    given: Mapping[str, Any], known: Mapping[str, Parameter], notebook: Path, where: str
) -> None:
    """Raise a `PexError` for a parameter that is not declared, does not fit, or is a key."""
    for name, value in given.items():
        if name not in known:
            hint = nearest(name, known) if known else f"tag the cell that declares them '{TAG}'"
            raise PexError(
                f"{where}: the notebook {notebook.name} has no parameter '{name}'", hint=hint
            )
        types = known[name].types
        if types is not None and not any(_fits(value, kind) for kind in types):
            raise PexError(
                f"{where}: the parameter '{name}' of {notebook.name} is {' | '.join(types)}, "
                f"got {value!r}"
            )
        _refuse_keys(name, value, where)


def _fits(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "bool"
    return isinstance(value, _TYPES[kind])


def _refuse_keys(name: str, value: Any, where: str) -> None:
    for variable, secret in os.environ.items():
        if len(secret) >= SHORTEST and is_key_name(variable) and secret in str(value):
            raise PexError(
                f"{where}: the parameter '{name}' is the value of {variable}; output notebooks "
                "keep parameters in clear",
                hint="let the notebook read the variable itself",
            )


def _parameters_cell(notebook: Path, where: str) -> str | None:
    put_off()  # or nbformat, by way of jsonschema, builds it
    import nbformat
    from nbformat.reader import NotJSONError

    if not notebook.is_file():
        folder = notebook.parent
        names = [file.name for file in folder.glob("*.ipynb")] if folder.is_dir() else []
        raise PexError(f"{where}: no notebook {notebook}", hint=nearest(notebook.name, names))
    try:
        content = nbformat.read(notebook, as_version=4)
        nbformat.validate(content)
    except (NotJSONError, nbformat.ValidationError, UnicodeDecodeError, AttributeError) as error:
        first = str(error).strip().splitlines()[0][:200] if str(error) else type(error).__name__
        raise PexError(f"{where}: {notebook} is no notebook: {first}") from None
    for cell in content.cells:
        if cell.cell_type == "code" and TAG in cell.metadata.get("tags", []):
            return str(cell.source)
    return None


def _annotated(annotation: ast.expr) -> tuple[str, ...] | None:
    """The plain types of an annotation such as `int | None` or `Optional[list[str]]`."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return None
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        left, right = _annotated(annotation.left), _annotated(annotation.right)
        return (*left, *right) if left and right else None
    if isinstance(annotation, ast.Subscript):
        base = ast.unparse(annotation.value).rpartition(".")[2]
        if base == "Optional":
            inner = _annotated(annotation.slice)
            return (*inner, "None") if inner else None
        return (base.lower(),) if base.lower() in _TYPES else None
    name = "None" if ast.unparse(annotation) == "None" else ast.unparse(annotation)
    return (name,) if name in _TYPES else None


def _of_default(value: ast.expr) -> tuple[str, ...] | None:
    """The type of a default, where it says one: None says nothing, and 1 may mean 1.0."""
    try:
        kind = type(ast.literal_eval(value)).__name__
    except (ValueError, TypeError, SyntaxError):
        return None
    if kind == "int":
        return ("int", "float", "None")
    return (kind, "None") if kind in _TYPES and kind != "NoneType" else None
