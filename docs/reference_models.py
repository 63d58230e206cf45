"""What the pydantic models say of the files of a project: keys, types, defaults, examples.

The description of a key is the string below its field. Its last sentence can be an example,
`Example: …`, written as in the file.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML

from pex.batch.plan import PlanSpec
from pex.monitoring.spec import MonitorSpec
from pex.project.settings import Settings
from pex.project.spec import ExperimentSpec

_EXAMPLE = re.compile(r"\s*Example: `(.+)`\.$", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class File:
    """A file of a project whose keys are those of a model."""

    name: str
    model: type[BaseModel]
    about: str

    @property
    def stem(self) -> str:
        """`plan` of `plan.yaml`."""
        return Path(self.name).stem

    def read(self, text: str) -> Any:
        """A text in the file's language as plain data."""
        if self.name.endswith(".toml"):
            return tomllib.loads(text)
        return YAML(typ="safe", pure=True).load(text)

    def value(self, text: str) -> Any:
        """A value as it stands behind a key."""
        if self.name.endswith(".toml"):
            return tomllib.loads(f"key = {text}")["key"]
        return self.read(f"key: {text}")["key"]


FILES = (
    File("experiment.yaml", ExperimentSpec, "An experiment: cases, prompts, models, scorers."),
    File("plan.yaml", PlanSpec, "A plan: which notebooks run every night, and how it is judged."),
    File("pex.toml", Settings, "The settings of a project."),
    File("monitor.yaml", MonitorSpec, "Which deployed traces are watched, and what is an alarm."),
)


@functools.cache
def _below_fields(model: type) -> dict[str, str]:
    """The strings below the fields that a class itself declares."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(model)))  # type: ignore[arg-type]
    body = next(
        node.body
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name == model.__name__
    )
    found = {}
    for field, text in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def described(model: type[BaseModel], name: str) -> tuple[str, str | None]:
    """The description of a field and its example, as text.

    Raises:
        LookupError: the field has no description.
    """
    for parent in model.__mro__:
        if issubclass(parent, BaseModel) and parent is not BaseModel:
            text = _below_fields(parent).get(name)
            if text is not None:
                example = _EXAMPLE.search(text)
                return _EXAMPLE.sub("", text), example[1] if example else None
    raise LookupError(f"{model.__module__}.{model.__name__}.{name} has no description below it")


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a type mentions, in their order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in models_in(part)]
