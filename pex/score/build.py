"""From what a user writes in `scorers` to scorers, and back to what a file can hold."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pex.core.cases import Case
from pex.core.errors import PexError, nearest
from pex.core.files import validate
from pex.core.names import check_name
from pex.core.prompt import read_text
from pex.core.spec import Strict
from pex.score import structured, text
from pex.score.base import Rule, RuleScorer, Scorer, check_expected
from pex.score.function import function_rule
from pex.score.mlflow_adapter import is_mlflow_scorer, mlflow_rule


class _Kind(Strict):
    """The options that every kind of scorer has."""

    kind: str
    name: str | None = None

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        raise NotImplementedError(self.kind)

    def needs_expected(self) -> bool:
        return True


class _Exact(_Kind):
    ignore_case: bool = False
    strip: bool = True

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.exact(self.ignore_case, self.strip)


class _Contains(_Kind):
    ignore_case: bool = True
    value: str | list[str] | None = None

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.contains(self.ignore_case, self.value)

    def needs_expected(self) -> bool:
        return self.value is None


class _Regex(_Kind):
    pattern: str | None = None
    ignore_case: bool = False
    full: bool = False

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.regex(self.pattern, self.ignore_case, self.full)

    def needs_expected(self) -> bool:
        return self.pattern is None


class _Label(_Kind):
    labels: list[str] | None = Field(default=None, min_length=1)

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        seen = {text.text_of(c.expected).strip() for c in cases if c.expected is not None}
        labels = self.labels or sorted(seen)
        allowed = {text.fold(label) for label in labels}
        for item in sorted(seen):
            if text.fold(item) not in allowed:
                raise PexError(
                    f"scorer 'label': a case expects '{item}', which is no label",
                    hint=nearest(item, labels),
                )
        return text.label(labels)


class _Json(_Kind):
    schema_: dict[str, Any] | str | None = Field(default=None, alias="schema")

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        schema = self.schema_
        if isinstance(schema, str):
            content = read_text(base / schema, "scorer 'json': schema")
            try:
                schema = json.loads(content)
            except ValueError as error:
                raise PexError(f"scorer 'json': {base / schema}: no valid JSON: {error}") from None
        return structured.valid_json(schema)

    def needs_expected(self) -> bool:
        return False


class _Number(_Kind):
    tolerance: float = Field(default=0.0, ge=0)
    relative: float = Field(default=0.0, ge=0)

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.number(self.tolerance, self.relative)


class _Fields(_Kind):
    fields: list[str] | None = Field(default=None, min_length=1)

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return structured.fields(self.fields)


class _Similarity(_Kind):
    ignore_case: bool = False

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.similarity(self.ignore_case)


class _Length(_Kind):
    max_words: int | None = Field(default=None, ge=0)
    min_words: int | None = Field(default=None, ge=0)
    max_chars: int | None = Field(default=None, ge=0)
    min_chars: int | None = Field(default=None, ge=0)

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.length(self.max_words, self.min_words, self.max_chars, self.min_chars)

    def needs_expected(self) -> bool:
        return False


class _Latency(_Kind):
    max_s: float | None = Field(default=None, gt=0)

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.latency(self.max_s)

    def needs_expected(self) -> bool:
        return False


class _Function(_Kind):
    kind: Literal["function"]
    function: str

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return function_rule(import_function(self.function), cases)

    def needs_expected(self) -> bool:
        return False


_KINDS: dict[str, type[_Kind]] = {
    "exact": _Exact,
    "contains": _Contains,
    "regex": _Regex,
    "label": _Label,
    "json": _Json,
    "number": _Number,
    "fields": _Fields,
    "similarity": _Similarity,
    "length": _Length,
    "latency": _Latency,
    "function": _Function,
}


def build(items: Iterable[Any], cases: Sequence[Case], base: Path | None = None) -> list[Scorer]:
    """The scorers that `items` name.

    Args:
        items: names of kinds, dicts with `kind` and options, functions, `"module:function"`,
            scorers of `mlflow.genai`.
        cases: what is scored; `label` takes its labels from what they expect.
        base: the folder that paths in `items` start from.

    Raises:
        PexError: an unknown kind or option, a bad pattern or schema, two scores of one name, no
            expected answers where they are needed.

    Example:
        >>> build(["exact", {"kind": "length", "max_words": 3}], [Case("a", {}, "x")])[1].name
        'length'
    """
    scorers = [_build_one(item, list(cases), base or Path()) for item in items]
    names = [scorer.name for scorer in scorers]
    for name in names:
        if names.count(name) > 1:
            raise PexError(
                f"two scorers are called '{name}'",
                hint=f"give one a name of its own: {{kind: …, name: {name}_2}}",
            )
    return scorers


def dump(items: Iterable[Any]) -> list[str | dict[str, Any]]:
    """What `experiment.yaml` says for `items`.

    Raises:
        PexError: a function or scorer that cannot be imported by a name.
    """
    dumped: list[str | dict[str, Any]] = []
    for item in items:
        if isinstance(item, str):
            dumped.append(item)
        elif isinstance(item, Mapping):
            dumped.append(dict(item))
        else:
            dumped.append(_reference(item))
    return dumped


def import_function(reference: str) -> Callable[..., Any]:
    """The function that `module:function` names.

    Raises:
        PexError: no such module or function; the nearest name is given.
    """
    module_name, _, name = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise PexError(
            f"scorer '{reference}': cannot import {module_name}: {error}",
            hint="the module must be importable where the experiment runs",
        ) from None
    function = getattr(module, name, None)
    if function is None or not (callable(function) or is_mlflow_scorer(function)):
        names = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise PexError(
            f"scorer '{reference}': {module_name} has no function '{name}'",
            hint=nearest(name, names),
        )
    return function  # type: ignore[no-any-return]


def _build_one(item: Any, cases: list[Case], base: Path) -> Scorer:
    if isinstance(item, str) and ":" in item:
        item = import_function(item)
    if isinstance(item, str):
        item = {"kind": item}
    if isinstance(item, Mapping):
        return _build_kind(dict(item), cases, base)
    if is_mlflow_scorer(item):
        return RuleScorer(str(item.name), mlflow_rule(item))
    if callable(item):
        name = getattr(item, "__name__", type(item).__name__)
        if name == "<lambda>":
            raise PexError(
                "a lambda has no name that its score could have",
                hint="write it as a function: def polite(output): return …",
            )
        return RuleScorer(check_name(name, "score name"), function_rule(item, cases))
    raise PexError(
        f"a scorer is a name, a dict with 'kind', or a function; got {type(item).__name__}",
        hint=f"kinds: {', '.join(_KINDS)}",
    )


def _build_kind(item: dict[str, Any], cases: list[Case], base: Path) -> Scorer:
    kind = item.get("kind")
    if kind is None:
        raise PexError(
            f"scorer {item}: the key 'kind' is missing", hint=f"one of {', '.join(_KINDS)}"
        )
    if kind not in _KINDS:
        raise PexError(f"there is no scorer of kind '{kind}'", hint=nearest(str(kind), _KINDS))
    options = validate(_KINDS[kind], item, f"scorer '{item.get('name') or kind}'")
    default = options.function.partition(":")[2] if isinstance(options, _Function) else kind
    name = check_name(options.name or default, "score name")
    if options.needs_expected():
        check_expected(name, cases)
    return RuleScorer(name, options.rule(cases, base))


def _reference(item: Any) -> str:
    module, name = getattr(item, "__module__", None), getattr(item, "__qualname__", None)
    shown = name or type(item).__name__
    if module in (None, "__main__") or name is None or "<" in name or "." in name:
        raise PexError(
            f"scorer '{shown}' cannot be saved: a file can only name a function that another "
            "process can import",
            hint="move it into a module, then use 'module:function'",
        )
    return f"{module}:{name}"
