"""The kinds of scorers that a file can name, and their options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pex.core import jsontext
from pex.core.cases import Case
from pex.core.errors import PexError
from pex.core.textfile import read_text
from pex.core.values import as_text, as_written
from pex.project.functions import import_callable
from pex.project.spec import Strict
from pex.score import (
    clean,
    field_plan,
    field_scorers,
    label,
    number,
    record_matching,
    structured,
    text,
    value_rules,
)
from pex.score.base import Rule, check_expected
from pex.score.field_judge import field_judges
from pex.score.function import callable_rule
from pex.score.judge.goal import goal_rubric
from pex.score.judge.judge import Judge
from pex.score.judge_rule import is_judge
from pex.score.tool_path import COLUMN, ToolCallOptions, ToolCalls
from pex.score.tool_path_steps import ForbiddenTools, Steps
from pex.score.turns import Turns
from pex.score.world import EXPECTED, State, world_rule


def _as_label(value: Any) -> Any:
    """A label as it was written: `01` and `1.10` are strings in a YAML file too."""
    return as_text(value) if isinstance(value, float) else as_written(value)


def _as_list(value: Any) -> Any:
    """One id without brackets is a list of one."""
    return [as_text(as_written(value))] if isinstance(value, str | int | float) else value


LabelText = Annotated[str | bool | int, BeforeValidator(_as_label)]


class Kind(Strict):
    """The options of every kind of scorer."""

    kind: str
    name: str | None = None
    checks: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)
    """The ids of the requirements that it checks."""

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        """The rule that these options describe.

        Raises:
            PexError: the rule cannot use an option or an expected answer.
        """
        raise NotImplementedError(self.kind)

    def default_name(self) -> str:
        """The name of the score if the user gives none."""
        return self.kind

    def needs_expected(self) -> bool:
        """Whether the scorer compares with an expected answer."""
        return True

    def gives_numbers(self) -> bool:
        """Whether the score is a number, neither a yes or no nor a share of them."""
        return False

    def imports(self) -> str | None:
        """The `module:function` that it needs, which is imported only when an experiment runs."""
        return None


class OfTurns(Kind):
    """A scorer of answers that can look at a conversation in three ways."""

    turns: Turns = "last"


class OfColumn(OfTurns):
    """A scorer that can read what it expects from a column of its own."""

    column: str | None = None


class _Exact(OfColumn):
    ignore_case: bool = False
    strip: bool = True

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.exact(self.ignore_case, self.strip)


class _Contains(OfColumn):
    ignore_case: bool = True
    value: str | list[str] | None = None

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.contains(self.ignore_case, self.value)

    def needs_expected(self) -> bool:
        return self.value is None


class _Regex(OfColumn):
    pattern: str | None = None
    ignore_case: bool = False
    full: bool = False

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.regex(self.pattern, self.ignore_case, self.full, cases)

    def needs_expected(self) -> bool:
        return self.pattern is None


class _Label(OfTurns):
    labels: list[LabelText] | None = Field(default=None, min_length=1)

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return label.label(label.allowed_labels(self.labels, cases))


class _Json(OfColumn):
    schema_: dict[str, Any] | str | None = Field(default=None, alias="schema")

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        schema = self.schema_
        if isinstance(schema, str):
            path = base / schema
            try:
                schema = jsontext.loads(read_text(path, "schema"))
            except ValueError as error:
                raise PexError(f"schema {path}: not valid JSON: {error}") from None
            if not isinstance(schema, dict):
                raise PexError(f"schema {path}: not a JSON Schema: it must be an object")
        if self.column is not None:
            if schema is not None:
                raise PexError("give 'schema', or 'column' with a schema for each case, not both")
            return structured.follows_expected(cases)
        return structured.valid_json(schema)

    def needs_expected(self) -> bool:
        return self.column is not None


class _Number(OfTurns):
    tolerance: float = Field(default=0.0, ge=0)
    relative: float = Field(default=0.0, ge=0)

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        number.check_numbers(cases)
        return number.number(self.tolerance, self.relative)


class _OfFields(OfTurns):
    """A scorer of structured answers, field by field."""

    fields: (
        Annotated[list[str], Field(min_length=1)]
        | Annotated[dict[str, Any], Field(min_length=1)]
        | None
    ) = None
    required: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)
    forbidden: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)

    def plan(self) -> field_plan.FieldPlan:
        """The fields that are compared, and how."""
        judges = self.kind == "fields"
        return field_plan.make_plan(self.fields, self.required, self.forbidden, judges)

    def written(self) -> dict[str, Any]:
        """The options as a file has them."""
        return {
            name: value_rules.written(getattr(self, name))
            for name in type(self).model_fields
            if name in self.model_fields_set and name != "checks"
        }


class FieldsKind(_OfFields):
    """`fields`: the fields of one object."""

    def rule(self, cases: Sequence[Case], base: Path) -> field_scorers.Fields:
        """The rule that these options describe."""
        plan = self.plan()
        made = field_scorers.Fields(plan, self.written())
        made.judges = field_judges(made, plan, self.name or self.kind, base)
        if made.judges and self.turns != "last":
            raise PexError(
                f"turns: {self.turns}: a judge of a field sees the last answer only",
                hint="leave out turns, or use a judge as a scorer of its own",
            )
        if made.judges and plan.needs_expected:
            check_expected(cases, self.name or self.kind)
        field_plan.check_plan(plan, cases)
        return made

    def scorer(self) -> field_scorers.Fields:
        """The same, not compared with any cases."""
        return field_scorers.Fields(self.plan(), self.written())

    def needs_expected(self) -> bool:
        """False if something is checked in every case: required or forbidden fields, a judge.

        Whether the rubric of a judge shows the expected value is known once it is read.
        """
        judged = isinstance(self.fields, dict) and any(map(is_judge, self.fields.values()))
        return not (self.required or self.forbidden or judged)


class RecordsKind(_OfFields):
    """`records`: a list of records."""

    path: str | None = None
    match_by: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)
    threshold: float = Field(default=record_matching.THRESHOLD, gt=0, le=1, strict=True)

    def rule(self, cases: Sequence[Case], base: Path) -> field_scorers.Records:
        """The rule that these options describe."""
        rule = self.scorer()
        field_scorers.check_records(rule, self.plan(), cases)
        return rule

    def scorer(self) -> field_scorers.Records:
        """The same, not compared with any cases."""
        options = (self.path, self.match_by, self.threshold, self.written())
        return field_scorers.Records(self.plan(), *options)


class _Similarity(OfColumn):
    ignore_case: bool = False

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.similarity(self.ignore_case)

    def gives_numbers(self) -> bool:
        return True


class _Length(OfTurns):
    # Strict: `max_words: true` is a mistake, not the number 1.
    max_words: int | None = Field(default=None, ge=0, strict=True)
    min_words: int | None = Field(default=None, ge=0, strict=True)
    max_chars: int | None = Field(default=None, ge=0, strict=True)
    min_chars: int | None = Field(default=None, ge=0, strict=True)

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.length(self.max_words, self.min_words, self.max_chars, self.min_chars)

    def needs_expected(self) -> bool:
        return False

    def gives_numbers(self) -> bool:
        return self.max_words is self.min_words is self.max_chars is self.min_chars is None


class _Latency(Kind):
    max_s: float | None = Field(default=None, gt=0)

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return text.latency(self.max_s)

    def needs_expected(self) -> bool:
        return False

    def gives_numbers(self) -> bool:
        return self.max_s is None


class _OfOutput(OfTurns):
    """A check of answers: it needs no expected one."""

    allow: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)

    def needs_expected(self) -> bool:
        return False

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return clean.clean(self.kind, allow=self.allow)


class _PromptLeak(_OfOutput):
    letters: int | None = Field(default=None, ge=20, strict=True)

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return clean.clean(self.kind, allow=self.allow, letters=self.letters)


class _Links(_OfOutput):
    hosts: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return clean.clean(self.kind, allow=self.allow, hosts=self.hosts)


class _LeakedData(_OfOutput):
    own_data: bool = True

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return clean.clean(self.kind, allow=self.allow, own_data=self.own_data)


class _Canary(Kind):
    def needs_expected(self) -> bool:
        return False

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return clean.canary()


class FunctionKind(OfTurns):
    """`function`: a function in a module of the project or of an installed package."""

    function: str

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        """Import the function."""
        return callable_rule(import_callable(self.function), cases)

    def default_name(self) -> str:
        """The function's own name."""
        return self.function.partition(":")[2] or self.kind

    def needs_expected(self) -> bool:
        """Unknown for a function, therefore False."""
        return False

    def imports(self) -> str | None:
        """The function itself."""
        return self.function


class JudgeKind(Kind):
    """A model that scores; it makes a judge instead of a rule."""

    prompt: str
    model: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    baseline: str | None = None
    scale: list[Annotated[int, Field(strict=True)]] | None = None
    column: str | None = None

    def judge(self, base: Path) -> Judge:
        """The judge that these options describe; its prompt's path starts from `base`."""
        path = base / self.prompt
        return Judge(
            path,
            self.model,
            self.name,
            self.params,
            baseline=self.baseline,
            scale=self.scale,
            checks=self.checks,
            column=self.column,
        )


class GoalKind(JudgeKind):
    """`goal`: a judge that sees the whole path; it has a rubric of its own."""

    prompt: str | None = None  # type: ignore[assignment]
    goal: str = "goal"

    def judge(self, base: Path) -> Judge:
        """The judge; without a prompt, with the rubric of `goal`."""
        name = self.name or self.kind
        return Judge(
            goal_rubric(self.goal, name) if self.prompt is None else base / self.prompt,
            self.model,
            name,
            self.params,
            baseline=self.baseline,
            scale=self.scale,
            checks=self.checks,
            column=self.column,
        )


class _OfPath(Kind):
    """A check of a path: what it needs is in columns of their own, or in its options."""

    def needs_expected(self) -> bool:
        return False


class _ToolCalls(_OfPath):
    order: str = "exact"
    arguments: str = "exact"
    rules: dict[str, Any] = Field(default_factory=dict)
    column: str = COLUMN
    calls: list[Any] | None = None

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        how = (self.order, self.arguments, self.rules, self.column, self.calls)
        return ToolCalls(ToolCallOptions(*how), cases)


class _Steps(_OfPath):
    # Strict: `max: true` is a mistake, not the number 1.
    max: int | None = Field(default=None, ge=0, strict=True)
    max_calls: int | None = Field(default=None, ge=0, strict=True)
    max_failed: int | None = Field(default=None, ge=0, strict=True)
    max_repeated: int | None = Field(default=None, ge=0, strict=True)
    max_wasted: int | None = Field(default=None, ge=0, strict=True)

    def limits(self) -> dict[str, int]:
        """The limits that are given, by what they limit."""
        given = {
            "steps": self.max,
            "calls": self.max_calls,
            "failed": self.max_failed,
            "repeated": self.max_repeated,
            "wasted": self.max_wasted,
        }
        return {name: most for name, most in given.items() if most is not None}

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return Steps(self.limits())

    def gives_numbers(self) -> bool:
        return not self.limits()


class _ForbiddenTools(_OfPath):
    tools: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        return ForbiddenTools(self.tools, cases)


class StateKind(_OfPath):
    """`state`: the made world after a path, by a function or as the case expects it."""

    function: str | None = None
    rules: dict[str, Any] = Field(default_factory=dict)
    rest: str = "unchanged"
    column: str = EXPECTED

    def rule(self, cases: Sequence[Case], base: Path) -> Rule:
        """Import the function, or compare with the expected world."""
        if self.function is not None:
            return world_rule(import_callable(self.function), cases)
        return State(self.rules, self.rest, self.column, cases)

    def imports(self) -> str | None:
        """The function, if it has one."""
        return self.function


KINDS: dict[str, type[Kind]] = {
    "exact": _Exact,
    "contains": _Contains,
    "regex": _Regex,
    "label": _Label,
    "json": _Json,
    "number": _Number,
    "fields": FieldsKind,
    "records": RecordsKind,
    "similarity": _Similarity,
    "length": _Length,
    "latency": _Latency,
    "canary": _Canary,
    "prompt_leak": _PromptLeak,
    "links": _Links,
    "leaked_data": _LeakedData,
    "invisible": _OfOutput,
    "unsafe_markup": _OfOutput,
    "function": FunctionKind,
    "judge": JudgeKind,
    "tool_calls": _ToolCalls,
    "steps": _Steps,
    "forbidden_tools": _ForbiddenTools,
    "state": StateKind,
    "goal": GoalKind,
}
