"""Reads YAML and TOML files into pydantic models; errors name the file, line and key."""

from __future__ import annotations

import re
import tomllib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pex.core.errors import PexError, nearest
from pex.core.jsontext import DEEPEST, is_deep
from pex.core.textfile import read_text
from pex.core.values import as_text
from pex.core.yamltext import load_yaml

_LONG_KEY = re.compile(
    r"""^[ \t\[]*(?:(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){100}""", re.MULTILINE
)
"""Keys that take tomllib time quadratic in their length."""

Model = TypeVar("Model", bound=BaseModel)
LineOf = Callable[[tuple[Any, ...]], int | None]


def read_yaml(path: Path, model: type[Model], what: str) -> Model:
    """Read a YAML file into `model`.

    Raises:
        PexError: the file is missing or not valid YAML, or a key or value does not fit.
    """
    document = load_yaml(read_text(path, what), str(path))
    if not isinstance(document.data, dict):
        raise PexError(f"{path}: expected keys with values, such as 'name: …'")
    return validate(model, document.data, str(path), document.line)


def kind_of(path: Path) -> str | None:
    """What a YAML file is by its keys: "plan", "experiment", or None if it is neither.

    A file that cannot be read is neither: whoever reads it for its contents says why.
    """
    try:
        data = load_yaml(read_text(path, "file"), str(path)).data
    except PexError:
        return None
    if not isinstance(data, dict) or {"steps", "cases"} <= set(data):
        return None
    return "plan" if "steps" in data else "experiment" if "cases" in data else None


def read_toml(path: Path, model: type[Model]) -> Model:
    """Read a TOML file into `model`.

    Raises:
        PexError: the file is not valid TOML, or a key or value does not fit.
    """
    text = read_text(path, "settings").removeprefix("\ufeff")
    if found := _LONG_KEY.search(text):
        line = text.count("\n", 0, found.end()) + 1
        raise PexError(f"{path}, line {line}: not valid TOML: a key of more than 100 parts")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PexError(f"{path}: not valid TOML: {error}") from None
    except ValueError:
        raise PexError(f"{path}: not valid TOML: a number that is too long or not valid") from None
    except RecursionError:
        data = None
    if data is None or is_deep(data):
        raise PexError(f"{path}: not valid TOML: it is nested more than {DEEPEST} levels deep")
    return validate(model, data, str(path), lambda keys: _toml_line(text, keys))


def validate(
    model: type[Model], data: dict[str, Any], where: str, line_of: LineOf = lambda keys: None
) -> Model:
    """Validate `data`, or raise a `PexError` for the first error.

    If a string is expected, a number becomes one: as it was written, if it comes from YAML.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = error.errors(include_url=False)
    if (text := _with_text(data, problems)) is not None:
        return validate(model, text, where, line_of)
    # A missing key is often a misspelt one: the misspelling is the more helpful error.
    unknown = [item for item in problems if item["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]
    keys = tuple(key for key in problem["loc"] if not (isinstance(key, str) and _is_branch(key)))
    line = line_of(keys)
    place = f"{where}, line {line}" if line else where
    name = ".".join(str(key) for key in keys)
    if problem["type"] == "extra_forbidden":
        known = _fields_at(model, keys[:-1])
        raise PexError(f"{place}: unknown key '{name}'", hint=nearest(str(keys[-1]), known))
    if problem["type"] == "missing":
        raise PexError(f"{place}: the key '{name}' is missing")
    message = problem["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    given = problem.get("input")
    # Only our own checks decide what is shown: the value may be a key put there by mistake.
    own = problem["type"] == "value_error" or isinstance(given, dict | list)
    shown = "" if own else f", got {given!r}"
    raise PexError(f"{place}: {name}: {message}{shown}" if name else f"{place}: {message}")


def _with_text(data: Any, problems: Sequence[Mapping[str, Any]]) -> Any:
    """`data` with numbers as strings if strings are expected; None if there is none to convert."""
    changed = None
    for problem in problems:
        value = problem.get("input")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if problem["type"] == "string_type" and number and "[key]" not in problem["loc"]:
            keys = [key for key in problem["loc"] if not (isinstance(key, str) and _is_branch(key))]
            changed = _replaced(data if changed is None else changed, keys, as_text(value))
    return changed


def _replaced(data: Any, keys: Sequence[Any], value: Any) -> Any:
    """A copy of nested lists and dicts with a different value at one place."""
    if not keys:
        return value
    copied = list(data) if isinstance(data, list | tuple) else dict(data)
    copied[keys[0]] = _replaced(copied[keys[0]], keys[1:], value)
    return copied


def _is_branch(key: str) -> bool:
    """Whether this part of a pydantic location names a branch of a union rather than a key."""
    return "[" in key or "(" in key or key in ("str", "int", "float", "bool", "dict", "list")


def _fields_at(model: type[BaseModel], keys: tuple[Any, ...]) -> list[str]:
    current: Any = model
    for key in keys:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(key))
            # Not a field: an index in a list, or a key in a dict, of this same model.
            current = _model_in(field.annotation) if field else current
    is_model = isinstance(current, type) and issubclass(current, BaseModel)
    if not is_model:
        return []
    return [field.alias or name for name, field in current.model_fields.items()]


def _model_in(annotation: Any) -> Any:
    """The pydantic model inside `X | None`, `list[X]` or `dict[str, X]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation):
        for part in typing.get_args(annotation):
            found = _model_in(part)
            if found is not None:
                return found
    return None


def _toml_line(text: str, keys: tuple[Any, ...]) -> int | None:
    """The line of the last key in a TOML text; tomllib does not report it."""
    if not keys:
        return None
    table = ".".join(str(key) for key in keys[:-1])
    current = ""
    for number, line in enumerate(text.split("\n"), 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            current = header.group(1).replace('"', "").replace("'", "")
            if current == ".".join(str(key) for key in keys):
                return number
        elif current == table and re.match(rf"\s*[\"']?{re.escape(str(keys[-1]))}[\"']?\s*=", line):
            return number
    return None
