"""The parameters that a notebook takes, read from its `parameters` cell.

Papermill's own reading misses annotated ones such as `limit: int | None = None`, and a parameter
that no cell declares is only a warning there; here it is an error before anything runs.
"""

from __future__ import annotations

import ast
import dataclasses
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pex.batch.notebook import python_of, read_notebook
from pex.core.errors import PexError, nearest
from pex.guard.encoded_keys import SHORTEST
from pex.guard.key_names import is_sure
from pex.guard.redact import is_secret, redact

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
    """A declared parameter.

    `types` are the types it accepts, None if the notebook does not say; `required` means it has no
    default there: `X: int`.
    """

    name: str
    types: tuple[str, ...] | None
    required: bool = False


def declared(notebook: Path, where: str) -> dict[str, Parameter]:
    """The parameters that a notebook declares, by name.

    Args:
        notebook: the `.ipynb` file.
        where: the name of the step in an error.

    Raises:
        PexError: the notebook is missing or could not run, or its parameters are not valid Python.
    """
    content = read_notebook(notebook, where)
    source = next((cell.source for cell in content.cells if _is_tagged(cell)), "")
    try:
        tree = ast.parse(python_of(source))
    except SyntaxError as error:
        raise PexError(
            f"{where}: {notebook.name}, cell '{TAG}', line {error.lineno}: {error.msg}"
        ) from None
    found: dict[str, Parameter] = {}
    for statement in tree.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
            required = statement.value is None and name not in found
            found[name] = Parameter(name, _annotated(statement.annotation), required)
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = Parameter(target.id, _of_default(statement.value))
    return found


def check_parameters(
    given: Mapping[str, Any], known: Mapping[str, Parameter], notebook: Path, where: str
) -> None:
    """Check the given parameters against the notebook's declarations.

    Raises:
        PexError: a parameter is not declared, does not fit, cannot be written into a notebook or is
            a key; or a required one is missing.
    """
    for name, value in given.items():
        if name not in known:
            hint = nearest(name, known) if known else f"tag the cell that declares them '{TAG}'"
            raise PexError(
                f"{where}: the notebook {notebook.name} has no parameter '{name}'", hint=hint
            )
        _refuse_keys(name, value, where)
        types = known[name].types
        if types is not None and not any(_fits(value, kind) for kind in types):
            raise PexError(
                f"{where}: the parameter '{name}' of {notebook.name} is {' | '.join(types)}, "
                f"got {value!r}"
            )
        _refuse_unwritable(name, value, where)
    lacking = [name for name, item in known.items() if item.required and name not in given]
    if lacking:
        raise PexError(
            f"{where}: the notebook {notebook.name} needs the parameter '{lacking[0]}'",
            hint="give it under 'parameters' or 'sweep', or a value in the notebook",
        )


def _is_tagged(cell: Any) -> bool:
    return cell.cell_type == "code" and TAG in cell.metadata.get("tags", [])


def _fits(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "bool"
    return isinstance(value, _TYPES[kind])


def _refuse_keys(name: str, value: Any, where: str) -> None:
    for part in _parts(value):
        text = str(part)
        if len(text) < SHORTEST:
            continue
        for variable, secret in os.environ.items():
            if len(secret) >= SHORTEST and secret in text and is_secret(variable, secret):
                raise PexError(
                    f"{where}: the parameter '{name}' is the value of {variable}; output "
                    "notebooks store parameters in plain text",
                    hint="let the notebook read the variable itself",
                )
        if redact(text) != text or (is_sure(name) and _looks_like_a_key(part)):
            raise PexError(
                f"{where}: the parameter '{name}' looks like a key or a password; output "
                "notebooks store parameters in plain text",
                hint="give the name of an environment variable and let the notebook read it",
            )


def _looks_like_a_key(value: Any) -> bool:
    """Whether a parameter named like a key holds one, not the name of a column or variable.

    Example:
        >>> [_looks_like_a_key(text) for text in ("sk-a1b2c3d4e5f6", "created_at", "KEY_2_OF_TEAM")]
        [True, False, False]
    """
    return (
        isinstance(value, str)
        and re.fullmatch(r"\S{12,}", value) is not None
        and re.search(r"\d", value) is not None
        and re.fullmatch(r"[A-Z_][A-Z0-9_]*", value) is None
    )


def _refuse_unwritable(name: str, value: Any, where: str) -> None:
    """Refuse a value that JSON cannot hold: output notebooks store their parameters as JSON."""
    for part in _parts(value):
        if isinstance(part, float) and not math.isfinite(part):
            raise PexError(
                f"{where}: the parameter '{name}' has a value that a notebook cannot hold: {part}",
                hint="a string such as 'nan', which the notebook turns into a number, works",
            )
        if not isinstance(part, str | int | float | None):
            kind = type(part).__name__
            raise PexError(
                f"{where}: the parameter '{name}' has a value of the type {kind}, which a notebook "
                "cannot hold",
                hint=f"in quotes it is a string: '{part}'",
            )


def _parts(value: Any) -> Iterator[Any]:
    """Every value within lists and dicts, including keys."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _parts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _parts(item)
    else:
        yield value


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
    """The type of a default, if it implies one: None implies nothing, and 1 may mean 1.0."""
    try:
        kind = type(ast.literal_eval(value)).__name__
    except (ValueError, TypeError, SyntaxError):
        return None
    if kind == "int":
        return ("int", "float", "None")
    return (kind, "None") if kind in _TYPES and kind != "NoneType" else None
